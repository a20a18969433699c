"""The hyper-parameter study: a grid of configurations trained on a data set, and on condensed sets in its place."""

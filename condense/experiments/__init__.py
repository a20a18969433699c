"""Experiments built upon the package: questions asked of data sets and condensed sets, each with its own folder and page."""

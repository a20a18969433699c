"""Dataset condensation: learn a handful of images per class that train a network nearly as well as the whole set."""

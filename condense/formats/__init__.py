"""Sets in the files of other programs."""

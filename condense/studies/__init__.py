"""What there is to study: which cells, and what is reported of them, one folder a study."""

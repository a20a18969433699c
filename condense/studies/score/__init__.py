"""What a set is worth beside random real images and all real ones: the measures of DD-Ranking."""

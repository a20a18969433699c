"""Methods of stage C, one file each."""

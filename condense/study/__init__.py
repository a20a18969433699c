"""One engine for everything that is many cells: what a study is, its folder, and who computes its cells."""

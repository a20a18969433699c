"""The cross-architecture matrix: sets learned with some networks, each used to train others."""

"""Stage T: how a synthetic set is evaluated."""

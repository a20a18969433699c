"""Stage C: how a synthetic set is learned."""

"""Slow, plain twins of the fast paths, written as the papers and the published code describe them.

Only tests, benchmarks and `condense doctor` import this package, and no other command loads it.
"""

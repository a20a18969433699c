"""Slow, plain twins of the fast paths, written as the papers and the published code describe them.

Only tests and benchmarks import this package.
"""

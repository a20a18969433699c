"""Whether this machine computes what it should: the plain twins against the fast paths, at the widths that are used.

On a GPU nothing else proves it: the tests run where there is one, and most of those who write code have none.
"""

"""Experiments that use the package's data, records and pages, and add what is theirs."""

"""A limit for reading objects that none of the tests' own reaches."""

LIMIT = 2**30  # bytes

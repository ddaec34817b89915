"""A limit for reading objects, larger than every object of the tests."""

LIMIT = 2**30  # bytes

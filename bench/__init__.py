"""Benchmarks: every number stands beside its baseline, measured in the same run on the same machine."""

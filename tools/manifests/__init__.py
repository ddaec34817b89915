"""Kubernetes manifests: what of them is made by code, and the rules that they keep."""

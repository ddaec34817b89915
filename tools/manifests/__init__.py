"""Kubernetes manifests: the parts that code generates, and the rules that all manifests must follow."""

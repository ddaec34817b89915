"""Standalone: the jobs of all services in one process tree, over a folder of photographs."""

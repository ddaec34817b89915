"""A test of docker-compose.yml on a container engine, from the build to the end: `python -m tools.compose`."""

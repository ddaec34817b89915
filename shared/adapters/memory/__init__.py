"""All ports in memory: for tests, and for programs that embed facestream."""

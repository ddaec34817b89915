"""What `facestream init` creates on the servers: topics and users."""

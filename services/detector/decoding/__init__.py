"""What decoding has to know of each kind of file beyond what its library does."""

"""What facestream needs from outside, as protocols; `shared/adapters` implements them."""

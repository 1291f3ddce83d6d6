"""What improves a program: each pass takes a program and returns one with the same values."""

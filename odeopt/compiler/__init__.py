"""A step or right-hand side as a program of scalar operations: traced, improved, and checked against its function."""

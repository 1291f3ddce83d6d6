"""The optimizers by name, a file for each family: each function returns an `Optimizer`."""

"""Integrates a flow: SciPy's solvers behind guards, compiled kernels, and the strategy that chooses among them."""

"""Programs of scalar operations for steps and right-hand sides: tracing, optimization, code, and numerical checks."""

"""The step of an optimizer as a map of vectors: its first and second derivatives, and its average over oscillations."""

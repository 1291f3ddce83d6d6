"""The multipliers of a step near the unit circle, with their right and left vectors."""

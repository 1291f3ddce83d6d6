"""Runs an optimizer on a problem and records its path."""

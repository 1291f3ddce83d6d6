"""Passes: each takes a program and returns one with the same values, or analyses it."""

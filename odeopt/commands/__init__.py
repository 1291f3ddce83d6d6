"""The commands of `python -m odeopt`."""

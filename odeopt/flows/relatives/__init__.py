"""Relatives of Adam, a file for each: flows with another memory, or with another use of it."""

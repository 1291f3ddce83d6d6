"""The elementary operations of which every formula is made, by their names in NumPy."""

TRUTH = frozenset(
    ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not")
)  # whose values are true or false

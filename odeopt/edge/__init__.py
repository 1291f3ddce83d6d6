"""Training at the edge of stability: averaged paths where iterates oscillate and no ordinary flow follows them."""

"""What takes many steps of a run at once: one engine for each kind of generated code."""

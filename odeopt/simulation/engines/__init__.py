"""The engines that take many steps of a run at once, one for each kind of generated code."""

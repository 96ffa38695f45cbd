"""People: the model slice, the one to copy."""

"""The history: what people read of it, undo, and seals that show whether somebody tampered with it."""

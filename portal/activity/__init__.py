"""The history that people read: lists, sentences, export, undo."""

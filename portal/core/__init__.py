"""Rules that apply everywhere. Uses SQLAlchemy; depends on neither requests nor features."""

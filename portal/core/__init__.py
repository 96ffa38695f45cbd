"""Rules that apply everywhere. Uses SQLAlchemy; knows neither requests nor features."""

"""The rules that hold everywhere; knows SQLAlchemy, no request and no feature."""

"""Sessions, refresh tokens and API tokens. Only their SHA-256 is stored."""

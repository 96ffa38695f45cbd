"""Sessions, refresh tokens and API tokens. The database stores only the SHA-256 of each token."""

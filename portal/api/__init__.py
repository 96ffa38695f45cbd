"""The JSON API: sign in, refresh tokens, read the profile."""

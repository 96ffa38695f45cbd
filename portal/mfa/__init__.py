"""Two-factor authentication: authenticator apps, passkeys, recovery codes."""

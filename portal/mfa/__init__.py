"""What people show beside the password: codes of an app, passkeys, recovery codes."""

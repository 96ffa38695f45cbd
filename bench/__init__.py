"""What is fast, measured beside a limit."""

"""The pages of two-step sign-in: setting it up, and taking it away."""

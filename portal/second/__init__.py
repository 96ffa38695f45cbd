"""The pages of the second step: setting it up, and taking it away."""

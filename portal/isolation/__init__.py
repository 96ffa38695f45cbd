"""Test tenant isolation: look for another tenant's rows on every page, and roll everything back."""

"""The self-test of tenant isolation: search every page for another tenant's rows, and roll everything back."""

"""Benchmarks against limits."""

"""Benchmarks: what the project promises about speed and size, each measured as a ratio in one run."""

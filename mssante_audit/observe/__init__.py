"""Observations: what the network said of the listed domains, and when."""

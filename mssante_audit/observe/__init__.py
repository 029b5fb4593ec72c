"""Observations: what the network said of the listed domains, and when."""

from mssante_audit.observe.observation import Observation, load_observation

__all__ = ["Observation", "load_observation"]

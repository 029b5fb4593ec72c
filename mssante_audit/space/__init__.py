"""The trust space: everything an audit may look at, loaded once."""

from mssante_audit.space.trust import Thresholds, TrustSpace, load_space

__all__ = ["Thresholds", "TrustSpace", "load_space"]

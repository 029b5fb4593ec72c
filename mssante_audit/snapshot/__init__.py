"""The snapshot: a trust space and all that was found in it, worked out once, as a folder of Parquet."""

from mssante_audit.snapshot.load import is_snapshot, load_space, made_as_of
from mssante_audit.snapshot.make import make_snapshot

__all__ = ["is_snapshot", "load_space", "made_as_of", "make_snapshot"]

"""The inputs of an audit (list, register, observations, …): their names, and the state that each is in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LIST = "list"  # the white list; the others are named in `mssante_audit.findings.registry.input_of`
# The gravest first: of several, it is the one that counts.
STATES = (
    "absent", "damaged", "future", "changed-signer", "unverified", "quarantined", "older", "shrunk", "stale",
    "ok",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """The state of one input."""

    name: str
    state: str  # of `STATES`
    # Whole days between when it was made and the instant audited at; ``None`` where it does not say.
    age_days: int | None
    why: Mapping[str, Any] = field(default_factory=dict)
    tolerated: bool = False  # whether the settings say to believe it all the same

    @property
    def doubtful(self) -> bool:
        """Whether what rests on it is unknown."""
        return self.state != "ok" and not self.tolerated

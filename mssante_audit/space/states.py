"""The state of each input: whether what is found, or is no longer found, in it can be believed.

========================  =================================================================================
state                     the input
========================  =================================================================================
``absent``                is not there, and was in the run before or is asked for by the settings
``damaged``               cannot be read, or not wholly; of the list also: does not say when it was made
``future``                says that it was made after the instant audited at
``changed-signer``        the list is signed by somebody else than expected, or than before
``unverified``            the list is unsigned, or its signature is wrong or of no known authority
``quarantined``           the list published now was refused; the last good one is audited
``older``                 was made before what an earlier run had
``shrunk``                lost more than `mssante_audit.base.settings.Inputs` allows
``stale``                 is older than the settings allow
``ok``                    none of these
========================  =================================================================================

Of several the first is told. Findings of audits that rest on an input which is not ``ok``
(`mssante_audit.findings.registry.Audit.rests`) are unknown: neither new nor fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from mssante_audit.archive.log import Record
from mssante_audit.base.instants import SKEW, parse_instant
from mssante_audit.base.language import count
from mssante_audit.base.settings import Inputs
from mssante_audit.findings.registry import LIST, input_of, known_needs
from mssante_audit.findings.templates import said
from mssante_audit.mailboxes.extraction import AHEAD
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.reliance import doubts

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace

STATES = (
    "absent", "damaged", "future", "changed-signer", "unverified", "quarantined", "older", "shrunk", "stale",
    "ok",
)  # fmt: skip
"""The gravest first."""

ANCHORS = "anchors"
"""What `TrustSpace.faults` calls the certificates to trust: no input, but the list hangs on them."""

Known = Mapping[str, Mapping[str, Any]]
"""What the last good run had of each input (`figures`), as JSON types."""
Found = tuple[str, Mapping[str, Any]]
"""A state that an input is in, and why."""

_DOUBTS = {
    "forged": "unverified", "unsigned": "unverified", "untrusted": "unverified", "damaged": "damaged",
    "undated": "damaged", "future": "future", "old": "stale",
}  # fmt: skip
"""The state that each doubt of `mssante_audit.whitelist.reliance` is."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of one input."""

    name: str
    """``list``, or the input's name in `mssante_audit.findings.registry.input_of`."""
    state: str
    """One of `STATES`."""
    age_days: int | None
    """Whole days between when it was made and the instant audited at; ``None`` where it does not say."""
    why: Mapping[str, Any] = field(default_factory=dict)
    """The facts of it, which `worded` says."""
    tolerated: bool = False
    """Whether the settings say to believe it all the same."""

    @property
    def doubtful(self) -> bool:
        """Whether what rests on it is unknown."""
        return self.state != "ok" and not self.tolerated

    def told(self, language: str = "") -> dict[str, Any]:
        """Return it as JSON types, why in words."""
        return asdict(self) | {"why": worded(self, language)}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is seen of an input."""

    made: datetime | None
    size: int
    """What of it can be lost: rows, declarations, observed domains, mailboxes, lists."""
    max_age: int = 0
    """Days; 0 sets no limit."""
    max_loss: float = 0
    signer: str = ""
    faults: Sequence[Found] = ()
    """States it is in by itself."""
    ahead: timedelta | None = SKEW
    """How far it may be of the future; ``None``: its date is no clock's, and may go to and fro."""


def states_of(
    space: TrustSpace,
    limits: Inputs | None = None,
    known: Known | None = None,
    published: Record | None = None,
) -> tuple[State, ...]:
    """Return the state of each input that a space has, or that is known from before.

    Parameters
    ----------
    space
        What was loaded; `TrustSpace.faults` says which of its inputs could not be read.
    limits
        What is allowed, and what is tolerated.
    known
        What was there before, empty for what only the settings ask for; of what is not in it and not there
        nothing is said.
    published
        What became of the list published now, where it was fetched.
    """
    limits, known = limits or Inputs(), known or {}
    seen = dict(_seen(space, limits))
    told = []
    found: list[Found]
    for name in (LIST, *map(input_of, known_needs())):
        before = known.get(name)
        if name in space.faults:
            found = [("damaged", {"error": space.faults[name]})]
        elif name in seen:
            found = list(_faults(seen[name], before, space.as_of))
            if name == LIST:
                found += _published(space, published) + _kept_as(space, before)
        elif any(one.why == "future" and one.file.startswith(f"{name}-") for one in space.aside):
            found = [("future", {"made": None})]
        elif before is not None:
            found = [("absent", {"before": bool(before)})]
        else:
            continue
        state, why = min(found, key=lambda one: STATES.index(one[0]), default=("ok", {}))
        made = seen[name].made if name in seen else None
        age = None if made is None else int((space.as_of - made) / timedelta(days=1))
        spared = state != "ok" and not {name, f"{name}:{state}"}.isdisjoint(limits.tolerated)
        told.append(State(name, state, age, {"input": name, **why}, spared))
    return tuple(told)


def figures(space: TrustSpace, states: tuple[State, ...], known: Known | None = None) -> Known:
    """Return what the next run is to hold its inputs against: of those in doubt, what was known before."""
    doubtful = {one.name for one in states if one.doubtful}
    kept = {name: told for name, told in (known or {}).items() if name in doubtful}
    return kept | {
        name: {"made": one.made and one.made.isoformat(), "size": one.size, "signer": one.signer}
        for name, one in _seen(space, Inputs())
        if name not in doubtful
    }


def worded(state: State, language: str = "") -> str:
    """Say why an input is in its state; "" for one that is ``ok``."""
    return said("mssante_audit.space", state.state.replace("-", "_"), state.why, language)


def named(name: str, language: str = "") -> str:
    """Return what an input is called."""
    return said("mssante_audit.space", "input_name", name, language)


def aged(name: str, days: int | None) -> str:
    """Return what an input is called in the language spoken, with its age where it says it."""
    return named(name) if days is None else f"{named(name)} ({count(days, 'jour')})"


def remedied(state: State, language: str = "") -> str:
    """Say what to do about an input that is not ``ok``."""
    told = {"name": state.name, "state": state.state, "doubt": state.why.get("doubt", "")}
    return said("mssante_audit.space", "remedy", told, language)


def _faults(seen: _Seen, before: Mapping[str, Any] | None, as_of: datetime) -> Iterator[Found]:
    """Yield every state but ``ok`` that an input is in, by itself or against what was there before."""
    yield from seen.faults
    made = seen.made
    if made is not None and seen.ahead is not None and made > as_of + seen.ahead:
        yield "future", {"made": made.isoformat()}
    if made is not None and seen.max_age and as_of - made > timedelta(seen.max_age):
        yield "stale", {"days": (as_of - made).days, "limit": seen.max_age}
    if before is None:
        return
    earlier = before.get("made")
    if made is not None and earlier and seen.ahead is not None and made < parse_instant(earlier):
        yield "older", {"made": made.isoformat(), "before": earlier}
    if seen.faults and before.get("signer") and seen.signer not in ("", before["signer"]):
        yield "changed-signer", {"signer": seen.signer}
    if seen.size < (1 - seen.max_loss) * before.get("size", 0):
        yield "shrunk", {"size": seen.size, "before": before["size"]}


def _published(space: TrustSpace, record: Record | None) -> list[Found]:
    """Return in which states the list published now is, though it is not the one audited."""
    if record is None:
        return []
    if record.outcome == "quarantined":
        changed = {"signer": record.signer}
        return [("changed-signer", changed) if "changed-signer" in record.flags else ("quarantined", {})]
    kept = space.archive.snapshots if space.archive else ()
    made = next((one.generated_at for one in kept if one.name == record.file), None)
    own = space.whitelist.generated_at
    if made is not None and made > space.as_of + SKEW:
        return [("future", {"made": made.isoformat()})]
    if made is not None and own is not None and made < own.replace(microsecond=0):
        return [("older", {"made": made.isoformat(), "before": own.isoformat()})]
    return []


def _kept_as(space: TrustSpace, before: object) -> list[Found]:
    """Return whether the list was shrunk when the archive kept it: all there is without a run before."""
    if before is not None or space.archive is None:
        return []
    own = {one.name for one in space.archive.snapshots if space.whitelist.sha256.startswith(one.sha)}
    flagged = any(r.file in own and "shrunk" in r.flags for r in space.archive.log if r.outcome == "kept")
    return [("shrunk", {"size": len(space.entries), "before": 0})] if flagged else []


# -- what is seen of each -----------------------------------------------------------------------------------


def _seen(space: TrustSpace, limits: Inputs) -> Iterator[tuple[str, _Seen]]:
    yield LIST, _list(space, limits)
    for need in known_needs():
        if space.given(need) is not None:
            yield input_of(need), _LOOK.get(need, partial(_observed, need))(space, limits)


def _list(space: TrustSpace, limits: Inputs) -> _Seen:
    whitelist, limit = space.whitelist, space.thresholds.list_max_age_days
    verdict, made = whitelist.signature, whitelist.generated_at
    signer = parse_dn(verdict.signer).get("CN")
    faults: list[Found] = []
    for doubt in doubts(whitelist, space.as_of):
        why: dict[str, Any] = {"doubt": doubt}
        if doubt == "untrusted" and ANCHORS in space.faults:
            why["error"] = space.faults[ANCHORS]
        if doubt == "untrusted" and verdict.reason == "signer":
            faults.append(("changed-signer", {"signer": signer}))
        elif doubt != "future":
            faults.append((_DOUBTS[doubt], why))
    # An age of no days is a limit too.
    if made is not None and not limit and made < space.as_of:
        faults.append(("stale", {"days": (space.as_of - made).days, "limit": 0}))
    return _Seen(made, len(space.entries), limit, limits.max_loss, signer, faults)


def _register(space: TrustSpace, limits: Inputs) -> _Seen:
    """Look at a register: it is as old as the last declaration in it, and nothing orders these."""
    assert space.declarations is not None  # noqa: S101 - looked at where it is there
    known = space.declarations.until(space.as_of)["date"].max()
    made = None if pd.isna(known) else parse_instant(known.to_pydatetime())
    size = len(space.declarations.declarations)
    return _Seen(made, size, limits.register_max_age_days, limits.max_loss, ahead=None)


def _observed(need: str, space: TrustSpace, limits: Inputs) -> _Seen:
    """Look at what was observed, of whatever kind: by its newest file, which older ones may complete."""
    seen = space.given(need)
    newest, *older = seen.parts
    torn = not newest.complete or newest.problems["kind"].isin(["cut", "damaged"]).any()
    faults: list[Found] = [("damaged", {})] if torn and not older else []
    limit = space.thresholds.observation_max_age_days
    return _Seen(newest.started_at, seen.size, limit, limits.max_loss, faults=faults)


def _mailboxes(space: TrustSpace, limits: Inputs) -> _Seen:
    found = space.mailboxes
    assert found is not None  # noqa: S101 - as above
    fault = found.fault(space.whitelist.generated_at or space.as_of)
    faults: list[Found] = [("damaged", {})] if fault else []
    if fault == "old":
        faults = [("stale", {"days": abs((space.as_of - found.made_at).days), "limit": None})]
    size, limit = sum(found.by_domain.values()), limits.mailboxes_max_age_days
    return _Seen(found.made_at, size, limit, limits.max_loss, faults=faults, ahead=AHEAD)


def _archive(space: TrustSpace, limits: Inputs) -> _Seen:
    assert space.archive is not None  # noqa: S101 - as above
    known = space.archive.until(space.as_of)
    made = known[-1].generated_at if known else None
    own = space.whitelist.generated_at
    # Where its last list is the one audited, their age is one and the same cause, and the list's.
    same = made is not None and own is not None and made == own.replace(microsecond=0)
    return _Seen(made, len(known), 0 if same else limits.archive_max_age_days)


_LOOK: Mapping[str, Callable[[TrustSpace, Inputs], _Seen]] = {
    "declarations": _register, "mailboxes": _mailboxes, "archive": _archive,
}  # fmt: skip
"""By need; others are observations."""

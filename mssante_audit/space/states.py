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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from mssante_audit.archive.log import Record
from mssante_audit.base.instants import SKEW, parse_instant
from mssante_audit.base.language import count
from mssante_audit.base.settings import Inputs
from mssante_audit.findings.registry import LIST, input_of, known_needs
from mssante_audit.findings.templates import said
from mssante_audit.mailboxes.extraction import AHEAD
from mssante_audit.observe.kinds import kinds
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.reliance import doubts

if TYPE_CHECKING:
    from mssante_audit.archive.store import Archive
    from mssante_audit.declarations.register import Register
    from mssante_audit.mailboxes.extraction import Extraction
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
Fault = tuple[str, Mapping[str, Any]]
"""A state that an input is in, and the facts of it."""

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
class _Input:
    """What is seen of an input."""

    made: datetime | None
    size: int
    """What of it can be lost: rows, declarations, observed domains, mailboxes, lists."""
    max_age: int = 0
    """Days; 0 sets no limit."""
    max_loss: float = 0
    signer: str = ""
    faults: Sequence[Fault] = ()
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
    inputs = _inputs(space, limits)
    states = []
    for name in (LIST, *map(input_of, known_needs())):
        faults = _faults_of(name, inputs.get(name), space, known.get(name), published)
        if faults is None:
            continue
        state, why = min(faults, key=lambda fault: STATES.index(fault[0]), default=("ok", {}))
        made = inputs[name].made if name in inputs else None
        age = None if made is None else int((space.as_of - made) / timedelta(days=1))
        tolerated = state != "ok" and not {name, f"{name}:{state}"}.isdisjoint(limits.tolerated)
        states.append(State(name, state, age, {"input": name, **why}, tolerated))
    return tuple(states)


def figures(space: TrustSpace, states: tuple[State, ...], known: Known | None = None) -> Known:
    """Return what the next run is to hold its inputs against: of those in doubt, what was known before."""
    doubtful = {state.name for state in states if state.doubtful}
    kept = {name: before for name, before in (known or {}).items() if name in doubtful}
    return kept | {
        name: {"made": seen.made and seen.made.isoformat(), "size": seen.size, "signer": seen.signer}
        for name, seen in _inputs(space, Inputs()).items()
        if name not in doubtful
    }


def worded(state: State, language: str = "") -> str:
    """Say why an input is in its state; "" for one that is ``ok``."""
    return said("mssante_audit.space", state.state.replace("-", "_"), state.why, language)


def named(name: str, language: str = "") -> str:
    """Return what an input is called."""
    return said("mssante_audit.space", "input_name", name, language)


def aged(name: str, days: int | None) -> str:
    """Return what an input is called in the current language, with its age where it says it."""
    return named(name) if days is None else f"{named(name)} ({count(days, 'jour')})"


def remedied(state: State, language: str = "") -> str:
    """Say what to do about an input that is not ``ok``."""
    facts = {"name": state.name, "state": state.state, "doubt": state.why.get("doubt", "")}
    return said("mssante_audit.space", "remedy", facts, language)


def _faults_of(
    name: str,
    seen: _Input | None,
    space: TrustSpace,
    before: Mapping[str, Any] | None,
    published: Record | None,
) -> list[Fault] | None:
    """Return every state but ``ok`` that an input is in, ``None`` where nothing is to be said of it."""
    if name in space.faults:
        return [("damaged", {"error": space.faults[name]})]
    if seen is not None:
        faults = [*seen.faults, *_against(seen, before, space.as_of)]
        return faults + (_published(space, published) + _kept_as(space, before) if name == LIST else [])
    if any(aside.why == "future" and aside.file.startswith(f"{name}-") for aside in space.aside):
        return [("future", {"made": None})]
    return None if before is None else [("absent", {"before": bool(before)})]


def _against(seen: _Input, before: Mapping[str, Any] | None, as_of: datetime) -> Iterator[Fault]:
    """Yield the states that an input is in by its date, or against what was there before."""
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


def _published(space: TrustSpace, record: Record | None) -> list[Fault]:
    """Return in which states the list published now is, though it is not the one audited."""
    if record is None:
        return []
    if record.outcome == "quarantined":
        changed = {"signer": record.signer}
        return [("changed-signer", changed) if "changed-signer" in record.flags else ("quarantined", {})]
    kept = space.archive.snapshots if space.archive else ()
    made = next((snapshot.generated_at for snapshot in kept if snapshot.name == record.file), None)
    audited = space.whitelist.generated_at
    if made is not None and made > space.as_of + SKEW:
        return [("future", {"made": made.isoformat()})]
    if made is not None and audited is not None and made < audited.replace(microsecond=0):
        return [("older", {"made": made.isoformat(), "before": audited.isoformat()})]
    return []


def _kept_as(space: TrustSpace, before: object) -> list[Fault]:
    """Return whether the list was shrunk when the archive kept it: all there is without a run before."""
    archive = space.archive
    if before is not None or archive is None:
        return []
    names = {
        snapshot.name for snapshot in archive.snapshots if space.whitelist.sha256.startswith(snapshot.sha)
    }
    shrunk = any(r.file in names and "shrunk" in r.flags for r in archive.log if r.outcome == "kept")
    return [("shrunk", {"size": len(space.entries), "before": 0})] if shrunk else []


# -- what is seen of each -----------------------------------------------------------------------------------


def _inputs(space: TrustSpace, limits: Inputs) -> dict[str, _Input]:
    """Return what is seen of each input that is there."""
    inputs = {LIST: _list(space, limits)}
    if space.declarations is not None:
        inputs["register"] = _register(space.declarations, space, limits)
    max_age = space.thresholds.observation_max_age_days
    for kind in kinds():
        if (observed := space.given(kind.need)) is not None:  # by its newest file, which older ones complete
            newest, *older = observed.parts
            torn = not newest.complete or newest.problems["kind"].isin(["cut", "damaged"]).any()
            faults: list[Fault] = [("damaged", {})] if torn and not older else []
            of_kind = _Input(newest.started_at, observed.size, max_age, limits.max_loss, faults=faults)
            inputs[kind.name] = of_kind
    if space.mailboxes is not None:
        inputs["mailboxes"] = _mailboxes(space.mailboxes, space, limits)
    if space.archive is not None:
        inputs["archive"] = _archive(space.archive, space, limits)
    return inputs


def _list(space: TrustSpace, limits: Inputs) -> _Input:
    whitelist, limit = space.whitelist, space.thresholds.list_max_age_days
    verdict, made = whitelist.signature, whitelist.generated_at
    signer = parse_dn(verdict.signer).get("CN")
    faults: list[Fault] = []
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
    return _Input(made, len(space.entries), limit, limits.max_loss, signer, faults)


def _register(register: Register, space: TrustSpace, limits: Inputs) -> _Input:
    """Look at a register: it is as old as the last declaration in it, and nothing orders these."""
    last = register.until(space.as_of)["date"].max()
    made = None if pd.isna(last) else parse_instant(last.to_pydatetime())
    size = len(register.declarations)
    return _Input(made, size, limits.register_max_age_days, limits.max_loss, ahead=None)


def _mailboxes(mailboxes: Extraction, space: TrustSpace, limits: Inputs) -> _Input:
    fault = mailboxes.fault(space.whitelist.generated_at or space.as_of)
    faults: list[Fault] = [("damaged", {})] if fault else []
    if fault == "old":
        faults = [("stale", {"days": abs((space.as_of - mailboxes.made_at).days), "limit": None})]
    size, limit = sum(mailboxes.by_domain.values()), limits.mailboxes_max_age_days
    return _Input(mailboxes.made_at, size, limit, limits.max_loss, faults=faults, ahead=AHEAD)


def _archive(archive: Archive, space: TrustSpace, limits: Inputs) -> _Input:
    snapshots, audited = archive.until(space.as_of), space.whitelist.generated_at
    made = snapshots[-1].generated_at if snapshots else None
    # Where its last list is the one audited, their age is one and the same cause, and the list's.
    same = made is not None and audited is not None and made == audited.replace(microsecond=0)
    return _Input(made, len(snapshots), 0 if same else limits.archive_max_age_days)

"""The state of each input (`STATES`): whether what is found, or is no longer found, in it can be believed.

Findings of audits that rest on an input which is not ``ok`` are unknown: neither new nor fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from mssante_audit.archive.store import LogLine
from mssante_audit.base.errors import InputError
from mssante_audit.base.inputs import LIST, STATES, State
from mssante_audit.base.instants import SKEW, parse_instant
from mssante_audit.base.language import count
from mssante_audit.base.settings import Inputs
from mssante_audit.findings.registry import input_of, known_needs
from mssante_audit.findings.templates import phrase
from mssante_audit.mailboxes.extraction import AHEAD
from mssante_audit.observe.kinds import KINDS
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.person import unnamed
from mssante_audit.whitelist.load import doubts

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace

# What `TrustSpace.faults` calls the certificates to trust: no input, but the list hangs on them.
ANCHORS = "anchors"

Known = Mapping[str, Mapping[str, Any]]  # what the last good run had of each input (`figures`), as JSON types
Fault = tuple[str, Mapping[str, Any]]  # a state that an input is in, and the facts of it

_say = partial(phrase, "mssante_audit.space")
# The state that each doubt of `mssante_audit.whitelist.load` is.
_DOUBTS = {"misnamed": "changed-signer", "old": "stale"}
_DOUBTS |= dict.fromkeys(("forged", "unsigned", "untrusted", "unfit", "expired", "revoked"), "unverified")
_DOUBTS |= dict.fromkeys(("damaged", "cut", "undated"), "damaged")


def as_json(state: State, language: str = "") -> dict[str, Any]:
    """Return a state as JSON types, why in words."""
    return asdict(state) | {"why": worded(state, language)}


class _Input(NamedTuple):
    """What is seen of an input."""

    made: datetime | None
    size: int  # what of it can be lost: rows, declarations, observed domains, mailboxes, lists
    max_age: int = 0  # days; 0 sets no limit
    max_loss: float = 0
    faults: Sequence[Fault] = ()  # states it is in by itself
    signer: str = ""
    # How far it may be of the future; ``None``: its date is no clock's, and may go to and fro.
    ahead: timedelta | None = SKEW


def states_of(
    space: TrustSpace,
    limits: Inputs | None = None,
    known: Known | None = None,
    published: LogLine | None = None,
) -> tuple[State, ...]:
    """Return the state of each input that a space has, or that is known from before.

    `limits` says what is allowed and tolerated. `known` is what was there before, empty for what only the
    settings ask for; of what is not in it and not there nothing is said. `published` is what became of the
    list published now, where it was fetched.
    """
    limits, known, states = limits or Inputs(), known or {}, []
    inputs = _inputs(space, limits)
    future = {entry.file.partition("-")[0] for entry in space.aside if entry.why == "future"}
    for name in (LIST, *map(input_of, known_needs())):
        current, before = inputs.get(name), known.get(name)
        faults: list[Fault]
        if name in space.faults:
            faults = [("damaged", _unread(space.faults[name]))]
        elif current is not None:
            faults = [*current.faults, *_against(current, before, space.as_of)]
            faults += _of_archive(space, published, before) if name == LIST else ()
        elif name in future or before is not None:
            faults = [("future", {"made": None}) if name in future else ("absent", {"before": bool(before)})]
        else:
            continue
        state, why = min(faults, key=lambda fault: STATES.index(fault[0]), default=("ok", {}))
        made_at = current.made if current else None
        age = None if made_at is None else int((space.as_of - made_at) / timedelta(days=1))
        tolerated = state != "ok" and not {name, f"{name}:{state}"}.isdisjoint(limits.tolerated)
        states.append(State(name, state, age, {"input": name, **why}, tolerated))
    return tuple(states)


def figures(space: TrustSpace, states: tuple[State, ...], known: Known | None = None) -> Known:
    """Return the figures for comparison in the next run; doubtful inputs keep their old ones."""
    doubtful = {state.name for state in states if state.doubtful}
    noted = {name: dict(before) for name, before in (known or {}).items() if name in doubtful}
    for name, current in _inputs(space, Inputs()).items():
        if name not in doubtful:
            made_at = current.made and current.made.isoformat()
            noted[name] = {"made": made_at, "size": current.size, "signer": current.signer}
    return noted


def worded(state: State, language: str = "") -> str:
    """Say why an input is in its state; "" for one that is ``ok``."""
    return _say(state.state.replace("-", "_"), state.why, language)


def reason(state: State, language: str = "") -> str:
    """Say the state in two words; of a refused list, what is wrong with it."""
    doubt = state.why.get("doubt", "")
    return _say("short", state.state if doubt in ("", "old") else doubt, language)


def named(name: str, language: str = "") -> str:
    """Return what an input is called."""
    return _say("input_name", name, language)


def aged(name: str, days: int | None) -> str:
    """Return what an input is called in the current language, with its age where it says it."""
    return named(name) if days is None else f"{named(name)} ({count(days, 'jour')})"


def remedied(state: State, language: str = "") -> str:
    """Say what to do about an input that is not ``ok``."""
    unread = state.name == LIST and "error" in state.why  # of which nothing can be accepted
    facts = {"name": state.name, "state": state.state, "doubt": state.why.get("doubt", "")}
    return _say("remedy", facts | {"unread": unread}, language)


def _unread(errors: Sequence[InputError]) -> dict[str, str]:
    """Return what is known of files that could not be read: the name of the first, and why in English."""
    message = "; ".join(unnamed(error.brief) for error in errors)
    return {"file": unnamed(PurePath(errors[0].file or "").name), "error": message}


def _against(current: _Input, before: Mapping[str, Any] | None, as_of: datetime) -> Iterator[Fault]:
    """Yield the states that an input is in by its date, or against what was there before."""
    instant, earlier = current.made, before or {}
    if instant is not None and current.max_age and as_of - instant > timedelta(current.max_age):
        yield "stale", {"days": (as_of - instant).days, "limit": current.max_age}
    if instant is not None and current.ahead is not None:
        if instant > as_of + current.ahead:
            yield "future", {"made": instant.isoformat()}
        if earlier.get("made") and instant < parse_instant(earlier["made"]):
            yield "older", {"made": instant.isoformat(), "before": earlier["made"]}
    if current.faults and earlier.get("signer") and current.signer not in ("", earlier["signer"]):
        yield "changed-signer", {"signer": current.signer}
    if current.size < (1 - current.max_loss) * earlier.get("size", 0):
        yield "shrunk", {"size": current.size, "before": earlier["size"]}


def _of_archive(space: TrustSpace, published: LogLine | None, before: object) -> Iterator[Fault]:
    """Yield the states of the list published now, and of the audited list as the archive has it."""
    archive, audited, sha256 = space.archive, space.whitelist.generated_at, space.whitelist.sha256
    snapshots = archive.snapshots if archive else ()
    if published is not None and published.outcome == "quarantined":
        why = {"doubt": published.doubt, "listed": published.made, "signer": published.signer}
        yield ("changed-signer" if "changed-signer" in published.flags else "quarantined"), why
    elif published is not None:
        instant = next((s.generated_at for s in snapshots if s.name == published.file), None)
        at = instant and instant.isoformat()
        if instant is not None and instant > space.as_of + SKEW:
            yield "future", {"made": at, "listed": at}
        elif instant is not None and audited is not None and instant < audited.replace(microsecond=0):
            yield "older", {"made": at, "before": audited.isoformat(), "listed": at}
    if archive is not None and before is None:  # that it shrank then is all there is without a run before
        names = {snapshot.name for snapshot in snapshots if sha256.startswith(snapshot.sha)}
        if any(r.file in names and "shrunk" in r.flags for r in archive.log if r.outcome == "kept"):
            yield "shrunk", {"size": len(space.entries), "before": 0}


def _inputs(space: TrustSpace, limits: Inputs) -> dict[str, _Input]:
    """Return what is seen of each input that is there."""
    as_of, listed, loss = space.as_of, space.whitelist.generated_at, limits.max_loss
    inputs = {LIST: _list(space, loss)}
    if (register := space.register) is not None:
        # As old as the last declaration in it, and nothing orders these.
        last = register.until(as_of)["date"].max()
        instant = None if pd.isna(last) else parse_instant(last.to_pydatetime())
        size = len(register.declarations)
        inputs["register"] = _Input(instant, size, limits.register_max_age_days, loss, ahead=None)
    for kind in KINDS:
        if (observed := space.given(kind.need)) is not None:  # by its newest file, which older ones complete
            newest, *older = observed.parts
            torn = not newest.complete or newest.problems["kind"].isin(["cut", "damaged"]).any()
            faults: list[Fault] = [("damaged", {})] if torn and not older else []
            age = space.thresholds.observation_max_age_days
            inputs[kind.name] = _Input(newest.started_at, observed.size, age, loss, faults)
    if (mailboxes := space.mailboxes) is not None:
        old = {"days": abs((as_of - mailboxes.made_at).days), "limit": None}
        kinds: dict[str, list[Fault]] = {"old": [("stale", old)], "damaged": [("damaged", {})], "": []}
        age, size = limits.mailboxes_max_age_days, sum(mailboxes.by_domain.values())
        faults = kinds[mailboxes.fault(listed or as_of)]
        inputs["mailboxes"] = _Input(mailboxes.made_at, size, age, loss, faults, ahead=AHEAD)
    if space.archive is not None:
        snapshots = space.archive.until(as_of)
        instant = snapshots[-1].generated_at if snapshots else None
        # Where its last list is the one audited, their age is one and the same cause, and the list's.
        same = instant is not None and listed is not None and instant == listed.replace(microsecond=0)
        inputs["archive"] = _Input(instant, len(snapshots), 0 if same else limits.archive_max_age_days)
    return inputs


def _list(space: TrustSpace, loss: float) -> _Input:
    whitelist, limit = space.whitelist, space.thresholds.list_max_age_days
    instant, signer = whitelist.generated_at, parse_dn(whitelist.signature.signer).get("CN")
    faults: list[Fault] = []
    for doubt in filter(_DOUBTS.get, doubts(whitelist, space.as_of)):
        why: dict[str, Any] = {"doubt": doubt, "damage": list(whitelist.damage_kinds)}
        if doubt == "untrusted" and ANCHORS in space.faults:
            why |= _unread(space.faults[ANCHORS])
        faults.append((_DOUBTS[doubt], {"signer": signer} if doubt == "misnamed" else why))
    if instant is not None and not limit and instant < space.as_of:  # an age of no days is a limit too
        faults.append(("stale", {"days": (space.as_of - instant).days, "limit": 0}))
    return _Input(instant, len(space.entries), limit, loss, faults, signer)

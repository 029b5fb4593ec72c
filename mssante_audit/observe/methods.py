"""The method in use for each domain, read from an observation: delegation, redirection, or neither.

==================== =======================================================================
method               meaning
==================== =======================================================================
``delegated``        a zone of its own, handed over by the parent's servers or a zone below
``within-delegated`` a name inside a zone that is handed over (the ``cut``)
``redirected``       the parent's zone itself holds an MX, an address or an alias
``wildcard``         answers, but only as any name beside it would
``none``             no such name, or one without MX, address or alias
``outside``          not under the parent zone
``unknown``          could not be observed: silence, refusals, or never asked
==================== =======================================================================

Why a method was found is told in facts: a ``code``, and what it takes to say it.

================= ========================================== ===============================================
code              facts                                      meaning
================= ========================================== ===============================================
``no-name``                                                  the DNS cannot carry such a name
``outside``       ``zone``                                   it does not lie under the zone
``unasked``       ``zone``                                   the zone's servers were not asked about it
``replies``       ``zone``, ``outcomes`` (servers by         the zone's servers gave nothing else
                  outcome)
``delegates-any`` ``zone``                                   the zone delegates any name
``wildcard``      ``zone``, ``types``                        the zone gives any name the same answer
``delegated``     ``zone``, ``servers``, ``of``              so many of the zone's servers delegate it
``answered``      ``zone``, ``types``, ``servers``, ``of``,  so many of the zone's servers answer it;
                  ``checked``                                whether names beside it were asked for
================= ========================================== ===============================================

``unasked`` and ``replies`` may have ``delegated``: that name is a zone of its own, of which no more is known.

Columns of a frame of methods:

===============  ===================  =====================================================================
column           dtype                meaning
===============  ===================  =====================================================================
``domain``       str                  as the white list writes it
``method``       category             the method in use, as above
``cut``          str                  the zone that serves the name, "" where that is the parent's
``why``          object (dict)        why, in facts, as above
``observed_at``  datetime64[us, UTC]  the last query about it, NaT if none
===============  ===================  =====================================================================

Pure: from the frames of `mssante_audit.observe.observation`, whatever the file holds about domains no longer
listed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.lines import TOLD
from mssante_audit.observe.observation import Observation

METHODS = ("delegated", "within-delegated", "redirected", "wildcard", "none", "outside", "unknown")
Method = pd.CategoricalDtype(list(METHODS))
Why = dict[str, Any]


class _Line(NamedTuple):
    line: int
    zone: str
    qtype: str
    address: str
    outcome: str
    cut: str
    at: pd.Timestamp


@dataclass
class _Seen:
    """What an observation says, by name."""

    walks: dict[tuple[str, str], list[_Line]] = field(default_factory=lambda: defaultdict(list))
    """By zone and name."""
    siblings: dict[tuple[str, str, str, str], _Line] = field(default_factory=dict)
    """By zone, name, type and address; the last conclusive reply."""
    answers: dict[int, frozenset[tuple[str, str]]] = field(default_factory=dict)
    """By line, the type and data of the records that answer the name itself."""
    cut_siblings: set[tuple[str, str]] = field(default_factory=set)
    """Zone and name of siblings that were handed over: the zone hands over any name."""


def methods(observation: Observation, domains: Iterable[str]) -> pd.DataFrame:
    """Derive the method in use for each domain.

    Parameters
    ----------
    observation
        As loaded.
    domains
        As the white list writes them; each gets one row, in this order.

    Returns
    -------
    DataFrame
        Columns as in this module's docstring, one row a domain.
    """
    seen = _index(observation)
    rows = []
    for domain in dict.fromkeys(domains):
        name = canonical(domain)
        method, cut, why, lines = _method(seen, observation, name)
        rows.append((domain, method, cut, why, max((line.at for line in lines), default=pd.NaT)))
    frame = pd.DataFrame(rows, columns=["domain", "method", "cut", "why", "observed_at"])
    times = pd.Series([row[-1] for row in rows], dtype="datetime64[us, UTC]")
    return frame.astype({"domain": "str", "method": Method, "cut": "str", "why": "object"}).assign(
        observed_at=times
    )


def _method(seen: _Seen, observation: Observation, name: str) -> tuple[str, str, Why, list[_Line]]:
    parent = observation.parent_zone
    if not name:
        return "unknown", "", {"code": "no-name"}, []
    if not is_under(name, parent):
        return "outside", "", {"code": "outside", "zone": parent}, []
    zone, lines = parent, []
    while True:
        here = seen.walks.get((zone, name), [])
        lines += here
        below = "" if zone == parent else zone
        told = [line for line in here if line.outcome in TOLD]
        if not told:
            why = _replies(zone, here) if here else {"code": "unasked", "zone": zone}
            if zone == name:
                return "delegated", zone, why | {"delegated": True}, lines
            return "unknown", below, why, lines
        cuts = Counter(line.cut for line in told if line.cut)
        if not cuts:
            break
        cut = max(cuts, key=lambda c: (cuts[c], c))
        if _is_wildcard_cut(seen, observation, zone, cut):
            return "wildcard", below, {"code": "delegates-any", "zone": zone}, lines
        if cut == name:
            saying = {line.address for line in told if line.cut == name}
            return "delegated", name, {"code": "delegated", "zone": zone} | _share(saying, told), lines
        zone = cut
    return (*_answered(seen, observation, zone, name, told), lines)


def _answered(
    seen: _Seen, observation: Observation, zone: str, name: str, told: list[_Line]
) -> tuple[str, str, Why]:
    """Name the method of a name that `zone` does not hand on."""
    below = "" if zone == observation.parent_zone else zone
    positive = [line for line in told if line.outcome == "answer" and line.qtype != "SOA"]
    if not positive:
        return "none", below, _replies(zone, told)
    types = list(dict.fromkeys(t for line in positive for t, _ in sorted(seen.answers.get(line.line, ()))))
    checked = [_is_wildcard(seen, observation, zone, name, line) for line in positive]
    if all(checked):
        return "wildcard", below, {"code": "wildcard", "zone": zone, "types": types}
    why = {"code": "answered", "zone": zone, "types": types, "checked": None not in checked}
    why |= _share({line.address for line in positive}, told)
    return ("within-delegated" if below else "redirected"), below, why


def _is_wildcard(seen: _Seen, observation: Observation, zone: str, name: str, line: _Line) -> bool | None:
    """Whether a name beside it got the same answer from the same server; ``None`` if that is not known."""
    known = False
    for sibling in _siblings(observation, name):
        other = seen.siblings.get((zone, sibling, line.qtype, line.address))
        if other is not None:
            known = True
            if other.outcome == "answer" and seen.answers.get(other.line) == seen.answers.get(line.line):
                return True
    return False if known else None


def _is_wildcard_cut(seen: _Seen, observation: Observation, zone: str, cut: str) -> bool:
    return any((zone, name) in seen.cut_siblings for name in _siblings(observation, cut))


def _siblings(observation: Observation, name: str) -> list[str]:
    return [f"{label}.{name.partition('.')[2]}" for label in observation.siblings]


def _share(saying: set[str], told: list[_Line]) -> Why:
    return {"servers": len(saying), "of": len({line.address for line in told})}


def _replies(zone: str, lines: list[_Line]) -> Why:
    """Count outcomes; an address that was asked several times counts once, for the last it said."""
    last = {line.address: line.outcome for line in lines}
    return {"code": "replies", "zone": zone, "outcomes": dict(Counter(last.values()).most_common())}


def _index(observation: Observation) -> _Seen:
    seen = _Seen()
    queries = observation.queries
    used = queries[queries["step"].isin(["walk", "sibling"])]
    columns = [used[c].tolist() for c in (
        "step", "qname", "line", "zone", "qtype", "address", "outcome", "cut", "at",
    )]  # fmt: skip
    owner: dict[int, str] = {}
    for step, qname, *rest in zip(*columns, strict=True):
        line = _Line(*rest)
        if line.outcome == "answer":
            owner[line.line] = qname
        if step == "walk":
            seen.walks[line.zone, qname].append(line)
        elif line.outcome in TOLD:
            seen.siblings[line.zone, qname, line.qtype, line.address] = line
    records = observation.records
    records = records[(records["section"] == "answer") & records["line"].isin(list(owner))]
    answers: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for number, name, kind, data in zip(
        *(records[c].tolist() for c in ("line", "owner", "type", "data")), strict=True
    ):
        if name == owner[number]:
            answers[number].add((kind, data))
    seen.answers = {number: frozenset(found) for number, found in answers.items()}
    seen.cut_siblings = {
        (zone, qname) for (zone, qname, _, _), line in seen.siblings.items() if line.cut == qname
    }
    return seen

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
                  ``checked``, ``alias`` (if it is one)      whether names beside it were asked for
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
``observed_in``  str                  the observation file that it was read from, "" if it was not asked about
===============  ===================  =====================================================================

Pure: from the frames of `mssante_audit.observe.observation`, whatever the file holds about domains no longer
listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from mssante_audit.base.frames import frame_of
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.view import Said, View, view_of
from mssante_audit.observe.lines import TOLD, own_answers
from mssante_audit.observe.observation import Observation

METHODS = ("delegated", "within-delegated", "redirected", "wildcard", "none", "outside", "unknown")
_KINDS = {
    "domain": "str", "method": pd.CategoricalDtype(list(METHODS)), "cut": "str", "why": "object",
    "observed_at": "instant", "observed_in": "str",
}  # fmt: skip
Why = dict[str, Any]


def methods(observation: Observation | None, domains: Iterable[str]) -> pd.DataFrame:
    """Return the method in use for each domain, a row each, in order; none without an observation.

    Domains are written as in the white list; columns as in this module's docstring.
    """
    names = dict.fromkeys(domains) if observation else {}
    rows: dict[str, tuple[Any, ...]] = dict.fromkeys(names, ())
    for part, own in observation.shares(names) if observation else ():
        view, at = view_of(part), _times(part)
        for domain in own:
            name = canonical(domain)
            method, cut, why, zones = _method(view, name)
            last = max((at[zone, name] for zone in zones if (zone, name) in at), default=pd.NaT)
            rows[domain] = (domain, method, cut, why, last, "" if last is pd.NaT else part.source)
    return frame_of(rows.values(), _KINDS)


def _times(observation: Observation) -> dict[tuple[str, str], pd.Timestamp]:
    """Return the instant of the last query of a walk about a name, by zone and name."""
    queries = observation.queries
    walked = queries.loc[queries["step"] == "walk", ["zone", "qname", "at"]].sort_values("at", kind="stable")
    last = walked.drop_duplicates(["zone", "qname"], keep="last")
    return dict(zip(zip(last["zone"], last["qname"], strict=True), last["at"], strict=True))


def _method(view: View, name: str) -> tuple[str, str, Why, list[str]]:
    """Return method, cut and why, and the zones that were asked on the way."""
    if not name:
        return "unknown", "", {"code": "no-name"}, []
    if not is_under(name, view.parent):
        return "outside", "", {"code": "outside", "zone": view.parent}, []
    zones = [view.parent]
    for cut in view.path(name).cuts:
        zone = zones[-1]
        if any(one.cut == beside for beside in _siblings(view, cut) for one in view.told_of(zone, beside)):
            return "wildcard", zone if zones[1:] else "", {"code": "delegates-any", "zone": zone}, zones
        if cut == name:
            told = _told(view, zone, name)
            saying = {one.address for one in told if one.cut == name}
            return "delegated", name, {"code": "delegated", "zone": zone} | _share(saying, told), zones
        zones.append(cut)
    zone, told = zones[-1], _told(view, zones[-1], name)
    if told and not any(one.cut for one in told):  # a file that somebody made can lead round in circles
        return (*_answered(view, zone, name, told), zones)
    here = [one for one in view.told_of(zone, name) if one.step == "walk"]
    why = _replies(zone, here) if here else {"code": "unasked", "zone": zone}
    if zone == name:
        return "delegated", zone, why | {"delegated": True}, zones
    return "unknown", zone if zones[1:] else "", why, zones


def _told(view: View, zone: str, name: str) -> list[Said]:
    here = (one for one in view.told_of(zone, name) if one.step == "walk")
    return [one for one in here if one.outcome in TOLD or one.weak]


def _answered(view: View, zone: str, name: str, told: list[Said]) -> tuple[str, str, Why]:
    """Name the method of a name that `zone` does not hand on."""
    below = "" if zone == view.parent else zone
    positive = [one for one in told if (one.outcome == "answer" or one.weak) and one.qtype != "SOA"]
    if not positive:
        return "none", below, _replies(zone, told)
    types = list(dict.fromkeys(t for one in positive for t, _ in sorted(_own(one))))
    checked = [_is_wildcard(view, one) for one in positive]
    if all(checked):
        return "wildcard", below, {"code": "wildcard", "zone": zone, "types": types}
    why = {"code": "answered", "zone": zone, "types": types, "checked": None not in checked}
    why |= _share({one.address for one in positive}, told)
    if alias := next((data for one in positive for kind, data in _own(one) if kind == "CNAME"), ""):
        why["alias"] = alias
    return ("within-delegated" if below else "redirected"), below, why


def _own(one: Said) -> set[tuple[str, str]]:
    return own_answers(one.qname, one.items)


def _is_wildcard(view: View, one: Said) -> bool | None:
    """Whether its answer is that of a wildcard; ``None`` if that is not known.

    A name beside it got the same answer from the same server. Then a signature tells (RFC 4034, 3.1.3: its
    labels are the wildcard's), or a name below it: no wildcard reaches there where the name has records of
    its own (RFC 4592, 3.3.1).
    """
    beside = (view.said.get((one.zone, name, one.qtype), {}) for name in _siblings(view, one.qname))
    known = [own for replies in beside if (own := replies.get(one.address)) and own.outcome in TOLD]
    if not any(own.outcome == "answer" and _own(own) == _own(one) for own in known):
        return False if known else None
    signed = [i.data.split()[2] for i in one.items if (i.type, i.owner) == ("RRSIG", one.qname)]
    if signed:
        return str(one.qname.count(".") + 1) not in signed
    below = (view.said.get((one.zone, name, one.qtype), {}) for name in _below(view, one.qname))
    answers = [own for replies in below if (own := replies.get(one.address)) and own.outcome in TOLD]
    return all(own.outcome == "answer" and _own(own) == _own(one) for own in answers)


def _siblings(view: View, name: str) -> list[str]:
    return _below(view, name.partition(".")[2])


def _below(view: View, name: str) -> list[str]:
    return [f"{label}.{name}" for label in view.observation.siblings]


def _share(saying: set[str], told: list[Said]) -> Why:
    return {"servers": len(saying), "of": len({one.address for one in told})}


def _replies(zone: str, told: list[Said]) -> Why:
    """Count outcomes; an address that was asked several times counts once, for the last it said."""
    last = {one.address: one.outcome for one in told}
    return {"code": "replies", "zone": zone, "outcomes": dict(Counter(last.values()).most_common())}

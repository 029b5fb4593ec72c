"""What a report's notebook opens with, and what it leaves behind for machines.

What `record` returns shows itself as one output of a MIME type of our own, which `page` reads.
"""

import difflib
import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.audits import waived
from mssante_audit.base import export, language, settings
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.base.text import fold
from mssante_audit.findings import facts, registry, trend
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import COLUMNS, from_json, typed
from mssante_audit.observe.kinds import KINDS
from mssante_audit.report.html import Prose, say
from mssante_audit.report.parameters import check_value
from mssante_audit.snapshot.load import load_space
from mssante_audit.space.states import as_json
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS, Places, places
from mssante_audit.verdicts.checks import ORDERS, RECEIVES
from mssante_audit.whitelist.signature import made_up

ASIDE = ("row_limit", "changes_since", "lang", *settings.LIMITS)  # Parameters that are not of the trust space
MIME = "application/vnd.mssante-audit+json"  # Of the output that carries a notebook's results
# Those whose versions a report names: they are what its content depends on
LIBRARIES = ("lxml", "matplotlib", "mssante-audit", "pandas", "papermill", "signxml")
# Answers where there is no domain
NO_ANSWERS = {"arrives": dict.fromkeys(RECEIVES, 0), "order": dict.fromkeys(ORDERS, 0)}
ACCEPTED = ("fingerprint", "rule", "domain", "operator")  # What is kept of a finding that was waived


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``results.json``."""
    return dict(json.loads((files("mssante_audit.report") / "results.schema.json").read_bytes()))


@cache
def versions() -> dict[str, str]:
    """Return the versions of those `LIBRARIES` that are installed."""
    return {name: installed.version for name in LIBRARIES for installed in [*distributions(name=name)][:1]}


def open_space(**parameters: Any) -> TrustSpace:
    """Load the trust space that a notebook's parameters describe: of `load_space`, fields of `Thresholds`."""
    values = {name: check_value(name, value) for name, value in parameters.items() if name not in ASIDE}
    judged_by = {name: values.pop(name) for name in Thresholds.model_fields if name in values}
    return load_space(**values, thresholds=Thresholds(**judged_by))


def select_operator(space: TrustSpace, operator: str | None) -> str | None:
    """Return the identifier of the operator meant; ``None``, for all of them, is ``None``.

    It is meant by its identifier, or by a name or a part of one, in any case and with or without accents,
    that only one operator bears; else it is an `UnknownNameError`.
    """
    operator = check_value("operator", operator)
    if operator is None:
        return None
    listed = space.entries.loc[space.entries["operator_id"] != "", ["operator_id", "operator"]]
    listed = listed.drop_duplicates()
    folded, names, identifiers = fold(operator), listed["operator"].map(fold), listed["operator_id"]
    exact = identifiers.map(fold).isin([folded, folded.replace(" ", "")])
    for mask in (exact, names == folded, names.str.contains(folded, regex=False)) if folded else ():
        matches = listed[mask].drop_duplicates("operator_id")
        if len(matches) == 1:
            return str(matches["operator_id"].iloc[0])
        if len(matches):
            examples = "; ".join(f"{o.operator_id} {o.operator}" for o in matches.head(5).itertuples())
            fault, count = "{} may mean {} operators", len(matches)
            raise UnknownNameError(fault, repr(operator), count, remedy=("Such as: {}", examples))
    similar = listed.loc[names.isin(difflib.get_close_matches(folded, names.tolist())), "operator"].unique()
    raise UnknownNameError(
        "no operator {} in this list",
        repr(operator),
        remedy=("Near: {}", "; ".join(similar)) if len(similar) else None,
    )


class Limits(NamedTuple):
    """Whom a report or a table is limited to; everybody where both are ``None``."""

    operator_id: str | None = None
    places: Places | None = None  # Where its operators sit: the départements that their certificates name


EVERYBODY = Limits()


def limits(
    space: TrustSpace, operator: str | None = None, region: str | None = None, department: str | None = None
) -> Limits:
    """Return whom parameters of these names limit a report to; if it is nobody, an `UnknownNameError`."""
    operator_id = select_operator(space, operator)
    named = places(check_value("region", region), check_value("department", department))
    chosen = Limits(operator_id, named)
    if named and limited(space.audited, chosen).empty:
        where = ", ".join((*named.regions, *named.departments))
        departments = sorted({*space.audited["department"]} - {""})
        text = "the operator {} does not sit in {}" if operator_id else "no operator of this list sits in {}"
        values = filter(None, (operator_id, where))
        raise UnknownNameError(text, *values, remedy=("There are operators in: {}", ", ".join(departments)))
    return chosen


def limited(entries: pd.DataFrame, chosen: Limits) -> pd.DataFrame:
    """Return those of the rows of a list that a report is limited to."""
    if chosen.operator_id is not None:
        entries = entries[entries["operator_id"] == chosen.operator_id]
    if chosen.places is not None:
        entries = entries[entries["department"].isin(chosen.places.codes)]
    return entries


def operators(space: TrustSpace, chosen: Limits) -> set[str] | None:
    """Return the identifiers of the operators that a report is limited to; ``None`` for everybody."""
    if chosen == EVERYBODY:
        return None
    return {*limited(space.audited, chosen)["operator_id"].tolist(), chosen.operator_id or ""} - {""}


def limited_to(chosen: Limits) -> Prose:
    """Say which places a report is limited to; an empty sentence if none is named."""
    named = chosen.places
    if named is None:
        return say("")
    kind, names = "{n:~de la région|des régions}", list(named.regions)
    if named.departments:  # where both are named, what is meant lies in both
        kind = "{n:~du département|des départements}"
        names = sorted(f"{DEPARTMENTS[code]} ({code})" for code in named.codes)
    return say(
        "Rapport limité aux opérateurs {kind} **{names}**, d'après leur certificat et non d'après les "
        "établissements qu'ils servent.", kind=say(kind, n=len(names)), names=names,
    )  # fmt: skip


def touching(findings: pd.DataFrame, space: TrustSpace, chosen: Limits) -> pd.DataFrame:
    """Return the findings that touch one of the rows, or one of the operators, that a report is limited to.

    What could not be evaluated stays: it may have touched anybody. So does, where a report is limited to
    places, what is found on the list as a whole.
    """
    if chosen == EVERYBODY:
        return findings
    entries, owners = limited(space.entries, chosen), operators(space, chosen) or set()
    rows, names = set(entries["row"].tolist()), set(entries["domain"].tolist())
    touched = (findings["rule"] == FAILED) | findings["operator_id"].isin(owners)
    touched |= findings["rows"].map(lambda numbers: not rows.isdisjoint(numbers)).astype("bool")
    if chosen.operator_id is None:
        # With neither rows nor an operator nothing tells which domains, if it is several.
        nobody = (findings["rows"].map(len) == 0) & (findings["operator_id"] == "")
        touched |= nobody & ((findings["domains"] != 1) | findings["domain"].isin(names))
    return typed(findings[touched].reset_index(drop=True))


def provenance(space: TrustSpace) -> dict[str, Any]:
    """Return what a report says of where it comes from: input, `as_of`, versions; nothing of the clock."""
    whitelist, signature, register = space.whitelist, space.whitelist.signature, space.register
    observed = [(kind, part) for kind in KINDS for part in getattr(space.given(kind.need), "parts", ())]
    origin: dict[str, Any] = {
        "file": Path(whitelist.source).name, "sha256": whitelist.sha256, "signature": signature.status,
        "signer": signature.signer, "revocation": signature.revocation,
        "generated_at": whitelist.generated_at.isoformat() if whitelist.generated_at else None,
        "damaged": whitelist.damaged, "damage": list(whitelist.damage_kinds),
        "namespace": whitelist.namespace, "register": register.source if register else None,
        "register_sha256": register.sha256 if register else None,
        "observed": [
            {"kind": language.gettext(kind.title), "file": part.source, "sha256": part.sha256,
             "begun": part.started_at.isoformat()}
            for kind, part in observed
        ],
        "set_aside": dict(space.aside), "mailboxes": space.mailboxes.source if space.mailboxes else None,
        "not_made": [name for name, audit in registry.audits().items() if audit.lacking(space)],
        "as_of": space.as_of.isoformat(), "rows": len(space.entries), "made_up": made_up(whitelist),
        "test_entries": int(space.entries["is_audit_entry"].sum()), "contacts": space.contacts,
        "versions": {"python": platform.python_version()} | versions(),
        "inputs": [*map(as_json, space.states)],
    }  # fmt: skip
    evaluated = [name for name, audit in registry.audits().items() if audit in {*space.cache, *space.kept}]
    if evaluated and len(accepted := waived(space, *evaluated)):
        origin["waived"] = accepted[list(ACCEPTED)].to_dict("records")
    return origin


@dataclass(frozen=True)
class Results:
    """What a notebook found, as `record` returns it."""

    name: str  # The notebook's name
    # As `mssante_audit.findings.frame` describes, masked unless the space shows contacts
    findings: pd.DataFrame
    provenance: Mapping[str, Any]
    calendar: str = ""  # What is to be kept beside the report as a calendar (iCalendar); "" for none
    # What the report is called, where that depends on what was found; else its notebook's title
    title: str = ""

    @property
    def by_severity(self) -> dict[str, int]:
        """Number of findings by severity, all of them named, worst first; hints count as information."""
        return trend.severity_counts(self.findings)

    @property
    def by_rule(self) -> dict[str, int]:
        """Number of findings by rule, for the rules that fired, in alphabetical order."""
        return dict(sorted(Counter(self.findings["rule"].tolist()).items()))

    def payload(self) -> dict[str, Any]:
        """Return all of it as JSON types; `read_results` is the way back."""
        return {**vars(self), "findings": export.records(self.findings)}

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MIME: self.payload(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {severity}" for severity, n in self.by_severity.items())
        return f"{self.name}: {len(self.findings)} findings ({counts})"


def record(
    space: TrustSpace, findings: pd.DataFrame, *, name: str, calendar: str = "", title: str = ""
) -> Results:
    """Return a notebook's results; findings with contacts, of a space without, are a `ParameterError`."""
    if not space.show_contacts and any(map(facts.names_persons, findings["facts"])):
        raise ParameterError(
            "these findings show contacts, and the space they are recorded with masks them",
            remedy="Find and record them with the same space",
        )
    return Results(name, findings, provenance(space), calendar, title)


def read_results(payload: dict[str, Any]) -> Results:
    """Return the `Results` whose `payload` this is."""
    frame = pd.DataFrame(payload["findings"], columns=list(COLUMNS))
    return Results(**{**payload, "findings": typed(from_json(frame))})

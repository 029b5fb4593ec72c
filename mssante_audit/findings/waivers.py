"""Waivers: findings that somebody accepted, for a reason and until a day, shown apart from the others.

They stand in ``waivers.toml``, in the data folder::

    [[waiver]]
    rule = "DN_CONCENTRATION"
    operator = "1759900001"            # or domain = "ch-xyz.mssante.fr", or both, or a finding's fingerprint
    reason = "certificat de mutualisation, renouvellement suivi"
    who = "cellule MSSanté"
    until = 2026-12-31                 # that day included; the finding is back the day after
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.base.reading import read_toml
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import typed
from mssante_audit.findings.registry import catalogue, unusable

FILE = "waivers.toml"
VERSION = 1  # of the format; a file need not say it


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding, or several alike."""

    rule: str
    reason: str
    who: str
    until: date
    """Last day on which it holds (UTC)."""
    domain: str = ""
    operator: str = ""
    fingerprint: str = ""

    def covers(self, finding: Any) -> bool:
        """Tell whether a finding (a row of a findings frame, as a tuple) is what was accepted."""
        return (
            finding.rule == self.rule
            and self.fingerprint in ("", finding.fingerprint)
            and self.domain in ("", finding.domain)
            and self.operator in ("", finding.operator_id)
            # A finding that touches other domains too is another thing than what was accepted for one.
            and (not self.domain or finding.domains == 1 or bool(self.operator or self.fingerprint))
        )


def load_waivers(file: Path) -> tuple[Waiver, ...]:
    """Load a file of waivers; an `InputError` says of which one what is wrong with it."""
    tables = read_toml(file)
    if (version := tables.pop("version", VERSION)) != VERSION:
        raise InputError("is of version {}, and this program knows {}", version, VERSION, file=str(file))
    listed = tables.pop("waiver", [])
    if tables or not (isinstance(listed, list) and all(isinstance(fields, dict) for fields in listed)):
        raise InputError("holds something else than [[waiver]]", file=str(file))
    for number, fields in enumerate(listed, 1):
        if fault := _fault(fields):
            raise InputError("waiver {} {}", number, AuditError(*fault), file=str(file))
    return tuple(Waiver(**fields) for fields in listed)


def _fault(fields: dict[str, Any]) -> tuple[str, ...]:
    """Return what is wrong with the fields of a waiver, nothing if nothing is."""
    if unknown := sorted(set(fields) - set(Waiver.__dataclass_fields__)):
        return "has an unknown field {}", repr(unknown[0])
    if missing := [name for name in ("rule", "reason", "who", "until") if not fields.get(name)]:
        return "lacks {}", repr(missing[0])
    if not (fields.get("domain") or fields.get("operator") or fields.get("fingerprint")):
        return ("names neither a domain nor an operator nor a fingerprint",)
    if type(fields["until"]) is not date:
        return ("has an `until` that is not a date such as 2026-12-31",)
    if bad := [name for name, value in fields.items() if name != "until" and not isinstance(value, str)]:
        return "has a {} that is not a text", repr(bad[0])
    if fields["rule"] == FAILED:
        return "names {}: what was not evaluated is unknown, and cannot be accepted", FAILED
    if fields["rule"] not in catalogue() and not unusable():  # it may be one of an unusable package
        return "names no rule {}", repr(fields["rule"])
    return ()


def split(
    findings: pd.DataFrame, waivers: Sequence[Waiver], as_of: datetime
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part findings into the open ones and those of waivers that hold, with `reason`, `who` and `until`."""
    holding = [waiver for waiver in waivers if as_of.date() <= waiver.until]
    records = findings.itertuples() if holding else repeat(None, len(findings))  # rows take their time
    matches = [next((waiver for waiver in holding if waiver.covers(finding)), None) for finding in records]
    waived = pd.Series([match is not None for match in matches], index=findings.index, dtype="bool")
    accepted = findings[waived].reset_index(drop=True)
    for name in ("reason", "who", "until"):
        accepted[name] = pd.Series([str(getattr(match, name)) for match in matches if match], dtype="str")
    return typed(findings[~waived].reset_index(drop=True)), accepted

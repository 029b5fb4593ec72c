"""What the texts of a list's rows say, as the columns that `mssante_audit.whitelist.load` describes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_department, parse_identifier, region_of
from mssante_audit.whitelist.reading import FIELDS, Problem, Reading

_INSTANT = r"^\s*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\s*$"
_TEST_TOKEN = re.compile(
    r"(?:audit|tests?|(?!protest$|contest$).*test|(?:pre|p)prod(?:uction)?|recette|qualif|demo|poc)$"
)
_TEST_HINT = "(?i)audit|test|espacedeconfiance|prod|recette|qualif|demo|poc"
_TEST_DESCRIPTION = r"(?i)\b(?:domaine|messagerie|mssant[ée]|comptes?) +(?:mssant[ée] +)?de +test\b"
_TEST_OPERATOR = r"(?i)\bTESTS?\d*\b"


def generation_time(reading: Reading) -> datetime | None:
    """Read DateDeGeneration; report it if it cannot be."""
    text = reading.generated.strip()
    try:
        if re.match(_INSTANT, text, re.ASCII):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    if not any(p.element == "DateDeGeneration" and p.kind == "missing" for p in reading.problems):
        kind = "date" if text else "empty"
        reading.add(Problem(None, 1, kind, "DateDeGeneration", "no readable time with its zone"))
    return None


def problems_frame(problems: list[Problem]) -> pd.DataFrame:
    """Make the frame, in order of lines."""
    problems.sort(key=lambda p: (p.line, p.row or 0))
    types: dict[str, Any] = {"row": "Int64", "line": "int64"}
    types |= dict.fromkeys(("kind", "element", "message"), "str")
    return pd.DataFrame({n: pd.array([getattr(p, n) for p in problems], dtype=t) for n, t in types.items()})


def entries_frame(reading: Reading) -> pd.DataFrame:
    """Make the frame, emptying `reading.columns` and adding to `reading.problems` on the way."""
    texts = texts_of(reading)
    _report_empty(texts, reading)
    lines = np.array(reading.lines, dtype="int64")
    columns: dict[str, Any] = {"row": np.arange(1, len(lines) + 1), "line": lines}
    columns |= {name: as_str(text) for name, text in texts.items()}
    columns["updated_at"] = _updated_at(texts["updated_at_text"], reading)
    by_dn = _dn_columns(texts["dn"])
    columns |= {name: as_str(column) for name, column in by_dn.items()}
    columns |= _contact_columns(texts)
    columns["is_audit_entry"] = _is_audit_entry(texts["domain"], by_dn["operator"], texts["description"])
    under = pc.match_substring_regex(texts["domain"], r"(?i)(?:^|\.)mssante\.fr$")
    columns["under_mssante"] = under.to_numpy(zero_copy_only=False)
    return pd.DataFrame(columns, copy=False)


def texts_of(reading: Reading) -> dict[str, Any]:
    """Return the texts of the rows by column, emptying `reading.columns`."""
    texts: dict[str, Any] = {}
    for name, chunks in zip(FIELDS.values(), reading.columns, strict=True):
        texts[name] = pa.chunked_array(chunks, pa.large_string()).combine_chunks()
        chunks.clear()
    return texts


def as_str(texts: Any) -> Any:
    """Wrap Arrow strings as pandas' str, without copying."""
    return pd.array(texts, dtype="str")


def _taken(values: Sequence[str], codes: Any) -> Any:
    return pa.array(values, pa.large_string()).take(codes)


def _report_empty(texts: dict[str, Any], reading: Reading) -> None:
    known = {(p.row, p.element) for p in reading.problems if p.kind == "missing"}
    for element, name in FIELDS.items():
        blank = pc.equal(pc.ascii_trim_whitespace(texts[name]), "")
        for index in pc.indices_nonzero(blank).to_pylist():
            if (index + 1, element) not in known:
                message = f"{element} is empty"
                reading.add(Problem(index + 1, reading.lines[index], "empty", element, message))


def _updated_at(texts: Any, reading: Reading) -> Any:
    coded = texts.dictionary_encode()
    stripped = pc.ascii_trim_whitespace(coded.dictionary)
    shaped = pc.if_else(pc.match_substring_regex(stripped, _INSTANT), stripped, None)
    instants = pd.to_datetime(as_str(shaped), format="ISO8601", utc=True, errors="coerce").as_unit("us")
    instants = instants.where((instants.year >= 1) & (instants.year <= 9999))  # in UTC they may lie beyond
    unread = instants.isna() & ~pc.equal(stripped, "").to_numpy(zero_copy_only=False)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    for index in np.flatnonzero(unread[codes]).tolist():
        message = "DateMAJ is no time with its zone, such as 2025-02-28T15:42:07Z"
        reading.add(Problem(index + 1, reading.lines[index], "date", "DateMAJ", message))
    return instants.array.take(codes)


def _dn_columns(texts: Any) -> dict[str, Any]:
    names = (
        "dn_key", "igc", "cn", "ou", "o", "st", "c", "operator_id", "operator", "operator_kind", "finess",
        "siren", "siret", "department", "region",
    )  # fmt: skip
    identifier, department = cache(parse_identifier), cache(parse_department)
    coded = texts.dictionary_encode()
    parsed: list[tuple[str, ...]] = []
    for text in coded.dictionary.to_pylist():
        dn = parse_dn(text)
        ou, o, st = dn.get("OU"), dn.get("O"), dn.get("ST") or dn.get("L")
        owner = identifier(ou)
        operator = " ".join(o.upper().split())
        number = "" if "shape" in owner.problems else owner.value[1:]
        numbers = (number if owner.kind == kind else "" for kind in ("FINESS", "SIREN", "SIRET"))
        place = department(st).code
        named = (dn.key, dn.igc, dn.get("CN"), ou, o, st, dn.get("C"))
        parsed.append((*named, owner.value, operator, owner.kind, *numbers, place, region_of(place)))
    values = zip(*parsed, strict=True) if parsed else [[]] * len(names)
    return {name: _taken(list(column), coded.indices) for name, column in zip(names, values, strict=True)}


def _contact_columns(texts: dict[str, Any]) -> dict[str, Any]:
    kinds = ("project", "support")
    both = pa.chunked_array([texts[f"{kind}_contact"] for kind in kinds]).dictionary_encode().combine_chunks()
    contacts = [parse_contact(text) for text in both.dictionary.to_pylist()]
    phones = [contact.phones[0] if contact.phones else "" for contact in contacts]
    emails = [contact.emails[0] if contact.emails else "" for contact in contacts]
    halves = both.indices[: len(both) // 2], both.indices[len(both) // 2 :]
    return {
        f"{kind}_{what}": as_str(_taken(values, codes))
        for kind, codes in zip(kinds, halves, strict=True)
        for what, values in (("phone", phones), ("email", emails))
    }


def is_audit_domain(domain: str) -> bool:
    """Tell whether a domain's name says that it is there for testing.

    Either it lies under the manager's ``espacedeconfiance.mssante.fr``, or a word of one of its labels is
    "audit", "test" or "tests", or ends in "test", or is a pre-production's: "preprod", "recette", "qualif",
    "demo", "poc" (a heuristic; source: data).

    >>> [is_audit_domain(d) for d in ("pre-prod.alphatest.mssante.fr", "le-protestant.mssante.fr")]
    [True, False]
    """
    name = domain.lower().replace("pre-prod", "preprod")
    return f".{name}".endswith(".espacedeconfiance.mssante.fr") or any(
        _TEST_TOKEN.match(token) for label in name.split(".") for token in label.split("-")
    )


def _is_audit_entry(domains: Any, operators: Any, descriptions: Any) -> Any:
    """Tell which rows are there for testing: domain, operator's name or description says so."""
    flags = pc.match_substring_regex(domains, _TEST_HINT).to_numpy(zero_copy_only=False).copy()
    for index in np.flatnonzero(flags).tolist():
        flags[index] = is_audit_domain(domains[index].as_py())
    tests = pc.match_substring_regex(descriptions, _TEST_DESCRIPTION)
    if pc.any(tests).as_py():  # all rows of a domain or none
        others = pc.is_in(domains, value_set=domains.filter(pc.invert(tests)))
        flags |= pc.invert(others).to_numpy(zero_copy_only=False)
    return flags | pc.match_substring_regex(operators, _TEST_OPERATOR).to_numpy(zero_copy_only=False)

"""What the texts of a list's rows say, as the columns that `mssante_audit.whitelist.load` describes."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_department, parse_identifier, region_of
from mssante_audit.whitelist.listxml import FIELDS, Reading, instant

_TEST_TOKEN = re.compile(
    r"(?:audit|tests?|(?!protest$|contest$).*test|(?:pre|p)prod(?:uction)?|recette|qualif|demo|poc)$"
)
_TEST_HINT = "(?i)audit|test|espacedeconfiance|prod|recette|qualif|demo|poc"
_TEST_DESCRIPTION = r"(?i)\b(?:domaine|messagerie|mssant[ée]|comptes?) +(?:mssant[ée] +)?de +test\b"
_TEST_OPERATOR = r"(?i)\bTESTS?\d*\b"


def entries_frame(reading: Reading) -> pd.DataFrame:
    """Make the frame, emptying `reading.columns` on the way."""
    texts = texts_of(reading)
    lines = np.array(reading.lines, dtype="int64")
    columns: dict[str, Any] = {"row": np.arange(1, len(lines) + 1), "line": lines}
    columns |= {name: as_str(text) for name, text in texts.items()}
    coded = texts["updated_at_text"].dictionary_encode()
    instants = pd.array(list(map(instant, coded.dictionary.to_pylist())), dtype="datetime64[us, UTC]")
    columns["updated_at"] = instants.take(coded.indices.to_numpy(zero_copy_only=False))
    columns |= _parsed(texts["dn"], _names, DN_COLUMNS)
    for kind in ("project", "support"):
        columns |= _parsed(texts[f"{kind}_contact"], _reached, (f"{kind}_phone", f"{kind}_email"))
    columns["is_audit_entry"] = _is_audit_entry(texts["domain"], columns["operator"], texts["description"])
    columns["under_mssante"] = _matching(texts["domain"], r"(?i)(?:^|\.)mssante\.fr$")
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


def _matching(texts: Any, pattern: str) -> Any:
    return pc.match_substring_regex(pa.array(texts), pattern).to_numpy(zero_copy_only=False)


def _parsed(texts: Any, parse: Callable[[str], Sequence[str]], names: Sequence[str]) -> dict[str, Any]:
    """Return columns of what each text says, which is parsed once for each distinct one."""
    coded = texts.dictionary_encode()
    values = pd.DataFrame(map(parse, coded.dictionary.to_pylist()), columns=list(names), dtype="str")
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return {name: values[name].array.take(codes) for name in names}


DN_COLUMNS = (
    "dn_key", "igc", "cn", "ou", "o", "st", "c", "operator_id", "operator", "operator_kind", "finess",
    "siren", "siret", "department", "region",
)  # fmt: skip


def _names(text: str) -> tuple[str, ...]:
    """Return what a DN says, as `DN_COLUMNS`."""
    dn = parse_dn(text)
    ou, o, st = dn.get("OU"), dn.get("O"), dn.get("ST") or dn.get("L")
    owner, place = parse_identifier(ou), parse_department(st).code
    number = "" if "shape" in owner.problems else owner.value[1:]
    numbers = (number if owner.kind == kind else "" for kind in ("FINESS", "SIREN", "SIRET"))
    operator = " ".join(o.upper().split())
    named = (dn.key, dn.igc, dn.get("CN"), ou, o, st, dn.get("C"))
    return (*named, owner.value, operator, owner.kind, *numbers, place, region_of(place))


def _reached(text: str) -> tuple[str, str]:
    """Return the first phone and the first address of a contact."""
    contact = parse_contact(text)
    return next(iter(contact.phones), ""), next(iter(contact.emails), "")


def is_audit_domain(domain: str) -> bool:
    """Tell whether a domain's name says that it is there for testing (a heuristic; source: data).

    It lies under the manager's ``espacedeconfiance.mssante.fr``, or a word of a label is "audit", "test" or
    "tests", ends in "test", or is a pre-production's: "preprod", "recette", "qualif", "demo", "poc".
    """
    name = domain.lower().replace("pre-prod", "preprod")
    return f".{name}".endswith(".espacedeconfiance.mssante.fr") or any(
        _TEST_TOKEN.match(token) for label in name.split(".") for token in label.split("-")
    )


def _is_audit_entry(domains: Any, operators: Any, descriptions: Any) -> Any:
    """Tell which rows are there for testing: domain, operator's name or description says so."""
    flags = _matching(domains, _TEST_HINT).copy()
    for index in np.flatnonzero(flags).tolist():
        flags[index] = is_audit_domain(domains[index].as_py())
    tests = pc.match_substring_regex(descriptions, _TEST_DESCRIPTION)
    if pc.any(tests).as_py():  # all rows of a domain or none
        others = pc.is_in(domains, value_set=domains.filter(pc.invert(tests)))
        flags |= pc.invert(others).to_numpy(zero_copy_only=False)
    return flags | _matching(operators, _TEST_OPERATOR)

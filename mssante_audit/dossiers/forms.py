"""Annexe 1 filled for an operator, from what it declared, the list and the DNS, for it to correct and sign.

What is not known is empty. So is what the audit reports as wrong, which is marked. No box is ticked that the
operator did not tick itself, and nothing of a signature is carried over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.form import EMPTIED, SIGNED, write_form
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_key, records
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.dossiers.points import one_line
from mssante_audit.dossiers.remedies import dossier_words
from mssante_audit.values.contacts import national

MOST_FORMS = 3
"""Pre-filled forms attached."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_CONTACTS = {"project": "public_project", "support": "public_technical"}
"""How the fields of the form begin that hold a contact, by its kind."""


def forms(dossier: Dossier, addresses: tuple[str, str]) -> dict[str, bytes]:
    """Return files of Annexe 1 for domains whose points ask for one, those the operator declared first.

    Printed are the manager's `addresses`, for changes of contacts and for the form.
    """
    declared, asking = _declared(dossier), tuple(dossier_words()["forms"])
    points = (point for point in dossier.points if any(code.startswith(asking) for code in point.rules))
    wanted = dict.fromkeys(domain_key(domain) for point in points for domain in point.domains)
    listed = {domain_key(domain) for domain in dossier.entries["domain"]}
    known = {*declared["domain_key"]} if declared is not None else set()
    chosen = [key for key in wanted if key in known] + [k for k in wanted if k in listed and k not in known]
    written = {}
    for number, key in enumerate(chosen[:MOST_FORMS], 1):
        doubtful = reported(dossier, key)
        record = _record(dossier, key, declared if key in known else None)
        filled = {name: "" if name in doubtful else text for name, text in record.items()}
        suffix, content = _form(filled, doubtful, addresses)
        written[f"annexe1-{key if _NAME.fullmatch(key) else number}{suffix}"] = content
    return written


def reported(dossier: Dossier, key: str) -> frozenset[str]:
    """Return the fields of the form that the audit reports as wrong for a domain."""
    found = dossier.findings[dossier.findings["severity"] > "info"]
    domain = dict(zip(dossier.entries["row"].tolist(), dossier.entries["domain"].tolist(), strict=True))
    told_kinds, wrong = dossier.common.kinds, set[str]()
    for finding in found.to_dict("records"):
        touched = [domain.get(row, "") for row in finding["rows"]] or [finding["domain"]]
        if key in map(domain_key, touched):
            kinds = tuple(_CONTACTS[kind] for kind in told_kinds.get(finding["fingerprint"], ()))
            wrong |= {
                name
                for begin, names in dossier_words()["fields"].items()
                if finding["rule"].startswith(begin)
                for name in names
                if not kinds or not name.startswith("public_") or name.startswith(kinds)
            }
    return frozenset(wrong)


def _declared(dossier: Dossier) -> pd.DataFrame | None:
    """Return the operator's latest declaration of each domain; None without a register."""
    register = dossier.space.register
    if register is None:
        return None
    current = register.at(dossier.space.as_of)
    rows = current[(current["operator_id"] == dossier.operator_id) & (current["domain_key"] != "")]
    rows = rows.sort_values("date", na_position="first", kind="stable")
    return rows.drop_duplicates("domain_key", keep="last")


def _record(dossier: Dossier, key: str, declared: pd.DataFrame | None) -> dict[str, str]:
    known = fields()
    values = dict.fromkeys(known, "")
    if declared is not None:
        row = records(declared[declared["domain_key"] == key]).iloc[0]
        values |= {str(name): str(text) for name, text in row.items()}
    for name, text in {**_of_dns(dossier, key), **_of_list(dossier, key)}.items():
        values[name] = values[name] or text
    if values["dn_igc_sante"] and values["dn_igc_cps"] and declared is None:
        values |= {"dn_igc_sante": "", "dn_igc_cps": ""}  # which of the two is asked for is not known
    hidden = {n for n in values if n in SIGNED or (known[n].personal and dossier.masked)}
    return {n: "" if n in hidden else dossier.safe(text, "") for n, text in values.items()}


def _of_list(dossier: Dossier, key: str) -> dict[str, str]:
    """Return what the list says of a domain, where all of the operator's rows say the same."""
    rows = dossier.entries.loc[[domain_key(domain) == key for domain in dossier.entries["domain"]]]
    found = {
        "structure_name": dossier.name,
        "structure_id": dossier.operator_id if dossier.kind else "",
        "domain": _only(rows["domain"]),
        "description": _only(rows["description"]),
        "dn_igc_sante": _only(rows.loc[rows["igc"] == "IGC-Santé", "dn"]),
        "dn_igc_cps": _only(rows.loc[rows["igc"] == "IGC-CPS", "dn"]),
    }
    for kind, part in _CONTACTS.items():
        phone, email = (_only(rows[f"{kind}_{what}"]) for what in ("phone", "email"))
        found |= {f"{part}_phone": national(phone) if phone else "", f"{part}_email": email}
    return found


def _of_dns(dossier: Dossier, key: str) -> dict[str, str]:
    """Return the servers that the DNS names, where they are as many as the form has lines for."""
    methods = dict(zip(map(domain_key, dossier.domains["domain"]), dossier.domains["method"], strict=True))
    method = methods.get(key, "")
    servers, exchangers = (dossier.common.hosts.get((kind, key), []) for kind in ("NS", "MX"))
    if method == "delegated" and 1 <= len(servers) <= 2:
        return dict(zip(("primary_server", "secondary_server"), servers, strict=False))
    return {"mail_server": exchangers[0]} if method == "redirected" and len(exchangers) == 1 else {}


def _only(values: pd.Series) -> str:
    different = values.unique().tolist()
    return str(different[0]) if len(different) == 1 else ""


def _form(
    record: Mapping[str, str], doubtful: frozenset[str], addresses: tuple[str, str]
) -> tuple[str, bytes]:
    """Return the form as PDF, or as plain text where the extra ``pdf`` is not installed, and its suffix."""
    with suppress(InputError):
        return ".pdf", write_form(record, doubtful, addresses)
    lines = ""
    for key, text in record.items():
        box = ("[X]" if text else "[ ]") if fields()[key].kind == "box" else one_line(text, 400)
        lines += f"{'* ' if key in doubtful else ''}{fields()[key].label} : {box}\n"
    return ".txt", (f"{lines}\n* {EMPTIED}\n" if doubtful else lines).encode()

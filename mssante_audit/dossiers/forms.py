"""Annexe 1 filled for an operator, from what it declared, the list and the DNS, for it to correct and sign.

What is not known is empty. So is what the audit reports as wrong, which is marked. No box is ticked that the
operator did not tick itself, and nothing of a signature is carried over.
"""

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.declarations.form import EMPTIED, SIGNED, write_form
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import domain_key, records
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.dossiers.points import one_line
from mssante_audit.dossiers.remedies import dossier_words
from mssante_audit.values.contacts import national

MOST_FORMS = 3  # pre-filled forms attached

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
# How the fields of the form begin that hold a contact, by its kind.
_CONTACTS = {"project": "public_project", "support": "public_technical"}


def forms(dossier: Dossier, addresses: tuple[str, str]) -> dict[str, bytes]:
    """Return files of Annexe 1 for domains whose points ask for one, those the operator declared first.

    Printed are the manager's `addresses`, for changes of contacts and for the form.
    """
    declared, asking = dict[str, dict[Any, str]](), tuple(dossier_words()["forms"])
    if (register := dossier.space.register) is not None:  # the latest declaration of each domain counts
        current = register.at(dossier.space.as_of)
        rows = current[(current["operator_id"] == dossier.operator_id) & (current["domain_key"] != "")]
        rows = rows.sort_values("date", na_position="first", kind="stable")
        declared = dict(zip(rows["domain_key"], records(rows).to_dict("records"), strict=True))
    points = (point for point in dossier.points if any(code.startswith(asking) for code in point.rules))
    wanted = dict.fromkeys(domain_key(domain) for point in points for domain in point.domains)
    known = declared.keys() | set(map(domain_key, dossier.entries["domain"]))
    chosen = sorted((key for key in wanted if key in known), key=lambda key: key not in declared)
    written = {}
    for number, key in enumerate(chosen[:MOST_FORMS], 1):
        doubtful, record = reported(dossier, key), _record(dossier, key, declared.get(key, {}))
        filled = {name: "" if name in doubtful else text for name, text in record.items()}
        name = f"annexe1-{key if _NAME.fullmatch(key) else number}"
        try:
            written[f"{name}.pdf"] = write_form(filled, doubtful, addresses)
        except InputError:  # the extra ``pdf`` is not installed
            written[f"{name}.txt"] = _plain(filled, doubtful)
    return written


def reported(dossier: Dossier, key: str) -> frozenset[str]:
    """Return the fields of the form that the audit reports as wrong for a domain."""
    wrong = set[str]()
    for finding in dossier.records:
        touched = [dossier.domain_of.get(row, "") for row in finding["rows"]] or [finding["domain"]]
        if finding["severity"] != "info" and key in map(domain_key, touched):
            kinds = tuple(map(_CONTACTS.get, dossier.common.kinds.get(finding["fingerprint"], ())))
            names = (n for begin, n in dossier_words()["fields"].items() if finding["rule"].startswith(begin))
            named = chain.from_iterable(names)
            wrong |= {n for n in named if not (kinds and n.startswith("public_")) or n.startswith(kinds)}
    return frozenset(wrong)


def _record(dossier: Dossier, key: str, declared: dict[Any, str]) -> dict[str, str]:
    """Return the form's fields: what was declared, else where all of the operator's rows say the same."""
    values: dict[str, str] = dict.fromkeys(fields(), "") | declared
    rows = dossier.entries.loc[[domain_key(domain) == key for domain in dossier.entries["domain"]]]
    methods = dict(zip(map(domain_key, dossier.domains["domain"]), dossier.domains["method"], strict=True))
    servers, exchangers = (dossier.common.hosts.get((kind, key), []) for kind in ("NS", "MX"))
    listed = {
        "structure_name": dossier.name,
        "structure_id": dossier.operator_id if dossier.kind else "",
        "domain": _only(rows["domain"]),
        "description": _only(rows["description"]),
        "dn_igc_sante": _only(rows.loc[rows["igc"] == "IGC-Santé", "dn"]),
        "dn_igc_cps": _only(rows.loc[rows["igc"] == "IGC-CPS", "dn"]),
    }
    if methods.get(key) == "delegated" and 1 <= len(servers) <= 2:  # as many as the form has lines for
        listed |= zip(("primary_server", "secondary_server"), servers, strict=False)
    elif methods.get(key) == "redirected" and len(exchangers) == 1:
        listed["mail_server"] = exchangers[0]
    for kind, part in _CONTACTS.items():
        phone, email = (_only(rows[f"{kind}_{what}"]) for what in ("phone", "email"))
        listed |= {f"{part}_phone": national(phone) if phone else "", f"{part}_email": email}
    values |= {name: text for name, text in listed.items() if not values[name]}
    if values["dn_igc_sante"] and values["dn_igc_cps"] and not declared:
        values |= {"dn_igc_sante": "", "dn_igc_cps": ""}  # which of the two is asked for is not known
    hidden = {n for n in values if n in SIGNED or (fields()[n].personal and dossier.masked)}
    return {n: "" if n in hidden else dossier.safe(text, "") for n, text in values.items()}


def _only(values: pd.Series) -> str:
    return str(values.iloc[0]) if values.nunique(dropna=False) == 1 else ""


def _plain(record: Mapping[str, str], doubtful: frozenset[str]) -> bytes:
    """Return the form as plain text."""
    lines = ""
    for key, text in record.items():
        filled = ("[X]" if text else "[ ]") if fields()[key].kind == "box" else one_line(text, 400)
        lines += f"{'* ' if key in doubtful else ''}{fields()[key].label} : {filled}\n"
    return (f"{lines}\n* {EMPTIED}\n" if doubtful else lines).encode()

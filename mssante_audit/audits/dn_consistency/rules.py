"""Audit of the certificate names (DN): shape, spelling, identifier, département, server and operator names.

Rules and their words: ``rules.toml``. Each distinct text is looked at once; its finding names all its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import fold
from mssante_audit.values.dn import DN, IGC, parse_dn
from mssante_audit.values.identifiers import DEPARTMENTS, parse_department, parse_identifier
from mssante_audit.values.shown import hidden, host_faults
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, operator_names, rows_by, structures

CUT_AT = 40
"""Length at which names of operators are cut (data)."""


# -- the text of a DN ---------------------------------------------------------------------------------------


def _texts(space: TrustSpace) -> Iterator[Finding]:
    """Defects of each exact text.

    Several spaces in a row inside a value are not reported when the list also has the value in quotes:
    programs quote values for holding just that (RFC 1779), so the certificate does.
    """
    names = {text: (parse_dn(text), rows) for (text,), rows in rows_by(space.audited, "dn").items()}
    quoted = {dn.key for dn, _ in names.values() if "quotes" in dn.problems}
    for text, (dn, found) in names.items():
        if not text.strip():
            continue  # an absent DN is LIST_UNREADABLE_ROW
        rows = tuple(found)
        if "unreadable" in dn.problems:
            yield Finding("DN_UNREADABLE", text, rows, facts={"dn": text})
            continue
        best = _best(dn)
        facts = {"dn": text, "best": best if best != text else ""}
        wrong = _shape_faults(dn)
        if wrong:
            yield Finding("DN_SHAPE", text, rows, facts={"dn": text, **wrong})
        elif not dn.order_ok:
            yield Finding("DN_ORDER", text, rows, facts=facts)
        problems = set(dn.problems)
        if dn.key in quoted and not _spaced_outside(dn):
            problems.discard("spacing")
        for problem, code in (("spacing", "DN_SPACING"), ("quotes", "DN_QUOTES"), ("nbsp", "DN_NBSP")):
            if problem in problems:
                yield Finding(code, text, rows, facts=facts)
        if dn.get("C") not in ("", "FR"):
            yield Finding("DN_COUNTRY", text, rows, facts={"country": dn.get("C")})


def _best(dn: DN) -> str:
    """Return the canonical text without what no certificate holds: odd spaces, invisible characters."""
    if dn.canonical.isprintable():
        return dn.canonical
    return "".join(" " if c.isspace() else c for c in dn.canonical if c.isspace() or not hidden(c))


def _spaced_outside(dn: DN) -> bool:
    """Tell whether there are spaces around separators, not only inside values."""
    return "spacing" in parse_dn(re.sub("(?<=[^ ,=]) +(?=[^ ,])", " ", dn.text)).problems


def _shape_faults(dn: DN) -> dict[str, Any]:
    """Tell how the attributes differ from the shape they are nearest to, as facts; none if they are right."""
    if dn.igc == "IGC-CPS" and dn.get("O") != CPS_ISSUER:
        return {"wrong": "issuer", "missing": [], "extra": []}
    if dn.igc:
        return {}
    kinds = [kind for kind, _ in dn.rdns]
    shape = IGC["IGC-CPS" if "L" in kinds and "ST" not in kinds else "IGC-Santé"]
    missing = [kind for kind in shape if not dn.get(kind).strip()]
    extra = [kind for i, kind in enumerate(kinds) if kind not in shape or kind in kinds[:i]]
    return {"wrong": "attributes" if missing or extra else "joined", "missing": missing, "extra": extra}


def _spellings(space: TrustSpace) -> Iterator[Finding]:
    texts: dict[str, dict[str, dict[str, list[int]]]] = {}
    for (key, text, domain), rows in rows_by(space.audited, "dn_key", "dn", "domain").items():
        if key:
            texts.setdefault(key, {}).setdefault(text, {})[domain] = rows
    for key, spellings in texts.items():
        names = {text: parse_dn(text) for text in spellings}
        if any("unreadable" in dn.problems for dn in names.values()):
            continue
        right = {text for text, dn in names.items() if text == _best(dn)}
        best = min(right, default=_best(next(iter(names.values()))))
        if len(spellings) > 1:
            rows_of = {text: all_rows(found.values()) for text, found in spellings.items()}
            by_use = sorted(rows_of, key=lambda text: -len(rows_of[text]))
            told = [{"rows": len(rows_of[text]), "dn": text} for text in by_use]
            every = tuple(row for rows in rows_of.values() for row in rows)
            yield Finding("DN_SPELLINGS", key, every, facts={"spellings": told, "best": best})
        listed_right = {domain for text in right for domain in spellings[text]}
        only_wrong = {
            text: [rows for domain, rows in found.items() if domain not in listed_right]
            for text, found in spellings.items()
        }
        if any(only_wrong.values()):
            wrong = all_rows(rows for found in only_wrong.values() for rows in found)
            facts = {"dns": [text for text, found in only_wrong.items() if found], "best": best}
            yield Finding("DN_NOT_CANONICAL", key, wrong, facts=facts)


# -- the values ---------------------------------------------------------------------------------------------


def _identifiers(space: TrustSpace) -> Iterator[Finding]:
    for (ou,), rows in rows_by(space.audited, "ou").items():
        if not ou.strip():
            continue  # DN_SHAPE
        identifier = parse_identifier(ou)
        facts = {"kind": identifier.kind, "ou": ou}
        if "kind" in identifier.problems or "shape" in identifier.problems:
            yield Finding("DN_ID_SHAPE", ou, tuple(rows), facts=facts)
        elif "luhn" in identifier.problems:
            yield Finding("DN_ID_LUHN", ou, tuple(rows), facts=facts)


def _departments(space: TrustSpace) -> Iterator[Finding]:
    for (st,), rows in rows_by(space.audited, "st").items():
        if not st.strip():
            continue  # DN_SHAPE
        name = parse_department(st)
        named = parse_department(name.label).code
        facts = {
            "st": st,
            "by_name": f"{name.label} ({named})" if named else "",
            "by_code": f"{DEPARTMENTS[name.code]} ({name.code})" if name.code else "",
        }
        for problem, code in (
            ("form", "DN_DEPARTMENT_FORM"),
            ("unknown", "DN_DEPARTMENT_UNKNOWN"),
            ("mismatch", "DN_DEPARTMENT_MISMATCH"),
        ):
            if problem in name.problems:
                yield Finding(code, st, tuple(rows), facts=facts)
    for (ou, st), rows in rows_by(space.audited, "ou", "st").items():
        finess, name = parse_identifier(ou), parse_department(st)
        known = finess.department and name.code and "mismatch" not in name.problems
        if known and finess.department != name.code:
            where = f"{DEPARTMENTS[finess.department]} ({finess.department})"
            told = {"finess": finess.value[1:], "department": where, "st": st}
            yield Finding("DN_FINESS_DEPARTMENT", (ou, st), tuple(rows), facts=told)


def _servers(space: TrustSpace) -> Iterator[Finding]:
    for (cn,), rows in rows_by(space.audited, "cn").items():
        faults = host_faults(cn, any_case=True) if cn.strip() else []
        if faults:
            yield Finding("DN_CN_NOT_FQDN", cn, tuple(rows), facts={"cn": cn, "faults": faults})


def _shared_servers(space: TrustSpace) -> Iterator[Finding]:
    same, names = structures(space.audited), operator_names(space.audited)
    servers: dict[str, dict[str, dict[str, list[int]]]] = {}
    hosts: dict[str, set[str]] = {}
    for (cn, operator_id, domain), rows in rows_by(space.audited, "cn", "operator_id", "domain").items():
        if cn.strip():
            servers.setdefault(cn.lower(), {}).setdefault(operator_id, {})[domain] = rows
            hosts.setdefault(domain, set()).add(cn.lower())
    for cn, owners in servers.items():
        found = all_rows(rows for domains in owners.values() for rows in domains.values())
        if len({same[operator_id] for operator_id in owners if operator_id}) > 1:
            shares = [
                {"operator": operator_id, "name": names[operator_id], "domains": len(domains)}
                for operator_id, domains in owners.items()
            ]
            yield Finding("DN_CN_OPERATORS", cn, found, facts={"cn": cn, "shares": shares})
        served = {domain for domains in owners.values() for domain in domains}
        if len(served) >= space.thresholds.concentration_min:
            alone = sum(len(hosts[domain]) == 1 for domain in served)
            facts = {"cn": cn, "domains": len(served), "of": len(hosts), "alone": alone}
            yield Finding("DN_CONCENTRATION", cn, found, facts=facts)


def _operators(space: TrustSpace) -> Iterator[Finding]:
    names: dict[str, dict[str, tuple[str, list[int]]]] = {}
    owners: dict[str, dict[str, list[int]]] = {}
    for (operator_id, name), rows in rows_by(space.audited, "operator_id", "operator").items():
        if operator_id and name and name != CPS_ISSUER:
            names.setdefault(operator_id, {}).setdefault(fold(name), (name, []))[1].extend(rows)
            owners.setdefault(name, {})[operator_id] = rows
    for operator_id, called in names.items():
        if len(called) > 1:
            told = {"names": [{"name": name, "rows": len(rows)} for name, rows in called.values()]}
            every = all_rows(rows for _, rows in called.values())
            yield Finding("DN_OPERATOR_NAMES", operator_id, every, facts=told)
    for name, ids in owners.items():
        if len(ids) > 1:
            facts = {"name": name, "ids": list(ids)}
            yield Finding("DN_NAME_OPERATORS", name, all_rows(ids.values()), facts=facts)
    for (o,), rows in rows_by(space.audited, "o").items():
        if len(o) == CUT_AT:
            yield Finding("DN_O_TRUNCATED", o, tuple(rows), facts={"o": o})


PARTS = (_texts, _spellings, _identifiers, _departments, _servers, _shared_servers, _operators)
"""What the audit is made of."""

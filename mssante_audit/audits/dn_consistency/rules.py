"""Audit of the certificate names (DN): shape, spelling, identifier, département, server and operator names.

Rules: ``rules/dn_consistency.toml``. Each distinct text is looked at once; its finding names all its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mssante_audit.base.french import count, number, percent
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import said
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import fold
from mssante_audit.values.dn import DN, IGC, parse_dn
from mssante_audit.values.identifiers import DEPARTMENTS, parse_department, parse_identifier
from mssante_audit.values.shown import enumerated, hidden, host_faults, shown
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, operator_names, rows_by, structures

CUT_AT = 40
"""Length at which names of operators are cut (data)."""
SHAPES = "CN=…,OU=…,O=…,ST=… (…),C=FR"
"""What to write instead of a DN of neither shape: that of certificates issued today (source: form)."""


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
        rows, seen = tuple(found), shown(text)
        if "unreadable" in dn.problems:
            yield said("DN_UNREADABLE", rows, observed=seen, expected=SHAPES)
            continue
        best = _best(dn)
        expected = shown(best) if best != text else ""
        wrong = _shape_faults(dn)
        if wrong:
            yield said("DN_SHAPE", rows, observed=f"{seen} ({wrong})", expected=SHAPES)
        elif not dn.order_ok:
            yield said("DN_ORDER", rows, observed=seen, expected=expected)
        problems = set(dn.problems)
        if dn.key in quoted and not _spaced_outside(dn):
            problems.discard("spacing")
        for problem, code in (("spacing", "DN_SPACING"), ("quotes", "DN_QUOTES"), ("nbsp", "DN_NBSP")):
            if problem in problems:
                yield said(code, rows, observed=shown(text, spaces=True), expected=expected)
        if dn.get("C") not in ("", "FR"):
            yield said("DN_COUNTRY", rows, observed=f"C={shown(dn.get('C'))}", expected="C=FR")


def _best(dn: DN) -> str:
    """Return the canonical text without what no certificate holds: odd spaces, invisible characters."""
    if dn.canonical.isprintable():
        return dn.canonical
    return "".join(" " if c.isspace() else c for c in dn.canonical if c.isspace() or not hidden(c))


def _spaced_outside(dn: DN) -> bool:
    """Tell whether there are spaces around separators, not only inside values."""
    return "spacing" in parse_dn(re.sub("(?<=[^ ,=]) +(?=[^ ,])", " ", dn.text)).problems


def _shape_faults(dn: DN) -> str:
    """Say in French how the attributes differ from the shape they are nearest to, "" if they are right."""
    if dn.igc == "IGC-CPS" and dn.get("O") != CPS_ISSUER:
        return f"O autre que {CPS_ISSUER}"
    if dn.igc:
        return ""
    kinds = [kind for kind, _ in dn.rdns]
    shape = IGC["IGC-CPS" if "L" in kinds and "ST" not in kinds else "IGC-Santé"]
    missing = [kind for kind in shape if not dn.get(kind).strip()]
    extra = [kind for i, kind in enumerate(kinds) if kind not in shape or kind in kinds[:i]]
    faults = [
        f"{what} : {enumerated(map(shown, which), ', ')}"
        for what, which in (("manque", missing), ("en trop", extra))
        if which
    ]
    return " ; ".join(faults) or "éléments réunis par un « + »"


def _spellings(space: TrustSpace) -> Iterator[Finding]:
    texts: dict[str, dict[str, dict[str, list[int]]]] = {}
    for (key, text, domain), rows in rows_by(space.audited, "dn_key", "dn", "domain").items():
        if key:
            texts.setdefault(key, {}).setdefault(text, {})[domain] = rows
    for spellings in texts.values():
        names = {text: parse_dn(text) for text in spellings}
        if any("unreadable" in dn.problems for dn in names.values()):
            continue
        right = {text for text, dn in names.items() if text == _best(dn)}
        best = shown(min(right, default=_best(next(iter(names.values())))))
        if len(spellings) > 1:
            by_use = sorted(spellings, key=lambda text: -len(all_rows(spellings[text].values())))
            yield said(
                "DN_SPELLINGS",
                all_rows(rows for found in spellings.values() for rows in found.values()),
                observed=enumerated(
                    f"{len(all_rows(spellings[text].values()))} × {shown(text, spaces=True)}"
                    for text in by_use
                ),
                expected=best,
            )
        listed_right = {domain for text in right for domain in spellings[text]}
        only_wrong = {
            text: [rows for domain, rows in found.items() if domain not in listed_right]
            for text, found in spellings.items()
        }
        if any(only_wrong.values()):
            yield said(
                "DN_NOT_CANONICAL",
                all_rows(rows for found in only_wrong.values() for rows in found),
                observed=enumerated(shown(text, spaces=True) for text, found in only_wrong.items() if found),
                expected=best,
            )


# -- the values ---------------------------------------------------------------------------------------------


def _identifiers(space: TrustSpace) -> Iterator[Finding]:
    for (ou,), rows in rows_by(space.audited, "ou").items():
        if not ou.strip():
            continue  # DN_SHAPE
        identifier = parse_identifier(ou)
        seen = f"{identifier.kind or 'nature inconnue'} : {shown(ou, spaces=True)}"
        if "kind" in identifier.problems or "shape" in identifier.problems:
            yield said("DN_ID_SHAPE", tuple(rows), observed=seen)
        elif "luhn" in identifier.problems:
            yield said("DN_ID_LUHN", tuple(rows), observed=seen)


def _departments(space: TrustSpace) -> Iterator[Finding]:
    for (st,), rows in rows_by(space.audited, "st").items():
        if not st.strip():
            continue  # DN_SHAPE
        name = parse_department(st)
        named = parse_department(name.label).code
        known = f"{DEPARTMENTS[name.code]} ({name.code})" if name.code else ""
        for problem, code, expected in (
            ("form", "DN_DEPARTMENT_FORM", f"{name.label} ({named})" if named else known),
            ("unknown", "DN_DEPARTMENT_UNKNOWN", known),
            ("mismatch", "DN_DEPARTMENT_MISMATCH", f"{name.label} ({named}) | {known}"),
        ):
            if problem in name.problems:
                yield said(code, tuple(rows), observed=shown(st, spaces=True), expected=shown(expected))
    for (ou, st), rows in rows_by(space.audited, "ou", "st").items():
        finess, name = parse_identifier(ou), parse_department(st)
        told = finess.department and name.code and "mismatch" not in name.problems
        if told and finess.department != name.code:
            where = f"{DEPARTMENTS[finess.department]} ({finess.department})"
            yield said(
                "DN_FINESS_DEPARTMENT",
                tuple(rows),
                observed=f"FINESS {shown(finess.value[1:])} : {where} | ST : {shown(st)}",
            )


def _servers(space: TrustSpace) -> Iterator[Finding]:
    for (cn,), rows in rows_by(space.audited, "cn").items():
        faults = host_faults(cn, any_case=True) if cn.strip() else []
        if faults:
            yield said(
                "DN_CN_NOT_FQDN", tuple(rows), observed=f"CN={shown(cn, spaces=True)} ({', '.join(faults)})"
            )


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
                f"{names[operator_id]} : {count(len(domains), 'domaine')}"
                for operator_id, domains in owners.items()
            ]
            yield said("DN_CN_OPERATORS", found, observed=f"CN={shown(cn)} | {enumerated(shares)}")
        served = {domain for domains in owners.values() for domain in domains}
        if len(served) >= space.thresholds.concentration_min:
            alone = sum(len(hosts[domain]) == 1 for domain in served)
            yield said(
                "DN_CONCENTRATION",
                found,
                observed=f"CN={shown(cn)} : {count(len(served), 'domaine')} "
                f"({percent(len(served), len(hosts))}), dont {number(alone)} sans autre serveur",
            )


def _operators(space: TrustSpace) -> Iterator[Finding]:
    names: dict[str, dict[str, tuple[str, list[int]]]] = {}
    owners: dict[str, dict[str, list[int]]] = {}
    for (operator_id, name), rows in rows_by(space.audited, "operator_id", "operator").items():
        if operator_id and name and name != CPS_ISSUER:
            names.setdefault(operator_id, {}).setdefault(fold(name), (name, []))[1].extend(rows)
            owners.setdefault(name, {})[operator_id] = rows
    for called in names.values():
        if len(called) > 1:
            yield said(
                "DN_OPERATOR_NAMES",
                all_rows(rows for _, rows in called.values()),
                observed=enumerated(
                    f"{shown(name)} : {count(len(rows), 'ligne')}" for name, rows in called.values()
                ),
            )
    for name, ids in owners.items():
        if len(ids) > 1:
            yield said(
                "DN_NAME_OPERATORS",
                all_rows(ids.values()),
                observed=f"{shown(name)} : {enumerated(map(shown, ids), ', ')}",
            )
    for (o,), rows in rows_by(space.audited, "o").items():
        if len(o) == CUT_AT:
            yield said("DN_O_TRUNCATED", tuple(rows), observed=shown(o))


PARTS = (_texts, _spellings, _identifiers, _departments, _servers, _shared_servers, _operators)
"""What the audit is made of."""

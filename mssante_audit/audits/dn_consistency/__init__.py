"""Audit of the certificate names (DN): shape, spelling, identifier, département, server and operator names.

Rules and their words: ``rules.toml``. Each distinct text is looked at once; its finding names all its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from mssante_audit.audits.dn_consistency.spellings import spaced_department, spellings, usual_departments
from mssante_audit.base.text import fold
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.frame import Finding
from mssante_audit.findings.registry import Audit
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import DN, IGC, parse_dn
from mssante_audit.values.hosts import host_faults
from mssante_audit.values.identifiers import DEPARTMENTS, parse_department, parse_identifier
from mssante_audit.values.slips import one_slip
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, grouped, rows_by

CUT_AT = 40
"""Length at which names of operators are cut (data)."""
_DEPARTMENT = {
    "form": "DN_DEPARTMENT_FORM", "unknown": "DN_DEPARTMENT_UNKNOWN", "mismatch": "DN_DEPARTMENT_MISMATCH",
}  # fmt: skip


def _texts(space: TrustSpace) -> Iterator[Finding]:
    """Defects of each exact text; how it is spelt, `spellings` says."""
    for (text,), rows in rows_by(space.audited, "dn").items():
        if not text.strip():
            continue  # an absent DN is LIST_UNREADABLE_ROW
        dn = parse_dn(text)
        if "unreadable" in dn.problems:
            yield Finding("DN_UNREADABLE", text, rows, facts={"dn": text})
            continue
        if wrong := _shape_faults(dn):
            yield Finding("DN_SHAPE", text, rows, facts={"dn": text, **wrong})
        if dn.get("C") not in ("", "FR"):
            yield Finding("DN_COUNTRY", text, rows, facts={"country": dn.get("C")})


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


def _identifiers(space: TrustSpace) -> Iterator[Finding]:
    for (ou,), rows in rows_by(space.audited, "ou").items():
        if not ou.strip():
            continue  # DN_SHAPE
        identifier = parse_identifier(ou)
        shape = {"kind", "shape"} & {*identifier.problems}
        if shape or "luhn" in identifier.problems:
            facts = {"kind": identifier.kind, "ou": ou}
            yield Finding("DN_ID_SHAPE" if shape else "DN_ID_LUHN", ou, rows, facts)


def _departments(space: TrustSpace) -> Iterator[Finding]:
    texts = [
        (o, st, parse_department(st), rows)
        for (o, st), rows in rows_by(space.audited, "operator_id", "st").items()
    ]
    usual = usual_departments(space)
    right = [(operator_id, st, name.code) for operator_id, st, name, _ in texts if st in usual]
    written = grouped(((operator_id, code), st) for operator_id, st, code in right)
    everywhere = grouped((code, st) for _, st, code in right)
    for operator_id, st, name, rows in texts:
        if not name.problems or not st.strip() or spaced_department(st):
            continue  # DN_SHAPE, DN_SPELLINGS
        problem = next(p for p in ("mismatch", "unknown", "form") if p in name.problems)
        likely = {name.code, parse_department(name.label).code} if problem == "mismatch" else {name.code}
        best = {text for code in likely for text in written.get((operator_id, code), ())}
        if not best and problem != "mismatch":
            label, others = fold(name.label), everywhere.get(name.code, ())
            near = problem == "form"
            best = {o for o in others if near or one_slip(label, fold(parse_department(o).label))}
        if not best and problem == "form":
            best = {f"{DEPARTMENTS.get(name.code, name.label)} ({name.code})"}
        facts = {"st": st, "best": best.pop() if len(best) == 1 else ""}
        yield Finding(_DEPARTMENT[problem], (operator_id, st), rows, facts)


def _departments_of_finess(space: TrustSpace) -> Iterator[Finding]:
    for (ou, st), rows in rows_by(space.audited, "ou", "st").items():
        finess, name = parse_identifier(ou), parse_department(st)
        known = finess.department and name.code and "mismatch" not in name.problems
        if known and finess.department != name.code:
            where = f"{DEPARTMENTS[finess.department]} ({finess.department})"
            facts = {"finess": finess.value[1:], "department": where, "st": st}
            yield Finding("DN_FINESS_DEPARTMENT", (ou, st), rows, facts)


def _servers(space: TrustSpace) -> Iterator[Finding]:
    for (cn,), rows in rows_by(space.audited, "cn").items():
        if cn.strip() and (faults := host_faults(cn, any_case=True)):
            yield Finding("DN_CN_NOT_FQDN", cn, rows, facts={"cn": cn, "faults": faults})


def _shared_servers(space: TrustSpace) -> Iterator[Finding]:
    """Servers of several operators; where one has it on all domains, on those that others have too."""
    same, names = space.structures, space.operator_names
    servers: dict[str, dict[str, dict[str, list[int]]]] = {}
    for (cn, operator_id, domain), rows in rows_by(space.audited, "cn", "operator_id", "domain").items():
        if cn.strip():
            servers.setdefault(cn.lower(), {}).setdefault(operator_id, {})[domain] = rows
    for cn, owners in servers.items():
        whose: dict[str, set[str]] = {}
        for operator_id, domains in owners.items():
            if operator_id:
                whose.setdefault(same[operator_id], set()).update(domains)
        if len(whose) < 2:
            continue
        every = set().union(*owners.values())
        heirs = [structure for structure, domains in whose.items() if domains == every]
        others = set().union(*(domains for structure, domains in whose.items() if [structure] != heirs))
        contested = others if heirs else every
        where = all_rows(held[domain] for held in owners.values() for domain in held if domain in contested)
        shares = [{"operator": o, "name": names[o], "domains": len(held)} for o, held in owners.items()]
        facts = {"cn": cn, "shares": shares, "both": len(contested) if heirs else 0}
        heir = next((o for o in owners if [same.get(o)] == heirs), "")
        yield Finding("DN_CN_OPERATORS", cn, where, facts, operator_id=heir)


def _concentration(space: TrustSpace) -> Iterator[Finding]:
    """Certificates with which many domains fall: those that have no other."""
    shares, of = space.audited.groupby("dn_key")["domain"].nunique(), space.audited["domain"].nunique()
    many = shares.index[shares >= space.thresholds.concentration_min]
    alone = space.alone[space.alone["dn_key"].isin(many) & (space.alone["cn"].str.strip() != "")]
    for key, held in alone.groupby("dn_key", sort=False):
        domains = held["domain"].nunique()
        if domains >= space.thresholds.concentration_min:
            facts = {"cn": held["cn"].iloc[0], "alone": domains, "of": of, "domains": shares[key]}
            yield Finding("DN_CONCENTRATION", str(key), held["row"].tolist(), facts)


def _operators(space: TrustSpace) -> Iterator[Finding]:
    held = rows_by(space.audited, "operator_id", "operator").items()
    known = [(o, name, rows) for (o, name), rows in held if o and name and name != CPS_ISSUER]
    for operator_id, uses in grouped((o, (name, rows)) for o, name, rows in known).items():
        called = grouped((fold(name), (name, rows)) for name, rows in uses).values()
        if len(called) > 1:
            where = all_rows(rows for same in called for _, rows in same)
            spelt = [{"name": same[0][0], "rows": sum(len(rows) for _, rows in same)} for same in called]
            yield Finding("DN_OPERATOR_NAMES", operator_id, where, {"names": spelt})
    for name, owners in grouped((name, (o, rows)) for o, name, rows in known).items():
        if len(owners) > 1:
            facts = {"name": name, "ids": [operator_id for operator_id, _ in owners]}
            yield Finding("DN_NAME_OPERATORS", name, all_rows(rows for _, rows in owners), facts)
    for (o,), rows in rows_by(space.audited, "o").items():
        if len(o) == CUT_AT:
            yield Finding("DN_O_TRUNCATED", o, rows, facts={"o": o})


AUDIT = Audit(
    "dn_consistency",
    {"fr": "Noms de certificat", "en": "Certificate names"},
    load_rules(files(__package__) / "rules.toml"),
    (_texts, spellings, _identifiers, _departments, _departments_of_finess, _servers,
     _shared_servers, _concentration, _operators),
)  # fmt: skip

"""A made-up register over made-up lists: declarations of one domain, filled as its row is listed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from in_clear import told_in_clear
from made_up import make_space

from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.declarations.register import load_declarations
from mssante_audit.findings.frame import concat
from mssante_audit.findings.places import REGISTER
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.verdicts.domains import domains_touched

OLD = "01/06/2025"
DECLARED: dict[str, Any] = {
    "structure_name": "CH ALPHA", "structure_id": "1759900004", "beneficiary_id": "",
    "domain": "ch-alpha.mssante.fr", "description": "Domaine de messagerie MSSanté du CH Alpha",
    "dn_igc_sante": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", "dn_igc_cps": "",
    "public_project_phone": "+33 1 99 00 00 01", "public_project_email": "Projet@Alpha.example",
    "public_technical_phone": "0199000002", "public_technical_email": "support@alpha.example",
    "withdrawal": "", "date": OLD,
}  # fmt: skip
BETA = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"
LISTED = {"domain": "ch-alpha.mssante.fr"}
ELSEWHERE = {"domain": "ch-gamma.mssante.fr"}


def declared(
    folder: Path,
    rows: list[dict[str, str]],
    declarations: list[dict[str, Any]],
    drop: tuple[str, ...] = (),
    as_of: datetime = datetime(2026, 3, 3, tzinfo=UTC),
    **thresholds: int,
) -> TrustSpace:
    """Return the space of a list (rows over `ALPHA`) and declarations, each over `DECLARED`."""
    records = [{k: v for k, v in (DECLARED | d).items() if k not in drop} for d in declarations]
    pd.DataFrame(records).to_json(folder / "declarations.json", orient="records", force_ascii=False)
    register = load_declarations(folder / "declarations.json")
    space = make_space(*rows)
    return replace(space, as_of=as_of, register=register, thresholds=Thresholds(**thresholds))


Case = tuple[list[dict[str, str]], list[dict[str, Any]]]
"""Rows of a list over `ALPHA`, and declarations over `DECLARED`."""


def domain_in(number: int, record: dict[str, Any]) -> str:
    """Return the name that the domain of a row or declaration has in the case of that number."""
    return str(record.get("domain", LISTED["domain"])).replace("ch", f"ch-{number}", 1)


def side_by_side(folder: Path, cases: list[Case]) -> TrustSpace:
    """Return the space of many cases at once, each of domains of its own."""
    rows, declarations = (
        [row | {"domain": domain_in(number, row)} for number, case in enumerate(cases) for row in case[part]]
        for part in (0, 1)
    )
    return declared(folder, rows, declarations)


def told_of(space: TrustSpace, *audits: str) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the status of each domain, and the rules of some audits that name it."""
    assert space.register is not None
    frame = status(space)
    findings = concat([told_in_clear(audit, space) for audit in audits])
    declared_in = dict(space.register.declarations[["row", "domain"]].values)
    listed_in = domains_touched(space.audited, findings)
    rules: dict[str, set[str]] = {}
    for rule, where, listed in zip(findings["rule"], findings["where"], listed_in, strict=True):
        rows = {row for place in where if place.source == REGISTER for row in place.rows}
        for domain in {*listed, *map(declared_in.get, rows)}:
            rules.setdefault(domain, set()).add(rule)
    return dict(zip(frame["domain"], frame["status"].astype("str"), strict=True)), rules

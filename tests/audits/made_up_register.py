"""A made-up register over made-up lists: declarations of one domain, filled as its row is listed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from made_up import make_space

from mssante_audit.declarations.register import load_declarations
from mssante_audit.space.trust import Thresholds, TrustSpace

DECLARED: dict[str, Any] = {
    "structure_name": "CH ALPHA", "structure_id": "1759900004", "beneficiary_id": "",
    "domain": "ch-alpha.mssante.fr", "description": "Domaine de messagerie MSSanté du CH Alpha",
    "dn_igc_sante": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", "dn_igc_cps": "",
    "public_project_phone": "+33 1 99 00 00 01", "public_project_email": "Projet@Alpha.example",
    "public_technical_phone": "0199000002", "public_technical_email": "support@alpha.example",
    "withdrawal": "", "date": "01/06/2025",
}  # fmt: skip
BETA = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"
LISTED = {"domain": "ch-alpha.mssante.fr"}
ELSEWHERE = {"domain": "ch-gamma.mssante.fr"}
OF_BETA = {"structure_name": "CH BETA", "structure_id": "1679900001", "dn_igc_sante": BETA}
HELD = LISTED | {"dn": BETA}
NEW = DECLARED["dn_igc_sante"].replace("CN=", "CN=b")
PHONE = {"public_project_phone": "01 99 00 00 09"}


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

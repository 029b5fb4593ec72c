"""Lists made up row by row."""

from __future__ import annotations

from datetime import UTC, datetime

from tools.sample.space import Row, whitelist_chunks

START = datetime(2026, 1, 1, 5, 30, tzinfo=UTC)
DN = "CN=mss.alpha.example,OU=1759900001,O=CH ALPHA,ST=Paris (75),C=FR"


def row(domain: str, **changes: str) -> Row:
    name = domain.partition(".")[0]
    fields = {
        "domain": f"{domain}.mssante.fr",
        "description": f"Messagerie de {name}",
        "dn": DN,
        "project": "01 99 00 00 01, projet@alpha.example",
        "support": "01 99 00 00 02, support@alpha.example",
        "stamp": "2025-12-01T10:00:00Z",
    }
    assert changes.keys() <= fields.keys()
    return tuple({**fields, **changes}.values())  # type: ignore[return-value]


def xml(rows: list[Row], at: datetime = START) -> bytes:
    return b"".join(whitelist_chunks(rows, at))

"""Made-up white lists of a few rows, for tests that one defect fires and its clean neighbour does not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from mssante_audit.archive.store import open_archive
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.whitelist.load import NAMESPACE, load_whitelist

Row = dict[str, str]
AS_OF = datetime(2026, 3, 3, tzinfo=UTC)
ELEMENTS = ("Nom", "Description", "DNCertificatOperateur", "ResponsableContact", "SupportContact", "DateMAJ")
"""Elements of a row, in the order of `ALPHA`."""

ALPHA = {
    "domain": "ch-alpha.mssante.fr",
    "description": "Domaine de messagerie MSSanté du CH Alpha",
    "dn": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR",
    "project_contact": "01 99 00 00 01, projet@alpha.example",
    "support_contact": "01 99 00 00 02, support@alpha.example",
    "updated_at_text": "2026-01-05T10:00:00Z",
}
BETA_DN = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"


def xml_of(*rows: Row, generated: str = "2026-03-02T05:30:00Z", namespace: str = NAMESPACE) -> bytes:
    domains = []
    for row in rows:
        texts = zip(ELEMENTS, (ALPHA | row).values(), strict=True)
        fields = [f"<{name}>{escape(text)}</{name}>" for name, text in texts]
        domains.append(f"<Domaine>{''.join(fields)}</Domaine>")
    return (
        f'<ListeBlancheMSSante xmlns="{namespace}"><DateDeGeneration>{generated}</DateDeGeneration>'
        f"<ListeDomaines>{''.join(domains)}</ListeDomaines></ListeBlancheMSSante>"
    ).encode()


def archived(folder: Path, **lists: list[Row]) -> TrustSpace:
    """Return the space of the last of several lists (``on_2026_01_01=rows``), all of them in its archive."""
    for day, entries in lists.items():
        date = day.removeprefix("on_").replace("_", "-")
        content = xml_of(*entries, generated=f"{date}T05:30:00Z")
        sha = load_whitelist(content).sha256
        (folder / f"{date}T053000Z-{sha[:8]}.xml.gz").write_bytes(content)
    archive = open_archive(folder)
    whitelist = archive.load(archive.snapshots[-1])
    return TrustSpace(whitelist, AS_OF, Thresholds(stale_after_days=365), archive=archive)


def make_space(*rows: Row, xml: bytes = b"", as_of: datetime = AS_OF, **options: Any) -> TrustSpace:
    """Load rows (dicts over `ALPHA`), or the bytes of a list, as a trust space."""
    whitelist = load_whitelist(xml or xml_of(*rows, **options), recover=True, any_namespace=True)
    return TrustSpace(whitelist, as_of)

"""Reports that tests of several folders look at: made once a session, by the engine that users run."""

import json
from pathlib import Path
from shutil import copy, copytree

import pytest
from lxml import etree

from mssante_audit.declarations import fields
from mssante_audit.report import Run, run_reports
from mssante_audit.resources import resource
from mssante_audit.whitelist import NAMESPACE

REAL = Path(__file__).parents[2] / "shared" / "real"
REAL_AS_OF = "2025-03-01"
SAMPLE_AS_OF = "2026-03-03T06:00:00Z"

PAYLOADS = (
    "<script>window.pwned = 1</script>",
    '"><img src=x onerror="window.pwned = 1">',
    "</script><script>window.pwned = 1</script>",
    "</td></table></main><h1 id=pwned>pwned</h1>",
    "<svg onload=window.pwned=1>",
    "<a href=javascript:window.pwned=1>x</a>",
    "&lt;script&gt;window.pwned = 1&lt;/script&gt;",
    '=HYPERLINK("http://pwned.example/","x")',
    "\N{RIGHT-TO-LEFT OVERRIDE}nwp\N{LEFT-TO-RIGHT ISOLATE}\N{ZERO WIDTH SPACE}",
    "{{ 7*7 }} {% raw %} ${7*7} $\\frac{1}$",
    "x" * 150,
    "[x](javascript:window.pwned=1) `<script>` **x**",
)
"""Texts that must stay texts wherever they end up."""

FIELDS = ("Nom", "Description", "DNCertificatOperateur", "ResponsableContact", "SupportContact", "DateMAJ")


def hostile_list() -> bytes:
    """Return a white list with each payload in each field."""
    root = etree.Element(f"{{{NAMESPACE}}}ListeBlancheMSSante", nsmap={None: NAMESPACE})
    etree.SubElement(root, f"{{{NAMESPACE}}}DateDeGeneration").text = "2026-03-02T05:30:00Z"
    domains = etree.SubElement(root, f"{{{NAMESPACE}}}ListeDomaines")
    for number, payload in enumerate(PAYLOADS):
        for field in FIELDS:
            contact = f"04 65 71 00 {number:02}, contact@hostile-{number}.example"
            operator = payload if field == "Nom" else f"CH HOSTILE {number}"
            row = {
                "Nom": f"ch-{field.lower()}-{number}.mssante.fr",
                "Description": f"Domaine du CH fictif {number}",
                "DNCertificatOperateur": f"CN=mss.hostile-{number}.example,OU=10100{number:05},O={operator},"
                "ST=Ain (01),C=FR",
                "ResponsableContact": contact,
                "SupportContact": contact,
                "DateMAJ": "2026-01-05T10:00:00Z",
            }
            entry = etree.SubElement(domains, f"{{{NAMESPACE}}}Domaine")
            for name, text in (row | {field: payload}).items():
                etree.SubElement(entry, f"{{{NAMESPACE}}}{name}").text = text
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def hostile_register() -> str:
    """Return a register with each payload in each field and heading, of listed and other domains."""
    declared = {
        "structure_name": "CH HOSTILE",
        "structure_id": "1010100000",
        "dn_igc_sante": "CN=mss.hostile.example,OU=1010100000,O=CH HOSTILE,ST=Ain (01),C=FR",
        "date": "2025-06-01",
    }
    records = [
        declared
        | {"domain": f"ch-nom-{number}-{column}.mssante.fr".replace("_", "-"), column: payload, payload: "x"}
        for number, payload in enumerate(PAYLOADS)
        for column in fields()
    ]
    records += [
        declared | {"domain": f"ch-description-{number}.mssante.fr"} for number in range(len(PAYLOADS))
    ]
    return json.dumps(records)


@pytest.fixture(scope="session")
def payloads() -> tuple[str, ...]:
    """The texts of `hostile_run` that must stay texts."""
    return PAYLOADS


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped notebooks' reports of the sample."""
    return run_reports(out=tmp_path_factory.mktemp("sample"), parameters={"as_of": SAMPLE_AS_OF})


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped notebooks' reports of the real list."""
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    folder = tmp_path_factory.mktemp("real")
    copytree(REAL, folder / "data")
    copy(resource("data/sample") / "declarations.csv", folder / "data")  # the real one has no register
    return run_reports(out=folder / "out", parameters={"data": str(folder / "data"), "as_of": REAL_AS_OF})


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shipped notebooks' reports of a list with hostile text in every field, contacts shown."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "data").mkdir()
    (folder / "data" / "hostile.xml").write_bytes(hostile_list())
    (folder / "data" / "declarations.json").write_text(hostile_register(), encoding="utf-8")
    return run_reports(
        out=folder / "out",
        parameters={"data": str(folder / "data"), "as_of": SAMPLE_AS_OF, "show_contacts": True},
    )

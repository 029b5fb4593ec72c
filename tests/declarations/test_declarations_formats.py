"""One register in five formats gives the same findings; and registers that go wrong are told in few words."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
from conftest import toml
from test_annexe1 import READ

from mssante_audit.audits.declarations.rules import form_findings
from mssante_audit.declarations.cells import read_box
from mssante_audit.declarations.form import write_form
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import Register, load_declarations
from mssante_audit.values.person import Person

AS_OF = datetime(2026, 3, 3, tzinfo=UTC)
FORM = [name for name, field in fields().items() if not field.optional]
DN = "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
OTHERS = ("technical_manager", "beneficiary_id", "dn_igc_cps", "redirection", "mail_server", "domain")
RIGHT = {name: text for name, text in READ.items() if not name.startswith(OTHERS)} | {
    "dn_igc_sante": DN, "delegation": "X", "primary_server": "ns1.alpha.example",
    "secondary_server": "ns2.alpha.example",
}  # fmt: skip
DEFECTS = [*toml("declarations/cells")["register"]["defects"], {"beneficiary_id": "9" * 200}]
ROWS = [
    dict.fromkeys(FORM, "") | RIGHT | {"domain": f"ch-{number}.mssante.fr"} | changes
    for number, changes in enumerate(DEFECTS)
]


def write(folder: Path, kind: str) -> Path:
    file = folder / f"declarations.{kind}"
    if kind == "csv":
        with file.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.DictWriter(stream, FORM, delimiter=";")
            writer.writeheader()
            writer.writerows(ROWS)
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        for line in (FORM, *(list(row.values()) for row in ROWS)):
            book.active.append(line)
        book.save(file)
    elif kind == "json":
        file.write_text(json.dumps(ROWS), encoding="utf-8")
    elif kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    else:
        file = folder / "declarations"
        file.mkdir()
        for number, row in enumerate(ROWS):
            boxes = {n: "X" if read_box(row[n]) else "" for n in FORM if fields()[n].kind == "box"}
            (file / f"{number:03}.pdf").write_bytes(write_form(row | boxes))
    return file


def plain(facts: Any) -> Any:
    if isinstance(facts, Person):
        return facts.text
    if isinstance(facts, dict):
        return {name: plain(part) for name, part in facts.items()}
    return [plain(part) for part in facts] if isinstance(facts, list | tuple) else facts


def findings_of(register: Register) -> list[tuple[str, str, str]]:
    """Return rule, domain and facts of each domain of each finding; of a file a declaration, files vary."""
    lines = []
    for finding in form_findings(register, AS_OF):
        facts = {name: part for name, part in plain(finding.facts).items() if name != "domains"}
        if finding.rule in ("DECL_UNREADABLE", "DECL_RECOVERED"):  # told a file and column at a time
            facts.pop("values")
        text = json.dumps(facts, sort_keys=True)
        lines += [(finding.rule, domain, text) for domain in finding.domains or ("",)]
    return sorted(lines)


def test_a_register_in_any_format_gives_the_same_findings(tmp_path):
    ours = findings_of(load_declarations(write(tmp_path, "csv")))
    assert len({rule for rule, *_ in ours}) > 20
    for kind in ("xlsx", "json", "jsonl", "pdf"):
        assert findings_of(load_declarations(write(tmp_path, kind))) == ours, kind


def load(folder: Path, *rows: dict[str, Any], name: str = "declarations.json") -> Register:
    (folder / name).write_text(json.dumps([dict.fromkeys(FORM, "") | RIGHT | row for row in rows]))
    return load_declarations(folder / name)


def rules(register: Register) -> list[str]:
    return sorted(finding.rule for finding in form_findings(register, AS_OF))


def test_many_declarations_of_one_domain_by_many_operators_are_few_findings(tmp_path):
    ids = [f"1{75990000 + number}" for number in range(10)]
    base = {"domain": "ch-alpha.mssante.fr", "contract_number": ""}
    emptied = dict.fromkeys(("delegation", "primary_server", "secondary_server", "dn_igc_sante"), "")
    rows = [
        base
        | {"structure_id": number, "date": f"{day:02}/02/2026"}
        | (emptied | {"withdrawal": "X"} if day < 5 else {"dn_igc_sante": DN.replace("1759900004", number)})
        for day in range(1, 6)
        for number in ids
    ]
    assert len(rows) == 50
    findings = form_findings(load(tmp_path, *rows), AS_OF)
    assert [len(f.facts["operators"]) for f in findings if f.rule == "DECL_OPERATORS"] == [10]


def test_a_file_under_two_names_or_in_two_formats_is_read_once_and_told_once(tmp_path):
    names, formats = tmp_path / "names", tmp_path / "formats"
    rows = [{"domain": f"ch-{number}.mssante.fr"} for number in range(30)]
    names.mkdir()
    load(names, *rows, name="a.json")
    load(names, *rows, name="b (copie).json")
    register = load_declarations(names)
    assert len(register.declarations) == 30
    twice = register.problems[register.problems["kind"] == "file-twice"]
    assert twice[["file", "value"]].values.tolist() == [["b (copie).json", "a.json"]]
    assert rules(register) == ["DECL_RECOVERED"]
    formats.mkdir()
    write(formats, "csv")
    write(formats, "xlsx")
    register = load_declarations(formats)
    assert len(register.declarations) == len(ROWS)
    assert (register.problems["kind"] == "file-twice").sum() == 1

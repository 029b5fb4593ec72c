"""`mssante-audit declarations`: template, import, form."""

import ast
import json
import re
from pathlib import Path

import openpyxl
import pytest
from conftest import CATALOGUE, toml
from pypdf import PdfReader

from mssante_audit.audits.declarations import messages as module
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import catalogue, plain
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import load_declarations

AS_OF = ("--as-of", "2026-03-03")
PACKAGE = Path(module.__file__).parents[2]
SPACES = {0xA0: " ", 0x202F: " "}
SAMPLE = CATALOGUE / "declarations.csv"
CASES = toml("cli/declarations")
ROW = CASES["row"]


@pytest.fixture
def run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run("declarations", *arguments)


def test_template_then_import(run, tmp_path):
    assert run("template", "register.xlsx").returncode == 0
    line = "register.xlsx\xa0: 0 déclaration, rien à signaler\n"
    assert run("import", "register.xlsx") == (0, line, "")
    line = "register.xlsx: 0 declarations, no findings\n"
    assert run("import", "register.xlsx", "--lang", "en") == (0, line, "")
    line = "mssante-audit: register.xlsx: is there already. Choose another name, or use --force\n"
    assert run("template", "register.xlsx") == (2, "", line)
    assert run("template", "register.xlsx", "--force").returncode == 0
    assert "a template is an .xlsx file" in run("template", "register.csv").stderr


def test_import_tells_what_is_wrong_row_by_row_in_french_and_english(run):
    done = run("import", SAMPLE, *AS_OF)
    assert done.returncode == 1
    lines = done.stdout.translate(SPACES).splitlines()
    for place, text in CASES["told"]:
        assert any(line.startswith(f"declarations.csv, {place} : {text}") for line in lines), place
    chosen = next(line for line in lines if line.endswith("(DECL_REDIRECTION_CHOSEN)"))
    assert "À faire : Demander à l’opérateur s’il peut déléguer" in chosen, "no box to tick that is ticked"
    rows = [int(re.search(r", (?:lignes?|cellules?) [A-Z]*(\d+)", text)[1]) for text in lines[:-1]]
    assert rows == sorted(rows)
    counted = r"declarations\.csv : 104 déclarations, (\d+) points à corriger ; (\d+) à vérifier"
    todo = re.fullmatch(counted, lines[-1])
    assert int(todo[1]) + int(todo[2]) == len(lines) - 1
    lines = run("import", SAMPLE, *AS_OF, "--lang", "en").stdout.splitlines()
    date = "cell AG21: Date: not a date (31/02/2026). Type: DD/MM/YYYY (DECL_UNREADABLE)"
    assert f"declarations.csv, {date}" in lines
    assert re.fullmatch(r"declarations\.csv: 104 declarations, \d+ to correct, \d+ to check", lines[-1])


def test_import_for_machines_masks_contacts(run, tmp_path):
    row = {**ROW, "domain": "ch-x.mssante.fr", "public_project_email": "mss@gmail.com", "date": "hier"}
    (tmp_path / "r.json").write_text(json.dumps([row]), encoding="utf-8")
    done = run("import", "r.json", *AS_OF, "--format", "json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["declarations"]) == (1, 1)
    assert {"file", "row", "column", "kind", "value", "message"} == set(answer["problems"][0])
    (consumer,) = [f for f in answer["findings"] if f["rule"] == "DECL_PUBLIC_CONSUMER"]
    assert consumer["observed"] == "contact projet : m•••@gmail.com"
    shown = json.loads(run("import", "r.json", *AS_OF, "--format", "json", "--contacts", "all").stdout)
    assert "contact projet : mss@gmail.com" in [f["observed"] for f in shown["findings"]]


def test_what_to_write_is_told_ready_to_copy_and_each_fault_once(tmp_path):
    rows = [{**ROW, "domain": f"ch-{n}.mssante.fr", **case["cell"]} for n, case in enumerate(CASES["write"])]
    (tmp_path / "r.json").write_text(json.dumps(rows), encoding="utf-8")
    messages = module.messages(load_declarations(tmp_path / "r.json"), parse_instant(AS_OF[1]))
    for number, case in enumerate(CASES["write"], 1):
        (only,) = [line for line in messages if number in line.rows and {*line.columns} & {*case["cell"]}]
        assert case["text"] in only.text.translate(SPACES)


def test_fix_keeps_columns_that_it_does_not_know(run, tmp_path):
    kept = "ch-x.mssante.fr;à rappeler;Domaine A;Domaine B;;\nch-y.mssante.fr;;Domaine;Domaine;;\n"
    (tmp_path / "r.csv").write_text(f"domain;Remarques;description;Description\n{kept}", encoding="utf-8")
    run("fix", "r.csv", "out.csv", *AS_OF)
    again = load_declarations(tmp_path / "out.csv")
    assert again.others["Remarques"].tolist() == ["à rappeler", ""]
    assert [*again.lost.values()] == ["#N/A Domaine A | Domaine B"]


@pytest.mark.parametrize("asked_by", ["--lang", "LANG", "LC_ALL"])
def test_who_reads_french_is_told_of_files_in_french(run, tmp_path, monkeypatch, asked_by):
    if asked_by != "--lang":
        monkeypatch.setenv(asked_by, "fr_FR.UTF-8")
    french = ["--lang", "fr"] if asked_by == "--lang" else []
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for command, words in CASES["french"]:
        assert words in run(*command.split(), *french).stderr.translate(SPACES)
    line = "mssante-audit: none.csv: no such file or folder\n"
    assert run("import", "none.csv", "--lang", "en") == (2, "", line)


# Where errors speak to who writes Python, or into a file: they are English.
PYTHONS = {
    "charts.py", "desk.py", "svg.py", "frames.py", "catalogue.py", "registry.py", "html.py", "trust.py",
    "domains.py", "hooks.py", "steps.py", "events.py", "__init__.py",
}  # fmt: skip
ERRORS = (
    "AuditError|(Input|WhiteList|Fetch|Parameter|UnknownName|Output|Resource|Network)Error|refused?|_text"
)


def test_every_error_of_a_command_has_french_words_and_remedies():
    """A line is of one language: what lacks one sentence is wholly English."""
    words, raised = catalogue("fr"), []
    for place in PACKAGE.rglob("*.py"):
        if place.name in PYTHONS or place.parts[-2:] == ("report", "findings.py"):
            continue
        for node in ast.walk(ast.parse(place.read_text(encoding="utf-8"))):
            name = getattr(node, "func", None)
            if name and re.fullmatch(ERRORS, getattr(name, "id", getattr(name, "attr", ""))):
                phrases = node.args[:1] + [k.value for k in node.keywords if k.arg == "remedy"]
                phrases = [text.elts[0] if isinstance(text, ast.Tuple) else text for text in phrases]
                formed = [text for text in phrases if isinstance(text, ast.JoinedStr)]
                assert not formed or "sign.what" in ast.unparse(node), ast.unparse(node)  # the doctor's names
                raised += [text.value for text in phrases if isinstance(text, ast.Constant) and text.value]
    assert len(raised) > 200
    aside = {"these findings show contacts, and the space they are recorded with masks them",
             "Find and record them with the same space"}  # fmt: skip
    assert {plain(text) for text in raised if re.search("[a-z]", text)} - aside <= {*words}
    texts = re.findall('^msgid "(.+)"$', (PACKAGE / "locale/fr.po").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted({*texts}) == sorted(texts), "each once"


def test_a_form_is_written_and_imported(run, tmp_path):
    domain = "annexe5-valfictif.mssante.fr"
    assert run("form", domain.upper(), "form.pdf", "--data", SAMPLE.parent, *AS_OF).returncode == 0
    done = run("import", "form.pdf", *AS_OF)
    assert (done.returncode, "DECL_SERVERS_OTHER" in done.stdout) == (1, True)
    lost = run("form", "annexe5-valfictiff.mssante.fr", "other.pdf", "--data", SAMPLE, *AS_OF)
    assert (lost.returncode, f"Near: {domain}" in lost.stderr) == (2, True)
    done = run("form", domain, "a.pdf", "--data", tmp_path)
    assert (done.returncode, "no register here" in done.stderr) == (2, True)


@pytest.fixture
def workbook(tmp_path):
    """A register as hands keep it: behind a cover sheet, zeros lost, some cells beyond reading."""
    book = openpyxl.Workbook()
    book.active.title = "Page de garde"
    book.active["A1"] = "Registre tenu par le bureau"
    book.create_sheet("Notes")["B2"] = "à rappeler"
    sheet = book.create_sheet("Registre")
    required = [f for f in fields().values() if not f.optional and f.name != "connector_vendor"]
    sheet.append(["Registre au 3 mars"])
    sheet.append([field.label for field in required])
    for number in range(8):
        row = {**ROW, "domain": f"CH-{number}.mssante.fr", **CASES["odd"].get(str(number), {})}
        sheet.append([row.get(field.name, "") for field in required])
        for cell in sheet[sheet.max_row]:
            cell.data_type = "s" if cell.value else cell.data_type
    book.save(tmp_path / "registre.xlsx")
    return tmp_path / "registre.xlsx"


def unknown(register):
    """Return what a register does not know: fields by domain, boxes that are neither."""
    every = register.declarations
    lost = {(every.loc[every["row"] == row, "domain_key"].iloc[0].replace("\u200b", ""), name)
            for _, row, name in register.lost}  # fmt: skip
    boxes = [name for name, field in fields().items() if field.kind == "box"]
    return lost, frozenset.union(*register.missing.values()), int(every[boxes].isna().sum().sum())


def test_a_cover_sheet_is_passed_over_and_what_repeats_is_one_line(run, workbook):
    done = run("import", workbook.name, *AS_OF)
    lines = done.stdout.translate(SPACES).splitlines()
    assert lines[0].startswith("registre.xlsx, feuille « Registre » : 32 fois, zéro initial rétabli : ")
    assert "« Tél. du chef de projet » cellules L3:L10" in lines[0]
    assert len([line for line in lines if "zéro initial" in line]) == 1
    assert "non lu, « Page de garde » et « Notes » ; seule la feuille « Registre » l’est" in lines[-2]
    text, control = "\n".join(lines), "» : caractères de contrôle"
    assert f"V7 : « Nom du domaine de messagerie MSSanté {control} (ch-4\\u200b.mssante.fr)" in text
    assert f"« Nom du représentant légal {control} (\\u200b)" in text
    assert "FIC" not in text
    assert run("import", workbook.name, "--sheet", "Notes").returncode == 2


def test_unknown_stays_unknown_through_every_conversion(run, workbook, tmp_path):
    before = unknown(load_declarations(workbook))
    assert before[2] == 2
    assert ("ch-3.mssante.fr", "signature_present") in before[0]
    assert "connector_vendor" in before[1]
    for out in ("import.csv", "import.json", "import.jsonl", "fix.csv", "fix.xlsx"):
        command = out.partition(".")[0]
        words = ["--out", out] if command == "import" else [out]
        assert run(command, workbook.name, *words, *AS_OF).returncode == 1
        again = load_declarations(tmp_path / out)
        assert unknown(again) == before
        problems = again.problems.set_index("column")["value"].to_dict()
        assert (problems["signature_present"], problems["date"]) == ("peut-être", "31/02/2026")


def test_fix_mends_what_needs_no_guess_and_lists_the_rest(run, workbook, tmp_path):
    done = run("fix", workbook.name, "mieux.xlsx", *AS_OF)
    assert done.returncode == 1
    text = done.stdout.translate(SPACES)
    for words in (
        "Corrigé sans rien deviner, 32 fois, zéro initial rétabli",
        "Corrigé sans rien deviner, 1 fois, séparateurs ôtés : « Identifiant structure » cellule C7",
        "mieux.xlsx, feuille « Déclarations », cellule AF6 : « Date » : date illisible (31/02/2026)",
    ):
        assert words in text
    fixed = load_declarations(tmp_path / "mieux.xlsx").declarations.set_index("domain")
    assert fixed.loc["ch-4.mssante.fr", ["structure_id", "description"]].tolist() == ["1759900004", "=1+1"]
    assert fixed.loc["ch-6.mssante.fr", "public_project_email"] == "projet@alpha.example"
    mended = fixed.loc["ch-0.mssante.fr", ["mail_server", "public_project_phone"]].tolist()
    assert mended == ["mx.alpha.example", "01 99 00 00 04"]
    sheet = openpyxl.load_workbook(tmp_path / "mieux.xlsx")["Déclarations"]
    marked = {cell.coordinate: cell for row in sheet.iter_rows(min_row=3) for cell in row if cell.comment}
    values = [cell.value for cell in marked.values()]
    assert values.count("peut-être") == values.count("#REF!") == values.count("cf. certificat joint") == 1
    for cell in marked.values():
        assert cell.fill.fgColor.rgb.endswith("F8CBAD")
        assert "À écrire" in cell.comment.text or "À faire" in cell.comment.text
    assert all(cell.data_type != "f" for row in sheet.iter_rows(min_row=3) for cell in row)
    twice = run("fix", "mieux.xlsx", "encore.xlsx", *AS_OF)
    assert "Corrigé" not in twice.stdout


def test_fix_never_writes_over_what_it_reads(run, workbook):
    before = workbook.read_bytes()
    assert run("fix", workbook.name, workbook.name).returncode == 2
    forced = run("fix", workbook.name, workbook.name, "--force")
    assert (forced.returncode, workbook.read_bytes()) == (2, before)
    assert run("fix", workbook.name, "out.ods").returncode == 2


def test_a_form_carries_no_signature_and_says_what_is_not_known(run, tmp_path):
    rows = [{**ROW, "domain": "a.mssante.fr", "withdrawal": "x ?"}]
    (tmp_path / "declarations.json").write_text(json.dumps(rows), encoding="utf-8")
    assert run("form", "a.mssante.fr", "a.pdf", "--data", tmp_path, *AS_OF).returncode == 0
    form = PdfReader(tmp_path / "a.pdf")
    values = {name: field.get("/V", "") for name, field in form.get_fields().items()}
    unsigned = "date", "signatory_last_name", "signatory_first_name", "signature_present", "withdrawal"
    assert {values[name] for name in unsigned} <= {"", "/Off"}
    assert values["redirection"] == "/Yes"
    assert "Laissé vide" in form.pages[1].extract_text()


def test_much_that_is_wrong_is_told_in_few_lines(run, tmp_path):
    cells = {"description": "=1+1\x07<script>", "withdrawal": "?"}
    rows = [{"domain": f"d{n}.mssante.fr", "date": f"{n}/99/2026", **cells} for n in range(1, 61)]
    (tmp_path / "much.json").write_text(json.dumps(rows), encoding="utf-8")
    done = run("import", "much.json", *AS_OF, "--out", "much.xlsx")
    lines = done.stdout.translate(SPACES).splitlines()
    assert (done.returncode, len(lines) < 60, "\x07" in done.stdout) == (1, True, False)
    assert len([line for line in lines if "date illisible" in line]) == 20
    (rest,) = [line for line in lines if "de même" in line]
    assert rest.startswith("much.json, lignes 21-60 : « Date » : de même 40 fois")
    assert len([line for line in lines if "colonne absente" in line]) == 1
    assert "much.json, lignes 1-60 : « Retrait demandé »" in done.stdout.translate(SPACES)
    sheet = openpyxl.load_workbook(tmp_path / "much.xlsx")["Déclarations"]
    assert all(cell.data_type != "f" for row in sheet.iter_rows(min_row=3) for cell in row)
    assert len([1 for row in sheet.iter_rows(min_row=3) for cell in row if cell.comment]) >= 120

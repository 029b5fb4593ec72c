"""The site: every link leads somewhere, what pages and files say agrees, nothing weighs too much."""

import csv
import io
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from shutil import copytree
from urllib.parse import unquote

import openpyxl
import pandas as pd
import pytest
from conftest import CATALOGUE
from explored import unpacked
from lxml import html
from made_findings import framed, made
from made_up import BETA_DN, xml_of
from tlsmade import write_before

import mssante_audit as ms
from mssante_audit.audits import audit_all, waived
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.trend import read_trend
from mssante_audit.report.html import names
from mssante_audit.report.run import run_reports
from mssante_audit.site.build import build_site
from mssante_audit.site.view import anchor_of, dossiers_in, page_name
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.contacts import names_nobody
from mssante_audit.verdicts.domains import answers
from mssante_audit.verdicts.presented import renewals

BUDGET = {"index.html": 500_000, "operateurs": 450_000, "": 320_000}
"""Bytes of a page: of the index, which holds what is searched, of an operator's, of any other."""

OWN = ("index.html", "suivi.html", "constats.html", "operateurs.html", "regles.html")
AS_OF = "2026-03-03T06:00:00Z"


@pytest.fixture(params=["sample", "hostile"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")


@cache
def own_pages(folder):
    """The pages that the site made itself, read."""
    parts = (f for part in ("audits", "regles", "operateurs") for f in (folder / part).glob("*.html"))
    names = [*OWN, *(f"{f.parent.name}/{f.name}" for f in parts)]
    return {name: html.parse(str(folder / name)).getroot() for name in names}


def test_every_link_leads_to_something_that_is_there(site):
    pages, root = own_pages(site.folder), site.folder.resolve()
    ids = {name: {*page.xpath("//@id"), "contenu"} for name, page in pages.items()}
    links = [(name, href) for name, page in pages.items() for href in page.xpath("//body//@href")]
    assert len(links) > 1000
    for name, href in links:
        path, _, anchor = href.partition("#")
        assert not path.startswith(("/", "http", "data:", "javascript:"))
        target = (site.folder / name).parent.joinpath(unquote(path)) if path else site.folder / name
        inside = target.resolve().relative_to(root).as_posix()
        assert target.is_file(), href
        assert not anchor or unquote(anchor) in ids[inside], href


def test_no_id_stands_twice_on_a_page_and_no_name_of_a_file_comes_from_a_text(site):
    for name, page in own_pages(site.folder).items():
        assert [i for i, n in Counter(page.xpath("//@id")).items() if n > 1] == [], name
    for file in site.folder.rglob("*"):
        if "rapports" not in file.parts:
            assert re.fullmatch(r"[A-Za-z0-9_.-]+", file.name), file


def test_from_a_finding_to_its_rule_its_operator_and_its_dossier(site):
    finding = next(f for f in site.findings.itertuples() if f.operator_id.isalnum() and f.domains)
    pages, operator = own_pages(site.folder), f"operateurs/{page_name(finding.operator_id)}.html"
    assert {f"regles/{finding.rule}.html", operator} <= {*pages["constats.html"].xpath("//td//@href")}
    assert f"../dossiers/{finding.operator_id}.html" in pages[operator].xpath("//main//@href")


def test_every_finding_is_on_the_pages_of_its_rule_its_audit_and_its_operators(site):
    owner_of = dict(zip(site.space.entries["row"], site.space.entries["operator_id"], strict=True))
    by_page = Counter()
    for f in site.findings.itertuples():
        owners = {*(owner_of[row] for row in f.rows), *({f.operator_id} if f.operator_id or f.domain else ())}
        by_page.update(f"operateurs/{page_name(owner)}" for owner in owners)
        by_page.update([f"regles/{f.rule}", f"audits/{catalogue()[f.rule].audit}"])
    files = site.folder.glob("*/*.constats.csv")
    stems = {file.relative_to(site.folder).as_posix().removesuffix(".constats.csv"): file for file in files}
    assert {stem: len(rows_of(file)) for stem, file in stems.items()} == by_page
    assert {*by_page, *(f"regles/{code}" for code in catalogue())} <= {n[:-5] for n in own_pages(site.folder)}
    assert len(rows_of(site.folder / "constats.tous.csv")) == len(site.findings)


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def test_the_files_beside_a_page_agree_with_one_another(site):
    kinds = {}
    for name in own_pages(site.folder):
        kinds.setdefault(name if name in OWN else name.split("/")[0], []).append(name)
    for name in (name for alike in kinds.values() for name in alike[:3]):
        stem = (site.folder / name).with_suffix("")
        tables = {t.name.split(".")[-2]: rows_of(t) for t in stem.parent.glob(f"{stem.name}.*.csv")}
        assert stem.with_suffix(".json").exists() == stem.with_suffix(".xlsx").exists() == bool(tables)
        if not tables:
            continue
        parts = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        book = openpyxl.load_workbook(stem.with_suffix(".xlsx"), read_only=True)
        sheets = {part: list(book[part].iter_rows()) for part in book.sheetnames}
        lengths = {part: len(rows) for part, rows in tables.items()}
        assert lengths == {part: len(rows) for part, rows in parts.items()}
        assert lengths == {part: len(sheet) - 1 for part, sheet in sheets.items()}
        assert all(cell.data_type != "f" for sheet in sheets.values() for row in sheet for cell in row)
        cells = [cell for rows in tables.values() for row in rows for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_a_page_shows_as_many_rows_as_it_says(site):
    for name, page in own_pages(site.folder).items():
        held = Counter()
        for table in page.xpath("//table[not(@class='checks')]"):
            shown = len(table.xpath("tbody/tr"))
            assert shown == int(table.get("data-rows")) > 0
            held[table.get("id").removesuffix("-folded")] += shown  # folded below, and in the same file
        for ident, shown in held.items():
            total = len(rows_of((site.folder / name).with_suffix(f".{ident}.csv")))
            (note,) = page.xpath(f"//p[@class='csv'][a[contains(@href, '.{ident}.csv')]]")
            assert (shown < total) == ("premières lignes" in note.text_content()), name


@pytest.mark.parametrize(
    "source", ["sample", "hostile", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])]
)
def test_a_page_keeps_its_budget(source, request):
    site = request.getfixturevalue(f"{source}_site")
    for page in (*(site.folder / name for name in OWN), *site.folder.glob("[aro][ueg]*/*.html")):
        limit = BUDGET.get(page.name) or BUDGET.get(page.parent.name) or BUDGET[""]
        assert page.stat().st_size <= limit, page
    sizes = sorted(f.stat().st_size for f in (site.folder / "operateurs").glob("*.html"))
    assert sizes[len(sizes) // 2] <= 60_000


def test_no_page_asks_for_anything_and_only_the_own_script_may_run(site):
    for name in own_pages(site.folder):
        text, page = (site.folder / name).read_text(encoding="utf-8"), own_pages(site.folder)[name]
        (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
        scripts = page.xpath("//script[@type='module']")
        allowed = "'sha256-" if scripts else "'none'"  # what has no table needs no script
        assert policy.startswith(f"default-src 'none'; script-src {allowed}")
        assert scripts or not page.xpath("//table[contains(@class, 'sortable')] | //form | //*[@role='img']")
        assert "http" not in policy
        assert page.xpath("//@src | //@srcset | //@action | //link[not(@href='data:,')]") == []
        assert len(scripts) == len(page.xpath("//script[not(@type='application/json')]")) <= 1
        assert not re.search(r"@import|url\(", text)


def test_contacts_are_masked_or_announced_on_every_page(sample_site, hostile_site):
    for name in own_pages(hostile_site.folder):
        assert "Contacts en clair" in (hostile_site.folder / name).read_text(encoding="utf-8")
    entries = sample_site.space.entries
    every = {*entries["project_email"].dropna(), *entries["support_email"].dropna()} - {""}
    contacts = {contact for contact in every if not names_nobody(contact)}
    assert len(contacts) > 2
    pages = (sample_site.folder / n for n in own_pages(sample_site.folder))
    for file in [*sample_site.folder.rglob("*.json"), *pages]:
        text = file.read_text(encoding="utf-8")
        assert "rapports" in file.parts or [c for c in contacts if c in text] == [], file
    assert "Contacts en clair" not in (sample_site.folder / "index.html").read_text(encoding="utf-8")


def text_of(page, path="//main"):
    return re.sub(r"\s+", " ", " ".join(part.text_content() for part in page.xpath(path)))


def test_a_declared_domain_that_is_not_listed_counts_apart(sample_site):
    page = own_pages(sample_site.folder)["operateurs/1679900001.html"]
    listed = set(sample_site.space.entries.query("operator_id == '1679900001'")["domain"])
    every = pd.read_csv(sample_site.folder / "operateurs" / "1679900001.domaines.csv")["domain"]
    unlisted = len(set(every) - listed)
    assert unlisted
    expected = f"sur tous ses {len(every)} domaines (dont {unlisted} absents de la liste)"
    assert expected in text_of(page, "//p[@class='lead']")


def test_the_first_words_say_what_is_new_and_whom_to_look_at(sample_site):
    """Counts and checks are made as those of the overview are: `test_first_screen`."""
    page = own_pages(sample_site.folder)["index.html"]
    frame, space = sample_site.findings, sample_site.space
    held = answers(ms.domains(space, frame))
    for axis, counts in held.items():
        assert {b.get(f"data-{axis}"): int(b.text) for b in page.xpath(f"//b[@data-{axis}]")} == counts
    causes = ms.causes(frame, space.audited, space.published)
    first = page.xpath("//ol[@class='causes']/li")
    assert len(first) == 10
    for li, cause in zip(first, causes.to_dict("records"), strict=False):
        operator = f"operateurs/{page_name(cause['operator_id'])}.html"
        wanted = {f"regles/{cause['rules'][0]}.html", *([operator] if cause["operator_id"] else [])}
        assert wanted <= {*li.xpath(".//a/@href")}
    assert len(rows_of(sample_site.folder / "index.causes.csv")) == len(causes)
    todo = ms.actionable(frame).index
    new = sum(sample_site.followed.status[i] == "new" for i in todo)
    asks = {c for c, r in catalogue().items() if r.severity != "info" and r.confidence != "hint"}
    fixed = sum(f["rule"] in asks for f in sample_site.followed.fixed)
    assert 0 < new < sample_site.followed.counts()["new"]
    since = text_of(page, "//p[@class='since']")
    assert f"{new} nouveaux constats" in since
    assert f"{fixed or 'aucun'} réglé" in since
    figures = {dt.text_content(): dt.getnext() for dt in page.xpath("//dl[@class='figures']//dt")}
    assert figures["Nouveaux"].text_content() == str(new)
    owner = space.entries.set_index("row")["operator_id"]
    concerned = {owner[row] for i in todo for row in frame["rows"][i]}
    concerned |= {frame["operator_id"][i] for i in todo if frame["operator_id"][i] or frame["domain"][i]}
    assert figures["Opérateurs concernés"].text_content().startswith(f"{len(concerned)}sur ")


def test_what_is_shown_on_a_page_asks_for_something_and_the_rest_is_folded(site):
    tables = "//table[tbody/tr/td[@data-label='Observé']]"
    folded = "ancestor::details[@class='folded']"
    pages = own_pages(site.folder).values()
    shown = [row for page in pages for row in page.xpath(f"{tables}[not({folded})]/tbody/tr")]
    assert shown
    assert [row for row in shown if row.xpath(".//span[contains(@class, 'sev-info')]")] == []
    assert any(page.xpath(f"{tables}[{folded}]/tbody/tr") for page in pages)


def test_new_fixed_and_waived_stand_on_the_follow_up_page(sample_site):
    counts, folder = sample_site.followed.counts(), sample_site.folder
    new, fixed, accepted = (rows_of(folder / f"suivi.{n}.csv") for n in ("nouveaux", "regles", "acceptes"))
    assert [row["status"] for row in new] == ["new"] * counts["new"] != []
    assert len(fixed) == counts["fixed"] > 0
    names = sample_site.space.entries.groupby("operator")["operator_id"].nunique()
    assert [bool(row["operator_id"]) for row in fixed] == [names[row["operator"]] == 1 for row in fixed]
    assert [row["who"] for row in accepted] == ["cellule <b>MSSanté</b>"] * len(sample_site.waived)
    assert "31 décembre 2026" in text_of(own_pages(folder)["suivi.html"])


def built(tmp_path, space: TrustSpace, findings=None, **more) -> Path:
    findings = audit_all(space) if findings is None else findings
    build_site(tmp_path, space, findings, waived=waived(space), **{"told": None, "points": (), **more})
    return tmp_path


@pytest.fixture(scope="module")
def small_space(tmp_path_factory):
    data = tmp_path_factory.mktemp("small")
    (data / "list.xml").write_bytes(xml_of({}, {"domain": "ch-beta.mssante.fr", "dn": BETA_DN}))
    return load_space(data, as_of=AS_OF)


def test_the_same_run_gives_the_same_pages_and_a_first_one_says_so(small_space, tmp_path_factory):
    first, again = (built(tmp_path_factory.mktemp("site"), small_space) for _ in range(2))
    assert len(list(first.rglob("*.html"))) > len(catalogue())
    for file in first.rglob("*"):
        if file.is_file() and file.suffix != ".xlsx":  # a workbook notes when it was made
            assert file.read_bytes() == (again / file.relative_to(first)).read_bytes()
    pages = own_pages(first)
    assert "Premier passage" in text_of(pages["index.html"])
    assert "Premier passage" in text_of(pages["suivi.html"])
    assert "à partir du deuxième passage : il n’y en a aucun" in text_of(pages["index.html"])
    assert "État" not in pages["constats.html"].xpath("//th/text()")


def test_what_could_not_be_observed_is_unknown_and_not_absent(quiet_site):
    pages = own_pages(quiet_site.folder)
    text = text_of(pages["index.html"])
    assert "Non vérifié, et donc inconnu" in text
    assert "Personne n’a regardé si le courrier arrive" in text
    dns = pages["index.html"].xpath("//tr[td//a[@href='audits/delegation_vs_redirection.html']]/td")
    assert [cell.text_content() for cell in dns[1:]] == ["inconnu"] * 5
    assert text_of(pages["index.html"], "//h1").startswith("La liste est-elle en règle")
    rule = text_of(pages["regles/DNS_MX_NULL.html"])
    assert "Non vérifié : aucune observation du DNS" in rule
    assert "Aucun constat" not in rule


def test_a_rule_of_an_audit_that_failed_is_not_said_to_have_found_nothing(small_space, tmp_path):
    failed = framed([made("AUDIT_RULE_FAILED")], small_space.entries).assign(audit="dn_consistency")
    pages = own_pages(built(tmp_path, small_space, failed))
    for code, text in (("DN_SHAPE", "Sans constat, ou non évalué."), ("LIST_UNSIGNED", "Aucun constat.")):
        assert text in text_of(pages[f"regles/{code}.html"], "//p[@class='lead']")


def test_certificates_that_changed_stand_on_the_pages_of_their_operators(tmp_path):
    data = Path(copytree(CATALOGUE, tmp_path / "data"))
    write_before(load_space(data, as_of=AS_OF), data, "CN=<b>x,C=FR")
    space = load_space(data, as_of=AS_OF)
    folder, moves = built(tmp_path / "site", space, concat([])), renewals(space)
    owners = space.audited.groupby("domain")["operator_id"].agg(set)
    wanted = Counter(
        f"operateurs/{page_name(operator)}"
        for domains in moves["domains"]
        for operator in set().union(*(owners[domain] for domain in domains))
    )
    assert len(wanted) > 5
    for stem, count in wanted.items():
        assert len(rows_of(folder / f"{stem}.certificats.csv")) == count, stem
        (shown,) = html.parse(str(folder / f"{stem}.html")).getroot().xpath("//table[@id='certificats']")
        changes = {*names("certificate_changes").values()}
        assert {row[2].text_content() for row in shown.xpath("tbody/tr")} <= changes
        assert not shown.xpath(".//b")
    assert len(list(folder.glob("*/*.certificats.csv"))) == len(wanted)


def test_a_report_that_failed_is_there_and_said_to_be_partial(small_space, tmp_path):
    notebooks, settings = Path(__file__).parents[1] / "files", {"as_of": AS_OF}
    run = run_reports(["failing"], out=tmp_path / "reports", notebooks=notebooks, parameters=settings)
    assert run.outcomes[0].failure
    folder = built(tmp_path / "site", small_space, reports=run.out)
    (item,) = own_pages(folder)["index.html"].xpath("//li[a[starts-with(@href,'rapports/')]]")
    assert item.xpath("a/@href") == ["rapports/failed/failing.html"]
    assert "échec : rapport partiel" in re.sub(r"\s", " ", item.text_content())
    assert (folder / "rapports/failed/failing.html").is_file()
    assert (tmp_path / "reports/.lock").is_file()
    assert not (folder / "rapports/.lock").exists()


def test_a_dossier_is_linked_only_where_its_file_is_in_the_folder(tmp_path):
    for name in ("a.html", "1.html"):
        (tmp_path / name).touch()
    files = {"1": "1", "2": "2", "3": "../a", "4": "a"}
    records = [{"operator_id": operator, "file": file} for operator, file in files.items()]
    (tmp_path / "dossiers.json").write_text(json.dumps({"dossiers": records}))
    assert dossiers_in(tmp_path) == {"1": "dossiers/1.html", "4": "dossiers/a.html"}


def test_an_identifier_or_a_domain_that_is_none_gives_a_name_of_a_file_or_an_anchor_that_is_one():
    assert (page_name("1010100000"), page_name("")) == ("1010100000", "sans-identifiant")
    assert anchor_of("ch-xyz.mssante.fr") == "d-ch-xyz.mssante.fr"
    for identifier in ("../x", "CON", "x" * 300, "1" * 30, "１２３", "12\n", "\ud800", "%2e%2e"):
        assert re.fullmatch(r"autre-[0-9a-f]{16}", page_name(identifier))
        assert page_name(identifier) != page_name(f"{identifier} ")
    for domain in ('"', "é.mssante.fr", "x" * 300, "A.mssante.fr", "a\n"):
        assert re.fullmatch(r"x-[0-9a-f]{16}", anchor_of(domain))


def test_the_documented_code_builds_a_site_that_knows_the_run_before(tmp_path, monkeypatch):
    doc = (Path(__file__).parents[2] / "docs" / "site.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", doc, re.DOTALL)
    code = code.replace("data/sample", str(CATALOGUE))
    monkeypatch.chdir(tmp_path)
    exec(code.replace("2026-03-03", "2026-03-02T12:00").rpartition("build_site(")[0], {})
    exec(code, {})
    assert "Depuis le 2 mars 2026" in text_of(own_pages(tmp_path / "site")["index.html"]).replace("\xa0", " ")
    points = read_trend(tmp_path / "state/trend.json")
    assert [point.at[:10] for point in points] == ["2026-03-02", "2026-03-03"]


def test_the_explorer_is_in_the_site_as_the_reports_are_without_the_ledger(sample_run, sample_site):
    out, folder = sample_run.out, sample_site.folder
    assert (out / "ledger.json").is_file()
    assert not (folder / "rapports/ledger.json").exists()
    assert (folder / "rapports/overview.html").read_bytes() == (out / "overview.html").read_bytes()
    assert 'href="explorer.html"' in (folder / "index.html").read_text(encoding="utf-8")
    beside, inside = (unpacked((at / "explorer.html").read_text(encoding="utf-8")) for at in (out, folder))
    assert beside["rows"]["domain"] == inside["rows"]["domain"]
    linked = [path for places in inside["pages"].values() for path in places if path]
    assert len(linked) > len(inside["pages"])
    assert all((folder / path).is_file() for path in linked)
    assert beside["pages"] == {}

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
from made_up import BETA_DN, xml_of
from tlsmade import write_before

import mssante_audit as ms
from mssante_audit import AUDITS
from mssante_audit.audits import audit_all, waived
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import catalogue, title_of_audit
from mssante_audit.findings.trend import read_trend
from mssante_audit.report.html import names
from mssante_audit.report.run import run_reports
from mssante_audit.site.build import build_site
from mssante_audit.site.view import View, anchor_of, dossiers_in, page_name
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


def test_there_is_a_page_for_each_audit_rule_and_operator(site):
    pages = set(own_pages(site.folder))
    assert {f"audits/{audit}.html" for audit in AUDITS} <= pages
    assert {f"regles/{code}.html" for code in catalogue()} <= pages
    operators = {*site.space.entries["operator_id"], *site.findings["operator_id"]}
    assert {f"operateurs/{page_name(o)}.html" for o in operators if o} <= pages
    assert all(title_of_audit(audit) != audit for audit in AUDITS)


def test_every_link_leads_to_something_that_is_there(site):
    pages = own_pages(site.folder)
    ids = {name: set(page.xpath("//@id")) for name, page in pages.items()}
    followed = 0
    for name, page in pages.items():
        for href in page.xpath("//body//@href"):
            path, _, anchor = href.partition("#")
            assert not path.startswith(("/", "http", "data:", "javascript:"))
            target = (site.folder / name).parent / unquote(path) if path else site.folder / name
            target = target.resolve()
            assert target.is_relative_to(site.folder.resolve())
            assert target.is_file(), href
            inside = target.relative_to(site.folder.resolve()).as_posix()
            assert not anchor or unquote(anchor) in ids[inside] | {"contenu"}, href
            followed += 1
    assert followed > 1000


def test_no_id_stands_twice_on_a_page_and_no_name_of_a_file_comes_from_a_text(site):
    for name, page in own_pages(site.folder).items():
        assert [i for i, n in Counter(page.xpath("//@id")).items() if n > 1] == [], name
    for file in site.folder.rglob("*"):
        if "rapports" not in file.parts:
            assert re.fullmatch(r"[A-Za-z0-9_.-]+", file.name), file


def test_from_a_finding_to_its_rule_its_operator_and_its_dossier(site):
    finding = next(f for f in site.findings.itertuples() if f.operator_id.isalnum() and f.domains)
    pages = own_pages(site.folder)
    hrefs = set(pages["constats.html"].xpath("//td//@href"))
    operator = f"operateurs/{page_name(finding.operator_id)}.html"
    assert {f"regles/{finding.rule}.html", operator} <= hrefs
    assert f"../dossiers/{finding.operator_id}.html" in pages[operator].xpath("//main//@href")


def test_every_finding_is_on_the_pages_of_its_rule_its_audit_and_its_operators(site):
    whose = dict(zip(site.space.entries["row"], site.space.entries["operator_id"], strict=True))
    by_page = Counter()
    for f in site.findings.itertuples():
        owners = {*(whose[row] for row in f.rows), *({f.operator_id} if f.operator_id or f.domain else ())}
        by_page.update(f"operateurs/{page_name(owner)}" for owner in owners)
        by_page.update([f"regles/{f.rule}", f"audits/{catalogue()[f.rule].audit}"])
    for stem, count in by_page.items():
        assert len(rows_of(site.folder / f"{stem}.constats.csv")) == count, stem
    assert len(rows_of(site.folder / "constats.tous.csv")) == len(site.findings)
    lists = list(site.folder.glob("*/*.constats.csv"))
    assert len(lists) == len(by_page)


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def test_the_files_beside_a_page_agree_with_one_another(site):
    kinds = {}
    for name in own_pages(site.folder):
        kinds.setdefault(name if name in OWN else name.split("/")[0], []).append(name)
    for name in (name for alike in kinds.values() for name in alike[:3]):
        stem = (site.folder / name).with_suffix("")
        tables = sorted(stem.parent.glob(f"{stem.name}.*.csv"))
        assert stem.with_suffix(".json").exists() == stem.with_suffix(".xlsx").exists() == bool(tables)
        if not tables:
            continue
        parts = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        book = openpyxl.load_workbook(stem.with_suffix(".xlsx"), read_only=True)
        assert {t.name.split(".")[-2] for t in tables} == set(parts) == set(book.sheetnames)
        for table in tables:
            part = table.name.split(".")[-2]
            sheet = list(book[part].iter_rows())
            assert len(rows_of(table)) == len(parts[part]) == len(sheet) - 1
            assert all(cell.data_type != "f" for row in sheet for cell in row)
        for row in (row for table in tables for row in rows_of(table)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_a_page_shows_as_many_rows_as_it_says(site):
    for name, page in own_pages(site.folder).items():
        held = Counter()
        for table in page.xpath("//table[not(@class='checks')]"):
            shown = len(table.xpath("tbody/tr"))
            assert shown == int(table.get("data-rows")) > 0
            held[table.get("id").removesuffix("-replies")] += shown  # folded below, and in the same file
        for ident, shown in held.items():
            total = len(rows_of((site.folder / name).with_suffix(f".{ident}.csv")))
            (note,) = page.xpath(f"//p[@class='csv'][a[contains(@href, '.{ident}.csv')]]")
            assert (shown < total) == ("premières lignes" in note.text_content()), name


@pytest.mark.parametrize(
    "made", ["sample", "hostile", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])]
)
def test_a_page_keeps_its_budget(made, request):
    site = request.getfixturevalue(f"{made}_site")
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
    every = {c for k in ("project", "support") for c in entries[f"{k}_email"].dropna() if c}
    contacts = {c for c in every if not names_nobody(c)}
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


def test_the_first_words_say_how_grave_what_is_new_and_whom_to_look_at(sample_site):
    page = own_pages(sample_site.folder)["index.html"]
    found, space = sample_site.findings, sample_site.space
    domains, causes = ms.domains(space, found), ms.causes(found, space.audited, space.published)
    held = answers(domains)
    lead = text_of(page, "//p[@class='lead']")
    assert lead.startswith(f"{held['arrives']['yes']} domaines sur {len(domains)} (")
    assert f"{held['arrives']['degraded']} à risque, {held['arrives']['no']} ne le reçoivent pas" in lead
    assert text_of(page, "//h1").startswith("Le courrier arrive-t-il")
    for axis, own in held.items():
        assert {b.get(f"data-{axis}"): int(b.text) for b in page.xpath(f"//b[@data-{axis}]")} == own
    first = page.xpath("//ol[@class='causes']/li")
    assert len(first) == 10
    for li, cause in zip(first, causes.to_dict("records"), strict=False):
        assert li.xpath(".//a/@href")[0] == f"regles/{cause['rules'][0]}.html"
        if cause["operator_id"]:
            assert f"operateurs/{page_name(cause['operator_id'])}.html" in li.xpath(".//a/@href")
    assert len(rows_of(sample_site.folder / "index.causes.csv")) == len(causes)
    todo = ms.actionable(found).index
    new = sum(sample_site.told.status[i] == "new" for i in todo)
    asks = {c for c, r in catalogue().items() if r.severity != "info" and r.confidence != "hint"}
    fixed = sum(f["rule"] in asks for f in sample_site.told.fixed)
    assert 0 < new < sample_site.told.counts()["new"]
    since = text_of(page, "//p[@class='since']")
    assert f"{new} nouveaux constats" in since
    assert f"{fixed or 'aucun'} réglé" in since
    figures = {dt.text_content(): dt.getnext() for dt in page.xpath("//dl[@class='figures']//dt")}
    assert figures["Nouveaux"].text_content() == str(new)
    owner = space.entries.set_index("row")["operator_id"]
    concerned = {owner[row] for i in todo for row in found["rows"][i]}
    concerned |= {found["operator_id"][i] for i in todo if found["operator_id"][i] or found["domain"][i]}
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
    counts, folder = sample_site.told.counts(), sample_site.folder
    assert len(rows_of(folder / "suivi.nouveaux.csv")) == counts["new"] > 0
    assert {r["status"] for r in rows_of(folder / "suivi.nouveaux.csv")} == {"new"}
    fixed = rows_of(folder / "suivi.regles.csv")
    assert len(fixed) == counts["fixed"] > 0
    names = sample_site.space.entries.groupby("operator")["operator_id"].nunique()
    assert [bool(row["operator_id"]) for row in fixed] == [names[row["operator"]] == 1 for row in fixed]
    accepted = rows_of(folder / "suivi.acceptes.csv")
    assert [row["who"] for row in accepted] == ["cellule <b>MSSanté</b>"] * len(sample_site.waived)
    assert "31 décembre 2026" in text_of(own_pages(folder)["suivi.html"])


def built(tmp_path, space: TrustSpace, findings=None, **more) -> Path:
    findings = audit_all(space) if findings is None else findings
    build_site(tmp_path, space, findings, waived=waived(space), **{"told": None, "points": (), **more})
    return tmp_path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a list of two rows."""
    data = tmp_path_factory.mktemp("small")
    (data / "list.xml").write_bytes(xml_of({}, {"domain": "ch-beta.mssante.fr", "dn": BETA_DN}))
    return data


@pytest.fixture(scope="module")
def small_space(small):
    return load_space(small, as_of=AS_OF)


@pytest.fixture(scope="module")
def first_site(small_space, tmp_path_factory):
    """The site of a first run."""
    return built(tmp_path_factory.mktemp("first-site"), small_space)


def test_the_same_run_gives_the_same_pages_and_a_first_one_says_so(first_site, small_space, tmp_path):
    again = built(tmp_path, small_space)
    assert len(list(first_site.rglob("*.html"))) > len(catalogue())
    for file in first_site.rglob("*"):
        if file.is_file() and file.suffix != ".xlsx":  # a workbook notes when it was made
            assert file.read_bytes() == (again / file.relative_to(first_site)).read_bytes()
    pages = own_pages(first_site)
    assert "Premier passage" in text_of(pages["index.html"])
    assert "Premier passage" in text_of(pages["suivi.html"])
    assert "à partir du deuxième passage : il n’y en a aucun" in text_of(pages["index.html"])
    assert "État" not in pages["constats.html"].xpath("//th/text()")


def test_what_could_not_be_observed_is_unknown_and_not_absent(quiet_site):
    pages = own_pages(quiet_site.folder)
    assert "Non vérifié, et donc inconnu" in text_of(pages["index.html"])
    dns = pages["index.html"].xpath("//tr[td//a[@href='audits/delegation_vs_redirection.html']]/td")
    assert [cell.text_content() for cell in dns[1:]] == ["inconnu"] * 5
    assert text_of(pages["index.html"], "//h1").startswith("La liste est-elle en règle")
    assert "Personne n’a regardé si le courrier arrive" in text_of(pages["index.html"])
    assert "Non vérifié : aucune observation du DNS" in text_of(pages["regles/DNS_MX_NULL.html"])
    assert "Aucun constat" not in text_of(pages["regles/DNS_MX_NULL.html"])


def test_certificates_that_changed_stand_on_the_pages_of_their_operators(tmp_path):
    data = Path(copytree(CATALOGUE, tmp_path / "data"))
    write_before(load_space(data, as_of=AS_OF), data, "CN=<b>x,C=FR")
    space = load_space(data, as_of=AS_OF)
    folder, moves = built(tmp_path / "site", space, concat([])), renewals(space)
    whose = space.audited.groupby("domain")["operator_id"].agg(set)
    wanted = Counter(
        f"operateurs/{page_name(operator)}"
        for domains in moves["domains"]
        for operator in set().union(*(whose[domain] for domain in domains))
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
    notebooks, given = Path(__file__).parents[1] / "files", {"as_of": AS_OF}
    run = run_reports(["failing"], out=tmp_path / "reports", notebooks=notebooks, parameters=given)
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


def test_operators_with_new_and_grave_findings_come_first(sample_space):
    findings = audit_all(sample_space)
    view = View(sample_space, findings, waived(sample_space), None, (), None, None)
    worst = [next(iter(s for s, n in o.counts.items() if n)) for o in view.first()]
    order = ["critical", "error", "warning", "info"]
    assert worst == sorted(worst, key=order.index)


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
    assert (sample_run.out / "ledger.json").is_file()
    assert not (sample_site.folder / "rapports/ledger.json").exists()
    taken = sample_site.folder / "rapports/overview.html"
    assert taken.read_bytes() == (sample_run.out / "overview.html").read_bytes()
    index = (sample_run.out / "index.html").read_text(encoding="utf-8")
    assert 'action="explorer.html"' in index
    beside = unpacked((sample_run.out / "explorer.html").read_text(encoding="utf-8"))
    inside = unpacked((sample_site.folder / "explorer.html").read_text(encoding="utf-8"))
    assert beside["rows"]["domain"] == inside["rows"]["domain"]
    assert 'href="explorer.html"' in (sample_site.folder / "index.html").read_text(encoding="utf-8")
    linked = [path for places in inside["pages"].values() for path in places if path]
    assert len(linked) > len(inside["pages"])
    assert all((sample_site.folder / path).is_file() for path in linked)
    assert beside["pages"] == {}

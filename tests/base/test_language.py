"""Reports, site and notebooks in English: nothing untranslated, no French but the data's, no wrong number."""

import csv
import io
import json
import re
from email import message_from_bytes, policy
from pathlib import Path
from string import Formatter

import pandas as pd
import pytest
from conftest import CATALOGUE
from foreign import ENGLISH, FRENCH, french, french_in, texts_of
from lxml import html
from typer.testing import CliRunner

from mssante_audit import controls, enable, moved, rule, show_frames
from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError
from mssante_audit.base.language import LANGUAGES, catalogue, current_language, using_language, words_of
from mssante_audit.cli.main import app
from mssante_audit.dossiers import write_dossiers
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import letter_files
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.report import cards as module_controls
from mssante_audit.report.charts import bars
from mssante_audit.report.run import run_reports
from mssante_audit.report.tables import table
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.words import OUTCOME_WORDS
from tools.messages import main

OTHERS = [name for name in LANGUAGES if name != "fr"]
MARKED = re.compile(r"%\(\w+\)s|</?\w+")
AS_OF = "2026-03-03"
OPERATOR = "399900000300015"


@pytest.fixture(scope="module")
def reports(english_run):
    assert [outcome.failure for outcome in english_run.outcomes] == [None] * len(english_run.outcomes)
    return english_run.out


@pytest.fixture(scope="module")
def dossiers(tmp_path_factory):
    out = tmp_path_factory.mktemp("dossiers")
    on = Stationery(to_all=True, deadline_days=30, logo=b"\x89PNG\r\n\x1a\n", form_to="ANS, Pau")
    run = write_dossiers(out, parameters={"as_of": AS_OF, "lang": "en"}, on=on, jobs=1)
    assert {outcome.status for outcome in run.outcomes} == {"done"}
    return out


@pytest.mark.parametrize("name", OTHERS)
def test_a_catalogue_has_every_text_and_none_for_nothing(name, capsys):
    assert main([name]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_asks_for_what_the_text_gives(name):
    for text, translation in catalogue(name).items():
        assert asked(translation) == asked(text), text
        assert sorted(MARKED.findall(translation)) == sorted(MARKED.findall(text)), text


def asked(text: str) -> set[str]:
    """The values that a sentence is filled with, also those inside a choice of words."""
    fields = {name: spec or "" for _, name, spec, _ in Formatter().parse(text) if name}
    return set(fields).union(*map(asked, fields.values()))


@pytest.mark.long
def test_pages_in_english_say_nothing_in_french(reports, english_site, tmp_path):
    run_reports(["operator"], out=tmp_path, parameters={"as_of": AS_OF, "lang": "en", "operator": OPERATOR})
    pages = [*reports.glob("*.html"), *tmp_path.glob("*.html"), *english_site.rglob("*.html")]
    assert len(pages) > 200
    assert {page.name: words for page in pages if (words := french_in(page))} == {}
    assert {html.parse(str(page)).getroot().get("lang") for page in pages} == {"en"}


@pytest.mark.long
def test_dossiers_and_letters_in_english_say_nothing_in_french(dossiers):
    pages, letters, mails = (sorted(dossiers.glob(f"*.{suffix}")) for suffix in ("html", "txt", "eml"))
    assert len(pages) == len(letters) + 1 == len(mails) + 1 > 10
    assert {page.name: words for page in pages if (words := french_in(page))} == {}
    marks = re.compile(r"\[[^\]]*\]")  # what differs, of data
    paragraphs = {file: " ".join(marks.sub("", file.read_text()).split()) for file in letters}
    assert {file.name: words for file, text in paragraphs.items() if (words := french([text]))} == {}
    for file in mails:
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        parts = [str(mail["Subject"]), mail["From"].addresses[0].display_name]
        bodies = [part for part in mail.walk() if part.get_content_type() in ("text/plain", "text/html")]
        contents = [part.get_content() for part in bodies if not part.get_filename()]
        parts += [" ".join(marks.sub("", content).split()) for content in contents]
        assert len(parts) == 4
        assert 'lang="en"' in parts[-1]
        assert french(parts) == [], file.name


def test_a_french_letter_would_not_pass(sample_space):
    def letter() -> str:
        return letter_files(dossier(sample_space, OPERATOR))[".txt"].decode()

    written = letter()
    assert french(written.split("\n\n"))
    with using_language("en"):
        assert letter().startswith("Subject: MSSanté: ")  # the same space in one language after the other
    assert letter() == written


@pytest.mark.parametrize(
    "command",
    [
        "findings all --all", f"changes 2025-12-01 {AS_OF} --events --archive", "certificates --format ics",
        "declarations fix declarations.csv OUT.csv --force",
    ],
)  # fmt: skip
def test_commands_say_in_english_what_they_say_in_words(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = (CATALOGUE / "declarations.csv").read_bytes().splitlines(keepends=True)
    Path("declarations.csv").write_bytes(b"".join(lines[:25]))
    more = [str(CATALOGUE / "archive")] if command.startswith("changes") else ["--as-of", AS_OF]
    arguments = [*command.split(), *more, "--lang"]
    outputs = [CliRunner().invoke(app, [*arguments, lang]).stdout for lang in ("en", "fr")]
    if "ics" in arguments:
        outputs = [re.sub(r"\r?\n ", "", text).replace("\\", "") for text in outputs]
    english, other = (text.splitlines() for text in outputs)
    described = ("LIST_DESCRIPTION_", "LIST_TEXT_CONTROL")  # what is found there is the list's own text, cut
    assert len(english) > 10
    assert english != other
    assert french(line for line in english if not line.startswith(described)) == []
    assert french(other)


@pytest.fixture
def desk(sample_space):
    """What a notebook shows of itself in a language, by what it is."""
    space = sample_space
    bare = TrustSpace(space.whitelist, space.as_of, contacts="all")

    def shown(lang: str) -> dict[str, str]:
        with using_language(lang):
            frame = audit_all(space)
            stale = moved(space, space.with_(stale_after_days=365))
            views = [space, bare, frame, frame.head(0), stale, rule("TLS_EXPIRED"), rule("DN_SPELLINGS")]
            shown = {str(n): view._repr_html_() for n, view in enumerate([*views, space.whitelist.signature])}
            shown["explorer"] = space.explore().html
            boxes = controls(space)
            shown |= {f"control {at}": box.description for at, box in enumerate(boxes.children[:3])}
            shown |= {"choice": boxes.children[0].options[0][0], "view": boxes.children[3].value}
            return shown | {"tooltip": boxes.children[2].tooltip}

    return shown


def test_a_notebook_s_objects_and_controls_speak_the_language_spoken(desk, monkeypatch):
    monkeypatch.setattr(module_controls, "attended", lambda: True)
    shown = {lang: desk(lang) for lang in ("en", "fr")}
    spoken_texts = {lang: {n: texts_of(html.fromstring(f"<main>{t}</main>")) for n, t in d.items()}
                    for lang, d in shown.items()}  # fmt: skip
    for lang, words in (("en", FRENCH), ("fr", ENGLISH)):
        foreign = {name: french(texts, words=words) for name, texts in spoken_texts[lang].items()}
        assert not any(foreign.values()), foreign
    assert all(shown["en"][name] != shown["fr"][name] for name in shown["en"])
    assert {name for name, texts in spoken_texts["fr"].items() if french(texts)} >= {*map(str, range(5))}


def test_frames_in_lab_have_the_words_of_the_language_spoken(monkeypatch):
    itables = pytest.importorskip("itables")
    monkeypatch.setattr(itables, "init_notebook_mode", lambda **_: None)
    monkeypatch.setattr(itables.options, "language", {}, raising=False)
    labels = {}
    for lang in ("fr", "en"):
        with using_language(lang):
            show_frames()
            labels[lang] = dict(itables.options.language)
            assert current_language() == lang
    assert labels["en"].keys() == labels["fr"].keys()
    assert french(labels["en"].values()) == []
    assert all(labels["en"][name] != labels["fr"][name] for name in labels["en"])


@pytest.mark.parametrize("lang", ["de", "EN", 5, None, True, ["fr"]])
def test_what_is_no_language_is_refused_by_the_parameters_name(lang):
    with pytest.raises(ParameterError, match=r"^lang wants "):
        enable(lang)


def test_enable_says_the_language_of_what_follows_and_keeps_it():
    with using_language("fr"):
        enable("en")
        enable()
        assert (current_language(), 'LANGUAGE = "en"' in enable().text) == ("en", True)


def test_a_notebook_of_one_s_own_need_not_know_languages(tmp_path):
    notebook = Path(__file__).parents[1] / "files" / "plain.ipynb"
    assert run_reports([str(notebook)], out=tmp_path, parameters={"lang": "en"}).exit_status() == 0
    assert html.parse(str(tmp_path / "plain.html")).getroot().get("lang") == "en"


@pytest.mark.long
def test_names_of_codes_in_cells_are_english_too(reports):
    page = html.parse(str(reports / "certificates.html")).getroot()
    cells = {"".join(data.itertext()) for data in page.xpath("//table[@id='unseen']//bdi")}
    assert cells & set(OUTCOME_WORDS["en"].values())
    assert not cells & (set(OUTCOME_WORDS["fr"].values()) - set(OUTCOME_WORDS["en"].values()))


@pytest.mark.long
def test_a_report_says_the_same_numbers_in_both_languages(reports, sample_run):
    pages = [html.parse(str(folder / "declarations.html")) for folder in (reports, sample_run.out)]
    numbers = "//dl[@class='figures']//dd | //ul[@class='severities']/li | //svg//text"
    counted = [[re.sub(r"\D", "", "".join(n.itertext())) for n in page.xpath(numbers)] for page in pages]
    assert counted[0] == counted[1] != []


@pytest.mark.long
def test_files_beside_an_english_report_are_english(reports):
    text = (reports / "stale_contacts.findings.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    space = load_space(as_of=AS_OF)
    observed = {f["fingerprint"]: f["observed"] for f in audit_all(space, language="en").to_dict("records")}
    assert len(rows) > 10
    assert all(row["observed"] == observed[row["fingerprint"]] for row in rows)
    assert json.loads((reports / "stale_contacts.results.json").read_text())["parameters"]["lang"] == "en"
    notebook = json.loads((reports / "stale_contacts.ipynb").read_text(encoding="utf-8"))
    assert "".join(notebook["cells"][0]["source"]).startswith("# Contacts that are out of date")


@pytest.mark.long
def test_pages_in_french_say_nothing_in_english(sample_run, sample_site, reports, tmp_path):
    run = write_dossiers(tmp_path, parameters={"as_of": AS_OF}, operators=[OPERATOR], jobs=1)
    pages = [*sample_run.out.glob("*.html"), *sample_site.folder.rglob("*.html"), *run.out.glob("*.html")]
    assert len(pages) > 200
    assert {page.name: words for page in pages if (words := french_in(page, ENGLISH))} == {}
    letter = (run.out / f"{OPERATOR}.txt").read_text(encoding="utf-8")
    assert french(letter.splitlines(), words=ENGLISH) == []
    assert french_in(reports / "overview.html", ENGLISH)


def test_what_the_explorer_s_script_says_is_in_its_language():
    def told(words):
        parts = (told(entry) if isinstance(entry, dict) else [str(entry)] for entry in words.values())
        return [re.sub(r"{\w+}", "", text) for part in parts for text in part]

    words = {lang: told(words_of("mssante_audit.report.explorer")[lang]) for lang in LANGUAGES}
    assert len(words["en"]) == len(words["fr"]) > 100
    assert french(words["en"]) == []
    assert french(words["fr"], words=ENGLISH) == []


@pytest.mark.long
def test_every_report_and_the_site_end_with_a_glossary(reports, english_site, dossiers):
    pages = [*reports.glob("[!ie]*.html"), *dossiers.glob("[0-9]*.html"), english_site / "index.html"]
    assert len(pages) >= 20
    for page in pages:
        (fold,) = html.parse(str(page)).xpath("//details[contains(@class, 'glossary')]")
        terms = [term.text for term in fold.iter("dt")]
        assert fold.get("open") is None
        assert {"delegation", "redirection", "DN", "white list", "MX", "resolver", "FINESS"} <= {*terms}
        assert terms == sorted(terms, key=str.casefold)


def test_a_glossary_says_each_term_in_one_sentence_of_each_language():
    french, english = (words_of("mssante_audit.report", "glossary.toml")[name] for name in LANGUAGES)
    assert all(french[term]["meaning"] != english[term]["meaning"] for term in french)
    for entry in (*french.values(), *english.values()):
        assert entry["meaning"].endswith("."), entry
        assert len(re.findall(r"[.!?] ", entry["meaning"])) == 0, entry
        assert "'" not in entry["term"] + entry["meaning"], entry


def test_data_are_not_translated():
    frame = pd.DataFrame({"Domaine": ["Contacts", "Aucun constat."], "Lignes": 1})
    with using_language("en"):
        shown = table(frame, name="t").text
        drawn = bars(frame.set_index("Domaine")["Lignes"], title="Domaines").alt
    assert {"<bdi>Contacts</bdi>", "<bdi>Aucun constat.</bdi>"} <= {*re.findall("<bdi>.*?</bdi>", shown)}
    assert ">Domain</th>" in shown.replace("\n", "")
    assert "Aucun constat.: 1" in drawn

"""Say which texts that readers see a catalogue lacks, and which it has for nothing.

Usage: ``python tools/messages.py [--update] [LANGUAGE…]``, all but French by default; prints a line a text
and exits with 1 if there is one. ``--update`` writes the ``.po`` files first: what lacks comes in without a
translation, what is there for nothing goes, and each text has the files where it stands.

What counts as a text: what `gettext`, `format_text`, `translated`, `say` or `count` is given; what a template
or a script marks; each text of a table of words, each paragraph of a notebook; every other literal that
looks like words.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from mssante_audit.base.language import LANGUAGES, catalogue, plain, severity_names
from mssante_audit.findings.registry import catalogue as rules
from mssante_audit.observe.kinds import KINDS
from mssante_audit.report.charts import STYLES
from mssante_audit.report.html import TEMPLATE, environment
from mssante_audit.report.parameters import PARAMETERS
from mssante_audit.report.tables import SCRIPT_TEXT

ROOT = Path(__file__).parents[1]
ROOMS = ("dossiers", "report", "site")
"""Those that speak by the catalogue; the words of the others have catalogues of their own."""
ASIDE = {
    "explorer", "desk.py", "execute.py", "forms.py", "stationery.py", "svg.py",
}  # fmt: skip
"""Parts of these that have words of their own, raise errors only, fill a form or check settings."""
TABLES = ("words.toml", "causes.toml", "glossary.toml")
"""Files of French words (`mssante_audit.base.language.words_of`)."""
IGNORED = {
    *STYLES,
    "The domain, listed or not.",
    "Python 3",
    "NS",
    "Subject",
    "From",
    "To",
    "Date",
    r"[,;|:=()\n«»]",
}
"""What looks like words, and is not."""
CALLS = {"gettext", "format_text", "translated", "say", "count"}
WORDS = re.compile(
    "^[A-ZÀÂÉÈÊÎÔÇ][a-zàâéèêëîïôûùçœ]+([ ,.:;–’'(]|$)|[àâéèêëîïôûùçœÀÂÉÈÊËÎÏÔÛÙÇŒ’«»]|"
    "(^| )(le|la|les|des|du|une|et|est|sont|dans|pour|par|sur|avec|sans|aucune?|ou|de|inconnus?)( |$)|"
    "{[a-z]+:"
)
"""What looks like words that a reader is told."""


def messages() -> dict[str, str]:
    """Return each text that readers are told, as catalogues have it, with where it stands."""
    places: dict[str, str] = {}
    for place, text in _texts():
        if plain(text) and any(c.isalpha() for c in text):
            places.setdefault(plain(text), place)
    return places


def _texts() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / "mssante_audit" / room).rglob("*.py")):
            if ASIDE.isdisjoint(path.parts):
                yield from _in_code(path.name, path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "mssante_audit").rglob("*.toml")):
        if path.name in TABLES:
            yield from _in_table(path.parent.name, tomllib.loads(path.read_text(encoding="utf-8")))
    for name in ("cli/receive.py", "verdicts/gate.py", "verdicts/undelegated.py"):
        yield from _in_code(Path(name).name, _source(name))
    yield from _in_code("markup.py", _source("base/markup.py"))
    for name in ("table.js", "site.js"):
        path = next((ROOT / "mssante_audit").rglob(name))
        yield from ((name, text) for text in SCRIPT_TEXT.findall(path.read_text(encoding="utf-8")))
    for path in sorted(TEMPLATE.glob("*.j2")):
        if path.name != "explorer.html.j2":
            yield from ((path.name, text) for text in _in_template(path.read_text(encoding="utf-8")))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any("parameters" in cell["metadata"].get("tags", ()) for cell in cells):
            for cell in cells:
                source = "".join(cell["source"])
                code = cell["cell_type"] == "code"
                yield from _in_code(path.name, source) if code else paragraphs(path.name, source)
    yield from (("rules.toml", rule.family) for rule in rules().values())
    yield from (("settings.py", str(field.title)) for field in PARAMETERS.values())
    yield from (("kinds", text) for kind in KINDS for text in (kind.title, kind.remedy))
    yield from (("french.py", plural.capitalize()) for _, plural in severity_names().values())


@cache
def literals() -> set[str]:
    """Return every text that stands in code, templates or notebooks, words of readers or not."""
    texts = {";", ":"}
    for path in (ROOT / "mssante_audit").rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        texts |= {plain(n.value) for n in tree if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    for path in TEMPLATE.glob("*.j2"):
        text = path.read_text(encoding="utf-8")
        texts |= {
            plain(literal) for quoted in (r'"([^"]*)"', r"'([^']*)'") for literal in re.findall(quoted, text)
        }
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                tree = ast.walk(ast.parse("".join(cell["source"])))
                texts |= {
                    plain(n.value) for n in tree if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
    return texts


def paragraphs(place: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield the paragraphs of Markdown, headings without their marks."""
    yield from ((place, part.lstrip("# ")) for part in source.split("\n\n"))


def _source(path: str) -> str:
    return (ROOT / "mssante_audit" / path).read_text(encoding="utf-8")


def _in_code(place: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield the texts that Python tells a reader; docstrings and what is raised are for others."""
    tree, aside = ast.parse(source), set[int]()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()):
                aside.add(id(node.value))
            case ast.Raise():
                aside |= {id(inner) for inner in ast.walk(node)}
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if (
                name in CALLS
            ):
                # A count's noun is the second; a choice between two texts is two of them.
                arguments = node.args[1:2] if name == "count" else [first]
                keys = {
                    id(i)
                    for p in arguments
                    for s in ast.walk(p)
                    if isinstance(s, ast.Subscript)
                    for i in ast.walk(s.slice)
                }
                for constant in (i for part in arguments for i in ast.walk(part) if id(i) not in keys):
                    if (
                        isinstance(constant, ast.Constant)
                        and isinstance(constant.value, str)
                        and constant.value.strip()
                    ):
                        yield place, constant.value
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if (
                id(node) not in aside and text not in IGNORED and WORDS.search(text)
            ):
                yield place, text


def _in_table(place: str, table: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts of a table of words, whatever it is nested in."""
    for value in table.values() if isinstance(table, dict) else table:
        yield from [(place, value.strip())] if isinstance(value, str) else _in_table(place, value)


def _in_template(source: str) -> Iterator[str]:
    for _, _, text in environment().extract_translations(source, ("gettext", "_")):  # type: ignore[attr-defined]
        yield from [text] if isinstance(text, str) else filter(None, text)
    yield from re.findall(r'"([^"]+)" \| tr\b', source)
    bare = re.sub(r"{% trans .*?endtrans %}|{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", "|", source, flags=re.DOTALL)
    parts = filter(None, (part.strip() for part in bare.split("|")))
    yield from (f"{part} (not marked)" for part in parts if WORDS.search(part))
    yield from re.findall(r'\b(?:count|say)\(\s*"([^"]+)"', source)
    yield from re.findall(r'\bnothing\("([^"]+)"', source)


def update(language: str) -> None:
    """Write a catalogue again, with the texts that there are and where each stands."""
    path = ROOT / f"mssante_audit/locale/{language}.po"
    with path.open("rb") as file:
        before = read_po(file, locale=language)
    places, translations = (
        messages(),
        {plain(m.id if isinstance(m.id, str) else m.id[0]): m for m in before if m.id},
    )
    after = Catalog(
        language,
        header_comment=before.header_comment,
        project=before.project,
        version="0.2",
        creation_date=before.creation_date,
        revision_date=before.revision_date,
        fuzzy=False,
    )
    kept = [text for text in translations if text in places or text in literals()]
    for text in [*kept, *(text for text in places if text not in translations)]:
        old = translations.get(text)
        at = [(places[text], None)] if text in places else []
        after.add(old.id if old else text, old.string if old else "", locations=at)
    with path.open("wb") as file:
        write_po(file, after, width=110)


def main(arguments: list[str]) -> int:
    """Print what lacks and what is there for nothing; return the exit status."""
    texts, failed = messages(), 0
    named = [argument for argument in arguments if argument != "--update"]
    for language in named or [name for name in LANGUAGES if name != "fr"]:
        if "--update" in arguments:
            update(language)
        translations = catalogue(language)
        for text, place in texts.items():
            if text not in translations:
                print(f"{language} lacks ({place}): {text}")  # noqa: T201 - the command's output
                failed = 1
        for text in translations:
            if text not in texts and text not in literals():
                print(f"{language} has for nothing: {text}")  # noqa: T201
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

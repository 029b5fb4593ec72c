"""What a page or text says in the other language, outside data."""

import re
from functools import cache
from pathlib import Path

from lxml import html

from mssante_audit.base.language import NBSP
from mssante_audit.declarations.headings import fields
from mssante_audit.space.trust import load_space
from mssante_audit.values.identifiers import DEPARTMENTS, REGIONS

AS_OF = "2026-03-03"
FRENCH = re.compile(
    r"\b(le|la|les|des|du|une|et|est|sont|dans|pour|par|sur|avec|sans|aucune?|aux?|qui|que|pas|ne|elle|ce|cette|"
    r"ces|ses|leurs?|tous|toutes?|domaines?|constats?|lignes?|inconnue?s?|opérateurs?)\b|[«»]|\b[ldnsj]’",
    re.IGNORECASE,
)
"""French function words, and words that every French page has."""
ENGLISH = re.compile(
    r"\b(the|of|and|is|are|was|were|with|without|from|that|which|whose|this|these|not|by|for|has|have|be|to|"
    r"findings?|rows?|operators?|domains|unknown|servers?)\b"
)
"""English function words, and words that every English page has; in capitals they are parts of codes."""
QUOTED = (
    "Domaine de messagerie du CH xyz",
    *(text for field in fields().values() for text in (field.form, field.label) if len(text) > 3),
)
"""French that English texts tell a reader to write, and what the fields of Annexe 1 are called."""

DATA = re.compile(r"\b[A-Z]{1,2}=[^,|]*|[\w-]+(?:\.[\w-]+)+")
"""Parts of certificates' names, and hosts."""


@cache
def names_of_the_data() -> set[str]:
    """Every text of the list and the places it names: what a page may say in French."""
    space = load_space(as_of=AS_OF)
    texts = set()
    frames = (space.entries, space.register.declarations, space.archive.history)
    for frame in frames:
        texts |= {" ".join(text.split()) for name in frame.columns for text in map(str, frame[name])}
    return {text for text in texts if len(text) > 3}


def texts_of(page) -> list[str]:
    """What a page says outside data: its texts, and those of attributes that are read.

    What is said to be in another language is: an error's message.
    """
    for data in page.xpath("//script | //style | //bdi | //code | //*[@lang and not(self::html)]"):
        data.text = None
        for child in list(data):
            data.remove(child)
    texts = [text for text in page.itertext() if text.strip()]
    named = ("title", "alt", "aria-label", "placeholder")
    return texts + [e.get(name) for e in page.iter() for name in named if e.get(name)]


def french(texts, *named: str, words: re.Pattern = FRENCH) -> list[str]:
    """Which texts say something in French outside data and places, and what is `named` beside."""
    parts = (QUOTED, (*DEPARTMENTS.values(), *REGIONS), {*names_of_the_data(), *named})
    names = [name for part in parts for name in sorted(part, key=len, reverse=True)]
    foreign = []
    for text in texts:
        bare = " ".join(text.replace(NBSP, " ").split())
        if words.search(bare):
            bare = DATA.sub("", bare)
            for name in names:
                bare = bare.replace(name, "")
            foreign += [text] if words.search(bare.replace("«", "").replace("»", "")) else []
    return foreign


def french_in(path: Path, words: re.Pattern = FRENCH) -> list[str]:
    """What a page says outside data with words of another language than its own, French if not told."""
    page = html.parse(str(path)).getroot()
    named = {"".join(data.itertext()) for data in page.xpath("//h1/bdi")}
    return french(texts_of(page), *named, words=words)

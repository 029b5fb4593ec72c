"""Rules on the descriptions of domains, part of the audit `whitelist_integrity`."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress

from mssante_audit.base.french import count
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import said
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import fold
from mssante_audit.values.shown import enumerated, shown
from mssante_audit.whitelist.rows import all_rows, rows_by

SAME_DESCRIPTION_MIN = 10
"""From how many domains on a description says nothing of any of them. No source: this audit's convention."""

_FILLER = frozenset(
    (  # noqa: SIM905 - fifty quoted words read worse
        "domaine domaines sous de du des d la le les l un une pour messagerie messageries mail mss mssante "
        "securise securisee sante nom description test tests essai exemple todo tbd na n a neant rien vide "
        "completer renseigner definir preciser venir inconnu inconnue aucun aucune defaut lorem ipsum"
    ).split()
)
"""Words that describe nothing, accents folded. No source: what placeholders are made of."""

_FORM_EXAMPLE = re.compile(r"x{2,}|xyz")
_ASCII = str.maketrans({"’": "'", "œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
_WORD = re.compile(r"[a-z0-9]+")
_HALF_LATIN = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_SUSPECT = re.compile("[&?ÂÃÅâ\uff80-\uffff]")
_UTF8 = re.compile(f"[ÂÃ]{_HALF_LATIN}|Å[“’]|â€.")
_EXTENDED = re.compile("[\uff80-\ufffc\ufffe\uffff]")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{2,6});")
_BEYOND_REPAIR = re.compile("\N{REPLACEMENT CHARACTER}|Ã|[^\\W\\d_]\\?[^\\W\\d_]")


def words(description: str) -> list[str]:
    """Return the words of a description that say something: no filler, no case, accents or punctuation.

    >>> words("Domaine de messagerie MSSanté de l’Hôpital Rêvé"), words("Domaine de MSS")
    (['hopital', 'reve'], [])
    """
    plain = unicodedata.normalize("NFKD", description.translate(_ASCII)).encode("ascii", "ignore").decode()
    said = _WORD.findall(plain.lower()) or fold(description).split()
    return [word for word in said if word not in _FILLER]


def is_placeholder(said: list[str]) -> bool:
    """Tell whether the `words` of a description describe nothing: none, or the form's own example.

    >>> [is_placeholder(words(d)) for d in ("_", "À compléter", "Domaine du CH xyz", "EHPAD rêvé")]
    [True, True, True, False]
    """
    return not said or any(map(_FORM_EXAMPLE.fullmatch, said))


def is_garbled(description: str) -> bool:
    """Tell whether accented letters were lost in a conversion.

    >>> is_garbled("HÃ´pital"), is_garbled("H?pital"), is_garbled("Hôpital")
    (True, True, False)
    """
    marks = (_UTF8, _EXTENDED, _ENTITY, _BEYOND_REPAIR)
    return bool(_SUSPECT.search(description)) and any(mark.search(description) for mark in marks)


def repaired(description: str) -> str:
    """Return a garbled description as it was, "" if that cannot be told.

    Three conversions are undone: UTF-8 read as Windows-1252, bytes sign-extended to 16 bits (``￮`` for ``î``:
    seen in real lists), and character references left from HTML. A handful of lines instead of a library
    (ftfy), which does not know the second.

    >>> repaired("HÃ´pital de la Bo￮te &agrave; outils"), repaired("H?pital")
    ('Hôpital de la Boîte à outils', '')
    """
    text = _EXTENDED.sub(lambda m: chr(ord(m[0]) & 0xFF), description)
    text = _ENTITY.sub(lambda m: html.unescape(m[0]), _UTF8.sub(_read_again, text))
    return "" if is_garbled(text) else text


def _read_again(garbled: re.Match[str]) -> str:
    for encoding in ("cp1252", "latin-1"):
        with suppress(UnicodeError):
            return garbled[0].encode(encoding).decode()
    return garbled[0]


def descriptions(space: TrustSpace) -> Iterator[Finding]:
    """Find placeholders, garbled texts, and several descriptions of a domain by one operator.

    Texts of the same `words` are the same description; a garbled one that cannot be read is compared to none.
    """
    uses: dict[str, list[tuple[str, str, str, list[int]]]] = {}
    for (text, domain, operator), rows in rows_by(
        space.audited, "description", "domain", "operator_id"
    ).items():
        if text.strip():
            uses.setdefault(text, []).append((text, domain, operator, rows))
    same: dict[str, list[tuple[str, str, str, list[int]]]] = {}
    several: dict[tuple[str, str], dict[str, list[tuple[str, list[int]]]]] = {}
    for text, found in uses.items():
        mended = text
        if is_garbled(text):
            mended = repaired(text)
            rows_of = all_rows(rows for *_, rows in found)
            yield said("LIST_DESCRIPTION_MOJIBAKE", rows_of, observed=shown(text), expected=shown(mended))
        if mended:
            told = words(mended)
            key = " ".join(told)
            same.setdefault(f"_ {fold(text)}" if is_placeholder(said) else key, []).extend(found)
            for _, domain, operator, rows in found:
                several.setdefault((domain, operator), {}).setdefault(key, []).append((text, rows))
    for key, alike in same.items():
        domains = len({domain for _, domain, _, _ in alike})
        if key.startswith("_ ") or domains >= SAME_DESCRIPTION_MIN:
            yield said(
                "LIST_DESCRIPTION_PLACEHOLDER",
                all_rows(rows for *_, rows in alike),
                observed=f"{shown(alike[0][0])} ({count(domains, 'domaine')})",
            )
    for variants in several.values():
        if len(variants) > 1:
            yield said(
                "LIST_DESCRIPTION_SEVERAL",
                all_rows(rows for held in variants.values() for _, rows in held),
                observed=enumerated(shown(held[0][0]) for held in variants.values()),
            )

"""What descriptions and domains name, and which rows are copies of others, not changed in all fields."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.values.slips import one_slip
from mssante_audit.whitelist.rows import grouped, rows_by

# Words that describe nothing; kinds of establishment, which name none; those that are one kind; groups.
_WORDS = table_of("mssante_audit.whitelist", "descriptions.toml")
FILLER, KINDS, HOSPITALS, GROUPS = (
    frozenset(_WORDS[name].split()) for name in ("filler", "kinds", "hospitals", "groups")
)

_SAINTS = {"st": "saint", "ste": "sainte"}
_ASCII = str.maketrans({"’": "'", "œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"})
_WORD = re.compile(r"[a-z0-9]+")
MOST_ALIKE = 3  # a description on more domains with one certificate and contacts is a group's. No source.
_TEST = re.compile(r"(?:test|ndd|nouveaudomaine|essai|exemple)\w*")


class Copy(NamedTuple):
    """A domain whose rows have the description, certificate and contacts of another, which it fits."""

    domain: str
    description: str
    original: str
    rows: list[int]


@lru_cache(10_000)
def words(description: str) -> tuple[str, ...]:
    """Return the words of a description that say something: no filler, no case, accents or punctuation.

    >>> words("Domaine de messagerie MSSanté de l’Hôpital Rêvé"), words("Domaine de MSS")
    (('hopital', 'reve'), ())
    """
    plain = unicodedata.normalize("NFKD", description.translate(_ASCII)).encode("ascii", "ignore").decode()
    every = _WORD.findall(plain.lower()) or fold(description).split()
    return tuple(word for word in every if word not in FILLER)


def named_by(description: str) -> list[str]:
    """Return the `words` of a description as domains write them: ``ch`` for a hospital, ``saint`` in full."""
    named: list[str] = []
    for word in words(description):
        if word == "hospitalier" and named[-1:] == ["centre"]:
            named[-1] = "ch"
        else:
            named.append(_SAINTS.get(word, word))
    return named


def labels_of(domain: str) -> list[str]:
    """Return the words of a domain without its last two labels."""
    return [_SAINTS.get(word, word) for word in _WORD.findall(domain.lower().rsplit(".", 2)[0])]


def mentioned(labels: list[str], named: list[str]) -> bool:
    """Tell whether domain and description share a word, or one holds a word of four letters of the other."""
    if any(len(word) > 2 and word not in KINDS for word in set(labels).intersection(named)):
        return True
    both = ((labels, "".join(named)), (named, "".join(labels)))
    return any(len(w) > 3 and w not in KINDS and w in whole for words_, whole in both for w in words_)


def fitting(domain: str, descriptions: Iterable[str]) -> list[str]:
    """Return the one of several descriptions that names a domain, nothing if none or several do."""
    fit = [text for text in descriptions if mentioned(labels_of(domain), named_by(text))]
    return fit if len(fit) == 1 else []


def copies(entries: pd.DataFrame) -> Iterator[Copy]:
    """Find rows with the description, certificate and contacts of another that it fits, and they do not.

    Their domain names another establishment, is a test's, or has the next number. Another word alone may be
    an alias; a description of many domains is a group's; a domain with a fitting description too has two.
    """
    texts = ["description", "dn", "project_contact", "support_contact"]
    alike = entries[entries.duplicated(texts, keep=False)]
    beside = entries[entries["domain"].isin(alike["domain"])]
    described = grouped((domain, text) for domain, text in rows_by(beside, "domain", "description"))
    uses = rows_by(alike, *texts, "domain").items()
    for (text, *_), held in grouped((key[:4], (key[4], rows)) for key, rows in uses).items():
        named = named_by(text) if 1 < len(held) <= MOST_ALIKE else []
        if not named or not GROUPS.isdisjoint(named):
            continue
        fits = [domain for domain, _ in held if mentioned(labels_of(domain), named)]
        real = [domain for domain, _ in held if not _is_test(domain)]  # a test's is a copy of what it may
        for domain, rows in held:
            originals = fits or (real if _is_test(domain) else [])
            original = next((other for other in originals if _is_copy(domain, other, named)), "")
            others = [other for other in described[domain] if other != text]
            if original and not fitting(domain, others):
                yield Copy(domain, text, original, rows)


def _is_copy(domain: str, other: str, named: list[str]) -> bool:
    """Tell whether a description that fits another domain is left behind under a domain by a copy."""
    if domain == other or _is_test(domain):
        return domain != other
    labels = labels_of(domain)
    (stem, number), (other_stem, other_number) = _parted(domain), _parted(other)
    if stem == other_stem and number and int(number) == int(other_number or 1) + 1:
        return number not in named and (not other_number or other_number in named)
    its_labels = [word for word in labels if word not in labels_of(other) or word in KINDS]
    telling = [word for word in its_labels if len(word) > 3 and word not in KINDS]
    spelt = any(one_slip(word, other) for word in telling for other in named)
    return len(its_labels) > 1 and bool(telling) and not spelt and not mentioned(labels, named)


def _is_test(domain: str) -> bool:
    return any(map(_TEST.fullmatch, labels_of(domain)))


def _parted(domain: str) -> tuple[str, str]:
    """Return a domain without the number that its name ends in, and that number."""
    name = domain.rsplit(".", 2)[0]
    stem = name.rstrip("0123456789")
    return stem, name[len(stem) :][:9]

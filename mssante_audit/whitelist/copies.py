"""What descriptions and domains name, and which rows are copies of others, not changed in all fields."""

import re
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
FILLER, KINDS, GROUPS = (frozenset(_WORDS[name].split()) for name in ("filler", "kinds", "groups"))
ALIKE = {kind: alike.split() for alike in _WORDS["alike"] for kind in alike.split()}

_SAINTS = {"st": "saint", "ste": "sainte"}
_WORD = re.compile(r"[a-z0-9]+")
_DOTTED = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}(?:[^\W\d_](?!\w))?")  # ``C.H.U.``
# A kind of establishment and what follows, as domains write them together: ``chreve``.
_GLUED = re.compile(rf"({'|'.join(sorted(KINDS, key=len, reverse=True))})(\w{{3,}})")
MOST_ALIKE = 3  # a description on more domains with one certificate and contacts is a group's. No source.
_TEST = re.compile(r"(?:test|ndd|nouveaudomaine|essai|exemple)\w*|(?:demo|temp|tmp|toto|xxx+)\d*")


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
    undotted = _DOTTED.sub(lambda dotted: f"{dotted[0].replace('.', '')} ", description)
    return tuple(word for word in fold(undotted).split() if word not in FILLER)


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


def kind_of(label: str) -> tuple[str, str]:
    """Return the kind of establishment that a word of a domain begins with, and the rest; "" if none.

    >>> kind_of("ch"), kind_of("ehpadsonge"), kind_of("songe")
    (('ch', ''), ('ehpad', 'songe'), ('', 'songe'))
    """
    glued = _GLUED.fullmatch(label)
    return (label, "") if label in KINDS else (glued[1], glued[2]) if glued else ("", label)


def mentioned(labels: list[str], named: list[str]) -> bool:
    """Tell whether domain and description share a word, or one holds a word of four letters of the other.

    The first letters of three words in a row are a word too: ``chmbe`` for "CH de Mirage Bel-Étang".
    """
    first_letters = "".join(word[0] for word in named)
    if any(len(rest) > 2 and rest in first_letters for _, rest in map(kind_of, labels)):
        return True
    if any(len(word) > 2 and word not in KINDS for word in set(labels).intersection(named)):
        return True
    sides = ((labels, "".join(named)), (named, "".join(labels)))
    return any(len(w) > 3 and w not in KINDS and w in joined for words_, joined in sides for w in words_)


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
    of_domains = entries[entries["domain"].isin(alike["domain"])]
    described = grouped((domain, text) for domain, text in rows_by(of_domains, "domain", "description"))
    uses = rows_by(alike, *texts, "domain").items()
    for (text, *_), bearers in grouped((key[:4], (key[4], rows)) for key, rows in uses).items():
        named = named_by(text) if 1 < len(bearers) <= MOST_ALIKE else []
        if not named or not GROUPS.isdisjoint(named):
            continue
        fits = [domain for domain, _ in bearers if mentioned(labels_of(domain), named)]
        real = [domain for domain, _ in bearers if not _is_test(domain)]  # a test's is a copy of what it may
        for domain, rows in bearers:
            originals = fits or (real if _is_test(domain) else [])
            original = next((other for other in originals if _is_copy(domain, other, named)), "")
            others = [other for other in described[domain] if other != text]
            if original and not fitting(domain, others):
                yield Copy(domain, text, original, rows)


def _is_copy(domain: str, other: str, named: list[str]) -> bool:
    """Tell whether a domain still has another domain's description after its row was copied."""
    if domain == other or _is_test(domain):
        return domain != other
    labels = labels_of(domain)
    (stem, number), (other_stem, other_number) = _parted(domain), _parted(other)
    if stem == other_stem and number and int(number) == int(other_number or 1) + 1:
        return number not in named and (not other_number or other_number in named)
    added = [word for word in labels if word not in labels_of(other)]
    # So may an alias begin as a short kind does: ``chorus``.
    split = ((word, kind_of(word)) for word in added)
    parts = [part for word, pair in split for part in (pair if len(pair[0]) > 3 else (word,))]
    naming = [word for word in parts if len(word) > 3 and word not in KINDS]
    spelt = any(one_slip(word, other) for word in naming for other in named)
    is_alias = len(parts) < 2 and KINDS.isdisjoint(labels)
    return bool(naming) and not is_alias and not spelt and not mentioned(labels, named)


def _is_test(domain: str) -> bool:
    return any(map(_TEST.fullmatch, labels_of(domain)))


def _parted(domain: str) -> tuple[str, str]:
    """Return a domain without the number that its name ends in, and that number."""
    name = domain.rsplit(".", 2)[0]
    stem = name.rstrip("0123456789")
    return stem.rstrip("-"), name[len(stem) :][:9]

"""Rules on the descriptions of domains, part of the audit `whitelist_integrity`."""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.whitelist import copies
from mssante_audit.whitelist.copies import KINDS, fitting, labels_of, mentioned, named_by, words
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by

SAME_DESCRIPTION_MIN = 10  # domains from which a description says nothing of any (no source: a convention)
_MOST = 255  # characters at which the publishing tool caps a field (data)
_LONGEST_NAME = 5  # words of an establishment's name that are looked at
_TELLING = 5  # letters from which a word of a domain tells a place or a name
_FEW = 4  # a word of more domains tells none of them, a description of more than half of it none either
_FORM_EXAMPLE = re.compile(r"x{2,}|xyz")
_CUT_END = re.compile(
    r"(?<![\w'’])(?:de|du|des|la|les?|pour|et|aux?|sur|sous|[dl]['’])$|[-–,:;(&/+]$", re.IGNORECASE
)
_HALF_LATIN = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_SUSPECT = re.compile("[&?ÂÃÅâ\uff80-\uffff]")
_UTF8 = re.compile(f"[ÂÃ]{_HALF_LATIN}|Å[“’]|â€.")
_EXTENDED = re.compile("[\uff80-\ufffc\ufffe\uffff]")
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{2,6});")
_BEYOND_REPAIR = re.compile("\N{REPLACEMENT CHARACTER}|Ã|[^\\W\\d_]\\?[^\\W\\d_]")
_NUMBERED = re.compile(r"(?<![^\W\d])([^\W\d]{2,})[-.]?(2[ab](?![^\W_])|\d{1,3}(?!\d))")
_PLACES = {fold(name): code for code, name in DEPARTMENTS.items()}
_PLACES |= {"pays de la loire": "", "val de loire": ""}  # a region and a valley
_PLACE = re.compile(
    rf"\b(de la |de l |des? |du |en |d )?({'|'.join(sorted(_PLACES, key=len, reverse=True))})\b"
)


def is_garbled(description: str) -> bool:
    """Tell whether accented letters were lost in a conversion."""
    marks = (_UTF8, _EXTENDED, _ENTITY, _BEYOND_REPAIR)
    return bool(_SUSPECT.search(description)) and any(mark.search(description) for mark in marks)


def repaired(description: str) -> str:
    """Return a garbled description as it was, "" if that is not known.

    Three conversions are undone: UTF-8 read as Windows-1252, bytes sign-extended to 16 bits (``￮`` for ``î``:
    in real lists; the library ftfy does not know that), and character references left from HTML.
    """

    def read_again(garbled: re.Match[str]) -> str:
        for encoding in ("cp1252", "latin-1"):
            with suppress(UnicodeError):
                return garbled[0].encode(encoding).decode()
        return garbled[0]

    text = _EXTENDED.sub(lambda m: chr(ord(m[0]) & 0xFF), description)
    text = _ENTITY.sub(lambda m: html.unescape(m[0]), _UTF8.sub(read_again, text))
    return "" if is_garbled(text) else text


def cut_faults(description: str) -> list[str]:
    """Tell what a description lost or kept in copying: its end, one of two signs, a table's doubled quotes.

    >>> [cut_faults(d) for d in ("EHPAD de la", "EHPAD (site", 'EHPAD "Rêvé', 'EHPAD ""Rêvé""', "d’Alpha")]
    [['end'], ['parenthesis'], ['quote'], ['doubled'], []]
    """
    text = description.strip()
    faults = {
        "end": len(text) >= _MOST or (bool(_CUT_END.search(text)) and bool(words(text))),
        "parenthesis": text.count("(") != text.count(")"),
        "doubled": '""' in text,
        "quote": text.count('"') % 2 or any(text.count(a) != text.count(b) for a, b in ("«»", "“”")),
    }
    return [fault for fault, is_so in faults.items() if is_so]


class _Use(NamedTuple):
    """A description, what it stands with, and on which rows."""

    text: str
    domain: str
    operator_id: str
    dn: str
    rows: list[int]

    @property
    def owner(self) -> str:
        """The operator; the domain, where it is nobody known."""
        return self.operator_id or self.domain


def described(space: TrustSpace) -> Iterator[Finding]:
    """Find placeholders, garbled and cut texts, and several descriptions of a domain by one operator.

    Texts of the same `words` are the same description; a garbled one that cannot be read is compared to none.
    """
    groups = rows_by(space.audited, "description", "domain", "operator_id", "dn").items()
    uses = grouped((t, _Use(t, domain, o, dn, rows)) for (t, domain, o, dn), rows in groups if t.strip())
    keys: dict[str, str] = {}
    same: dict[str, list[str]] = {}
    for text, of_text in uses.items():
        mended = text
        if is_garbled(text):
            mended = repaired(text)
            facts: dict[str, Any] = {"description": text, "meant": mended}
            yield Finding("LIST_DESCRIPTION_MOJIBAKE", text, _rows(of_text), facts)
        if mended:
            of_name = words(mended)
            keys[text] = key = " ".join(of_name)
            others = [word for word in of_name if not _FORM_EXAMPLE.fullmatch(word)]
            # No word names an establishment, or the form's own example does.
            is_placeholder = not others or (len(others) < len(of_name) and KINDS.issuperset(others))
            same.setdefault(f"_ {fold(text)}" if is_placeholder else key, []).append(text)
    for key, texts in same.items():
        alike = [use for text in texts for use in uses[text]]
        domains, first = len({use.domain for use in alike}), alike[0]
        # The form's example is a name where a single domain bears it, in its own name too.
        example = [word for word in words(first.text) if _FORM_EXAMPLE.fullmatch(word)]
        is_name = domains == 1 and any(word in first.domain.lower() for word in example)
        if domains >= SAME_DESCRIPTION_MIN or (key.startswith("_ ") and not is_name):
            facts = {"description": first.text, "domains": domains}
            yield Finding("LIST_DESCRIPTION_PLACEHOLDER", key, _rows(alike), facts)
    # Each operator's domains that it describes in several ways; a domain of nobody known by itself.
    several: dict[str, dict[str, list[list[_Use]]]] = {}
    by_domain = grouped(((use.owner, use.domain), use) for text in keys for use in uses[text])
    for (owner, domain), of_domain in by_domain.items():
        variants = [*grouped((keys[use.text], use) for use in of_domain).values()]
        # One certificate's rows that bear them all are LIST_PAIR_REPEATED.
        if len(variants) > 1 and set.intersection(*({use.dn for use in same} for same in variants)) <= {""}:
            several.setdefault(owner, {})[domain] = variants
    for owner, domains_of in several.items():
        lists = {domain: [same[0].text for same in variants] for domain, variants in domains_of.items()}
        facts = {
            "domains": [{"domain": name, "descriptions": its} for name, its in lists.items()],
            "right": [{"domain": name, "fits": t} for name, its in lists.items() for t in fitting(name, its)],
        }
        rows = _rows(use for variants in domains_of.values() for same in variants for use in same)
        yield Finding("LIST_DESCRIPTION_SEVERAL", owner, rows, facts)
    cut = [text for text in uses if not is_garbled(text) and cut_faults(text)]
    for owner, of_owner in grouped((use.owner, use) for text in cut for use in uses[text]).items():
        # Where one of several is to be chosen anyway, no more is said.
        if rest := [use for use in of_owner if use.domain not in several.get(owner, ())]:
            faulty = dict.fromkeys(use.text for use in rest)
            facts = {"texts": [{"description": text, "faults": cut_faults(text)} for text in faulty]}
            yield Finding("LIST_DESCRIPTION_CUT", owner, _rows(rest), facts)


def _rows(uses: Iterable[_Use]) -> tuple[int, ...]:
    return all_rows(use.rows for use in uses)


def whose(space: TrustSpace) -> Iterator[Finding]:
    """Find rows that are copies, and descriptions of another domain's establishment, not of several."""
    operator_of = dict(zip(space.audited["row"].tolist(), space.audited["operator_id"].tolist(), strict=True))
    explained = set()
    for copy in copies.copies(space.audited):
        explained.add(copy.domain)
        owner = operator_of[copy.rows[0]]
        facts = {
            "domain": copy.domain, "description": copy.description, "other": copy.original,
            "owner": {"operator": owner, "name": space.operator_names.get(owner, "")},
        }  # fmt: skip
        yield Finding("LIST_ROW_COPIED", copy.domain, copy.rows, facts)
    rows, uses = space.domain_rows, rows_by(space.audited, "domain", "description")
    count = Counter(text for _, text in uses)
    labels = {domain: labels_of(domain) for domain in rows}
    foreign: dict[str, dict[str, list[str]]] = {}
    for domain, text in uses:
        if count[text] * 2 <= _FEW and (named := named_by(text)) and not mentioned(labels[domain], named):
            foreign.setdefault(domain, {})[text] = named
    for swapped in _exchanged(foreign, labels):
        explained.update(swapped)
        pair = [{"domain": domain, "description": next(iter(foreign[domain]))} for domain in swapped]
        of_both = all_rows(rows[domain] for domain in swapped)
        yield Finding("LIST_DESCRIPTION_SWAPPED", swapped, of_both, {"pair": pair})
    # Names that are a kind of establishment and something that tells which.
    first = {domain: copies.kind_of(label[0]) for domain, label in labels.items() if label}
    parts = {d: ("".join([rest, *labels[d][1:]]), kind) for d, (kind, rest) in first.items() if kind}
    parted = {domain: place for domain, place in parts.items() if len(place[0]) >= _TELLING}
    places = {place: domain for domain, place in parted.items()}
    for domain in (d for d in foreign if d in parted and d not in explained):
        texts, (_, kind) = foreign[domain], parted[domain]
        same_kind = copies.ALIKE.get(kind, [kind])
        for text, named in texts.items():
            at_kind = (at for at, word in enumerate(named) if word in same_kind)
            starts = [next((n for n, w in enumerate(named[at:], at) if w not in KINDS), at) for at in at_kind]
            names = ["".join(named[at : at + n]) for at in starts for n in range(_LONGEST_NAME, 0, -1)]
            if listed := [places[key] for key in product(names, same_kind) if key in places]:
                facts = {"domain": domain, "description": text, "other": listed[0]}
                yield Finding("LIST_DESCRIPTION_ELSEWHERE", domain, rows[domain], facts)
                break


def _exchanged(
    foreign: Mapping[str, Mapping[str, list[str]]], labels: Mapping[str, list[str]]
) -> Iterator[tuple[str, str]]:
    """Yield domains of which each one's only description has a telling word of the other's name."""
    holders = grouped(
        (word, domain)
        for domain, label in labels.items()
        for word in dict.fromkeys(label)
        if len(word) >= _TELLING and word not in KINDS and not word.isdigit()
    )
    points: dict[str, set[str]] = {}
    for domain, texts in foreign.items():
        if len(texts) == 1:
            (named,) = texts.values()
            groups = (holders.get(word, ()) for word in named)
            points[domain] = {other for few in groups if len(few) <= _FEW for other in few}
    for domain, others in points.items():
        for other in sorted(others):
            if domain < other and domain in points.get(other, ()):
                yield domain, other


def contradictions(space: TrustSpace) -> Iterator[Finding]:
    """Find descriptions that give a domain's name another number, or another département than its number is.

    What also has the domain's own number, or its département's name, contradicts nothing.
    """
    matches = {domain: _NUMBERED.search(domain.rsplit(".", 2)[0]) for domain in space.domain_rows}
    numbered = {domain: match.groups() for domain, match in matches.items() if match}
    entries = space.audited[space.audited["domain"].isin(numbered)]
    for (domain, text), rows in rows_by(entries, "domain", "description").items():
        stem, number = numbered[domain]
        folded, code = fold(text), number.upper()
        places = _PLACE.findall(folded)
        is_own = number in folded.split() or code in {_PLACES[place] for _, place in places}
        if is_own or f"{stem}{number}" in folded:
            continue
        figures = re.findall(r"\b(?:\d+|2[ab])\b", folded)
        figures = [figure for figure in figures if figure.lstrip("0") != number.lstrip("0")]
        others = [figure for figure in figures if len(figure) < 4 and f"{stem} {figure}" in folded]
        if code in DEPARTMENTS and not others:
            # One word alone may be a town, a river or a point of the compass.
            named = (p for prefix, p in places if (prefix and p != "nord") or " " in p.removeprefix("la "))
            others = [_PLACES[place] for place in named if not place.startswith("saint")]
            others += [code for code in re.findall(r"\((\w{2,3})\)", text) if code in DEPARTMENTS]
        if others := list(dict.fromkeys(filter(None, others))):
            facts = {"domain": domain, "description": text, "number": code, "others": others}
            yield Finding("LIST_DESCRIPTION_NUMBER", (domain, text), rows, facts)

"""What an operator has to put right: its findings, those of one remedy as one point.

Two texts of a finding's facts that differ are shown with what differs in brackets, and no space of it unseen.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from mssante_audit.base.language import current_language, format_text, gettext, typeset
from mssante_audit.base.markup import visible
from mssante_audit.base.text import COMPARED, compared, fold, likeness
from mssante_audit.dossiers.belongings import ELSEWHERE, dossier_words
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.templates import phrase
from mssante_audit.report.findings import title_of, why_of
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import grouped

MOST_TEXT = 300  # characters of what was observed
SHOWN = 3  # cases of a point in a dossier
MOST_PARTS = 6  # texts that stand side by side in one case
MOST_DIFFERENCES = 3  # texts compared letter by letter, of one case
# Share of letters in common, whatever their case, from which on two texts are compared by letters.
ALIKE = 0.85
# What stands for a space that matters: a reader sees it, and no line is broken at it.
SPACES = {
    " ": "␣", "\N{NO-BREAK SPACE}": "⍽", "\N{NARROW NO-BREAK SPACE}": "⍽", "\t": "⇥", "\n": "↵", "\r": "↵",
}  # fmt: skip
# What signs mean, in French.
LEGEND = {
    "[]": "[] : rien", "␣": "␣ : une espace", "⍽": "⍽ : une espace insécable", "⇥": "⇥ : une tabulation",
    "↵": "↵ : un retour à la ligne",
}  # fmt: skip

_RDN = re.compile(r",(?=[A-Za-z0-9.]+=)")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """What one rule says in one way."""

    rule: str
    observed: str
    expected: str  # what would be right, or ""
    pairs: tuple[Pair, ...]  # what is written beside what would be right, where texts differ by letters

    def lines(self, about: str) -> list[str]:
        """Return what was found and what would be right, and its rule unless the point is `about` that."""
        label = gettext("Constaté") if self.rule == about else title_of(self.rule)
        hidden = gettext(ELSEWHERE)
        expected = "" if self.expected == hidden else self.expected
        right = [_labelled(gettext("Attendu"), one_line(expected, MOST_TEXT))] if expected else []
        if self.observed == hidden:
            return [*([] if self.rule == about else [label]), hidden, *right]
        if pairs := differences(self.pairs):
            sides = (label, gettext("Attendu") if expected else gettext("Ailleurs"))
            lines = [text for pair in pairs[:MOST_DIFFERENCES] for text in map(_labelled, sides, pair)]
            if (extra := len(pairs) - MOST_DIFFERENCES) > 0:
                lines.append(format_text("(et {n:autre écriture|autres écritures})", n=extra))
            signs = [gettext(text) for sign, text in LEGEND.items() if sign in "".join(lines)]
            legend = gettext(" ; ").join([gettext("entre crochets : ce qui diffère"), *signs])
            return [*lines, f"({legend})"] if "[" in "".join(lines) else lines
        parts = [one_line(part, MOST_TEXT) for part in self.observed.split(" | ")]
        lines = [_labelled(label, parts[0])] if self.observed else [label] if self.rule != about else []
        if len(parts) > 1:
            lines = [_labelled(label, ""), *(f"· {part}" for part in parts[:MOST_PARTS])]
            if (extra := len(parts) - MOST_PARTS) > 0:
                lines.append(format_text("et {n:autre}", n=extra))
        return lines + right


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to put right: all that one remedy mends."""

    severity: str  # the worst of its findings'
    title: str  # as its worst rule is called
    why: str  # that matters
    remedy: str
    addressee: str  # to whom what puts it right goes
    rules: tuple[str, ...]  # those of its findings, worst first
    domains: tuple[str, ...]  # all it touches, each once
    cases: Mapping[Case, tuple[str, ...]]  # the worst first, and the domains of each

    @property
    def lines(self) -> list[str]:
        """What its first cases say, a line once."""
        return list(_distinct(*(case.lines(self.rules[0]) for case in [*self.cases][:SHOWN])))

    @property
    def expected(self) -> list[str]:
        """What is to be written, letter for letter, where that is known."""
        return list(_distinct(right for case in self.cases for _, right in case.pairs))[:MOST_PARTS]


def _labelled(label: str, text: str) -> str:
    return format_text("{label} : {text}", label=label, text=text).rstrip()


def points_of(
    todo: Iterable[Mapping[str, Any]],
    domain_of: Mapping[int, str],
    remedies: Mapping[str, str],
    differing: Mapping[str, tuple[Pair, ...]],
) -> tuple[Point, ...]:
    """Return what an operator has to put right, worst first, as its findings stand.

    What to do about each, and the texts in it that differ, are by fingerprint.
    """
    points, addressees = list[Point](), dossier_words()["addressees"]
    for remedy, findings in grouped((remedies[finding["fingerprint"]], finding) for finding in todo).items():
        named: list[tuple[Case, str]] = []
        for finding in findings:
            differs = differing.get(finding["fingerprint"], ())
            case = Case(finding["rule"], finding["observed"], finding["expected"], differs)
            names = [domain_of[row] for row in finding["rows"] if row in domain_of] or [finding["domain"]]
            named += [(case, name) for name in names]
        cases = {case: _distinct(filter(None, names)) for case, names in grouped(named).items()}
        severity = max((finding["severity"] for finding in findings), key=SEVERITIES.index)
        rules, domains = _distinct(case.rule for case in cases), _distinct(*cases.values())
        entry = next(entry for entry in addressees if rules[0].startswith(tuple(entry["rules"])))
        addressee, title, why = typeset(str(entry[current_language()])), title_of(rules[0]), why_of(rules[0])
        points.append(Point(severity, title, why, remedy, addressee, rules, domains, cases))
    return tuple(sorted(points, key=lambda point: SEVERITIES.index(point.severity), reverse=True))


def _distinct(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(names)))


def one_line(text: str, most: int) -> str:
    """Return a text of the data on one line, nothing invisible in it, cut at `most` characters."""
    line = re.sub(" {2,}", lambda run: "␣" * len(run[0]), visible(text).strip())
    return line if len(line) <= most else f"{line[:most].rstrip()}…"


# -- what differs -------------------------------------------------------------------------------------------


def pairs(code: str, facts: Mapping[str, Any]) -> list[Pair]:
    """Return what stands in the facts of a finding beside what should (``[spelt]`` of ``dossier.toml``).

    Where nothing is known to be right for a certificate, its first writing is what others are beside.
    """
    written, right = (_texts(facts.get(name)) for name in dossier_words()["spelt"].get(code, ("", "")))
    beside: dict[Pair, None] = {}
    for at, text in enumerate(written):
        others = [other for other in right if _same_name(other, text)]
        others = others or [other for other in written[:at] if _same_name(other, text)][:1]
        if others and text not in others:
            beside[text, max(others, key=partial(likeness, text))] = None
    return list(beside)


def _texts(fact: Any) -> list[str]:
    """Return the texts of a fact; those of contacts with their kind."""
    if isinstance(fact, list):
        return [text for part in fact for text in _texts(part)]
    if isinstance(fact, Mapping):
        if "kind" in fact:
            return [phrase("mssante_audit.audits", "contact", fact)]
        return [str(fact[name]) for name in ("dn", "text", "domain") if name in fact][:1]
    return [str(fact)] if fact else []


def _same_name(*texts: str) -> bool:
    """Tell whether two texts may mean the same: of certificates, those with one CN."""
    names = [fold(cn) for cn in (parse_dn(text).get("CN") for text in texts) if cn]
    return len(names) < 2 or names[0] == names[1]


def differences(texts: Iterable[Pair]) -> list[Pair]:
    """Return pairs of texts with marked differences, without equal or quite different pairs.

    >>> differences([("C=FR,O=CH\N{NO-BREAK SPACE}ALPHA,CN=mss", "CN=mss,O=CH ALPHA,C=FR")])
    [('CN=mss,O=CH[⍽]ALPHA,C=FR (dans un autre ordre)', 'CN=mss,O=CH[␣]ALPHA,C=FR')]
    """
    results: dict[Pair, None] = {}
    for text, other in texts:
        ordered = _ordered(text, other)
        if pair := (ordered, other) if ordered == other != text else marked(ordered, other):
            note = "" if ordered == text else f" {gettext('(dans un autre ordre)')}"
            results[pair[0] + note, pair[1]] = None
    return list(results)


def _ordered(text: str, other: str) -> str:
    """Return a name with its RDNs in the order that the other has, if they are of the same kinds."""
    parts = [_RDN.split(side) for side in (text, other)]
    kinds, order = ([rdn.partition("=")[0].strip().upper() for rdn in side] for side in parts)
    if kinds == order or len(kinds) < 2 or len(set(kinds)) < len(kinds) or sorted(kinds) != sorted(order):
        return text
    return ",".join(parts[0][kinds.index(kind)] for kind in order)


def marked(text: str, other: str) -> Pair | None:
    """Return two texts with what differs in brackets; None if they are the same, or nearly all differs.

    >>> marked("ST=Paris(75)", "ST=Paris (75)"), marked('O="CH X"', "O=CH X")
    (('ST=Paris[](75)', 'ST=Paris[␣](75)'), ('O=["]CH X["]', 'O=[]CH X[]'))
    >>> marked("CH-Alpha  Nord", "ch-alpha Nord")
    ('[CH]-[A]lpha␣[␣]Nord', '[ch]-[a]lpha␣[]Nord')
    >>> marked("abc", "xyz"), marked("abc", "abc")
    (None, None)
    """
    if text == other or max(len(text), len(other)) > COMPARED:
        return None
    if likeness(text.casefold(), other.casefold()) < ALIKE:
        return None
    left, right = (
        "".join(
            f"[{_visible(part)}]" if differs else _marked_edges(part, first=at > 0, last=at < len(side) - 1)
            for at, (part, differs) in enumerate(side)
        )
        for side in compared(text, other)
    )
    return left, right


def _visible(text: str) -> str:
    return visible("".join(SPACES.get(character, character) for character in text))


def _marked_edges(text: str, *, first: bool, last: bool) -> str:
    """Return a text with spaces next to a difference shown: a doubled one is one of two."""
    inside = text.strip(" ")
    if not inside:
        return _visible(text)
    head, _, tail = text.partition(inside)
    return f"{_visible(head) if first else head}{visible(inside)}{_visible(tail) if last else tail}"

"""What an operator has to put right: its findings, those of one remedy told once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from mssante_audit.base.language import current_language, format_text, gettext, listing, typeset
from mssante_audit.dossiers.belongings import ELSEWHERE
from mssante_audit.dossiers.differences import Pair, differences, legend
from mssante_audit.dossiers.remedies import dossier_words
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.findings import title_of, why_of
from mssante_audit.report.tables import visible
from mssante_audit.space.states import named

MOST_TEXT = 300
"""Characters of what was observed."""
MOST_PARTS = 6
"""Texts that stand side by side in one case."""
MOST_DIFFERENCES = 3
"""Texts told apart letter by letter, of one case."""


@dataclass(frozen=True, slots=True)
class Case:
    """What one rule says in one way, of how many domains ever."""

    rule: str
    domains: tuple[str, ...]
    observed: str
    expected: str
    """What would be right, or ""."""
    pairs: tuple[Pair, ...] = ()
    """What is written beside what would be right, where texts differ by letters."""

    def lines(self, about: str) -> list[str]:
        """Return what was found and what would be right, the difference marked where it is.

        The title of a rule is told unless it is the one that the point is `about`.
        """
        label = gettext("Constaté") if self.rule == about else title_of(self.rule)
        hidden = gettext(ELSEWHERE)
        expected = "" if self.expected == hidden else self.expected
        if self.observed == hidden:
            return [hidden if self.rule == about else _labelled(label, hidden)]
        if pairs := differences(self.pairs):
            lines: list[str] = []
            sides = (label, gettext("Attendu") if expected else gettext("Ailleurs"))
            for pair in pairs[:MOST_DIFFERENCES]:
                lines += map(_labelled, sides, pair)
            more = len(pairs) - MOST_DIFFERENCES
            lines += [format_text("(et {n:autre écriture|autres écritures})", n=more)] if more > 0 else []
            return [*lines, *filter(None, [legend(lines)])]
        parts = [one_line(part, MOST_TEXT) for part in self.observed.split(" | ")] if self.observed else []
        if len(parts) > 1:
            lines = [_labelled(label, ""), *(f"· {part}" for part in parts[:MOST_PARTS])]
            more = len(parts) - MOST_PARTS
            lines += [format_text("et {n:autre}", n=more)] if more > 0 else []
        else:
            lines = [_labelled(label, parts[0])] if parts else ([label] if self.rule != about else [])
        return lines + ([_labelled(gettext("Attendu"), one_line(expected, MOST_TEXT))] if expected else [])


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to put right: all that one remedy mends."""

    severity: str
    """The worst of its findings'."""
    rules: tuple[str, ...]
    """Of its findings, worst first."""
    remedy: str
    domains: tuple[str, ...]
    """All it touches, each once."""
    cases: tuple[Case, ...]

    @property
    def title(self) -> str:
        """What to call it: as its worst rule is called."""
        return title_of(self.rules[0])

    @property
    def why(self) -> str:
        """Why that matters."""
        return why_of(self.rules[0])

    @property
    def expected(self) -> list[str]:
        """What is to be written, letter for letter, where that is known."""
        return list(dict.fromkeys(right for case in self.cases for _, right in case.pairs))[:MOST_PARTS]

    @property
    def addressee(self) -> str:
        """To whom."""
        known = (
            who for who in dossier_words()["addressees"] if self.rules[0].startswith(tuple(who["rules"]))
        )
        return typeset(str(next(known)[current_language()]))


def _labelled(label: str, text: str) -> str:
    return format_text("{label} : {text}", label=label, text=text).rstrip()


def points_of(
    todo: pd.DataFrame,
    entries: pd.DataFrame,
    remedies: Mapping[str, str],
    differing: Mapping[str, tuple[Pair, ...]],
) -> tuple[Point, ...]:
    """Return what an operator has to put right, worst first, as its findings stand.

    What to do about each, and the texts in it that differ, are by fingerprint.
    """
    domain = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    groups: dict[str, dict[Case, dict[str, None]]] = {}
    severity: dict[str, str] = {}
    columns = ("rule", "observed", "expected", "severity", "fingerprint", "domain", "rows")
    each = zip(*(todo[name].tolist() for name in columns), strict=True)
    for code, observed, expected, grave, mark, fallback, rows in each:
        what, case = remedies[mark], Case(code, (), observed, expected, differing.get(mark, ()))
        named = [domain[row] for row in rows if row in domain] or [fallback]
        severity[what] = max(severity.get(what, "info"), grave, key=SEVERITIES.index)
        groups.setdefault(what, {}).setdefault(case, {}).update(dict.fromkeys(filter(None, named)))
    points = [
        Point(
            severity[what],
            tuple(dict.fromkeys(case.rule for case in cases)),
            what,
            tuple(dict.fromkeys(name for names in cases.values() for name in names)),
            tuple(replace(case, domains=tuple(names)) for case, names in cases.items()),
        )
        for what, cases in groups.items()
    ]
    return tuple(sorted(points, key=lambda point: -SEVERITIES.index(point.severity)))


def caveat(unsure: Sequence[Sequence[str]]) -> str:
    """Say how many findings are to be confirmed, from the inputs in doubt of each; "" if none is."""
    what = dict.fromkeys(named(name) for names in unsure for name in names)
    text = "{n:constat reste|constats restent} à confirmer ; en doute ou trop ancien : {what}."
    return format_text(text, n=len(unsure), what=listing(list(what))) if unsure else ""


def one_line(text: str, most: int) -> str:
    r"""Return a text of the data on one line, nothing invisible in it, cut at `most` characters.

    >>> print(one_line("a  b\nc", 80), one_line("abcdef", 3))
    a␣␣b\u000ac abc…
    """
    shown = re.sub(" {2,}", lambda run: "␣" * len(run[0]), visible(text).strip())
    return shown if len(shown) <= most else f"{shown[:most].rstrip()}…"

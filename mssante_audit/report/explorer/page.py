"""The explorer's page: one file that asks for nothing, with its data packed inside."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.base.export import write_bytes
from mssante_audit.base.language import colon, current_language, semicolon, using_language, words_of
from mssante_audit.base.markup import visible
from mssante_audit.base.resources import table_of
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.report import tables
from mssante_audit.report.charts import tile_places
from mssante_audit.report.explorer.data import explorer_data, place_name
from mssante_audit.report.first import MARKS, QUESTIONS, RESULT_OF, answer, question, question_asked
from mssante_audit.report.html import macro, template
from mssante_audit.report.page import policy_of
from mssante_audit.report.results import provenance
from mssante_audit.report.tables import source_of
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import answers
from mssante_audit.verdicts.domains import domains as domains_frame
from mssante_audit.verdicts.words import CHECK_NAMES, DOUBTS, RECEIVING
from mssante_audit.whitelist.search import WORDS

FILE = "explorer.html"
"""What it is called beside reports and in a site."""

PARTS = ("search", "columns", "map", "card", "explorer")
"""Files of the script, in order."""


@dataclass(frozen=True, slots=True)
class Explorer:
    """An explorer's page; in a notebook it shows itself."""

    html: str = field(repr=False)

    def save(self, path: str | Path) -> None:
        """Write the page into a file of its own, or raise an `OutputError`."""
        write_bytes(Path(path), self.html.encode("utf-8", "backslashreplace"))

    def _repr_html_(self) -> str:
        # In a sandbox without an origin: it can reach nothing of the notebook it stands in.
        return macro("pieces.explorer", self.html)


def explore(space: TrustSpace, *, domains: Collection[str] | None = None, language: str = "") -> Explorer:
    """Return the explorer of a space: its domains in one page, to search, filter, count and look at each.

    Parameters
    ----------
    domains
        Those to tell of; all of them if not given.
    language
        ``fr`` or ``en``; the current language if "".
    """
    with using_language(language or current_language()):
        findings = audit_all(space)
        shown = domains_frame(space)
        if domains is not None:
            shown = shown[shown["domain"].isin(set(domains))]
        return Explorer(explorer_html(space, findings, shown))


def explorer_html(
    space: TrustSpace,
    findings: pd.DataFrame,
    domains: pd.DataFrame,
    *,
    pages: Mapping[str, Sequence[str]] | None = None,
    home: str = "",
) -> str:
    """Return the explorer's page of some domains.

    `pages` says where more is said of an operator, by its identifier: its page and its dossier, "" for none;
    `home` where the page belongs, "" if it stands alone.
    """
    words = words_of("mssante_audit.report.explorer")[current_language()]
    checks, code, asked = CHECK_NAMES[current_language()], script(), question(domains)
    packed_data = explorer_data(space, findings, domains) | {
        "words": {**words["script"], "colon": colon(), "semicolon": semicolon()},
        "checks": checks,
        "spoken": WORDS,
        "receiving": RECEIVING[current_language()],
        "tiles": {c: [*at, place_name(c)] for c, at in tile_places(collectivities=True).items()},
        "outlines": outlines(),
        "pages": {visible(operator): list(places) for operator, places in (pages or {}).items()},
    }
    held, names = answers(domains), words["script"]["values"]
    return template("explorer.html.j2").render(
        title=question_asked(domains),
        words={**words["page"], "colon": colon()},
        answer=answer(domains),
        counts=[
            (
                axis,
                [
                    (name, n, MARKS[RESULT_OF[name]], text)
                    for (name, n), text in zip(held[axis].items(), names[axis], strict=True)
                ],
            )
            for axis in sorted(QUESTIONS, key=lambda axis: axis != asked)
        ],
        policy=policy_of(source_of(code)),
        style=(files(__package__) / "explorer.css").read_text(encoding="utf-8"),
        script=code,
        data=packed(packed_data),
        home=home,
        doubts=[DOUBTS[current_language()][doubt] for doubt in space.list_doubts],
        blind=[checks[c] for c in CHECKS if len(domains) and (domains[c] == "unknown").all()],
        provenance=provenance(space),
    )


def packed(content: Mapping[str, Any]) -> str:
    """Return JSON that a page may hold anywhere, and small: compressed, in letters and digits."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return b64encode(gzip.compress(text, mtime=0)).decode("ascii")


@cache
def script() -> str:
    """Return the script of the page: that of tables, whose functions it uses, and its own."""
    parts = [(files(__package__) / f"{part}.js").read_text(encoding="utf-8") for part in PARTS]
    return "\n".join([tables.script(), *parts]).replace("\r\n", "\n")


@cache
def outlines() -> dict[str, Any]:
    """Return the outlines of the départements, and the boxes they are drawn in."""
    return table_of("mssante_audit.report.explorer", "outlines.toml")

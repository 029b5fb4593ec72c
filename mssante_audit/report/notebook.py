"""What a report's notebook works on, and the parts that several notebooks have in common.

A notebook begins with `open_report` on its parameters, which returns a `Report`, and ends with its `record`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit, lacking, waived
from mssante_audit.base import instants, settings
from mssante_audit.base.language import format_text, percent, translated
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.causes import actionable
from mssante_audit.findings.causes import causes as merged
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import audits, rule, theirs, title_of_audit
from mssante_audit.report import collection as lists
from mssante_audit.report import findings as shown
from mssante_audit.report import results, svg, tables
from mssante_audit.report.charts import bars, largest
from mssante_audit.report.findings import findings_table, lacks, title_of, touched
from mssante_audit.report.first import question_asked, with_contacts
from mssante_audit.report.html import Figure, Html, Prose, key_figures, lead, macro, names, note, say
from mssante_audit.report.parameters import check_value
from mssante_audit.report.results import Limits, Results
from mssante_audit.snapshot.make import unnamed_texts
from mssante_audit.space.story import Chronicle, chronicle
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains as domains_frame
from mssante_audit.verdicts.domains import doubts, hosts
from mssante_audit.verdicts.presented import renewals

TOGETHER = {"declarations": ("declarations", "reconciliation")}
"""Audits of the notebooks that tell of several."""
BARS, HOSTS = 20, 12
"""Rules that are drawn, and servers that are drawn by themselves."""
MOVES = {
    "at": "Vu le", "host": "Serveur", "operator": "Opérateur", "kind": "Changement",
    "spare": "Jours restants à l’ancien", "order": "Liste et serveur", "before": "Avant", "after": "Après",
}  # fmt: skip
"""Columns of changes of certificates."""
WORST_FIRST = ["critical", "error", "warning"]
"""Severities that ask for something."""


def open_report(name: str, **parameters: Any) -> Report:
    """Load what a notebook's parameters describe, and find what its audits say of it.

    `name` is the notebook's: that of an audit, or ``overview``, which tells of all; the parameters are those
    of its cell tagged ``parameters``, as papermill may hand them over
    (`mssante_audit.base.settings.Parameters`). One that is none or not right is a `ParameterError`, an
    operator or a place that is not in the list an `UnknownNameError`, a white list that is not there or
    cannot be read an `InputError`.
    """
    row_limit = check_value("row_limit", parameters.pop("row_limit", 500))
    since = check_value("changes_since", parameters.pop("changes_since", None))
    named = {limit: parameters.pop(limit, None) for limit in settings.LIMITS}
    space = results.open_space(**parameters)
    chosen = results.limits(space, **named)
    made = tuple(audits()) if name == "overview" else TOGETHER.get(name, (name,) if name in audits() else ())
    findings = results.touching(concat([audit(made_by, space) for made_by in made]), space, chosen)
    entries = results.limited(space.audited, chosen)
    if not space.show_contacts:  # names of operators and descriptions are shown, and may name persons
        entries = entries.assign(**unnamed_texts(entries[["operator", "description", "o"]]))
    return Report(name, space, chosen, entries, findings, made, row_limit, since)


@dataclass(frozen=True)
class Report:
    """What a report is about; it shows itself as its opening: to whom it is limited, what was set aside."""

    name: str
    space: TrustSpace
    chosen: Limits
    """Whom it is limited to."""
    entries: pd.DataFrame
    """The rows of the list that it is about."""
    every: pd.DataFrame
    """All that its audits say of them, what could not be evaluated too."""
    audits: tuple[str, ...]
    row_limit: int
    since: str | None = None
    """Start of the comparison of lists."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"  # no frames, which name persons

    def _repr_html_(self) -> str:
        return shown.opening(self.space, self.entries, self.every, self.chosen)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found."""
        return self.every[self.every["rule"] != FAILED]

    @cached_property
    def todo(self) -> pd.DataFrame:
        """The findings that ask for something."""
        return actionable(self.findings)

    @cached_property
    def domains(self) -> int:
        """How many domains it is about."""
        return int(self.entries["domain"].nunique())

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What is known of each of them (`mssante_audit.domains`)."""
        known = domains_frame(self.space)
        return known[known["domain"].isin(self.entries["domain"])]

    @property
    def operators(self) -> set[str] | None:
        """The operators that it is limited to, by their identifiers; ``None`` for everybody."""
        return results.operators(self.space, self.chosen)

    @property
    def file(self) -> str:
        """The name of the list's file."""
        return Path(self.space.whitelist.source).name

    @cached_property
    def story(self) -> Chronicle:
        """What the archived lists tell of them, from `since` on."""
        where = self.chosen.places.codes if self.chosen.places else None
        return chronicle(self.space, since=self.since, operator_id=self.chosen.operator_id, departments=where)

    @property
    def unread(self) -> list[str]:
        """The names of lists of the span that cannot be read, or were refused."""
        start, end = self.story.whole.start, self.space.as_of
        log = self.space.archive.log if self.space.archive else []
        odd = [record for record in log if record.outcome == "quarantined"]
        refused = [r.file for r in odd if (start or end) <= instants.parse_instant(r.at) <= end]
        return list(dict.fromkeys([*(Path(e.file or "").name for e in self.story.unread), *refused]))

    @cached_property
    def renewals(self) -> pd.DataFrame:
        """How certificates of their servers changed (`mssante_audit.verdicts.presented`)."""
        moves = renewals(self.space)
        here = moves["domains"].explode().isin(self.entries["domain"])
        return moves[here.groupby(level=0).any()]

    @cached_property
    def unsure(self) -> dict[str, Any]:
        """The findings that are not known to hold today (`mssante_audit.doubts`)."""
        return dict(doubts(self.space, self.findings, domains_frame(self.space)))

    @cached_property
    def causes(self) -> pd.DataFrame:
        """What is to be put right first (`mssante_audit.causes`)."""
        found = merged(self.findings, self.entries, self.space.published, self.unsure)
        return with_contacts(found, self.space)

    def section(self, name: str) -> Html:
        """Show the findings of a family of rules, what they mean and what to do, or why they are unknown."""
        rules = shown.family(name)
        return findings_table(self.findings, rules, lacking=lacks(self.space, rules), limit=self.row_limit)

    def accepted(self, empty: str = "Aucun constat accepté.") -> Html:
        """Show the findings that somebody accepted."""
        found = waived(self.space, *self.audits)
        caption = "Constats acceptés, laissés hors des décomptes"
        return findings_table(found, name="waived", caption=caption, empty=empty, limit=self.row_limit)

    def answer(self) -> Html:
        """Show how many domains an error touches, and what is the gravest."""
        todo, worst = self.todo, self.todo[self.todo["rule"].isin(self.todo["rule"].head(1))]
        hurt = touched(todo[todo["severity"] >= "error"], self.entries)
        told = say("Aucun constat : rien à corriger d'après les règles de cet audit.")
        if len(todo):
            told = say(
                "**{n:domaine} sur {all} ({share})** {n:~est touché|sont touchés} par une erreur ou un "
                "défaut critique. Le plus grave : **{title}**, {k:constat}, {m:domaine}.",
                n=hurt, all=self.domains, share=percent(hurt, self.domains), title=shown.titles(worst),
                k=len(worst), m=touched(worst, self.entries),
            )  # fmt: skip
        elif len(self.every):
            told = say("Rien à corriger dans ce qui a pu être vérifié.")
        return lead(told)

    def figures(self) -> Html:
        """Show how many findings ask for something, of how many domains and operators."""
        reach, named = touched(self.todo, self.entries), self.todo[self.todo["operator_id"] != ""]
        part, of = percent(reach, self.domains), self.entries["operator_id"].nunique()
        return key_figures(
            [
                Figure("À traiter", len(self.todo), say("sur {n:constat}", n=len(self.findings))),
                Figure("Domaines touchés", reach, say("{part} de {n}", part=part, n=self.domains)),
                Figure("Opérateurs concernés", named["operator_id"].nunique(), say("sur {n}", n=of)),
            ]
        )

    def rules_chart(self, empty: str = "Aucun constat.") -> svg.Chart:
        """Draw the findings that ask for something by rule and severity."""
        drawn = by_severity(self.todo["rule"], self.todo)
        drawn.index = drawn.index.map(title_of)
        first, most = largest(drawn.head(BARS))
        reading = say(
            "Des règles montrées, « {first} » compte le plus de constats à traiter : {most} sur {all}. "
            "{n:constat est|constats sont} une erreur ou un défaut critique. {k:~Une seule règle s'est "
            "déclenchée|{k} règles se sont déclenchées, dont {top} sont montrées}.",
            first=first, most=most, all=len(self.todo), k=len(drawn), top=min(BARS, len(drawn)),
            n=int(drawn[["critical", "error"]].to_numpy().sum()),
        )  # fmt: skip
        return bars(drawn.head(BARS), title="Constats à traiter, par règle", caption=reading, empty=empty)

    def age_chart(self) -> svg.Chart:
        """Draw the rows over the months of their dates, those older than the threshold in another colour."""
        stale, dates = self.space.thresholds.stale_after_days, self.entries["updated_at"]
        now = pd.Timestamp(self.space.as_of)
        dated = dates[dates.notna() & (dates <= now)]
        months = dated.dt.tz_convert(None).dt.to_period("M")
        aged = dated <= now - pd.Timedelta(days=stale)
        parts = {"strong": months[aged], "light": months[~aged]}
        drawn = pd.DataFrame({style: part.value_counts() for style, part in parts.items()}).sort_index()
        words = {"strong": "{age:duration} et plus", "light": "moins de {age:duration}"}
        legend = {style: say(text, age=stale) for style, text in words.items()}
        old, aside = len(parts["strong"]), len(dates) - len(dated)
        reading = say(
            "{n:ligne} sur {all} ({share}) {n:~porte|portent} une date de plus de {limit:duration}{rest}.",
            n=old, all=len(dates), share=percent(old, len(dates)), limit=stale,
            rest=say(" ; {n:ligne} sans date lisible, ou d’une date à venir, {n:~n’est pas dessinée|ne sont "
                     "pas dessinées}", n=aside) if aside else "",
        )  # fmt: skip
        counted = drawn.fillna(0).astype("int64").rename(columns=legend)
        return bars(counted, title="Lignes par mois de DateMAJ", styles=[*legend], caption=reading)

    def age_note(self) -> Html:
        """Say how little a row's date proves."""
        made, dates = self.space.whitelist.generated_at, self.entries["updated_at"]
        time, same = largest(dates.dropna().dt.strftime("%H:%M:%S").value_counts())
        text = (
            "À lire avec prudence : l'outil de publication redate les lignes répétées à chaque fois, et "
            "des mises à jour en masse portent toutes la même heure. Ici, {after:ligne porte|lignes "
            "portent} une date postérieure à celle de la liste, et {same:ligne porte|lignes portent} la "
            "même heure, {time}. Une date récente ne prouve donc pas que les contacts ont été relus."
        )
        after = int((dates > made).sum()) if made else 0
        return note(say(text, after=after, same=same, time=time or "–"), kind="caution")

    def hosts_chart(self, kind: str, title: str, reading: str, empty: str) -> svg.Chart | Html:
        """Draw how many domains depend on each server of a kind, ``NS`` or ``MX``; a table, of one each.

        `reading` is a sentence with ``{first}``, the server with most domains, ``{n}`` domains, their
        ``{share}``, and ``{k}`` of them that have no other.
        """
        used = hosts(self.space, kind)
        used = used[used["domain"].isin(self.entries["domain"])]
        held = used.groupby("host")["domain"].nunique().sort_values(ascending=False, kind="stable")
        first, most = largest(held)
        if most == 1:
            counted = held.rename_axis("Serveur").rename("Domaines").reset_index()
            caption = say("{title} : un seul chacun", title=title)
            return tables.table(counted, name=f"held-{kind.lower()}", caption=caption, limit=self.row_limit)
        alone = used.loc[~used["domain"].duplicated(keep=False), "host"]
        share, only = percent(most, self.domains), int((alone == first).sum())
        caption = say(reading, first=first, n=most, share=share, k=only)
        drawn = rest_together(held, HOSTS, used.loc[used["host"].isin(held.index[HOSTS:]), "domain"])
        return bars(drawn, title=title, whole=self.domains, caption=caption, empty=empty)

    def renewals_table(self, since: Any = None, *, name: str = "moves") -> Html:
        """Show how certificates of servers changed, from an instant on; the last change first."""
        moves = self.renewals if since is None else self.renewals[self.renewals["at"] >= since]
        told = moves.sort_values("at", ascending=False, kind="stable")
        told = told.assign(
            after=told["after"].where(told["kind"] == "replaced", ""),
            kind=told["kind"].map(names("certificate_changes")),
            order=told["order"].map(names("certificate_orders")),
        )
        days = self.space.thresholds.certificate_error_days
        text = "{n:changement} de certificat, dont {k} à moins de {d:jour} de la fin ou après elle"
        caption = say(text, n=len(moves), k=int((moves["spare"] < days).sum()), d=days)
        empty = "Aucun changement de certificat dans les observations gardées."
        told = told[list(MOVES)].rename(columns=MOVES).reset_index(drop=True)
        return tables.table(told, name=name, caption=caption, csv=moves, limit=self.row_limit, empty=empty)

    def limits(self) -> Prose:
        """Say which places it is limited to; an empty sentence if none is named."""
        return results.limited_to(self.chosen)

    def collection(self) -> Html:
        """Show how the collection of lists fares."""
        return lists.collection(self.space)

    def others(self) -> Html:
        """Show what audits found that no report was written for: those of packages, those registered.

        A section for each of them, headed by its title; last, what of ours could not be evaluated.
        """
        others, failed, found = theirs(), rule(FAILED), self.every
        parts = [(o.titled(), o.rules, found[found["audit"] == name]) for name, o in others.items()]
        ours = found[(found["rule"] == FAILED) & ~found["audit"].isin(others)]
        parts += [] if ours.empty else [(failed.family, (), ours)]
        made = []
        for title, rules, part in parts:
            raised = (failed,) if (part["rule"] == FAILED).any() else ()
            known = {rule.code: rule for rule in (*rules, *raised)}
            caption, needs = (
                format_text("Constats : {what}", what=translated(title)),
                lacks(self.space, known),
            )
            told = findings_table(part, known, lacking=needs, caption=caption, limit=self.row_limit)
            made.append((title, told))
        return macro("pieces.others", made)

    def record(self, *, calendar: str = "") -> Results:
        """Return the notebook's results: the value of its last cell."""
        title = question_asked(self.verdicts) if self.name == "overview" else ""
        return results.record(self.space, self.every, name=self.name, title=title, calendar=calendar)


def unmade(space: TrustSpace) -> str:
    """Say which audits lack their input, and what to do; "" if none does."""
    return shown.unknown({title_of_audit(name): needs for name, needs in lacking(space).items()})


def by_severity(by: pd.Series, findings: pd.DataFrame) -> pd.DataFrame:
    """Return how many findings there are by a column and by severity, those with the worst first."""
    counted = pd.crosstab(by, findings["severity"].astype("str"))
    return counted.reindex(columns=WORST_FIRST, fill_value=0).sort_values(WORST_FIRST, ascending=False)


def rest_together(held: pd.Series, shown: int, rest: pd.Series) -> pd.Series:
    """Return the first of a series, and below them the distinct values of the `rest` as one."""
    drawn = held.head(shown)
    if len(held) > shown:
        drawn[say("les {n:autre}", n=len(held) - shown)] = rest.nunique()
    return drawn

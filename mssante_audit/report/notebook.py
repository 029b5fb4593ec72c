"""What a report's notebook works on, and the parts that several notebooks have in common.

A notebook begins with `open_report` on its parameters, which returns a `Report`, and ends with its `record`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive.store import GOOD
from mssante_audit.audits import audit, lacking, waived
from mssante_audit.base import language, settings
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import format_text, gettext, percent, translated
from mssante_audit.base.markup import data
from mssante_audit.findings import causes, frame, registry
from mssante_audit.findings.catalogue import FAILED, Rule
from mssante_audit.report import charts, findings, first, html, results, svg, tables
from mssante_audit.report.certificates import worded_moves
from mssante_audit.report.html import Html, Prose, joined, macro, names, note, paragraph, say
from mssante_audit.report.parameters import check_value
from mssante_audit.snapshot.make import unnamed_rows
from mssante_audit.space.story import Chronicle, chronicle
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts import domains, presented
from mssante_audit.verdicts.words import DOUBTS
from mssante_audit.whitelist.rows import grouped

# Audits of the notebooks that tell of several
TOGETHER = {"declarations": ("declarations", "reconciliation")}
BARS, HOSTS = 20, 12  # Rules that are drawn, and servers that are drawn by themselves
# Columns of changes of certificates
MOVES = {
    "at": "Vu le", "host": "Serveur", "operator": "Opérateur", "kind": "Changement",
    "spare": "Jours restants à l’ancien", "order": "Liste et serveur", "before": "Avant", "after": "Après",
}  # fmt: skip
WORST_FIRST = ["critical", "error", "warning"]  # Severities that ask for something
MOST = 20  # Fetches that are shown


def open_report(name: str, **parameters: Any) -> Report:
    """Load what a notebook's parameters describe, and find what its audits say of it.

    `name` is the notebook's: that of an audit, or ``overview``, which tells of all; the parameters are
    those of its cell tagged ``parameters``. One that is not right is a `ParameterError`, an operator or a
    place that is not in the list an `UnknownNameError`, a list that cannot be read an `InputError`.
    """
    row_limit = check_value("row_limit", parameters.pop("row_limit", 500))
    since = check_value("changes_since", parameters.pop("changes_since", None))
    space = results.open_space(**parameters)
    chosen = results.limits(space, **{limit: parameters.get(limit) for limit in settings.LIMITS})
    audits = registry.audits()
    selected = tuple(audits) if name == "overview" else TOGETHER.get(name, (name,) if name in audits else ())
    touching = results.touching(frame.concat([audit(its, space) for its in selected]), space, chosen)
    entries = results.limited(space.audited, chosen)
    if not space.show_contacts:  # names of operators and descriptions are shown, and may name persons
        entries = unnamed_rows(space, entries, "operator", "description", "o")
    return Report(name, space, chosen, entries, touching, selected, row_limit, since)


@dataclass(frozen=True)
class Report:
    """What a report is about; it shows itself as its opening: to whom it is limited, what was set aside."""

    name: str
    space: TrustSpace
    chosen: results.Limits  # Whom it is limited to
    entries: pd.DataFrame  # The rows of the list that it is about
    every: pd.DataFrame  # All that its audits say of them, what could not be evaluated too
    audits: tuple[str, ...]
    row_limit: int
    since: str | None = None  # Start of the comparison of lists

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"  # no frames, which name persons

    def _repr_html_(self) -> str:
        return findings.opening(self.space, self.entries, self.every, self.chosen)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found."""
        return self.every[self.every["rule"] != FAILED]

    @cached_property
    def todo(self) -> pd.DataFrame:
        """The findings that ask for something."""
        return causes.actionable(self.findings)

    @cached_property
    def domains(self) -> int:
        """How many domains it is about."""
        return int(self.entries["domain"].nunique())

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What is known of each of them (`mssante_audit.domains`)."""
        verdicts = domains.domains(self.space)
        return verdicts[verdicts["domain"].isin(self.entries["domain"])]

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
        start, end = self.story.whole.start or self.space.as_of, self.space.as_of
        odd = [Path(error.file or "").name for error in self.story.unread]
        for record in self.space.archive.log if self.space.archive else ():
            if record.outcome == "quarantined" and start <= parse_instant(record.at) <= end:
                odd.append(record.file)
        return list(dict.fromkeys(odd))

    @cached_property
    def renewals(self) -> pd.DataFrame:
        """How certificates of their servers changed (`mssante_audit.verdicts.presented`)."""
        moves = presented.renewals(self.space)
        is_listed = moves["domains"].explode().isin(self.entries["domain"])
        return moves[is_listed.groupby(level=0).any()]

    @cached_property
    def unsure(self) -> dict[str, Any]:
        """The findings that are not known to hold today (`mssante_audit.doubts`)."""
        return dict(domains.doubts(self.space, self.findings, domains.domains(self.space)))

    @cached_property
    def causes(self) -> pd.DataFrame:
        """What is to be put right first (`mssante_audit.causes`)."""
        return first.causes_of(self.space, self.findings, self.entries)

    @cached_property
    def unevaluated(self) -> frozenset[str]:
        """The rules that may have found less than there is (`mssante_audit.report.findings.unevaluated`)."""
        return findings.unevaluated(self.space, self.every)

    def section(self, name: str) -> Html:
        """Show the findings of a family of rules, what they mean and what to do, or why they are unknown."""
        return self._table(self.findings, findings.family(name))

    def sections(self, *names: str) -> Html:
        """Show families of rules, each under its title; last, folded, those with nothing found."""
        rules = {name: findings.family(name) for name in names}
        fired = {name for name in names if self.findings["rule"].isin(rules[name]).any()}
        parts = [(name, self.section(name)) for name in names if name in fired]
        unsure = {
            n
            for n, its in rules.items()
            if findings.lacks(self.space, its) or not self.unevaluated.isdisjoint(its)
        }
        quiet = [(name, name in unsure, self.section(name)) for name in names if name not in fired]
        return macro("findings.sections", parts, quiet)

    def accepted(self, empty: str = "Aucun constat accepté.") -> Html:
        """Show the findings that somebody accepted."""
        caption = "Constats acceptés, laissés hors des décomptes"
        return self._table(waived(self.space, *self.audits), name="waived", caption=caption, empty=empty)

    def _table(self, rows: pd.DataFrame, rules: Mapping[str, Rule] | None = None, **texts: str) -> Html:
        needs, failed = findings.lacks(self.space, rules or {}), not self.unevaluated.isdisjoint(rules or {})
        limit, table = self.row_limit, findings.findings_table
        return table(rows, rules, lacking=needs, failed=failed, limit=limit, **texts)

    def answer(self) -> Html:
        """Show how many domains an error touches, and what is the gravest."""
        todo, worst = self.todo, self.todo[self.todo["rule"].isin(self.todo["rule"].head(1))]
        hurt = findings.touched(todo[todo["severity"] >= "error"], self.entries)
        share, reach = percent(hurt, self.domains), findings.touched(worst, self.entries)
        title = findings.titles(worst)
        return macro("notebook.answer", self, hurt, share, title, len(worst), reach)

    def figures(self) -> Html:
        """Show how many findings ask for something, of how many domains and operators."""
        reach, named = findings.touched(self.todo, self.entries), self.todo[self.todo["operator_id"] != ""]
        part, owners = percent(reach, self.domains), self.entries["operator_id"].nunique()
        return html.key_figures(
            [
                html.Figure("À traiter", len(self.todo), say("sur {n:constat}", n=len(self.findings))),
                html.Figure("Domaines touchés", reach, say("{part} de {n}", part=part, n=self.domains)),
                html.Figure("Opérateurs concernés", named["operator_id"].nunique(), say("sur {n}", n=owners)),
            ]
        )

    def rules_chart(self, empty: str = "Aucun constat.") -> svg.Chart:
        """Draw the findings that ask for something by rule and severity."""
        drawn = by_severity(self.todo["rule"], self.todo)
        drawn.index = drawn.index.map(findings.title_of)
        rule, number = charts.largest(drawn.head(BARS))
        reading = say(
            "Des règles montrées, celle qui compte le plus de constats à traiter ({most} sur {all}) : "
            "{first}. {n:constat est|constats sont} une erreur ou un défaut critique.",
            first=rule, most=number, all=len(self.todo), n=int(drawn[["critical", "error"]].to_numpy().sum()),
        )  # fmt: skip
        extent = say("{k} règles se sont déclenchées, dont {top} sont montrées.", k=len(drawn), top=BARS)
        caption = f"{reading} {extent}" if len(drawn) > BARS else reading
        title = "Constats à traiter, par règle"
        return charts.bars(drawn.head(BARS), title=title, caption=caption, empty=empty)

    def age_chart(self) -> svg.Chart:
        """Draw the rows over the months of their dates, those older than the threshold in another colour."""
        stale, dates = self.space.thresholds.stale_after_days, self.entries["updated_at"]
        now = pd.Timestamp(self.space.as_of)
        dated = dates[dates.notna() & (dates <= now)]
        months = dated.dt.tz_convert(None).dt.to_period("M")
        aged = dated <= now - pd.Timedelta(days=stale)
        old, undrawn = int(aged.sum()), len(dates) - len(dated)
        legend = [say(text, age=stale) for text in ("{age:duration} et plus", "moins de {age:duration}")]
        drawn = pd.crosstab(months, aged).reindex(columns=[True, False], fill_value=0)
        reading = say(
            "{n:ligne} sur {all} ({share}) {n:~porte|portent} une date de plus de {limit:duration}{rest}.",
            n=old, all=len(dates), share=percent(old, len(dates)), limit=stale,
            rest=say(" ; {n:ligne} sans date lisible, ou d’une date à venir, {n:~n’est pas dessinée|ne sont "
                     "pas dessinées}", n=undrawn) if undrawn else "",
        )  # fmt: skip
        looks, title = ["strong", "light"], "Lignes par mois de DateMAJ"
        return charts.bars(drawn.set_axis(legend, axis=1), title=title, styles=looks, caption=reading)

    def age_note(self) -> Html:
        """Say how little a row's date proves."""
        generated, dates = self.space.whitelist.generated_at, self.entries["updated_at"]
        time, same = charts.largest(dates.dropna().dt.strftime("%H:%M:%S").value_counts())
        after = int((dates > generated).sum()) if generated else 0
        return macro("notebook.age_note", after, same, time or "–")

    def hosts_chart(self, kind: str, title: str, reading: str, empty: str) -> svg.Chart | Html:
        """Draw how many domains depend on each server of a kind, ``NS`` or ``MX``; a table, of one each.

        `reading` is a sentence with ``{first}``, the server with most domains, ``{n}`` domains and their
        ``{share}``; how many of them have no other server is said after it.
        """
        used = domains.hosts(self.space, kind)
        used = used[used["domain"].isin(self.entries["domain"])]
        counted = used.groupby("host")["domain"].nunique().sort_values(ascending=False, kind="stable")
        host, number = charts.largest(counted)
        if number == 1:
            table = counted.rename_axis("Serveur").rename("Domaines").reset_index()
            caption: str = say("{title} : un seul chacun", title=title)
            return tables.table(table, name=f"held-{kind.lower()}", caption=caption, limit=self.row_limit)
        only = int((used.loc[~used["domain"].duplicated(keep=False), "host"].isin(counted.index[:1])).sum())
        fall = "{k:domaine} {k:~n’a|n’ont} pas d’autre serveur et {k:~tombe|tombent} avec lui."
        rest = say(fall, k=only) if only else say("Chacun de ces domaines a un autre serveur.")
        caption = f"{say(reading, first=host, n=number, share=percent(number, self.domains))} {rest}"
        drawn = rest_together(counted, HOSTS, used.loc[used["host"].isin(counted.index[HOSTS:]), "domain"])
        return charts.bars(drawn, title=title, whole=self.domains, caption=caption, empty=empty)

    def renewals_table(self, since: Any = None, *, name: str = "moves") -> Html:
        """Show how certificates of servers changed, from an instant on; the last change first."""
        moves = self.renewals if since is None else self.renewals[self.renewals["at"] >= since]
        table = worded_moves(moves.sort_values("at", ascending=False, kind="stable", ignore_index=True))
        days = self.space.thresholds.certificate_error_days
        text = "{n:changement} de certificat, dont {k} à moins de {d:jour} de la fin ou après elle"
        caption = say(text, n=len(moves), k=int((moves["spare"] < days).sum()), d=days)
        empty = "Aucun changement de certificat dans les observations gardées."
        shown = table[list(MOVES)].rename(columns=MOVES)
        return tables.table(shown, name=name, caption=caption, csv=moves, limit=self.row_limit, empty=empty)

    def limits(self) -> Prose:
        """Say which places it is limited to; an empty sentence if none is named."""
        return results.limited_to(self.chosen)

    def collection(self) -> Html:
        """Show how the collection of lists fares: last good fetch, failures since, odd lists."""
        archive = self.space.archive
        if archive is None:
            return paragraph("none", "Pas d’archive des listes à côté de ces données.")
        log = [record for record in archive.log if parse_instant(record.at) <= self.space.as_of]
        fetches = [record for record in log if record.action == "fetch"]
        good = [i for i, record in enumerate(fetches) if record.outcome in GOOD]
        failed = len(fetches[good[-1] + 1 :] if good else fetches)
        last = parse_instant(fetches[good[-1]].at) if good else None
        parts = [macro("collection.fares", archive.until(self.space.as_of), last, len(fetches), failed)]
        try:
            archive.history  # noqa: B018 - asked for to know whether it can be had
        except InputError as error:
            text = (
                "L’historique ne peut être établi : {name} est illisible, et les constats tirés des listes "
                "archivées manquent. La commande « mssante-audit archive verify » dit pourquoi."
            )
            parts.append(note(say(text, name=Path(error.file or "").name), kind="caution"))
        if odd := [record for record in log if record.flags or record.outcome in ("quarantined", "failed")]:
            outcomes, flags, failures = names("fetches"), names("flags"), names("failures")
            rows = []
            for record in reversed(odd[-MOST:]):
                doubts = DOUBTS[language.current_language()] if record.outcome == "quarantined" else {}
                reason = doubts.get(record.doubt) or failures.get(record.doubt) or record.message
                remark = ", ".join(flags.get(flag, flag) for flag in record.flags) or reason
                outcome = outcomes.get(record.outcome) or data(record.outcome)
                when = tables.Cell(language.moment(parse_instant(record.at)), record.at)
                rows.append([when, *map(tables.Cell, (outcome, data(record.file), data(remark, 160, "")))])
            columns = ("Quand", "Issue", "Fichier", "Remarque")
            parts.append(tables.rows_table("collection", "Collectes à regarder", columns, rows))
        return joined(*parts)

    def others(self) -> Html:
        """Show, audit by audit, what was found that no report was written for; last, what of ours failed."""
        all_findings, others, sections = self.every, registry.theirs(), []
        parts = [(its.titled(), its.rules, all_findings["audit"] == name) for name, its in others.items()]
        parts.append((registry.rule(FAILED).family, (), ~all_findings["audit"].isin(others)))
        for title, its_rules, part in parts:
            rules = {rule.code: rule for rule in its_rules}
            if (all_findings.loc[part, "rule"] == FAILED).any():
                rules[FAILED] = registry.rule(FAILED)
            if rules:
                caption = format_text("Constats : {what}", what=translated(title))
                sections.append((title, self._table(all_findings[part], rules, caption=caption)))
        return macro("pieces.others", sections)

    def unchecked(self) -> Html:
        """Show which audits lack their input, and what to do, in lines, or that none does."""
        return macro("notebook.unchecked", findings.gaps(_needs_lacking(self.space)))

    def record(self, *, calendar: str = "") -> results.Results:
        """Return the notebook's results: the value of its last cell."""
        title = first.question_asked(self.verdicts) if self.name == "overview" else ""
        return results.record(self.space, self.every, name=self.name, title=title, calendar=calendar)


def unmade(space: TrustSpace) -> str:
    """Say which audits lack their input, and what to do; "" if none does."""
    return findings.unknown(_needs_lacking(space))


def _needs_lacking(space: TrustSpace) -> dict[str, tuple[str, ...]]:
    return {registry.title_of_audit(name): needs for name, needs in lacking(space).items()}


def by_severity(by: pd.Series, findings: pd.DataFrame) -> pd.DataFrame:
    """Return how many findings there are by a column and by severity, those with the worst first."""
    counted = pd.crosstab(by, findings["severity"].astype("str"))
    return counted.reindex(columns=WORST_FIRST, fill_value=0).sort_values(WORST_FIRST, ascending=False)


def rest_together(counts: pd.Series, shown: int, rest: pd.Series) -> pd.Series:
    """Return the first of a series, and below them the distinct values of the `rest` as one."""
    drawn = counts.head(shown)
    if len(counts) > shown:
        drawn[say("les {n:autre}", n=len(counts) - shown)] = rest.nunique()
    return drawn


def observed_on(records: pd.DataFrame) -> pd.Series:
    """Return the day on which each domain was observed (`observed_at`, UTC) as text, "jamais" for none."""
    days = [gettext("jamais") if pd.isna(at) else language.day(at) for at in records["observed_at"]]
    return pd.Series(days, index=records.index, dtype="str")


def observed(space: TrustSpace, records: pd.DataFrame) -> Html:
    """Say when the DNS was asked about domains, how many too long ago, and which files are not used.

    `records` are of its domains, or some (`mssante_audit.verdicts.domains.method_records`).
    """
    observation, at = space.observation, records["observed_at"].dropna()
    if observation is None:
        return note("Pas d’observation dans ce dossier de données.")
    stale = int((at < space.thresholds.oldest_observation(space.as_of)).sum())
    unused = grouped((reason, file) for file, reason in space.aside)
    days = space.thresholds.observation_max_age_days
    return macro("collection.observed", observation, at, stale, days, unused)


def observed_tls(space: TrustSpace) -> Html:
    """Say when certificates of servers were last looked at, and whether all of them."""
    observation = space.given("tls")
    if observation is None:
        return note("Pas d’observation de TLS dans ce dossier de données.")
    return macro("collection.observed_tls", observation)

"""Findings for readers: counts by severity, tables, what their rules mean, what could not be checked."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import pandas as pd
from markupsafe import escape

from mssante_audit.base import errors, instants, language, markup
from mssante_audit.base.inputs import LIST
from mssante_audit.base.language import count, day, format_text, gettext, listing, localized, translated
from mssante_audit.findings import causes, ledger, trend
from mssante_audit.findings.catalogue import FAILED, Rule
from mssante_audit.findings.places import DNS, REGISTER, evidence
from mssante_audit.findings.registry import audits, catalogue, known_needs, rule
from mssante_audit.observe.kinds import KINDS
from mssante_audit.report.html import Html, Prose, joined, macro, names, paragraph, prose, say
from mssante_audit.report.results import EVERYBODY, Limits, limited_to
from mssante_audit.report.tables import Cell, cell_of, csv_link, rows_table, severity_cell
from mssante_audit.space.states import aged
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_touched
from mssante_audit.whitelist.rows import grouped
from mssante_audit.whitelist.signature import made_up

BY_ARCHIVE = "Contacts que l’archive montre périmés"  # The one family that needs more than its audit does
# Columns of a table of findings by their headings
COLUMNS = {
    "Gravité": "severity", "Constat": "rule", "Domaines": "domain", "Opérateur": "operator",
    "Observé": "observed", "Lignes": "where",
}  # fmt: skip
WAIVED = {"Accepté": "reason", "Jusqu’au": "until"}  # Of those that somebody accepted
# What is said of several findings of a status, and of none
MOVED = {
    "new": ("{n:nouveau constat|nouveaux constats}", "aucun nouveau constat"),
    "open": ("{n:constat encore ouvert|constats encore ouverts}", "aucun constat encore ouvert"),
    "fixed": ("{n:constat réglé|constats réglés}", "aucun constat réglé"),
    "unknown": ("{n:constat dont l'état est inconnu|constats dont l'état est inconnu}", ""),
}


def family(name: str) -> dict[str, Rule]:
    """Return the rules of a family by their codes; of one audit, if several call a family the same.

    A family that the catalogue does not have is an `UnknownNameError`.
    """
    rules = [rule for rule in catalogue().values() if rule.family == name]
    if not rules:
        families = dict.fromkeys(rule.family for rule in catalogue().values())
        raise errors.UnknownNameError(f"no rule family {name!r}", remedy=f"There are: {'; '.join(families)}")
    return {rule.code: rule for rule in rules if rule.audit == rules[0].audit}


def lacks(space: TrustSpace, rules: Mapping[str, Rule]) -> list[str]:
    """Return what it takes beside the list to check any of these rules, and the space does not have."""
    needing = [audits()[rule.audit].needs for rule in rules.values() if rule.audit in audits()]
    needing += [("archive",) for rule in rules.values() if rule.family == BY_ARCHIVE]
    return [need for need in sorted(set().union(*needing)) if space.given(need) is None]


def unevaluated(space: TrustSpace, findings: pd.DataFrame) -> frozenset[str]:
    """Return the rules of audits that failed; of a cut list, those comparing rows too."""
    failed = {*findings.loc[findings["rule"] == FAILED, "audit"]}
    cut = "cut" in space.whitelist.damage_kinds
    return frozenset(code for code, r in catalogue().items() if r.audit in failed or (cut and r.compares))


def gaps(what: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return by what could not be checked, and what it lacks (by its name), what to do, each thing once."""
    words = {need: called[language.current_language()] for need, called in known_needs().items()}
    to_do = names("to_do") | {kind.need: kind.remedy for kind in KINDS}
    remedies: dict[str, str] = {}
    for needs, titles in grouped((tuple(needs), translated(name)) for name, needs in what.items()).items():
        unchecked = f"{listing(titles)} ({listing([words[need] for need in needs])})"
        remedies[unchecked] = " ".join(gettext(to_do.pop(need)) for need in needs if need in to_do)
    return remedies


def unknown(what: Mapping[str, Sequence[str]]) -> str:
    """Say what could not be checked, what it lacks, and what to do (`gaps`); "" for nothing."""
    remedies, text = gaps(what), "Non vérifié, et donc inconnu : {what}. {remedies}"
    to_do = " ".join(filter(None, remedies.values()))
    return format_text(text, what=[*remedies], remedies=to_do) if what else ""


def touched(findings: pd.DataFrame, entries: pd.DataFrame) -> int:
    """Return how many domains of `entries` findings touch: all of them, where one is about the whole list."""
    listed = {*entries["domain"]}
    if (findings["domains"] == 0).any():
        return len(listed)
    return len(listed.intersection(chain.from_iterable(domains_touched(entries, findings))))


def title_of(code: str) -> str:
    """Return the title of a rule, as `Series.map` and `Index.map` want it."""
    return language.typeset(localized(rule(code), "title"))


def why_of(code: str) -> str:
    """Return why a rule matters, as `Series.map` wants it."""
    return language.typeset(localized(rule(code), "why"))


def titles(findings: pd.DataFrame) -> str:
    """Return the titles of the rules that findings are of, each once, in their order."""
    return listing([title_of(code) for code in findings["rule"].unique()])


def foundation(rule: Rule) -> str:
    """Return what a rule is founded on."""
    kind = next(name for source, name in names("sources").items() if rule.source.startswith(source))
    norms = listing(re.findall(r"RFC \d+", rule.source))
    return gettext(kind) + (f" ({norms})" if norms else "")


def severity_bars(findings: pd.DataFrame) -> Html:
    """Show the number of findings of each severity, worst first, with bars; hints among information."""
    hints = (findings["confidence"] == "hint").any()
    return macro("findings.severity_bars", trend.severity_counts(findings), hints)


class Links:
    """Addresses where more is said of what a finding names; "" for none, as on a page that stands alone."""

    def rule(self, *_: Any) -> str:
        """Return the address of the page of a rule, an operator, a domain of an operator, or a dossier."""
        return ""

    operator = domain = dossier = rule


NO_LINKS = Links()
FindingRow = Mapping[Any, Any]


def _cell(column: str, record: FindingRow, links: Links) -> Cell:
    """Return what stands in a column of a record: its value, or what a macro makes of several."""
    value: Any = record.get(column)
    match column:
        case "severity":
            return severity_cell(value, gettext("indice") if record.get("confidence") == "hint" else "")
        case "rule":
            return Cell(macro("findings.rule_cell", title_of(value), value, links.rule(value)))
        case "domain":
            return Cell(macro("findings.domain_cell", record, links), record.get("domains"))
        case "operator":
            shown = macro("findings.operator_cell", value, record["operator_id"], links)
            return Cell(shown, markup.visible(str(value)))
        case "observed":
            return Cell(macro("findings.observed_cell", value, record["expected"]))
        case "where":
            return _where_cell(record)
        case "status":
            since = record["first_seen"]
            return Cell(macro("findings.state_cell", value, instants.parse_instant(since)), since)
        case "reason":
            return Cell(macro("findings.accepted_cell", value, record["who"]))
        case "at" | "first_seen" | "until":
            at = instants.parse_instant(value) if isinstance(value, str) else value
            return Cell(day(at), at.isoformat())
    return cell_of(value)


def _where_cell(finding: FindingRow) -> Cell:
    """Return where a finding stands, in words for readers: lines of an observation are replies of the DNS."""
    sources = {place.source for place in finding["where"]}
    observed = evidence(finding["where"], gettext("réponses")) if DNS in sources else str(finding["evidence"])
    # A register's rows with the file's name, or what earlier lists show.
    elsewhere = REGISTER in sources or bool(rule(finding["rule"]).evidence_fr)
    rows = f" ({count(len(finding['rows']), 'ligne')})" if finding["rows"] and not elsewhere else ""
    most = 90 if elsewhere or DNS in sources else 24
    return Cell(markup.data(observed, most, rows), next(iter(finding["rows"]), 0))


def finding_rows(
    name: str,
    caption: str,
    records: Sequence[FindingRow],
    columns: Mapping[str, str] = COLUMNS,
    links: Links = NO_LINKS,
) -> Html:
    """Return findings, or what else has some of their columns, as a table and nothing beside it."""
    rows = [[_cell(column, record, links) for column in columns.values()] for record in records]
    return rows_table(name, caption, list(columns), rows)


def folded(show: Callable[[str, str], Html], name: str, caption: str, findings: int, hints: int) -> Html:
    """Fold away what `show` makes, by a name and a caption, of information and hints."""
    counts = {"information": findings - hints, "indice": hints}
    called = format_text("{caption} (informations et indices)", caption=translated(caption))
    table, parts = show(f"{name}-folded", called), [count(n, noun) for noun, n in counts.items() if n]
    return macro("findings.folded", listing(parts), table)


def findings_table(
    findings: pd.DataFrame,
    rules: Mapping[str, Rule] | None = None,
    *,
    lacking: Sequence[str] = (),
    failed: bool = False,
    name: str = "",
    caption: str = "",
    empty: str = "Aucun constat.",
    limit: int = 500,
) -> Html:
    """Show findings as a table that sorts and filters, all of them as CSV in the page itself.

    Information and hints are folded away below it, in a table of their own that a click shows.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes; those of `mssante_audit.audits.waived` with who accepted.
    rules, lacking
        Those that were looked for (`family`): what they mean and which of them found nothing is said, too;
        what it took to check them and was not there (`lacks`).
    failed
        Whether some of them could not be evaluated, so that none found is not none there.
    name, caption, empty
        Its `id` and the name of the CSV file, unique in the page; what it holds; what to say where there is
        none and no rules are given.
    limit
        Rows shown at most, folded or not.
    """
    silent = ""
    if rules is None:
        if findings.empty:
            return paragraph("none", markup.visible(empty))
        name, caption = name or "findings", caption or count(len(findings), "constat")
    else:
        findings = findings[findings["rule"].isin(rules)]
        fired = set(findings["rule"])
        quiet = listing([prose(localized(rule, "title")) for c, rule in rules.items() if c not in fired])
        without = "Sans constat, ou non évalué : {rules}." if failed else "Sans constat : {rules}."
        if findings.empty:
            nothing = format_text(without if failed else "Aucun constat. Vérifié : {rules}.", rules=quiet)
            return paragraph("none", unknown({quiet: lacking}) if lacking else nothing)
        first = next(iter(rules.values()))
        name = name or f"{re.sub('[^a-z0-9]+', '-', first.code.lower())}-table"
        caption = caption or format_text("Constats : {what}", what=translated(first.family))
        silent = format_text(without, rules=quiet) if quiet else ""
    todo = causes.actionable(findings)
    rest = findings[~findings.index.isin(todo.index)]

    def explained(part: pd.DataFrame, name: str, caption: str, silent: str = "") -> Html:
        columns = COLUMNS
        if "reason" in part:
            columns = {heading: c for heading, c in COLUMNS.items() if c != "where"} | WAIVED
        displayed = finding_rows(name, caption, part.head(limit).to_dict("records"), columns)
        counts = part["rule"].value_counts()
        fired = [(rule, int(counts[c])) for c, rule in (rules or {}).items() if c in counts]
        return macro("findings.explained", fired, foundation, silent, displayed)

    parts = [explained(todo, name, caption, silent) if len(todo) else paragraph("none", silent)]
    if len(rest):
        hints = int((rest["confidence"] == "hint").sum())
        parts.append(folded(partial(explained, rest), name, caption, len(rest), hints))
    displayed = min(limit, len(todo)) + min(limit, len(rest))
    return joined(*parts, csv_link(findings, displayed, name))


def scope(space: TrustSpace, entries: pd.DataFrame) -> str:
    """Return what a report is about and what was set aside."""
    test_rows = space.entries[space.entries["is_audit_entry"]]
    source = "d’une liste fictive" if made_up(space.whitelist) else "de la liste"
    source = "d’une liste endommagée" if space.whitelist.damaged else source
    set_aside = "{n:entrée} de test ({domains:domaine}) {n:~mise} de côté"
    tests = set_aside if len(test_rows) else "aucune entrée de test à mettre de côté"
    return say(
        "Audit de {n:entrée} {of} ({read:ligne lue|lignes lues}) ; {tests}. Situation au {day}.",
        n=len(entries), of=say(source), read=len(space.entries), day=space.as_of,
        tests=say(tests, n=len(test_rows), domains=test_rows["domain"].nunique()),
    )  # fmt: skip


def incomplete(findings: pd.DataFrame) -> Html:
    """Return which parts of audits could not be evaluated, and why; nothing if all were."""
    return macro("findings.incomplete", findings.loc[findings["rule"] == FAILED, "observed"].tolist())


def opening(
    space: TrustSpace, entries: pd.DataFrame, findings: pd.DataFrame | None = None, chosen: Limits = EVERYBODY
) -> Html:
    """Show what a report is about: whom it is limited to (`chosen`), what was set aside, or not evaluated."""
    evaluated = [its for name, its in audits().items() if findings is None or name in set(findings["audit"])]
    rests = {LIST}.union(*(its.rests for its in evaluated))
    doubtful = [aged(s.name, s.age_days) for s in space.states if s.doubtful and s.name in rests]
    doubt = say("**En doute, donc à confirmer : {what}.**", what=escape(listing(doubtful)))
    about = paragraph("scope", scope(space, entries), doubt if doubtful else "")
    unmade = "" if findings is None else incomplete(findings)
    return joined(limitation(space, entries, chosen), unmade, about)


def limitation(space: TrustSpace, entries: pd.DataFrame, chosen: Limits) -> Html:
    """Show whom a report of some rows is limited to; nothing if it is of everybody."""
    limits: Prose | str = ""
    if chosen.places is not None and chosen.operator_id is None:
        limits = limited_to(chosen)
    elif len(entries) < len(space.audited):
        limits = say("Rapport limité à un opérateur qui n’a que des entrées de test.")
        for operator, name in entries[["operator_id", "operator"]].head(1).itertuples(index=False):
            named = space.shown(name)
            limits = say("Rapport limité à l’opérateur **{name}** ({who}).", name=named, who=operator)
    return paragraph("limits", limits) if limits else Html()


def follow_up_html(followed: ledger.FollowUp, findings: pd.DataFrame) -> Html:
    """Return what a report says of the run before: new, open, fixed, unknown; nothing without one."""
    if not followed.previous:
        return Html()
    now = findings[["rule", "domain", "operator"]]
    now = now.assign(first_seen=list(followed.first_seen), status=list(followed.status))
    called = names("follow_up")
    moved: list[tuple[str, FindingRow]] = [("fixed", f) for f in followed.fixed]
    moved += [("unknown", f) for f in followed.unknown]
    moved += [(status, f) for status in called for f in now[now["status"] == status].to_dict("records")]
    rows = [
        {**f, "state": called[status], "severity": rule(f["rule"]).severity, "operator_id": ""}
        for status, f in moved
        if f["rule"] in catalogue()
    ]
    columns = {
        "État": "state", "Gravité": "severity", "Constat": "rule", "Domaine": "domain",
        "Opérateur": "operator", "Constaté depuis": "first_seen",
    }  # fmt: skip
    caption = "Constats réglés, nouveaux, encore ouverts et inconnus"
    table = finding_rows("follow-up", caption, rows, columns) if rows else ""
    return macro("pieces.follow_up", since_previous(followed), table)


def since_previous(followed: ledger.FollowUp) -> str:
    """Say in one sentence how many findings are new, open, fixed, unknown; "" without a run before."""
    if not followed.previous:
        return ""
    counts, since = followed.counts(), instants.parse_instant(followed.previous)
    texts = [
        format_text(template, n=counts[status]) if counts[status] else gettext(none)
        for status, (template, none) in MOVED.items()
    ]
    if counts["open"]:
        dates = zip(followed.first_seen, followed.status, strict=True)
        oldest = instants.parse_instant(min(at for at, status in dates if status == "open"))
        texts[1] += format_text(" (le plus ancien depuis le {day})", day=oldest)
    if not any(counts.values()):
        texts = [gettext("toujours aucun constat")]
    changes = [text for text in texts if text]
    return format_text("Depuis la situation du {day} : {what}.", day=since, what=changes)

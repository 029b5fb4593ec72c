"""How a space, findings, a rule and a signature show themselves in a notebook: at a glance, folded, masked.

Each is HTML that stands alone, with its style and without script. Controls are for who works in a notebook:
where one is run with nobody before it, there are none.
"""

from functools import cache
from itertools import count as count_from
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit, audit_all, audits, parted
from mssante_audit.base import errors, language, settings
from mssante_audit.base.language import count, day, format_text, gettext, localized, moment
from mssante_audit.base.markup import html_of
from mssante_audit.findings import frame, templates
from mssante_audit.findings.catalogue import FAILED, SEVERITIES, Rule
from mssante_audit.findings.registry import catalogue, input_of, known_needs, ours
from mssante_audit.report import first, results, tables
from mssante_audit.report.findings import finding_rows, foundation
from mssante_audit.report.html import Html, card, joined, lead, macro, names, paragraph, say, trusted
from mssante_audit.snapshot.load import load_space
from mssante_audit.space.states import named, remedied, worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains, worked_out
from mssante_audit.whitelist.rows import tuples
from mssante_audit.whitelist.signature import Verdict, made_up

SHOWN = 20  # Findings of a severity that are shown
SOON = 1000  # Rows of a space that are audited before it shows itself; of more, verdicts are shown once known
# How a finding moved (`mssante_audit.report.desk.moved`)
_MOVED = {
    "new": "{n:nouveau|nouveaux}", "gone": "{n:disparu}", "changed": "{n:changé}", "unknown": "{n:inconnu}",
}  # fmt: skip
_BAD = ("damaged", "future", "unverified")  # States of an input that is wrong, and not just old or absent
LATEST = 3650  # Days at most on the slider: a row of ten years is old whatever one takes for old
_shown = count_from(1)


def alone(*parts: str) -> Html:
    """Return pieces with their style, inside one element: a page hides outputs that are only style."""
    return macro("cards.alone", trusted(tables.style()), joined(*parts))


@html_of.register
def space_card(space: TrustSpace) -> str:
    """Return the answer and the verdicts as bars, then what was loaded and the state of each input."""
    whitelist, rows = space.whitelist, space.audited
    generated = moment(whitelist.generated_at) if whitelist.generated_at else gettext("date illisible")
    n, operators = rows["domain"].nunique(), rows["operator_id"].nunique()
    counted = [count(n, "domaine"), count(operators, "opérateur"), count(len(rows), "ligne")]
    contacts = {"all": gettext("montrés"), "none": gettext("masqués dans les constats")}
    template = "{counted}, {n:ligne} de test à part"
    facts = {
        "Liste": f"{Path(whitelist.source).name}, {generated}",
        "État": gettext("endommagée, lignes lisibles seulement") if whitelist.damaged else "",
        "Signature": names("signatures")[whitelist.signature.status],
        "Contenu": format_text(template, counted=counted, n=len(space.entries) - len(rows)),
        "Situation": moment(space.as_of) + (gettext(" (exemple fictif)") if made_up(whitelist) else ""),
        "Contacts": contacts.get(space.contacts, gettext("ceux des services, personnes masquées")),
    }
    about = card(facts, gettext("Espace de confiance MSSanté"))
    if len(rows) > SOON and not worked_out(space):
        ask = (
            "**{n:domaine}**, verdicts à établir : « ms.domains(space) » le fait en quelques secondes ; "
            "l’espace les montre ensuite."
        )
        return alone(lead(say(ask, n=n)), about, _inputs(space))
    try:
        verdicts = domains(space)
        failed = sum(int((parted(name, space)[0]["rule"] == FAILED).sum()) for name in audits())
        answered = [first.answer(verdicts), first.counts(verdicts), first.checks(verdicts)]
        if failed:
            unmade = say("{n:règle non évaluée|règles non évaluées}", n=failed)
            answered.append(paragraph("limits", unmade))
    except errors.AuditError as error:  # of a file beside the list: the rest is worth showing
        answered = [paragraph("limits", say("Verdicts inconnus : {why}", why=str(error)))]
    return alone(*answered, about, _inputs(space))


def _inputs(space: TrustSpace) -> Html:
    facts, states = {}, {state.name: state for state in space.states}
    for name in ("list", *map(input_of, known_needs())):
        if (state := states.get(name)) is None:
            facts[named(name)] = f"{first.MARKS['unknown']} {gettext('rien : inconnu')}"
            continue
        mark = "ok" if not state.doubtful else "fail" if state.state in _BAD else "warn"
        days = state.age_days
        age = "" if days is None else format_text("de {n:jour}", n=days) if days else gettext("du jour")
        parts = (age, worded(state), "" if state.state == "ok" else remedied(state))
        facts[named(name)] = f"{first.MARKS[mark]} {' – '.join(filter(None, parts))}"
    return card(facts, gettext("Entrées"))


@html_of.register
def findings_card(findings: frame.Findings) -> str:
    """Return findings by severity, the worst unfolded, hints and information folded."""
    if findings.empty:
        return alone(paragraph("none", "Aucun constat."))
    parts: list[tuple[str, pd.DataFrame]] = []
    if "moved" in findings:
        moved = [(title, findings[findings["moved"] == kind]) for kind, title in _MOVED.items()]
        parts += [(format_text(title, n=len(part)), part) for title, part in moved]
    else:
        hint = findings["confidence"] == "hint"
        worst_first = {s: findings[(findings["severity"] == s) & ~hint] for s in reversed(SEVERITIES)}
        parts += [(tables.badge(severity, len(part)), part) for severity, part in worst_first.items()]
        parts.append((count(int(hint.sum()), "indice"), findings[hint]))
    name, folds = f"constats-{next(_shown)}", list[tuple[str, str, int]]()
    for title, part in parts:
        if len(part):
            records = part.head(SHOWN).to_dict("records")
            table = finding_rows(f"{name}-{len(folds)}", count(len(part), "constat"), records)
            folds.append((title, table, len(part) - SHOWN))
    return alone(macro("cards.findings", len(findings), findings["rule"].nunique(), folds))


@html_of.register
def rule_card(rule: Rule) -> str:
    """Return what a rule says, why it matters, what to do, what it is founded on, and an example."""
    by_rule = examples(rule.audit, language.current_language()) if rule.audit in ours() else {}
    observed, expected, domain = by_rule.get(rule.code, ("", "", ""))
    title, why, remedy = (language.typeset(localized(rule, part)) for part in ("title", "why", "remedy"))
    facts = {
        "Gravité": language.severity_name(rule.severity), "Pourquoi": why, "Que faire": remedy,
        "Exemple": format_text("{label} : {text}", label=domain, text=observed) if domain else observed,
        "Attendu": expected, "Fondement": foundation(rule), "Famille": language.translated(rule.family),
        "Audit": rule.audit, "Code": rule.code,
    }  # fmt: skip
    return card(facts, title)


@html_of.register
def signature_card(verdict: Verdict) -> str:
    """Return what a signature is worth, whose it is and until when; why not, as the rule reports it."""
    codes = {"invalid": "LIST_SIGNATURE_INVALID", "valid-untrusted": "LIST_SIGNER_UNTRUSTED"}
    details = {"reason": verdict.reason, "signer": verdict.signer, "wanted": verdict.expected}
    code = codes.get(verdict.status) if verdict.reason else None
    facts = {
        "Signataire": verdict.signer, "Émis par": verdict.issuer,
        "Valable du": verdict.not_before and day(verdict.not_before),
        "au": verdict.not_after and day(verdict.not_after), "Autorité": verdict.anchor,
        "Lignes couvertes": language.number(verdict.verified_rows),
        "Détail": templates.sentence(catalogue()[code], "observed", details) if code else "",
    }  # fmt: skip
    return card(facts, format_text("Signature {status}", status=names("signatures")[verdict.status]))


@cache
def examples(name: str, lang: str) -> dict[str, list[str]]:
    """Return of each rule of an audit what its first finding in the sample says, expects, and is of."""
    firsts = audit(name, _sample(), language=lang).drop_duplicates("rule")
    return {code: texts for code, *texts in tuples(firsts, "rule", "observed", "expected", "domain")}


_sample = cache(load_space)


def controls(space: TrustSpace) -> Any:
    """Show controls for region, operator and the age of an old row, and what they leave below them.

    ``None`` where nobody could move them (a report, papermill, nbconvert, a script), or without ipywidgets.
    """
    if not attended():
        return None
    try:
        import ipywidgets
    except ImportError:
        return None
    rows = space.audited
    operators = sorted({*zip(rows["operator"], rows["operator_id"], strict=True)} - {("", "")})
    choices = [(gettext("Tous"), ""), *((f"{name} ({number})", number) for name, number in operators)]
    regions = [(gettext("Toutes"), ""), *((name, name) for name in sorted({*rows["region"]} - {""}))]
    wide = {"layout": {"width": "34rem"}, "style": {"description_width": "8rem"}}
    region = ipywidgets.Dropdown(options=regions, description=gettext("Région"), **wide)
    operator = ipywidgets.Dropdown(options=choices, description=gettext("Opérateur"), **wide)
    stale = space.thresholds.stale_after_days
    days = ipywidgets.IntSlider(  # each position is an audit
        value=min(stale, LATEST), max=LATEST, step=5, description=gettext("Ancienne après"),
        continuous_update=False, disabled=bool(space.kept), **wide,
    )  # fmt: skip
    days.tooltip = gettext(str(settings.Thresholds.model_fields["stale_after_days"].title))
    output = ipywidgets.HTML(value=view(space))
    aged = cache(lambda age: space if age == stale else space.with_(stale_after_days=age))

    def show(_: Any) -> None:
        chosen = aged(stale if days.disabled else days.value)
        output.value = view(chosen, region.value, operator.value)

    for control in (region, operator, days):
        control.observe(show, names="value")
    return ipywidgets.VBox([region, operator, days, output])


def view(space: TrustSpace, region: str = "", operator: str = "") -> str:
    """Return the answer, the counts and the findings of a part of a space, as HTML that stands alone."""
    try:
        chosen = results.limits(space, operator or None, region or None)
        verdicts, todo = first.judged(space, chosen)
        findings = results.touching(audit_all(space), space, chosen)
        summary = alone(first.answer(verdicts), first.counts(verdicts), first.first_cause(todo))
        return joined(summary, html_of(findings) or "")
    except errors.AuditError as error:  # an operator that does not sit in the region, say
        return alone(paragraph("limits", str(error)))


def attended() -> bool:
    """Tell whether somebody is before the notebook: what runs one with nobody there takes no input."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))

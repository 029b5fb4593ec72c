"""How a space, findings and a rule show themselves in a notebook: read at a glance, folded, escaped, masked.

Each is in the language spoken (`mssante_audit.enable`), and HTML that stands alone: its style comes with it
and takes the theme's colours, and no script is in it.
"""

from __future__ import annotations

from functools import cache
from itertools import count as count_from
from pathlib import Path

import pandas as pd

from mssante_audit.audits import audit, audit_all
from mssante_audit.base.errors import AuditError
from mssante_audit.base.language import (
    count,
    current_language,
    day,
    format_text,
    gettext,
    listing,
    localized,
    moment,
    number,
    severity_name,
    signatures,
    translated,
    typeset,
)
from mssante_audit.base.markup import card
from mssante_audit.findings.catalogue import FAILED, SEVERITIES, Rule
from mssante_audit.findings.causes import causes
from mssante_audit.findings.registry import catalogue, input_of, known_needs, ours
from mssante_audit.findings.words import sentence
from mssante_audit.report.findings import findings_rows, foundation
from mssante_audit.report.first import MARKS, checks, states
from mssante_audit.report.tables import badge, data, style
from mssante_audit.snapshot.load import load_space
from mssante_audit.space.states import named, remedied, worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains
from mssante_audit.verdicts.doubts import doubts
from mssante_audit.whitelist.signature import Verdict

SHOWN = 20
"""Findings of a severity that are shown."""

SAMPLE_AS_OF = "2026-03-03"
"""The instant at which a rule's example is looked for in the sample that ships."""

_MOVED = {
    "new": "{n:nouveau|nouveaux}", "gone": "{n:disparu}", "changed": "{n:changé}", "unknown": "{n:inconnu}",
}  # fmt: skip
"""How a finding moved (`mssante_audit.report.desk.moved`)."""

_BAD = ("damaged", "future", "unverified")
"""States of an input that is wrong, and not just old or absent."""

_shown = count_from(1)


def space(told: TrustSpace) -> str:
    """Return what was loaded, the state of each input, and the verdicts as bars."""
    whitelist = told.whitelist
    made = moment(whitelist.generated_at) if whitelist.generated_at else gettext("date illisible")
    rows, tests = told.audited, len(told.entries) - len(told.audited)
    domains_held, operators = (rows[column].nunique() for column in ("domain", "operator_id"))
    numbers = {"domaine": domains_held, "opérateur": operators, "ligne": len(rows)}
    counted = listing([count(n, word) for word, n in numbers.items()])
    aside = format_text("{counted}, {n:ligne} de test à part", counted=counted, n=tests)
    facts = {
        gettext("Liste"): f"{Path(whitelist.source).name}, {made}",
        gettext("État"): gettext("endommagée, lignes lisibles seulement") if whitelist.damaged else "",
        gettext("Signature"): signatures()[whitelist.signature.status],
        gettext("Contenu"): aside,
        gettext("Situation"): moment(told.as_of),
        gettext("Contacts"): gettext("montrés")
        if told.show_contacts
        else gettext("masqués dans les constats"),
    }
    try:
        found, known = audit_all(told), domains(told)
        todo = causes(found, rows, told.published, doubts(told, found, known))
        verdicts = states(known).text + checks(known, todo, linked=False).text
        failed = (found["rule"] == FAILED).sum()
        unmade = format_text("{n:règle non évaluée|règles non évaluées}", n=failed)
        verdicts += f'<p class="limits">{unmade}</p>' if failed else ""
    except AuditError as error:  # of a file beside the list: the rest is worth showing
        verdicts = f'<p class="limits">{format_text("Verdicts inconnus : {why}", why=data(str(error)))}</p>'
    return alone(card(gettext("Espace de confiance MSSanté"), facts) + _inputs(told) + verdicts)


def _inputs(told: TrustSpace) -> str:
    """Return a line an input: whether it is there, of when, and whether it can be believed."""
    facts, known = {}, {state.name: state for state in told.states}
    for name in ("list", *map(input_of, known_needs())):
        if (state := known.get(name)) is None:
            facts[named(name)] = f"{MARKS['unknown']} {gettext('rien : inconnu')}"
            continue
        mark = "ok" if not state.doubtful else "fail" if state.state in _BAD else "warn"
        days = state.age_days
        age = "" if days is None else format_text("de {n:jour}", n=days) if days else gettext("du jour")
        parts = (age, worded(state), "" if state.state == "ok" else remedied(state))
        facts[named(name)] = f"{MARKS[mark]} {' – '.join(filter(None, parts))}"
    return card(gettext("Entrées"), facts)


def findings(told: pd.DataFrame) -> str:
    """Return findings by severity, the worst unfolded, hints and information folded."""
    if told.empty:
        return alone(f'<p class="none">{gettext("Aucun constat.")}</p>')
    if "moved" in told:
        parts = [(f"<b>{format_text(words, n=len(part))}</b>", part) for kind, words in _MOVED.items()
                 if len(part := told[told["moved"] == kind])]  # fmt: skip
        return _folds(told, parts)
    hint = told["confidence"] == "hint"
    parts = [(badge(s, n), told[mask]) for s in reversed(SEVERITIES)
             if (n := int((mask := (told["severity"] == s) & ~hint).sum()))]  # fmt: skip
    if n := int(hint.sum()):
        parts.append((f"<b>{count(n, 'indice')}</b>", told[hint]))
    return _folds(told, parts)


def _folds(told: pd.DataFrame, parts: list[tuple[str, pd.DataFrame]]) -> str:
    name = f"constats-{next(_shown)}"
    folds = []
    for at, (title, part) in enumerate(parts):
        rest = len(part) - SHOWN
        more = format_text("et {n:autre} : findings_table(…) les montre, export(…) les écrit.", n=rest)
        folds.append(
            f"<details{'' if at else ' open'}><summary>{title}</summary>"
            f"{findings_rows(part, f'{name}-{at}', SHOWN)}"
            f"{f'<p class=none>{more}</p>' if rest > 0 else ''}</details>"
        )
    head = f"<p><b>{count(len(told), 'constat')}</b>, {count(told['rule'].nunique(), 'règle')}</p>"
    return alone(head + "".join(folds))


def rule(told: Rule) -> str:
    """Return what a rule says, why it matters, what to do, what it is founded on, and an example."""
    seen = examples(told.audit, current_language()) if told.audit in ours() else {}
    observed, expected, domain = seen.get(told.code, ("", "", ""))
    facts = {
        gettext("Gravité"): severity_name(told.severity),
        gettext("Pourquoi"): typeset(localized(told, "why")),
        gettext("Que faire"): typeset(localized(told, "remedy")),
        gettext("Exemple"): format_text("{label} : {text}", label=domain, text=observed)
        if domain
        else observed,
        gettext("Attendu"): expected,
        gettext("Fondement"): foundation(told),
        gettext("Famille"): translated(told.family),
        gettext("Audit"): told.audit,
        gettext("Code"): told.code,
    }
    return card(typeset(localized(told, "title")), facts)


def signature(told: Verdict) -> str:
    """Return what a signature is worth, whose it is and until when."""
    facts = {
        gettext("Signataire"): told.signer,
        gettext("Émis par"): told.issuer,
        gettext("Valable du"): told.not_before and day(told.not_before),
        gettext("au"): told.not_after and day(told.not_after),
        gettext("Autorité"): told.anchor,
        gettext("Lignes couvertes"): number(told.verified_rows),
        gettext("Détail"): _reason(told),
    }
    return card(format_text("Signature {status}", status=signatures()[told.status]), facts)


def _reason(told: Verdict) -> str:
    """Return why a signature is not relied on, in the words of the rule that reports it."""
    code = {"invalid": "LIST_SIGNATURE_INVALID", "valid-untrusted": "LIST_SIGNER_UNTRUSTED"}.get(told.status)
    if not code or not told.reason:
        return ""
    facts = {"reason": told.reason, "signer": told.signer, "wanted": told.expected}
    return sentence(catalogue()[code], "observed", facts)


@cache
def _sample() -> TrustSpace:
    return load_space(as_of=SAMPLE_AS_OF)


@cache
def examples(name: str, language: str) -> dict[str, tuple[str, str, str]]:
    """Return of each rule of an audit what its first finding in the sample says, expects, and is of."""
    found = audit(name, _sample(), language=language).drop_duplicates("rule")
    told = found[["observed", "expected", "domain"]].itertuples(index=False, name=None)
    return dict(zip(found["rule"].tolist(), told, strict=True))


def alone(html: str) -> str:
    """Return HTML with the style that it needs, inside one element, so that no style is hidden as output."""
    return f'<div class="desk"><style>{style()}</style>{html}</div>'

"""The first screen of overview and site: how many domains are well, what was checked, what comes first.

Each function shows a frame: the domains (`mssante_audit.verdicts.domains`) or the causes
(`mssante_audit.findings.causes`), of which every number here is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.french import NBSP
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import count, day, listing, number, percent, spoken, tell, tr
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report import figure
from mssante_audit.report.findings import title_of
from mssante_audit.report.say import lead, say
from mssante_audit.report.tables import Html, badge, csv_link, data, prose
from mssante_audit.verdicts.checks import RESULTS, STATES
from mssante_audit.verdicts.words import CHECK_NAMES, DOUBTS, reason
from mssante_audit.verdicts.words import causes as mail_causes

CAUSES = 10
"""Causes that are shown."""

MARKS = dict(zip(RESULTS, "✔!✖?", strict=True))
"""A shape each: nothing is told by colour alone."""

_STATES = {
    "well": ("en ordre", "en ordre"),
    "risk": ("à risque", "à risque"),
    "broken": ("en défaut", "en défaut"),
    "unknown": ("inconnu", "inconnus"),
}
_RESULTS = dict(zip(RESULTS, _STATES.values(), strict=True))

Shown = Callable[[Mapping[Any, Any]], str]
"""From a cause to HTML."""


def answer(domains: pd.DataFrame, causes: pd.DataFrame) -> Html:
    """Show the sentence on top: how many domains are well, and the first cause of `cause_list`.

    Parameters
    ----------
    domains
        Those that are told of, as `mssante_audit.verdicts.domains` describes.
    causes
        As `mssante_audit.findings.causes` describes.
    """
    states, whole = domains["state"].value_counts(), len(domains)
    well, risk, broken, unknown = (int(states.get(state, 0)) for state in STATES)
    if not whole:
        told = say("Aucun domaine dans cette liste.")
    elif unknown == whole:
        doubts = dict.fromkeys(code for why in domains["why"] for code in why.get("listed", ()))
        why = listing([DOUBTS[spoken()][code] for code in doubts if code in DOUBTS[spoken()]])
        told = say("**L'état est inconnu pour {n:domaine} sur {n}** : {why}.", n=whole, why=why or "–")
    else:
        told = say(
            "**{well:domaine} sur {all} ({share})** {well:~est|sont} en ordre dans ce qui a été vérifié ; "
            "{risk} à risque, {broken} en défaut{more}.", well=well, all=whole, share=percent(well, whole),
            risk=risk, broken=broken, more=say(", {unknown:inconnu}", unknown=unknown) if unknown else "",
        )  # fmt: skip
    return lead(told, _first(causes))


def _first(causes: pd.DataFrame) -> str:
    """Name the first cause, and what it weighs."""
    if causes.empty:
        return say("Rien à corriger parmi ce qui a pu être vérifié.")
    first = causes.iloc[0]
    who, boxes = first["operator"] or first["operator_id"], first["mailboxes"]
    return say(
        "À traiter d'abord : **{title}**{who} ({domains:domaine}{boxes}).", title=title_of(first["rules"][0]),
        who=say(", {who}", who=who) if who else "", domains=int(first["domains"]),
        boxes="" if pd.isna(boxes) else say(", {n:boîte}", n=int(boxes)),
    )  # fmt: skip


def states(domains: pd.DataFrame) -> Html:
    """Show how many domains are well, at risk, broken or unknown, and the mailboxes in them, as one bar.

    Parameters
    ----------
    domains
        As `mssante_audit.verdicts.domains` describes.
    """
    held = {state: domains[domains["state"] == state] for state in STATES}
    boxes = not domains["mailboxes"].isna().any() and len(domains) > 0
    alt = ", ".join(f"{count(len(own), 'domaine')} {_name(state, len(own))}" for state, own in held.items())
    keys = "".join(
        f'<div class="{result}"><dt><b>{number(len(own))}</b> '
        f'<span aria-hidden="true">{MARKS[result]}</span> '
        f"{tell('{n:~domaine|domaines}', n=len(own))} {_name(state, len(own))}</dt>"
        f"<dd>{count(int(own['mailboxes'].sum()), 'boîte') if boxes else ''}</dd></div>"
        for result, (state, own) in zip(RESULTS, held.items(), strict=True)
    )
    bar = _bar({r: len(own) for r, own in zip(RESULTS, held.values(), strict=True)}, alt)
    return Html(f'<div class="states">{bar}<dl>{keys}</dl>{_unjudged(domains)}</div>')


def _unjudged(domains: pd.DataFrame) -> str:
    """Say what states are made of, and which checks count in none, known of no domain; "" without states."""
    if (domains["state"] == "unknown").all():  # of an unreliable list: what is checked makes no state
        return ""
    names = CHECK_NAMES[spoken()]
    blind = [names[c] for c in CHECKS if len(domains) and (domains[c] == "unknown").all()]
    told = tell(
        "L'état d'un domaine est le pire de ce qui est vérifié, mais des contacts en défaut n'arrêtent aucun "
        "message : ils le mettent à risque{blind}.",
        blind=tell(" ; {n:~n'y compte|n'y comptent} pas : {names}", n=len(blind), names=listing(blind))
        if blind
        else "",
    )
    return f'<p class="scope">{told}</p>'


def checks(domains: pd.DataFrame, causes: pd.DataFrame) -> Html:
    """Show a line a check: how many domains pass it, what decides most of the others, how many causes.

    Parameters
    ----------
    domains, causes
        As for `answer`. A cause counts for each check that one of its rules decides.
    """
    rules = catalogue()
    lines = []
    for check in CHECKS:
        results = domains[check].value_counts()
        held = {result: int(results.get(result, 0)) for result in RESULTS}
        told = [f"{MARKS[r]}{NBSP}{number(n)} {_name(r, n, _RESULTS)}" for r, n in held.items() if n]
        own = sum(any(rules[code].check == check for code in codes) for codes in causes["rules"])
        lines.append(
            f'<tr><th scope="row">{CHECK_NAMES[spoken()][check]}</th>'
            f"<td>{_bar(held)}<small>{', '.join(told)}</small></td>"
            f"<td>{_reason(domains, check)}</td><td>{count(own, 'cause') if own else ''}</td></tr>"
        )
    columns = ("Vérifié", "Domaines", "D’abord", "Causes")
    heads = "".join(f'<th scope="col">{tr(name)}</th>' for name in columns)
    caption = f"<caption>{tr('Domaines par vérification')}</caption>"
    body = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return Html(f'<table class="checks">{caption}{body}</table>')


def _reason(domains: pd.DataFrame, check: str) -> str:
    """Say what decides most of the domains that are worst in a check, as HTML; "" where all are well."""
    worst = next((r for r in ("fail", "warn", "unknown") if (domains[check] == r).any()), "")
    whys = domains.loc[domains[check] == worst, "why"]
    codes = Counter(code for why in whys for code in why.get(check, ()))
    if not codes:
        return ""
    code, n = codes.most_common(1)[0]
    if code in catalogue():
        return f"{prose(title_of(code))} ({count(n, 'domaine')})"
    words = reason(code)
    if code in mail_causes():
        words += f" ({count(n, 'domaine')})"
    return prose(words[0].upper() + words[1:])


def cause_list(causes: pd.DataFrame, *, name: str = "causes") -> Html:
    """Show the first ten causes: what, who, what to do, how much it weighs; all of them as CSV.

    Parameters
    ----------
    causes
        As `mssante_audit.findings.causes` describes, masked already where they must be.
    name
        Of the CSV file.
    """
    if causes.empty:
        return cause_lines(causes)
    return Html(cause_lines(causes).text + csv_link(causes, causes.head(CAUSES), name))


def cause_lines(causes: pd.DataFrame, title: Shown | None = None, operator: Shown | None = None) -> Html:
    """Show the first ten causes, titles and operators as these functions make them (links, say)."""
    if causes.empty:
        return Html('<p class="none">' + tr("Rien à corriger.") + "</p>")
    title, operator = title or _title, operator or _operator
    lines = [
        f'<li><div><p class="what">{badge(str(cause["severity"]))} {title(cause)}{_others(cause)}</p>'
        f'<p class="who">{_who(cause, operator)}</p>{_observed(cause)}'
        f"<p>{data(cause['remedy'], more='')}</p></div>{_weight(cause)}</li>"
        for cause in causes.head(CAUSES).to_dict("records")
    ]
    return Html(f'<ol class="causes">{"".join(lines)}</ol>')


def _title(cause: Mapping[Any, Any]) -> str:
    return f"<strong>{prose(title_of(cause['rules'][0]))}</strong>"


def _operator(cause: Mapping[Any, Any]) -> str:
    return data(cause["operator"] or cause["operator_id"])


def _others(cause: Mapping[Any, Any]) -> str:
    more = cause["findings"] - 1
    text = "et {n:autre constat|autres constats} de même remède"
    return f" <small>{tell(text, n=more)}</small>" if more else ""


def _who(cause: Mapping[Any, Any], operator: Shown) -> str:
    parts = [operator(cause)] if cause["operator_id"] else []
    others = len(set(cause["operators"]) - {cause["operator_id"]})
    if rule(cause["rules"][0]).manager:
        parts.append(tell("le gestionnaire (ANS), pour {n:opérateur}", n=others))
    else:
        parts += [] if cause["operator_id"] or not cause["domain"] else [tr("opérateur inconnu")]
        parts += [tell("avec {n:autre opérateur|autres opérateurs}", n=others)] if others else []
    more = cause["domains"] - 1
    domain = data(cause["domain"]) + (tell(" et {n:autre}", n=more) if more > 0 else "")
    parts.append(domain if cause["domain"] else tr("toute la liste"))
    if cause["first_seen"]:
        parts.append(tell("depuis le {day}", day=day(parse_instant(cause["first_seen"]))))
    return " – ".join(parts)


def _observed(cause: Mapping[Any, Any]) -> str:
    if not cause["observed"]:
        return ""
    wanted = f" – {tr('attendu :')} {data(cause['expected'], 160, '')}" if cause["expected"] else ""
    return f'<p class="seen">{data(cause["observed"], 160, "")}{wanted}</p>'


def _weight(cause: Mapping[Any, Any]) -> str:
    domains = count(cause["domains"], "domaine")
    if pd.isna(cause["mailboxes"]):
        return f'<p class="weight"><b>{domains}</b></p>'
    return f'<p class="weight"><b>{count(int(cause["mailboxes"]), "boîte")}</b> <small>{domains}</small></p>'


def _name(key: str, value: int, names: Mapping[str, tuple[str, str]] = _STATES) -> str:
    return tr(names[key][value > 1])


def _bar(held: Mapping[str, int], alt: str = "") -> str:
    """Return a bar of the parts that are not empty, each with its number."""
    parts = [(n, result, f"{number(n)} {_name(result, n, _RESULTS)}") for result, n in held.items()]
    told = f' role="group" aria-label="{alt}"' if alt else ""
    return f'<div class="parts drawn"{told}>{figure.track(parts, sum(held.values()) or 1, beside=True)}</div>'

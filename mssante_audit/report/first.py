"""The first screen of overview and site: how many domains are well, what was checked, what comes first.

Each function shows a frame: the domains (`mssante_audit.verdicts.domains`) or the causes
(`mssante_audit.findings.causes`), of which every number here is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import (
    count,
    current_language,
    day,
    format_text,
    gettext,
    listing,
    number,
    percent,
    typeset,
)
from mssante_audit.base.typography import NBSP
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.report import figure
from mssante_audit.report.findings import title_of
from mssante_audit.report.say import lead, say
from mssante_audit.report.tables import Html, badge, csv_link, data, prose
from mssante_audit.space.states import named
from mssante_audit.verdicts.checks import RESULTS, STATES
from mssante_audit.verdicts.words import CHECK_NAMES, DOUBTS, reason

CAUSES = 10
"""Causes that are shown."""

MARKS = dict(zip(RESULTS, "✔!✖?", strict=True))
"""A shape each: nothing is told by colour alone."""

NO_BOXES = "Nombre de boîtes aux lettres inconnu : tout est compté en domaines."
"""Said once, where no mailboxes are known."""

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
        why = listing(
            [DOUBTS[current_language()][code] for code in doubts if code in DOUBTS[current_language()]]
        )
        told = say("**L'état est inconnu pour {n:domaine} sur {n}** : {why}.", n=whole, why=why or "–")
    else:
        told = say(
            "**{well:domaine} sur {all} ({share})** {well:~est|sont} en ordre dans ce qui a été vérifié ; "
            "{risk} à risque, {broken} en défaut{more}.", well=well, all=whole, share=percent(well, whole),
            risk=risk, broken=broken, more=say(", {unknown:inconnu}", unknown=unknown) if unknown else "",
        )  # fmt: skip
    return lead(told, _first(causes))


def _first(causes: pd.DataFrame) -> str:
    """Name the first cause that is known to hold, and what it weighs."""
    if causes.empty:
        return say("Rien à corriger parmi ce qui a pu être vérifié.")
    first = causes.iloc[0]
    if first["doubts"]:
        return say(
            "Rien à corriger de sûr à ce jour ; {n:cause reste|causes restent} à confirmer.", n=len(causes)
        )
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
        f"{format_text('{n:~domaine|domaines}', n=len(own))} {_name(state, len(own))}</dt>"
        f"<dd>{count(int(own['mailboxes'].sum()), 'boîte') if boxes else ''}</dd></div>"
        for result, (state, own) in zip(RESULTS, held.items(), strict=True)
    )
    bar = _bar({r: len(own) for r, own in zip(RESULTS, held.values(), strict=True)}, alt)
    blind = "" if boxes or domains.empty else f'<p class="scope">{gettext(NO_BOXES)}</p>'
    return Html(f'<div class="states">{bar}<dl>{keys}</dl>{blind}{_unjudged(domains)}</div>')


def _unjudged(domains: pd.DataFrame) -> str:
    """Say what states are made of, and which checks count in none, known of no domain; "" without states."""
    if (domains["state"] == "unknown").all():  # of an unreliable list: what is checked makes no state
        return ""
    names = CHECK_NAMES[current_language()]
    blind = [names[c] for c in CHECKS if len(domains) and (domains[c] == "unknown").all()]
    left = format_text(" ; {n:~n'y compte|n'y comptent} pas : {names}", n=len(blind), names=listing(blind))
    told = format_text(
        "L'état d'un domaine est le pire de ce qui est vérifié, mais des contacts en défaut n'arrêtent aucun "
        "message : ils le mettent à risque{blind}.", blind=left if blind else "",
    )  # fmt: skip
    return f'<p class="scope">{told}</p>'


def checks(domains: pd.DataFrame, causes: pd.DataFrame, *, linked: bool = True) -> Html:
    """Show a line a check: domains and mailboxes by result, what decides, a link to its causes.

    Parameters
    ----------
    domains, causes
        As for `answer`. A cause counts for each check that one of its rules decides.
    linked
        Whether `cause_list` stands on the same page, where the links lead.
    """
    boxes = not domains["mailboxes"].isna().any()
    lines = []
    for check in CHECKS:
        held = {result: domains[domains[check] == result] for result in RESULTS}
        told = "".join(_result(result, own, boxes=boxes) for result, own in held.items() if len(own))
        lines.append(
            f'<tr><th scope="row">{CHECK_NAMES[current_language()][check]}</th>'
            f"<td>{_bar({result: len(own) for result, own in held.items()})}<ul>{told}</ul></td>"
            f"<td>{_reason(domains, check)}</td><td>{_to_causes(causes, check, linked=linked)}</td></tr>"
        )
    unit = "Domaines et boîtes aux lettres" if boxes and len(domains) else "Domaines"
    heads = "".join(
        f'<th scope="col">{gettext(name)}</th>' for name in ("Vérifié", unit, "D’abord", "Causes")
    )
    caption = f"<caption>{gettext('Domaines par vérification')}</caption>"
    body = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return Html(f'{_in_doubt(domains)}<table class="checks">{caption}{body}</table>')


def _result(result: str, own: pd.DataFrame, *, boxes: bool) -> str:
    """Return how many domains have a result of a check, and the mailboxes in them, as an item."""
    held = f" <small>{count(int(own['mailboxes'].sum()), 'boîte')}</small>" if boxes else ""
    name = _name(result, len(own), _RESULTS)
    return f'<li class="{result}">{MARKS[result]}{NBSP}<b>{number(len(own))}</b> {name}{held}</li>'


def _to_causes(causes: pd.DataFrame, check: str, *, linked: bool) -> str:
    """Return how many causes a check has, known to hold and not, with a link to them."""
    own = _of(causes, check)
    if own.empty:
        return ""
    sure = int((own["doubts"].map(len) == 0).sum())
    told = [count(sure, "cause")] if sure else []
    told += [format_text("{n} à confirmer", n=len(own) - sure)] if sure < len(own) else []
    text = "<br>".join(told)
    return f'<a href="#causes-{check}">{text}</a>' if linked else text


def _of(causes: pd.DataFrame, check: str) -> pd.DataFrame:
    return causes[[check in own for own in causes["checks"]]]


def _in_doubt(domains: pd.DataFrame) -> str:
    """Say that what is known of a list that is not to be relied on is what it says, and no more; or ""."""
    if domains.empty or (domains[["listed", "state"]] != "unknown").any(axis=None):
        return ""
    text = "La liste est en doute : les autres lignes disent ce qui s’y lit, qui n’est peut-être plus vrai."
    return f'<p class="limits aged">{gettext(text)}</p>'


def _reason(domains: pd.DataFrame, check: str) -> str:
    """Say what decides most of the domains that are at fault in a check, and of those unknown, as HTML."""
    results = domains[check]
    if len(domains) and (results == "ok").all():
        return gettext("Rien à signaler.")
    worst = next((r for r in ("fail", "warn") if (results == r).any()), "")
    return "<br>".join(filter(None, (_most(domains, check, result) for result in (worst, "unknown"))))


def _most(domains: pd.DataFrame, check: str, result: str) -> str:
    """Say what decides most of the domains that have a result of a check; "" where nothing is said."""
    codes = Counter(
        code for why in domains.loc[domains[check] == result, "why"] for code in why.get(check, ())
    )
    if not codes:
        return ""
    code, n = codes.most_common(1)[0]
    words = title_of(code) if code in catalogue() else reason(code)
    return prose(f"{words[0].upper()}{words[1:]} ({count(n, 'domaine')})")


def cause_list(causes: pd.DataFrame) -> Html:
    """Show the first ten causes: what, who, what to do, how much it weighs; all of them as CSV.

    Parameters
    ----------
    causes
        As `mssante_audit.findings.causes` describes, masked already where they must be.
    """
    if causes.empty:
        return cause_lines(causes)
    return Html(cause_lines(causes).text + csv_link(causes, causes.head(CAUSES), "causes") + by_check(causes))


def _title(cause: Mapping[Any, Any]) -> str:
    return f"<strong>{prose(title_of(cause['rules'][0]))}</strong>"


def _operator(cause: Mapping[Any, Any]) -> str:
    return data(cause["operator"] or cause["operator_id"])


def by_check(causes: pd.DataFrame, title: Shown = _title, operator: Shown = _operator) -> str:
    """Return the first ten causes of each check, folded, where the lines of `checks` lead; HTML."""
    parts = []
    for check in CHECKS:
        own = _of(causes, check)
        if own.empty:
            continue
        more = len(own) - CAUSES
        rest = (
            format_text("<p>Et {n:autre}, dans le fichier de toutes les causes.</p>", n=more)
            if more > 0
            else ""
        )
        told = f"{CHECK_NAMES[current_language()][check]}{gettext(' : ')}{count(len(own), 'cause')}"
        lines = cause_lines(own, title, operator, "causes of-check").text
        parts.append(
            f'<details class="folded"><summary>{typeset(told)}</summary>'
            f'<div id="causes-{check}" tabindex="-1">{lines}{rest}</div></details>'
        )
    return f"<h3>{gettext('Causes par vérification')}</h3>{''.join(parts)}" if parts else ""


def cause_lines(
    causes: pd.DataFrame, title: Shown = _title, operator: Shown = _operator, kind: str = "causes"
) -> Html:
    """Show the first ten causes, titles and operators as these functions make them (links, say)."""
    if causes.empty:
        return Html('<p class="none">' + gettext("Rien à corriger.") + "</p>")
    lines, text = "", "et {n:autre constat|autres constats} de même remède"
    for cause in causes.head(CAUSES).to_dict("records"):
        more = cause["findings"] - 1
        others = f" <small>{format_text(text, n=more)}</small>" if more else ""
        wanted = f" – {gettext('attendu :')} {data(cause['expected'], 160, '')}" if cause["expected"] else ""
        seen = f'<p class="seen">{data(cause["observed"], 160, "")}{wanted}</p>' if cause["observed"] else ""
        domains = count(cause["domains"], "domaine")
        weight = f"<b>{domains}</b>"
        if not pd.isna(cause["mailboxes"]):
            weight = f"<b>{count(int(cause['mailboxes']), 'boîte')}</b> <small>{domains}</small>"
        lines += (
            f'<li><div><p class="what">{badge(str(cause["severity"]))} {title(cause)}{others}</p>'
            f'<p class="who">{_who(cause, operator)}</p>{seen}{_doubt(cause)}'
            f'<p>{data(cause["remedy"], more="")}</p></div><p class="weight">{weight}</p></li>'
        )
    return Html(f'<ol class="{kind}">{lines}</ol>')


def _who(cause: Mapping[Any, Any], operator: Shown) -> str:
    parts = [operator(cause)] if cause["operator_id"] else []
    others = len(set(cause["operators"]) - {cause["operator_id"]})
    if rule(cause["rules"][0]).manager:
        parts.append(format_text("le gestionnaire (ANS), pour {n:opérateur}", n=others))
    else:
        parts += [] if cause["operator_id"] or not cause["domain"] else [gettext("opérateur inconnu")]
        parts += [format_text("avec {n:autre opérateur|autres opérateurs}", n=others)] if others else []
    more = cause["domains"] - 1
    domain = data(cause["domain"]) + (format_text(" et {n:autre}", n=more) if more > 0 else "")
    parts.append(domain if cause["domain"] else gettext("toute la liste"))
    if cause["first_seen"]:
        parts.append(format_text("depuis le {day}", day=day(parse_instant(cause["first_seen"]))))
    return " – ".join(parts)


def _doubt(cause: Mapping[Any, Any]) -> str:
    """Say that a cause is not known to hold today, and on what it rests, of what age."""
    if not cause["doubts"]:
        return ""
    words, days = [named(one) for one in cause["doubts"]], cause["age_days"]
    told = format_text(
        "À confirmer ; {n:~source|sources} en doute : {what}{age}.", n=len(words), what=listing(words),
        age="" if pd.isna(days) else format_text(" ({n:jour})", n=int(days)),
    )  # fmt: skip
    return f'<p class="doubt"><span aria-hidden="true">{MARKS["unknown"]}</span> {told}</p>'


def _name(key: str, value: int, names: Mapping[str, tuple[str, str]] = _STATES) -> str:
    return gettext(names[key][value > 1])


def _bar(held: Mapping[str, int], alt: str = "") -> str:
    """Return a bar of the parts that are not empty, each with its number."""
    parts = [(n, result, f"{number(n)} {_name(result, n, _RESULTS)}") for result, n in held.items()]
    told = f' role="group" aria-label="{alt}"' if alt else ""
    return f'<div class="parts drawn"{told}>{figure.track(parts, sum(held.values()) or 1, beside=True)}</div>'

"""The charts of an operator's dossier: domains by certificate, findings against peers, domains over time."""

from __future__ import annotations

from mssante_audit.base.french import SEVERITY_NAMES, count, day, number, percent, typeset
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.report.plots import BLUE, GREY, LIGHT, Bar, Chart, bars_alt, draw_bars

CERTIFICATES = 10
"""Certificates drawn one by one; the others are put together."""


def domains_by_certificate(told: Dossier) -> Chart:
    """Draw how many domains hang on each certificate name."""
    held, whole = told.certificates, len(told.domains)
    bars = [
        Bar(str(cn), ((int(n), BLUE),), f"{number(int(n))} ({percent(int(n), whole)})")
        for cn, n in held[["cn", "domains"]].head(CERTIFICATES).itertuples(index=False, name=None)
    ]
    rest = held["cn"].iloc[CERTIFICATES:]
    if len(rest):
        entries = told.entries
        under = entries["cn"].where(entries["cn"] != "", entries["dn"])
        n = int(entries.loc[under.isin(rest), "domain"].nunique())
        bars.append(
            Bar(f"les {count(len(rest), 'autre')}", ((n, GREY),), f"{number(n)} ({percent(n, whole)})")
        )
    reading = "Aucun certificat."
    if bars:
        first, n = bars[0].label, int(held["domains"].iloc[0])
        verb = "tombe" if n < 2 else "tombent"
        reading = f"Si le certificat {first} expire, {count(n, 'domaine')} sur {number(whole)} {verb}."
    return Chart(draw_bars(bars), bars_alt("Barres : vos domaines par nom de certificat.", bars), reading)


def findings_against_peers(told: Dossier) -> Chart:
    """Draw the operator's findings by severity beside the median of the operators of its size."""
    counts, peers = told.findings["severity"].value_counts(), told.peers
    bars = []
    for severity, (_, plural) in SEVERITY_NAMES.items():
        own = int(counts.get(severity, 0))
        median = peers.medians[severity] if peers.medians else 0.0
        if not own and not median:
            continue
        # Lengths in halves: a median of whole numbers is one of halves.
        bars.append(Bar(f"{plural.capitalize()} : vous", ((2 * own, severity),), number(own)))
        if peers.medians:
            bars.append(Bar(f"{plural.capitalize()} : médiane", ((round(2 * median), LIGHT),), _half(median)))
    what = "Barres : vos constats par gravité, et la médiane des opérateurs de votre taille."
    return Chart(draw_bars(bars), bars_alt(what, bars), typeset(_peers_reading(told)))


def _peers_reading(told: Dossier) -> str:
    peers, own = told.peers, len(told.todo)
    size = f"{peers.low} domaines et plus" if peers.high is None else f"{peers.low} à {peers.high} domaines"
    size = count(1, "domaine") if peers.low == peers.high else size
    if not peers.number:
        return (
            f"{count(own, 'constat')} hors informations ; trop peu d'opérateurs ont votre taille ({size}) "
            "pour vous comparer à eux sans les laisser deviner."
        )
    return (
        f"{count(own, 'constat')} hors informations, contre {_half(peers.whole[1])} en médiane pour les "
        f"{number(peers.number)} autres opérateurs de votre taille ({size}), dont la moitié centrale en a de "
        f"{_half(peers.whole[0])} à {_half(peers.whole[2])} ; {percent(peers.more, peers.number)} en ont "
        "plus que vous."
    )


def _half(value: float) -> str:
    return number(int(value)) if value == int(value) else f"{value:.1f}".replace(".", ",")


def domains_over_time(told: Dossier) -> Chart:
    """Draw how many domains the operator held in the lists of the archive."""
    what = "Barres : vos domaines dans les listes archivées."
    bars = [Bar(f"liste du {day(time)}", ((n, LIGHT),), count(n, "domaine")) for time, n in told.held]
    if bars:
        bars[-1] = Bar(bars[-1].label, ((told.held[-1][1], BLUE),), bars[-1].text)
    reading = "Aucune liste archivée : l’évolution n’est pas connue."
    if len(bars) == 1:
        reading = f"Une seule liste archivée : {bars[0].text}, rien à quoi comparer."
    elif bars:
        change = told.held[-1][1] - told.held[0][1]
        more = f"{number(abs(change))} de {'plus' if change > 0 else 'moins'} que" if change else "autant que"
        reading = f"{bars[-1].text} dans la dernière liste archivée, {more} le {day(told.held[0][0])}."
    return Chart(draw_bars(bars), bars_alt(what, bars), typeset(reading))

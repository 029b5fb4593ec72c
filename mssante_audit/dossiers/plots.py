"""The charts of an operator's dossier: domains by certificate, findings against peers, domains over time."""

from __future__ import annotations

import pandas as pd

from mssante_audit.base.french import SEVERITY_NAMES, count, day, number, one_decimal, percent, typeset
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.report.charts import Chart, bars
from mssante_audit.whitelist.rows import alone

CERTIFICATES = 10
"""Certificates drawn one by one; the others are put together."""


def domains_by_certificate(told: Dossier) -> Chart:
    """Draw how many domains hang on each certificate name."""
    held, whole = told.certificates.set_index("cn")["domains"].astype(int), len(told.domains)
    drawn, rest = held.head(CERTIFICATES), held.index[CERTIFICATES:]
    styles = ["strong"] * len(drawn)
    if len(rest):
        entries = told.entries
        under = entries["cn"].where(entries["cn"] != "", entries["dn"])
        n = int(entries.loc[under.isin(rest), "domain"].nunique())
        drawn = pd.concat([drawn, pd.Series([n], index=[f"les {count(len(rest), 'autre')}"])])
        styles.append("grey")
    caption = "Aucun certificat."
    if len(drawn):
        only = alone(told.space.audited)
        own = only[only["domain"].isin(told.domains["domain"])]
        n = int(own.loc[own["cn"] == drawn.index[0], "domain"].nunique())
        verb = "tombe" if n < 2 else "tombent"
        caption = (
            f"Si le certificat {drawn.index[0]} expire, {count(n, 'domaine')} sur {number(whole)} {verb}, "
            "faute d'un autre."
        )
    title = "Vos domaines par nom de certificat"
    return bars(drawn, title=title, caption=caption, whole=whole, styles=styles)


def findings_against_peers(told: Dossier) -> Chart:
    """Draw the operator's findings by severity beside the median of the operators of its size."""
    counts, medians = told.findings["severity"].value_counts(), told.peers.medians
    numbers: dict[str, float] = {}
    styles = []
    for severity, (_, plural) in SEVERITY_NAMES.items():
        own = int(counts.get(severity, 0))
        if not own and not (medians and medians[severity]):
            continue
        numbers[f"{plural.capitalize()} : vous"] = own
        styles.append(severity)
        if medians:
            numbers[f"{plural.capitalize()} : médiane"] = medians[severity]
            styles.append("light")
    title = "Vos constats par gravité, et la médiane des opérateurs de votre taille"
    drawn = pd.Series(numbers, dtype=float)
    return bars(drawn, title=title, caption=typeset(_peers_caption(told)), styles=styles)


def _peers_caption(told: Dossier) -> str:
    peers, own = told.peers, len(told.todo)
    size = f"{peers.low} domaines et plus" if peers.high is None else f"{peers.low} à {peers.high} domaines"
    size = count(1, "domaine") if peers.low == peers.high else size
    if not peers.number:
        return (
            f"{count(own, 'constat')} hors informations ; trop peu d'opérateurs ont votre taille ({size}) "
            "pour vous comparer à eux sans les laisser deviner."
        )
    low, middle, high = map(one_decimal, peers.whole)
    return (
        f"{count(own, 'constat')} hors informations, contre {middle} en médiane pour les "
        f"{number(peers.number)} autres opérateurs de votre taille ({size}), dont la moitié centrale en a de "
        f"{low} à {high} ; {percent(peers.more, peers.number)} en ont plus que vous."
    )


def domains_over_time(told: Dossier) -> Chart:
    """Draw how many domains the operator held in the lists of the archive."""
    drawn = pd.Series(
        [n for _, n in told.held], index=[f"liste du {day(t)}" for t, _ in told.held], dtype=int
    )
    texts = [count(int(n), "domaine") for n in drawn]
    caption = "Aucune liste archivée : l’évolution n’est pas connue."
    if len(drawn) == 1:
        caption = f"Une seule liste archivée : {texts[0]}, rien à quoi comparer."
    elif len(drawn):
        change = int(drawn.iloc[-1] - drawn.iloc[0])
        more = f"{number(abs(change))} de {'plus' if change > 0 else 'moins'} que" if change else "autant que"
        caption = f"{texts[-1]} dans la dernière liste archivée, {more} le {day(told.held[0][0])}."
    return bars(
        drawn,
        title="Vos domaines dans les listes archivées",
        caption=typeset(caption),
        texts=texts,
        styles=["light" if i else "strong" for i in reversed(range(len(drawn)))],
    )

"""What the report on the DNS says: methods in use and declared, concentrations, what was not observed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from mssante_audit.audits import audit
from mssante_audit.audits.delegation_vs_redirection.method import METHOD_NAMES
from mssante_audit.audits.delegation_vs_redirection.observed import seen_of
from mssante_audit.base.french import count, moment, number, typeset
from mssante_audit.observe.methods import METHODS
from mssante_audit.report.charts import Chart, bars
from mssante_audit.report.findings import TO_DO
from mssante_audit.report.names import DECLARED as DECLARED_NAMES
from mssante_audit.report.narrative import answer
from mssante_audit.report.plots import shares
from mssante_audit.report.tables import Cell, Html, csv_link, data, prose, table
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.methods import method_records

NO_OBSERVATION = f"Le DNS n'a pas été observé : rien n'est vérifié ici. {TO_DO['observation']}"
SIZES = ((1, 1), (2, 9), (10, 49), (50, None))
"""Operators by how many domains they hold."""
_STYLES = {"delegated": "strong", "within-delegated": "light", "redirected": "gold"}


def dns_records(space: TrustSpace, operator_id: str | None = None) -> pd.DataFrame:
    """Return `method_records` with `operator_id` and `operator` of each domain's first row."""
    owners = space.audited.drop_duplicates("domain")[["domain", "operator_id", "operator"]]
    frame = method_records(space).merge(owners, on="domain", how="left")
    return frame if operator_id is None else frame[frame["operator_id"] == operator_id].reset_index(drop=True)


def dns_findings(space: TrustSpace) -> pd.DataFrame:
    """Return the findings of the audit ``delegation_vs_redirection``."""
    return audit("delegation_vs_redirection", space)


def dns_answer(space: TrustSpace, entries: pd.DataFrame, findings: pd.DataFrame) -> Html:
    """Return the first screen: the answer, key figures, and when and how completely the DNS was observed.

    Parameters
    ----------
    space
        The trust space.
    entries
        The rows the report is about.
    findings
        The audit's findings on these rows.
    """
    observation = space.observation
    if observation is None:
        return Html(f'<div class="answer"><p class="lead">{typeset(NO_OBSERVATION)}</p></div>')
    how = "menée à son terme" if observation.complete else "interrompue : une partie n'a pas été observée"
    told = (
        f"DNS observé à partir du {moment(observation.started_at)}, observation {how} "
        f"({count(len(observation.queries), 'question')})."
    )
    if len(observation.problems):
        told += (
            f" {count(len(observation.problems), 'ligne illisible', 'lignes illisibles')} dans le fichier."
        )
    if not observation.ipv6:
        told += " Les serveurs n'ont pas été interrogés en IPv6."
    return Html(f'{answer(space, entries, findings).text}<p class="scope">{typeset(told)}</p>')


def methods_in_use(records: pd.DataFrame) -> Chart:
    """Draw how many domains are served by each method.

    Parameters
    ----------
    records
        What `dns_records` returns.
    """
    counts, whole = Counter(records["method"]), len(records)
    used = [m for m in METHODS if counts[m]]
    drawn = pd.Series([counts[m] for m in used], index=[METHOD_NAMES[m] for m in used], dtype=int)
    seen = whole - counts["unknown"]
    delegated = counts["delegated"] + counts["within-delegated"]
    caption = "Aucun domaine observé."
    if seen:
        first, second = shares((delegated, counts["redirected"]), seen)
        observed = count(seen, "domaine observé", "domaines observés")
        caption = f"{first} des {observed} sont délégués, {second} redirigés."
    return bars(
        drawn,
        title="Domaines par méthode en service",
        caption=typeset(caption),
        texts=shares(drawn, whole),
        styles=[_STYLES.get(m, "grey") for m in used],
    )


def declared_against_use(records: pd.DataFrame) -> Html:
    """Return the table that crosses declared methods with those in use."""
    return _cross("methods-declared", "Domaines : déclaré (lignes), en service (colonnes)", "Déclaré", {
        name: records[records["declared"] == kind] for kind, name in DECLARED_NAMES.items()
    })  # fmt: skip


def methods_by_size(records: pd.DataFrame) -> Html:
    """Return the table of methods by size of operator, in domains."""
    sizes = records["operator_id"].map(records["operator_id"].value_counts())
    groups = {}
    for low, high in SIZES:
        name = f"{low} et plus" if high is None else f"{low} à {high}" if high > low else f"{low}"
        groups[name] = records[(sizes >= low) & (sizes <= (high or float("inf")))]
    return _cross("methods-size", "Domaines par taille d’opérateur", "Domaines de l’opérateur", groups)


def _cross(name: str, caption: str, head: str, groups: Mapping[str, pd.DataFrame]) -> Html:
    used = [m for m in METHODS if any((frame["method"] == m).any() for frame in groups.values())]
    rows = []
    for label, frame in groups.items():
        if len(frame):
            counts = Counter(frame["method"])
            numbers = (Cell(number(counts[m]), counts[m]) for m in used)
            rows.append((Cell(prose(label)), *numbers, Cell(number(len(frame)), len(frame))))
    if not rows:
        return Html('<p class="none">Aucun domaine.</p>')
    return Html(table(name, caption, (head, *(METHOD_NAMES[m] for m in used), "total"), rows))


def methods_by_operator(records: pd.DataFrame, top: int = 15) -> Chart:
    """Draw the methods in use at the `top` operators that hold most domains."""
    first = records["operator_id"].value_counts().index[:top]
    used = [m for m in METHODS if (records["method"] == m).any()]
    counted = pd.crosstab(records["operator_id"], records["method"]).reindex(first)
    names = records.drop_duplicates("operator_id").set_index("operator_id")["operator"]
    labels = {key: names[key] or key or "sans identifiant lisible" for key in first}
    drawn = counted.reindex(columns=used).rename(index=labels, columns=METHOD_NAMES)
    mixed = int((drawn > 0).sum(axis=1).gt(1).sum())
    verb = "emploie" if mixed < 2 else "emploient"
    return bars(
        drawn,
        title="Domaines par opérateur et par méthode",
        caption=typeset(f"{count(mixed, 'opérateur')} sur {number(len(drawn))} {verb} plusieurs méthodes."),
        styles=[_STYLES.get(m, "grey") for m in used],
    )


def name_server_concentration(space: TrustSpace, records: pd.DataFrame, top: int = 12) -> Chart:
    """Draw how many domains depend on each name server: the `top` first."""
    if space.observation is None:
        return _concentration({}, 0, "serveur de noms", top)
    seen = seen_of(space)
    held: dict[str, set[str]] = {}
    for zone, domains in seen.zones.items():
        for name in seen.view.zone(zone).names:
            held.setdefault(name, set()).update(domains)
    return _concentration(held, _kept(held, records), "serveur de noms", top)


def mail_concentration(space: TrustSpace, records: pd.DataFrame, top: int = 12) -> Chart:
    """Draw how many domains depend on each mail host: the `top` first."""
    if space.observation is None:
        return _concentration({}, 0, "serveur de messagerie", top)
    held: dict[str, set[str]] = {}
    for domain, method in seen_of(space).methods.items():
        for one in method.path.said.get("MX", {}).values():
            for answered in one.answers:
                held.setdefault(answered.rpartition(" ")[2], set()).add(domain)
    return _concentration(held, _kept(held, records), "serveur de messagerie", top)


def _kept(held: dict[str, set[str]], records: pd.DataFrame) -> int:
    """Leave only the report's domains in `held`; return how many there are."""
    own = set(records["domain"])
    for domains in held.values():
        domains &= own
    return len(own)


def _concentration(held: Mapping[str, Iterable[str]], whole: int, what: str, top: int) -> Chart:
    sizes = sorted(((len(set(domains)), name) for name, domains in held.items()), key=lambda s: (-s[0], s[1]))
    first = [(size, name) for size, name in sizes[:top] if size]
    drawn = pd.Series([size for size, _ in first], index=[name for _, name in first], dtype=int)
    texts = shares(drawn, whole)
    caption = f"Aucun {what} observé."
    if first:
        caption = (
            f"Le premier {what}, {first[0][1]}, porte {texts[0]} des domaines ; s'il tombe, ils en souffrent."
        )
    return bars(drawn, title=f"Domaines par {what}", caption=typeset(caption), texts=texts)


def unobserved_table(records: pd.DataFrame, *, limit: int) -> Html:
    """Return the domains whose method could not be observed, with why, and all domains as CSV."""
    unknown = records[records["method"] == "unknown"]
    shown = unknown.head(limit)
    rows = [
        (Cell(data(r["domain"])), Cell(data(r["operator"])), Cell(data(r["why"])))
        for r in shown.to_dict("records")
    ]
    link = csv_link(records, records, "methods")
    if not rows:
        return Html(f'<p class="none">Tous les domaines ont été observés.</p>{link}')
    caption = f"{count(len(unknown), 'domaine')} dont la méthode n’a pu être observée"
    return Html(table("unobserved", caption, ("Domaine", "Opérateur", "Pourquoi"), rows, link))

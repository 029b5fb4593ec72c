"""The charts of the reports: what they count, and the sentence that reads the numbers drawn."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import datetime
from itertools import pairwise

import pandas as pd

from mssante_audit.base.french import (
    NBSP,
    SEVERITY_NAMES,
    count,
    listing,
    number,
    percent,
    typeset,
)
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.registry import audits, catalogue, rule
from mssante_audit.report.charts import Chart, bars, tile_places, tiles
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.whitelist.rows import alone


def shares(values: Iterable[int], whole: int) -> list[str]:
    """Return each number with its part of the whole, as stands beside bars."""
    return [f"{number(n)} ({percent(n, whole)})" for n in values]


def operator_share(entries: pd.DataFrame, top: int = 15) -> Chart:
    """Draw how many domains each operator holds: the `top` first, and the rest together.

    Parameters
    ----------
    entries
        Rows of the white list. A domain that several operators hold counts for each of them.
    top
        How many operators to name.
    """
    held = _domains_by(entries, "operator_id")
    whole = entries["domain"].nunique()
    drawn = held.head(top).rename(_names(entries))
    styles = ["strong"] * len(drawn)
    if len(held) > top:
        others = f"les {count(len(held) - top, 'autre opérateur', 'autres opérateurs')}"
        rest = pd.Series([_domains_of(entries, held.index[top:])], index=[others])
        drawn = pd.concat([drawn, rest])
        styles.append("grey")
    texts = shares(drawn, whole)
    caption = "Aucun domaine à répartir."
    if len(held):
        first = min(3, len(held))
        part = percent(_domains_of(entries, held.index[:first]), whole)
        who = f"Les {first} premiers opérateurs portent" if first > 1 else "Un seul opérateur porte"
        caption = (
            f"{who} {part} des {count(whole, 'domaine')} ; le premier, {drawn.index[0]}, en porte {texts[0]}."
        )
    return bars(drawn, title="Nombre de domaines par opérateur", caption=caption, texts=texts, styles=styles)


def departments(entries: pd.DataFrame) -> Chart:
    """Draw how many domains each département has.

    Parameters
    ----------
    entries
        Rows of the white list. A domain listed with several départements counts in each; domains none of
        whose rows names a known one are counted apart.
    """
    located = entries[entries["department"] != ""]
    held = _domains_by(located, "department")
    empty = [code for code in tile_places() if code not in held.index]
    without = count(len(empty), "département") + " sans aucun domaine"
    if 0 < len(empty) <= 8:
        without += f" ({listing(empty)})"
    unknown = entries["domain"].nunique() - located["domain"].nunique()
    first = ", ".join(f"{DEPARTMENTS[str(c)]} ({c}) : {number(n)}" for c, n in held.head(3).items())
    caption = (
        f"En tête : {first or 'aucun'} ; {without} ; {count(unknown, 'domaine')} sans département connu."
    )
    return tiles(held, title="Domaines par département", caption=caption)


def age_bands(entries: pd.DataFrame, as_of: datetime, stale_after_days: int) -> Chart:
    """Draw how old the rows say they are: rows by age of `updated_at`, in bands.

    The threshold is one of the bands' limits; rows past it are drawn darker. Rows without a readable date and
    rows dated after `as_of` have bars of their own.

    Parameters
    ----------
    entries
        Rows of the white list.
    as_of
        The instant against which ages are counted (UTC).
    stale_after_days
        Age in days from which a row counts as old.
    """
    age = (pd.Timestamp(as_of) - entries["updated_at"]).dt.total_seconds() / 86400
    limits = sorted({91, 183, 365, 730, 1461, stale_after_days} - {0})
    spans = [(0, limits[0]), *pairwise(limits), (limits[-1], None)]
    bands = [
        (_span(low, high), (age >= low) & (age < (high or float("inf"))),
         "strong" if low >= stale_after_days else "light")
        for low, high in spans
    ]  # fmt: skip
    bands += [
        (name, found, "grey")
        for name, found in (
            ("date postérieure à la situation", age < 0),
            ("date illisible ou absente", age.isna()),
        )
        if found.any()
    ]
    drawn = pd.Series([int(found.sum()) for _, found, _ in bands], index=[name for name, *_ in bands])
    old = int((age >= stale_after_days).sum())
    caption = (
        f"{count(old, 'ligne')} sur {number(len(age))} ({percent(old, len(age))}) "
        f"{'porte' if old < 2 else 'portent'} une date de plus de {duration(stale_after_days)}."
    )
    return bars(
        drawn,
        title="Lignes par âge de DateMAJ",
        caption=caption,
        texts=shares(drawn, len(age)),
        styles=[style for *_, style in bands],
    )


def duration(days: int) -> str:
    """Write a length of time, in years or months where it is a round number of them.

    >>> [duration(d).replace(NBSP, "_") for d in (1, 91, 183, 365, 730, 1461, 400)]
    ['1_jour', '3_mois', '6_mois', '1_an', '2_ans', '4_ans', '400_jours']
    """
    months = {91: 3, 92: 3, 182: 6, 183: 6}
    if days in months:
        return f"{months[days]}{NBSP}mois"
    years = round(days / 365.25)
    if years and abs(days - 365 * years) <= years // 4:
        return count(years, "an")
    return count(days, "jour")


def findings_by_family(findings: pd.DataFrame) -> Chart:
    """Draw the number of findings of each family of rules, by severity."""
    order = {name: place for place, name in enumerate([*audits(), ""])}  # last, what is of no audit
    rules = sorted(catalogue().values(), key=lambda r: order[r.audit])
    counted = severities_by(findings, findings["rule"].map(lambda code: rule(code).family))
    drawn = counted.loc[[f for f in dict.fromkeys(r.family for r in rules) if f in counted.index]]
    return _stacked(
        drawn.rename(index=typeset), "Constats par famille de règles et par gravité", "La famille"
    )


def findings_by_rule(findings: pd.DataFrame, top: int = 20) -> Chart:
    """Draw the number of findings of the rules that fired: worst first, then most, `top` of them."""
    counted = severities_by(findings, findings["rule"])
    sizes = counted.sum(axis=1)
    fired = [rule(str(code)) for code in counted.index]
    fired.sort(key=lambda r: (-SEVERITIES.index(r.severity), -sizes[r.code]))
    drawn = counted.loc[[r.code for r in fired[:top]]]
    return _stacked(
        drawn.rename(index={r.code: typeset(r.title_fr) for r in fired}), "Constats par règle", "La règle"
    )


def findings_by_operator(findings: pd.DataFrame, top: int = 15) -> Chart:
    """Draw the number of findings of the `top` operators that have most, by severity."""
    named = findings[findings["operator_id"] != ""]
    counted = severities_by(named, named["operator_id"])
    first = counted.sum(axis=1).sort_values(ascending=False, kind="stable").index[:top]
    drawn = counted.loc[first].rename(index=_names(named))
    return _stacked(drawn, "Constats par opérateur et par gravité", "L’opérateur")


def severities_by(findings: pd.DataFrame, key: pd.Series) -> pd.DataFrame:
    """Return the number of findings of each value of `key` (rows) by severity (columns), the worst first."""
    counted = pd.crosstab(key.astype(object), findings["severity"].astype(object))
    return counted.reindex(columns=list(SEVERITY_NAMES), fill_value=0)


def _stacked(drawn: pd.DataFrame, title: str, subject: str) -> Chart:
    if drawn.empty:
        return bars(drawn, title=title, caption="Aucun constat.")
    sizes, grave = drawn.sum(axis=1).tolist(), (drawn["critical"] + drawn["error"]).tolist()
    caption = (
        f"{subject} qui compte le plus de constats est « {_first(drawn, sizes)} » : {number(max(sizes))} sur "
        f"{number(sum(sizes))}."
    )
    if max(grave):
        caption += (
            f" Erreurs et défauts critiques : « {_first(drawn, grave)} » en compte le plus, "
            f"{number(max(grave))} sur {number(sum(grave))}."
        )
    return bars(drawn, title=title, caption=caption)


def _first(drawn: pd.DataFrame, numbers: list[int]) -> Hashable:
    first: Hashable = drawn.index[numbers.index(max(numbers))]
    return first


def concentration(entries: pd.DataFrame, minimum: int, top: int = 12) -> Chart:
    """Draw how many domains hang on each certificate name (CN) and on no other: the `top` first.

    Parameters
    ----------
    entries
        Rows of the white list.
    minimum
        From how many domains on a name counts as a concentration: these are drawn darker.
    top
        How many names to draw.
    """
    named = alone(entries)
    named = named[named["cn"] != ""]
    held = _domains_by(named, "cn")
    whole = entries["domain"].nunique()
    many = held[held >= minimum]
    caption = f"Aucun nom de certificat ne porte {count(minimum, 'domaine')} ou plus."
    if len(many):
        touched = named.loc[named["cn"].isin(many.index), "domain"].nunique()
        caption = (
            f"{count(len(many), 'nom')} de certificat {'porte' if len(many) == 1 else 'portent chacun'} "
            f"{count(minimum, 'domaine')} ou plus sans autre certificat, "
            f"{percent(touched, whole)} des domaines à {'lui seul' if len(many) == 1 else 'eux tous'} ; "
            "si le premier expire, "
            f"{count(int(held.iloc[0]), 'domaine')} {'tombe' if held.iloc[0] < 2 else 'tombent'}."
        )
    drawn = held.head(top)
    return bars(
        drawn,
        title="Domaines sans autre certificat, par nom (CN)",
        caption=caption,
        texts=shares(drawn, whole),
        styles=["strong" if n >= minimum else "light" for n in drawn],
    )


def _domains_by(entries: pd.DataFrame, column: str) -> pd.Series:
    """Return the number of domains of each value of a column, most first."""
    return entries.groupby(column)["domain"].nunique().sort_values(ascending=False, kind="stable")


def _names(frame: pd.DataFrame) -> dict[str, str]:
    first = frame.drop_duplicates("operator_id")
    pairs = zip(first["operator_id"], first["operator"], strict=True)
    return {key: (name or key) if key else "sans identifiant lisible" for key, name in pairs}


def _domains_of(entries: pd.DataFrame, operators: pd.Index) -> int:
    return int(entries.loc[entries["operator_id"].isin(operators), "domain"].nunique())


def _span(low: int, high: int | None) -> str:
    if not low:
        return f"moins de {duration(high or 0)}"
    return f"de {duration(low)} à {duration(high)}" if high else f"{duration(low)} et plus"

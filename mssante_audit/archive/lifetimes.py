"""How long things last, where only the days on which somebody looked bound each end (Kaplan-Meier)."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from mssante_audit.archive.store import Archive
from mssante_audit.values.contacts import parse_contact
from mssante_audit.whitelist.load import is_audit_domain

CONFIDENCE = 1.96  # standard deviations of an interval of 95 %


def survival(
    low: Sequence[float], high: Sequence[float], ended: Sequence[bool], entry: Sequence[float] | None = None
) -> pd.DataFrame:
    """Estimate which share still lasts after so many days.

    Each end lies between two looks, so the share is estimated twice: as if every end came with the last look
    before it, and as if every end came with the look that shows it. The interval spans both.

    `low` and `high` are for each thing the days after which it was last seen, and first seen to be gone;
    `high` counts only where it `ended`; what did not is followed up to `low` (censored). `entry` are the days
    after which each was followed (delayed entry); from the beginning if not given.

    Returns
    -------
    DataFrame
        One row a day on which anything ended or was last seen, in order: ``day`` (float64), ``at_risk``
        (int64, followed and not known to be gone), ``ended`` (int64, known to be gone by then), ``early`` and
        ``late`` (float64, the lower and the higher of the two shares), ``low`` and ``high`` (float64, bounds
        at 95 %, Greenwood's variance on the log-log scale).

    Examples
    --------
    >>> shares = survival([10, 20, 30, 30], [20, 30, 0, 0], [True, True, False, False])
    >>> shares[["day", "at_risk", "early", "late"]].values.tolist()
    [[10.0, 4.0, 0.75, 1.0], [20.0, 4.0, 0.5, 0.75], [30.0, 3.0, 0.5, 0.5]]
    """
    has_ended = np.asarray(ended, bool)
    first = np.asarray(low, float)
    last = np.where(has_ended, np.asarray(high, float), first)
    since = np.full(len(first), -np.inf) if entry is None else np.asarray(entry, float)
    days = np.unique(np.concatenate([first, last]))
    curves = (_curve(lasted, has_ended, days, since) for lasted in (first, last))
    (first_share, first_bounds, _, _), (last_share, last_bounds, at_risk, deaths) = curves
    return pd.DataFrame({
        "day": days,
        "at_risk": at_risk,
        "ended": deaths.cumsum(),
        "early": np.minimum(first_share, last_share),
        "late": np.maximum(first_share, last_share),
        "low": np.minimum(first_bounds[0], last_bounds[0]),
        "high": np.maximum(first_bounds[1], last_bounds[1]),
    })  # fmt: skip


def _curve(
    lasted: np.ndarray, has_ended: np.ndarray, days: np.ndarray, since: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return the share on each day, its bounds, and how many were followed and ended on it."""
    since = np.minimum(since, lasted - 1e-9)  # what is gone on the day on which it was first followed counts
    at_risk = np.searchsorted(np.sort(since), days) - np.searchsorted(np.sort(lasted), days)
    end_days = np.sort(lasted[has_ended])
    deaths = np.searchsorted(end_days, days, "right") - np.searchsorted(end_days, days)
    share = np.cumprod(1 - deaths / np.maximum(at_risk, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(deaths > 0, deaths / (at_risk * (at_risk - deaths)), 0.0)  # nobody may be at risk
        spread = np.sqrt(np.cumsum(terms)) / np.log(share)
        bounds = np.array([share ** np.exp(sign * CONFIDENCE * spread) for sign in (-1, 1)])
    exact = np.array([0.025 ** (1 / np.maximum(at_risk, 1)), 1 - 0.025 ** (1 / np.maximum(at_risk, 1))])
    bounds = np.where(share == 1, [exact[0], np.ones(len(days))], bounds)  # nothing has ended yet
    return share, np.where(share == 0, [np.zeros(len(days)), exact[1]], bounds), at_risk, deaths


def contact_spells(archive: Archive, as_of: datetime) -> pd.DataFrame:
    """Return how long each contact stood for each domain, as the archive's lists bound it.

    A contact is what can be called or written to: the same numbers and addresses, however they are written.
    It counts from the first list that has it. It ended if the domain is listed later without it; a domain
    that leaves the list ends nothing. Test entries and empty contacts are left out.

    The frame has a row a domain and contact: ``domain``, ``kind`` (``project`` or ``support``; str), ``low``,
    ``high`` (float64, days) and ``ended`` (bool), as `survival` takes them; ``high`` is NaN where it did not
    end. No contact is in it. A list of the archive that cannot be read is an `InputError`.
    """
    times = pd.DatetimeIndex([snapshot.generated_at for snapshot in archive.until(as_of)])
    rows = archive.history[archive.history["first_seen"].isin(times)]
    rows = rows[~rows["domain"].map(is_audit_domain)].assign(
        last_seen=lambda frame: frame["last_seen"].where(frame["last_seen"].isin(times), times.max())
    )
    until = rows.groupby("domain")["last_seen"].max()
    spells = []
    for kind in ("project", "support"):
        reached = {t: parse_contact(t).coordinates for t in rows[f"{kind}_contact"].unique()}
        keys = {text: " ".join(sorted(set().union(*parts))) or text for text, parts in reached.items()}
        named = rows.assign(contact=rows[f"{kind}_contact"].map(keys), kind=kind)
        groups = named[named["contact"].str.strip() != ""].groupby(["domain", "kind", "contact"])
        spell = groups.agg(first=("first_seen", "min"), last=("last_seen", "max")).reset_index()
        spell["ended"] = spell["last"] < spell["domain"].map(until)
        after = np.minimum(times.searchsorted(spell["last"], "right"), len(times) - 1)
        seen_gone = pd.Series(times[after], index=spell.index).where(spell["ended"])
        for name, end in (("low", spell["last"]), ("high", seen_gone)):
            spell[name] = (end - spell["first"]).dt.total_seconds() / 86400
        spells.append(spell[["domain", "kind", "low", "high", "ended"]])
    return pd.concat(spells, ignore_index=True)


def shares_after(shares: pd.DataFrame, days: Sequence[float], least: int = 20) -> pd.DataFrame:
    """Read `survival` on some days: a row a day (the index), unknown where too few were followed that long.

    It has ``at_risk`` (int64, followed for so many days at least) and ``early``, ``late``, ``low``, ``high``
    (float64; NaN where ``at_risk`` is less than `least`).

    Examples
    --------
    >>> shares = survival([10] * 30 + [400] * 90, [20] * 30 + [0] * 90, [True] * 30 + [False] * 90)
    >>> shares_after(shares, [365, 730])[["at_risk", "early"]].fillna(-1).values.tolist()
    [[90.0, 0.75], [0.0, -1.0]]
    """
    place, beyond = (shares["day"].searchsorted(np.asarray(days), side) for side in ("right", "left"))
    place = place - 1
    followed = [int(shares["at_risk"].iloc[at]) if at < len(shares) else 0 for at in beyond]
    rows = shares.iloc[place.clip(min=0)] if len(shares) else shares.reindex(range(len(days)))
    read = rows[["early", "late", "low", "high"]].set_axis(pd.Index(days, name="day"))
    read.loc[place < 0] = 1.0  # before the first look that could show an end
    return read.where(pd.Series(followed, read.index) >= least).assign(at_risk=followed)

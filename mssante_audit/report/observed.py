"""How old what was observed is, in sentences."""

from __future__ import annotations

import pandas as pd

from mssante_audit.base.language import day, moment, tr
from mssante_audit.report.say import Said, say
from mssante_audit.space.trust import TrustSpace

_WHY = {
    "future": "{n:observation est|observations sont} de côté, car {n:~postérieure|postérieures} à la date de "
    "situation : {files}.",
    "unreadable": "{n:observation illisible est|observations illisibles sont} de côté : {files}.",
    "zone": "{n:observation est|observations sont} de côté, car d'une autre zone : {files}.",
}


def observed_on(records: pd.DataFrame) -> pd.Series:
    """Return the day on which each domain was observed, as text ("jamais" if it was not).

    Parameters
    ----------
    records
        With a column ``observed_at`` (UTC, NaT for never).
    """
    days = [day(at.to_pydatetime()) if pd.notna(at) else tr("jamais") for at in records["observed_at"]]
    return pd.Series(days, index=records.index, dtype="str")


def observed(space: TrustSpace, records: pd.DataFrame) -> list[Said]:
    """Say from when to when domains were observed, how many too long ago, and which files are not used.

    Parameters
    ----------
    space
        The trust space.
    records
        Of its domains, or some (`mssante_audit.verdicts.methods.method_records`).
    """
    at = records["observed_at"].dropna()
    told = []
    if len(at):
        files = len(space.observation.parts) if space.observation else 0
        told.append(
            say(
                "Réponses du DNS observées entre le {first} et le {last}, dans {n:fichier} ; pour chaque "
                "domaine, la plus récente.", first=moment(at.min()), last=moment(at.max()), n=files,
            )
        )  # fmt: skip
        days = space.thresholds.observation_max_age_days
        stale = int((at < space.thresholds.oldest_observation(space.as_of)).sum())
        if stale:
            told.append(say("{n:domaine} {n:~observé|observés} il y a plus de {d:jour}.", n=stale, d=days))
    for why, text in _WHY.items():
        aside = [file for file, own in space.aside if own == why]
        told += [say(text, n=len(aside), files=", ".join(aside))] if aside else []
    return told

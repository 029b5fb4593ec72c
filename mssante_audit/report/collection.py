"""How the collection of lists fares, from the archive's log, and how old what was observed is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pandas as pd

from mssante_audit.archive.log import GOOD, Record
from mssante_audit.archive.store import Archive
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext, moment, words
from mssante_audit.report.names import FLAGS, OUTCOMES
from mssante_audit.report.say import Said, say
from mssante_audit.report.tables import Cell, Html, data, table
from mssante_audit.space.trust import TrustSpace

_WHY = {
    "future": "{n:observation est|observations sont} de côté, car {n:~postérieure|postérieures} à la date de "
    "situation : {files}.",
    "unreadable": "{n:observation illisible est|observations illisibles sont} de côté : {files}.",
    "zone": "{n:observation est|observations sont} de côté, car d'une autre zone : {files}.",
}


def collection(space: TrustSpace) -> Html:
    """Return how the collection fares: last good fetch, failures since, odd lists."""
    archive = space.archive
    if archive is None:
        return Html(f'<p class="none">{gettext("Pas d’archive des listes à côté de ces données.")}</p>')
    log = [r for r in archive.log if _before(r, space)]
    fetches = [r for r in log if r.action == "fetch"]
    good = [i for i, r in enumerate(fetches) if r.outcome in GOOD]
    since = fetches[good[-1] + 1 :] if good else fetches
    held = archive.until(space.as_of)
    lead = format_text("L’archive garde {n:liste}", n=len(held))
    if held:
        lead += format_text(", du {a} au {z}", a=day(held[0].generated_at), z=day(held[-1].generated_at))
    none = ". Aucune collecte n’a réussi" if fetches else ". Aucune collecte n’est consignée"
    ok = ". Dernière collecte réussie : {at}"
    lead += format_text(ok, at=moment(parse_instant(fetches[good[-1]].at))) if good else gettext(none)
    if since:
        lead += format_text(" ; {n:échec} depuis", n=len(since))
    told = [r for r in log if r.flags or r.outcome in ("quarantined", "failed")]
    notes = _collection_table(told[-20:]) if told else ""
    return Html(f'<p class="{"caution" if since else "none"}">{lead}.</p>{_unread(archive)}{notes}')


def _unread(archive: Archive) -> str:
    """Say that the history cannot be made, and of which file that comes; "" if it can."""
    try:
        archive.history  # noqa: B018 - asked for to know whether it can be had
    except InputError as error:
        name = data(Path(error.file or "").name)
        text = (
            "L’historique ne peut être établi : {name} est illisible, et les constats tirés des listes "
            "archivées manquent. La commande <code>mssante-audit archive verify</code> dit pourquoi."
        )
        return f'<p class="caution">{format_text(text, name=name)}</p>'
    return ""


def _before(record: Record, space: TrustSpace) -> bool:
    with suppress(ValueError):
        return parse_instant(record.at) <= space.as_of
    return False


def _collection_table(records: list[Record]) -> str:
    outcomes, flags = words(OUTCOMES), words(FLAGS)
    rows = [
        (
            Cell(moment(parse_instant(r.at)), r.at),
            Cell(outcomes.get(r.outcome, data(r.outcome))),
            Cell(data(r.file)),
            Cell(", ".join(flags.get(f, data(f)) for f in r.flags) or data(r.message, 160, "")),
        )
        for r in reversed(records)
    ]
    return table("collection", "Collectes à regarder", ("Quand", "Issue", "Fichier", "Remarque"), rows)


def observed_on(records: pd.DataFrame) -> pd.Series:
    """Return the day on which each domain was observed, as text ("jamais" if it was not).

    Parameters
    ----------
    records
        With a column ``observed_at`` (UTC, NaT for never).
    """
    days = [day(at.to_pydatetime()) if pd.notna(at) else gettext("jamais") for at in records["observed_at"]]
    return pd.Series(days, index=records.index, dtype="str")


def observed(space: TrustSpace, records: pd.DataFrame) -> list[Said]:
    """Say from when to when domains were observed, how many too long ago, and which files are not used.

    Parameters
    ----------
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

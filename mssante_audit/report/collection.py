"""How the collection of lists fares, from the archive's log, and how old what was observed is."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive.store import GOOD, Record
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import current_language, day, gettext, moment
from mssante_audit.base.markup import data
from mssante_audit.report.html import Html, joined, macro, names, note, paragraph, say
from mssante_audit.report.tables import Cell, rows_table
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.words import DOUBTS
from mssante_audit.whitelist.rows import grouped

MOST = 20  # Fetches that are shown


def collection(space: TrustSpace) -> Html:
    """Return how the collection fares: last good fetch, failures since, odd lists."""
    archive = space.archive
    if archive is None:
        return paragraph("none", "Pas d’archive des listes à côté de ces données.")
    log = [record for record in archive.log if _before(record, space)]
    fetches = [record for record in log if record.action == "fetch"]
    good = [i for i, record in enumerate(fetches) if record.outcome in GOOD]
    failed = len(fetches[good[-1] + 1 :] if good else fetches)
    last = parse_instant(fetches[good[-1]].at) if good else None
    parts = [macro("collection.fares", archive.until(space.as_of), last, len(fetches), failed)]
    try:
        archive.history  # noqa: B018 - asked for to know whether it can be had
    except InputError as error:
        text = (
            "L’historique ne peut être établi : {name} est illisible, et les constats tirés des listes "
            "archivées manquent. La commande « mssante-audit archive verify » dit pourquoi."
        )
        parts.append(note(say(text, name=Path(error.file or "").name), kind="caution"))
    if odd := [record for record in log if record.flags or record.outcome in ("quarantined", "failed")]:
        outcomes, flags, failures = names("fetches"), names("flags"), names("failures")
        rows = []
        for record in reversed(odd[-MOST:]):
            doubts = DOUBTS[current_language()] if record.outcome == "quarantined" else {}
            why = doubts.get(record.doubt) or failures.get(record.doubt) or record.message
            remark = ", ".join(flags.get(flag, flag) for flag in record.flags) or why
            outcome = outcomes.get(record.outcome) or data(record.outcome)
            cells = (outcome, data(record.file), data(remark, 160, ""))
            rows.append([Cell(moment(parse_instant(record.at)), record.at), *map(Cell, cells)])
        columns = ("Quand", "Issue", "Fichier", "Remarque")
        parts.append(rows_table("collection", "Collectes à regarder", columns, rows))
    return joined(*parts)


def _before(record: Record, space: TrustSpace) -> bool:
    with suppress(ValueError):
        return parse_instant(record.at) <= space.as_of
    return False


def observed_on(records: pd.DataFrame) -> pd.Series:
    """Return the day on which each domain was observed (`observed_at`, UTC) as text, "jamais" for none."""
    days = [day(at.to_pydatetime()) if pd.notna(at) else gettext("jamais") for at in records["observed_at"]]
    return pd.Series(days, index=records.index, dtype="str")


def observed(space: TrustSpace, records: pd.DataFrame) -> Html:
    """Say when the DNS was asked about domains, how many too long ago, and which files are not used.

    `records` are of its domains, or some (`mssante_audit.verdicts.domains.method_records`).
    """
    seen, at = space.observation, records["observed_at"].dropna()
    if seen is None:
        return note("Pas d’observation dans ce dossier de données.")
    stale = int((at < space.thresholds.oldest_observation(space.as_of)).sum())
    aside = grouped((why, file) for file, why in space.aside)
    days, unreadable = space.thresholds.observation_max_age_days, _unreadable(seen)
    return macro("collection.observed", seen, at, stale, days, aside, unreadable)


def observed_tls(space: TrustSpace) -> Html:
    """Say when certificates of servers were last looked at, and whether all of them."""
    seen = space.given("tls")
    if seen is None:
        return note("Pas d’observation de TLS dans ce dossier de données.")
    return macro("collection.observed_tls", seen.parts[0], _unreadable(seen))


def _unreadable(seen: Any) -> int:
    """Return how many lines of observation files cannot be read."""
    return sum(len(part.problems) for part in seen.parts)

"""How the collection of lists fares, from the archive's log."""

from __future__ import annotations

from pathlib import Path

from mssante_audit.archive.log import GOOD, Record
from mssante_audit.archive.store import Archive
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, moment, tell, tr, words
from mssante_audit.report.names import FLAGS, OUTCOMES
from mssante_audit.report.tables import Cell, Html, data, table
from mssante_audit.space.trust import TrustSpace


def collection(space: TrustSpace) -> Html:
    """Return how the collection fares: last good fetch, failures since, odd lists."""
    archive = space.archive
    if archive is None:
        return Html(f'<p class="none">{tr("Pas d’archive des listes à côté de ces données.")}</p>')
    log = [r for r in archive.log if _before(r, space)]
    fetches = [r for r in log if r.action == "fetch"]
    good = [i for i, r in enumerate(fetches) if r.outcome in GOOD]
    since = fetches[good[-1] + 1 :] if good else fetches
    held = archive.until(space.as_of)
    lead = tell("L’archive garde {n:liste}", n=len(held))
    if held:
        lead += tell(", du {a} au {z}", a=day(held[0].generated_at), z=day(held[-1].generated_at))
    if good:
        at = moment(parse_instant(fetches[good[-1]].at))
        lead += tell(". Dernière collecte réussie : {at}", at=at)
    elif fetches:
        lead += tr(". Aucune collecte n’a réussi")
    else:
        lead += tr(". Aucune collecte n’est consignée")
    if since:
        lead += tell(" ; {n:échec} depuis", n=len(since))
    told = [r for r in log if r.flags or r.outcome in ("quarantined", "failed")]
    notes = _collection_table(told[-20:]) if told else ""
    klass = "caution" if since else "none"
    return Html(f'<p class="{klass}">{lead}.</p>{_unread(archive)}{notes}')


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
        return f'<p class="caution">{tell(text, name=name)}</p>'
    return ""


def _before(record: Record, space: TrustSpace) -> bool:
    try:
        return parse_instant(record.at) <= space.as_of
    except ValueError:
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

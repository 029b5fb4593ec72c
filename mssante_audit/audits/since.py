"""Since when findings are there, as far as the archived lists show it."""

from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.findings.registry import rule
from mssante_audit.space.trust import TrustSpace


def past_of(space: TrustSpace) -> tuple[pd.DataFrame, datetime, datetime] | None:
    """Return the history up to the list audited, and the times of its first and last list.

    ``None`` where the list is none of the archive's, or the first, or a list of the archive cannot be read.
    """
    archive = space.archive
    until = archive.until(space.as_of) if archive else ()
    same = [snapshot for snapshot in until if space.whitelist.sha256.startswith(snapshot.sha)]
    if archive is None or not same or same[-1] == archive.snapshots[0]:
        return None
    first, last = archive.snapshots[0].generated_at, same[-1].generated_at
    try:
        return archive.history[archive.history["first_seen"] <= last], first, last
    except InputError:
        return None


def dated(findings: pd.DataFrame, space: TrustSpace) -> pd.DataFrame:
    """Return findings with `first_seen` where the texts of their rows tell it (`Rule.texts`).

    That is the first list in which a row had these texts; where only all rows together make the finding, the
    first in which the last of them had. It never says too much: the finding may be older than that.
    """
    rules = [rule(code) for code in findings["rule"]]
    columns = {each.texts for each in rules if each.texts}
    past = past_of(space) if columns else None
    if past is None:
        return findings
    since: dict[tuple[str, ...], dict[int, Any]] = {}
    for texts in columns:
        first = past[0].groupby([*texts], sort=False)["first_seen"].min().rename("since").reset_index()
        listed_first = space.entries[["row", *texts]].merge(first, on=[*texts])
        since[texts] = dict(zip(listed_first["row"].tolist(), listed_first["since"], strict=True))
    instants = []
    for each, instant, rows in zip(rules, findings["first_seen"], findings["rows"], strict=True):
        listed = since.get(each.texts, {})
        seen = [listed[row] for row in rows if row in listed]
        if not instant and seen and len(seen) == len(rows):
            instant = (max(seen) if each.needs_all_rows else min(seen)).isoformat()
        instants.append(instant)
    return findings.assign(first_seen=pd.Series(instants, index=findings.index, dtype="str"))

"""Operators beside those of their size: counts and quartiles, and nobody's face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mssante_audit.dossiers.remedies import theirs
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.space.trust import TrustSpace

PEERS_MIN = 5
"""Fewer operators of a size are not compared with: one of them could be told from the numbers."""
SIZES = ((1, 1), (2, 9), (10, 49), (50, None))
"""Operators by how many domains they hold: the peers of each."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Where an operator stands among those of its size. Without peers enough, only `low` and `high`."""

    low: int
    high: int | None
    """Domains of the operators compared with, from `low` to `high`."""
    number: int = 0
    """How many they are, this operator not counted; 0 if they are too few to be told of."""
    medians: Mapping[str, float] | None = None
    """Median of their points to put right, by severity."""
    whole: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Quartiles of their points."""
    more: int = 0
    """How many of them have more points than this operator."""


def standing_of(
    findings: pd.DataFrame,
    found: Mapping[str, tuple[int, ...]],
    remedies: Mapping[str, str],
    space: TrustSpace,
) -> pd.DataFrame:
    """Count the points of each operator (`mssante_audit.dossiers.points.points_of`), by severity."""
    held = space.audited[space.audited["operator_id"] != ""].groupby("operator_id")["domain"].nunique()
    asked = theirs(findings)
    told = {
        at: (remedies[key], SEVERITIES.index(severity))
        for at, key, severity in zip(asked.index, asked["fingerprint"], asked["severity"], strict=True)
    }
    counts = []
    for operator_id in held.index:
        worst: dict[str, int] = {}
        for what, rank in (told[at] for at in found.get(str(operator_id), ()) if at in told):
            worst[what] = max(rank, worst.get(what, 0))
        counts.append([list(worst.values()).count(rank) for rank in range(1, len(SEVERITIES))])
    frame = pd.DataFrame(counts, index=held.index, columns=list(SEVERITIES[1:]), dtype="int64")
    return frame.assign(domains=held, todo=frame.sum(axis=1))


def peers_of(standing: pd.DataFrame, operator_id: str) -> Peers:
    """Compare with the operators that hold about as many domains."""
    size = int(standing["domains"].get(operator_id, 0))
    low, high = next((band for band in SIZES if band[1] is None or size <= band[1]), SIZES[-1])
    held = standing["domains"].to_numpy()
    inside = (held >= low) & (held <= (high or np.inf)) & (standing.index != operator_id)
    names = list(SEVERITIES[1:])
    others = standing[[*names, "todo"]].to_numpy()[inside]
    if len(others) < PEERS_MIN or not size:
        return Peers(low, high)
    low_end, middle, high_end = np.quantile(others, (0.25, 0.5, 0.75), axis=0).tolist()
    more = int((others[:, -1] > standing["todo"][operator_id]).sum())
    medians = dict(zip(names, middle[:-1], strict=True))
    return Peers(low, high, len(others), medians, (low_end[-1], middle[-1], high_end[-1]), more)

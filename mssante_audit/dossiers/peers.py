"""Operators beside those of their size: counts and quartiles, and nobody's face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mssante_audit.findings.catalogue import SEVERITIES

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


def peers_of(standing: pd.DataFrame, operator_id: str) -> Peers:
    """Compare with the operators that hold about as many domains (`mssante_audit.dossiers.survey`)."""
    size = int(standing["domains"].get(operator_id, 0))
    low, high = next((band for band in SIZES if band[1] is None or size <= band[1]), SIZES[-1])
    inside = standing["domains"].between(low, high or np.inf) & (standing.index != operator_id)
    others = standing[inside]
    if len(others) < PEERS_MIN or not size:
        return Peers(low, high)
    more = int((others["todo"] > standing["todo"][operator_id]).sum())
    first, middle, third = others["todo"].quantile([0.25, 0.5, 0.75]).tolist()
    medians = {name: float(others[name].median()) for name in SEVERITIES[1:]}
    return Peers(low, high, len(others), medians, (first, middle, third), more)

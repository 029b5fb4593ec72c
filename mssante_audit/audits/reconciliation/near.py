"""Which listed domain an absent one may be: the one it lies under, or one of nearly its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from mssante_audit.archive.renames import distance
from mssante_audit.whitelist.rows import above_of, grouped

SPACE = ".mssante.fr"
_SIGNS, _NO_FIGURES = re.compile(r"[\W_]+"), re.compile(r"\D+")
LONG = 8
"""From so many letters on a name may have two typos and be near another, one below. No source."""


def near_of(listed: pd.DataFrame, absent: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return by domain key a fact of what is `listed` in its place: which one, why (`parent` …), whose it is.

    Names with other figures are never near: ``ch-alpha1`` and ``ch-alpha2`` are two establishments.
    """
    rows = listed.drop_duplicates("key")
    owners = zip(rows["operator_id"].tolist(), rows["operator"].tolist(), strict=True)
    known = dict(zip(rows["key"].tolist(), owners, strict=True))
    plain = {_SIGNS.sub("", key): key for key in reversed(known)}
    by_figures = grouped((_NO_FIGURES.sub("", key), key) for key in known)
    letters: dict[str, np.ndarray] = {}
    found = {}
    for domain in dict.fromkeys(absent):
        why, other = "parent", next((up for up in above_of(domain) if up in known), "")
        if not other:
            why, other = "punctuation", plain.get(_SIGNS.sub("", domain), "")
        if not other and (rivals := by_figures.get(figures := _NO_FIGURES.sub("", domain))):
            if figures not in letters:
                letters[figures] = np.stack([_letters(key) for key in rivals])
            why, other = "typo", _nearest(domain, rivals, letters[figures])
        if other:
            operator, name = known[other]
            owner = {"operator": operator, "name": name}
            found[domain] = {"domain": domain, "listed": other, "why": why, **owner}
    return found


def _nearest(domain: str, rivals: Sequence[str], letters: np.ndarray) -> str:
    """Return the rival with the fewest typos, "" if all have too many; `letters` are the rivals'."""
    most = 2 if len(domain.removesuffix(SPACE)) >= LONG else 1
    may_be = np.flatnonzero(np.abs(letters - _letters(domain)).sum(axis=1) <= 2 * most)
    near = [(distance(domain, rivals[at], most), rivals[at]) for at in may_be.tolist()]
    typos, other = min(near, default=(most + 1, ""))
    return other if typos <= most else ""


def _letters(domain: str) -> np.ndarray:
    return np.bincount(np.frombuffer(domain.encode(), np.uint8) % 32, minlength=32).astype(np.int16)

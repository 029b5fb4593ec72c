"""Two sets of findings compared: which stand only in the later one, or in more places there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


def introduced(before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]]) -> dict[str, set[str]]:
    """Return the findings that the later set introduces, each with the places that are new.

    Both have by fingerprint how often a finding stands in each place, such as a domain; an empty counter
    where places do not matter. Of one that stood nowhere before all places are new, maybe none.

    >>> introduced({"old": Counter("a")}, {"old": Counter("ab"), "new": Counter("a")})
    {'old': {'b'}, 'new': {'a'}}
    """
    more = {key: {*(places - before.get(key, Counter()))} for key, places in after.items()}
    return {key: places for key, places in more.items() if places or key not in before}

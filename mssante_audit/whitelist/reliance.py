"""Whether a white list is to be relied on: from its manager, whole, and of the time asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mssante_audit.base.instants import SKEW

if TYPE_CHECKING:
    from mssante_audit.whitelist.load import WhiteList


def doubts(
    whitelist: WhiteList, as_of: datetime | None = None, max_age: timedelta | None = None
) -> list[str]:
    """Return why a list is not to be relied on, the gravest first; nothing if it is.

    They are ``forged`` (a signature that is wrong), ``unsigned``, ``untrusted`` (not of the signer expected),
    ``damaged``; and at an instant asked about, `as_of`, ``undated``, ``future`` and ``old`` (`max_age`).
    """
    status = whitelist.signature.status
    doubt = {"invalid": "forged", "absent": "unsigned", "valid-untrusted": "untrusted"}.get(status)
    doubt = "damaged" if whitelist.damaged else doubt
    reasons = [doubt] if doubt else []
    made = whitelist.generated_at
    if as_of is None:
        return reasons
    if made is None:
        reasons.append("undated")
    elif made > as_of + SKEW:
        reasons.append("future")
    elif max_age is not None and as_of - made > max_age:
        reasons.append("old")
    return reasons

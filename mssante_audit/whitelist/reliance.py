"""Whether a white list is to be relied on: from its manager, whole, and of the time asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mssante_audit.base.instants import SKEW

if TYPE_CHECKING:
    from mssante_audit.whitelist.load import WhiteList


def is_html(content: bytes | bytearray) -> bool:
    """Tell whether what should be a list is a page, such as one that asks to log in."""
    head = bytes(content[:1024]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


DAMAGES = frozenset({"cut", "damaged"})
"""Doubts of a list that may lack rows, and whose other rows may be right all the same."""
_REASONS = {"time": "expired", "revoked": "revoked", "signer": "misnamed"}


def refusal(whitelist: WhiteList) -> str:
    """Return why a list is refused at any instant, the gravest first of `doubts`."""
    return next(iter(doubts(whitelist)), "undated")


def doubts(
    whitelist: WhiteList, as_of: datetime | None = None, max_age: timedelta | None = None
) -> list[str]:
    """Return why a list is not to be relied on, the gravest first; nothing if it is.

    They are ``forged`` (a signature that is wrong), ``cut`` (its end is missing) or ``damaged``,
    ``unsigned``; of its signer's certificate ``expired`` (when it signed), ``revoked``, ``misnamed``
    (somebody else's, of the same authority) or ``untrusted`` (of another authority); and at an instant asked
    about, `as_of`, ``undated``, ``future`` and ``old`` (`max_age`).
    """
    verdict = whitelist.signature
    reasons = []
    if whitelist.damaged:
        reasons.append("cut" if "cut" in whitelist.damage_kinds else "damaged")
    elif verdict.status == "invalid":
        reasons.append("forged")
    if verdict.status == "absent":
        reasons.append("unsigned")
    elif verdict.status == "valid-untrusted":
        reasons.append(_REASONS.get(verdict.reason, "untrusted"))
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

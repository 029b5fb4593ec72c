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


def refusal(whitelist: WhiteList) -> str:
    """Return why a list is refused at any instant: ``expired``, ``revoked`` or the first of `doubts`."""
    reason = {"time": "expired", "revoked": "revoked"}.get(whitelist.signature.reason)
    return reason or next(iter(doubts(whitelist)), "undated")


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

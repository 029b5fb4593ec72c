"""Domain names as they are written everywhere here: lower case, A-labels, no final dot."""

import re
from collections.abc import Iterator

import dns.exception
import dns.name

_is_plain = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}", re.ASCII).fullmatch


def canonical(text: str) -> str:
    """Return a domain name in that form; "" for what the DNS cannot carry (empty, a label over 63 bytes…)."""
    plain = text.strip().removesuffix(".").lower()
    if text.isascii() and _is_plain(plain):  # dnspython takes ten times as long, and lists are long
        return plain
    try:
        name = dns.name.from_text(text.strip())
        name.to_wire()
    except (dns.exception.DNSException, ValueError):
        return ""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def is_under(name: str, zone: str) -> bool:
    """Whether `name` is `zone` or below it (both canonical; "." is the root).

    >>> is_under("a.mssante.fr", "mssante.fr"), is_under("amssante.fr", "mssante.fr"), is_under("fr", ".")
    (True, False, True)
    """
    return zone == "." or name == zone or name.endswith("." + zone)


def upwards(name: str) -> Iterator[str]:
    """Yield a name and those above it, but the root's."""
    while name.strip("."):
        yield name
        name = name.partition(".")[2]


def is_between(zone: str, parent: str) -> bool:
    """Whether each server of a zone is asked of the mail hosts below it.

    Not so the root's or a top-level one's, nor those of the `parent` zone: the walk asks them all.
    """
    return "." in zone.strip(".") and zone != parent

"""What a domain announces to its users' mail programs: SRV records, and the names of autoconfiguration.

No letter gets to the domain by them (senders look for the MX), so they decide nothing: they are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mssante_audit.observe.dns.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mssante_audit.observe.dns.view import Item, View

BRANCH = "_tcp"
"""What all names of `SRV` lie below: where it does not exist, none of them does (RFC 8020)."""
SRV = tuple(
    f"{name}.{BRANCH}" for name in ("_submissions", "_submission", "_imaps", "_imap", "_autodiscover")
)
"""RFC 6186 and 8314, and Microsoft's autodiscovery."""
HOSTS = ("autoconfig", "autodiscover")
"""Names whose host mail programs ask for settings (Thunderbird, Outlook)."""


def services(view: View, domain: str) -> dict[str, frozenset[str] | None]:
    """Return what is announced of a domain, by name below it.

    Returns
    -------
    dict
        Of each of `SRV` and `HOSTS` the data of its records (of a host: addresses and aliases), empty where
        it has none of its own, ``None`` where it was not asked for or no server told.
    """
    name = canonical(domain)
    branch = view.services.get(f"{BRANCH}.{name}")
    none = branch is not None and branch.outcome == "nxdomain"
    beside = [view.services.get(f"{label}.{name}") for label in view.observation.siblings]
    any_name = {data for one in beside if one for data in _data(one.items)}
    found: dict[str, frozenset[str] | None] = {}
    for label in (*SRV, *HOSTS):
        one = view.services.get(f"{label}.{name}")
        if one is not None and one.authoritative:
            data = _data(one.items)
            found[label] = frozenset() if data == any_name else data  # a wildcard's
        else:
            found[label] = frozenset() if none and label in SRV else None
    return found


def _data(items: Iterable[Item]) -> frozenset[str]:
    return frozenset(i.data for i in items if i.section == "answer" and i.type != "RRSIG")

"""The mail hosts that domains name in an observation of the DNS, and their addresses."""

from __future__ import annotations

from collections.abc import Iterable

from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.view import Said, View

NOBODY = "."
"""The target of the MX of a domain that takes no mail (RFC 7505)."""


def targets(data: Iterable[str]) -> frozenset[str]:
    """Return the hosts that data of MX records name, `NOBODY` among them.

    >>> sorted(targets(["10 mx.valfictif.example", "0 ."]))
    ['.', 'mx.valfictif.example']
    """
    return frozenset([text.rpartition(" ")[2] for text in data])


def told_mx(view: View, name: str) -> list[Said]:
    """Return what was said to the question for a name's MX.

    By each server of the zone that serves it; of a name that does not lie under the parent zone, and of what
    it is an alias of, by whom it was learnt from.
    """
    told = list(view.path(name).said.get("MX", {}).values())
    ends = dict.fromkeys(one.alias for one in told if one.alias)
    return [*told, *(one for end in ends if (one := view.looked_up(end, "MX")))]


def exchangers(view: View, domain: str) -> tuple[str, ...]:
    """Return the mail hosts of a domain, sorted: those that any of its servers names.

    Where there is no MX but an address, the domain is its own mail host (RFC 5321, 5.1); ``0 .`` names none
    (RFC 7505).
    """
    name = canonical(domain)
    if not name:
        return ()
    told = told_mx(view, name)
    named = {host for one in told for host in targets(one.answers)}
    if not named and any(one.outcome == "nodata" for one in told) and view.host(name).addresses:
        named = {name}
    return tuple(sorted(named - {NOBODY}))


def addresses_of(view: View, domains: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of all mail hosts of domains, by host; of one whose address is unknown, none."""
    hosts = sorted({host for domain in domains for host in exchangers(view, domain)})
    return {host: view.host(host).addresses for host in hosts}

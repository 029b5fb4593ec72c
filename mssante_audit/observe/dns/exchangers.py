"""The mail hosts that domains name in an observation of the DNS, and their addresses."""

from __future__ import annotations

from collections.abc import Iterable

from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.view import View


def exchangers(view: View, domain: str) -> tuple[str, ...]:
    """Return the mail hosts of a domain, sorted: those that any of its servers names.

    Where there is no MX but an address, the domain is its own mail host (RFC 5321, 5.1); ``0 .`` names none
    (RFC 7505).
    """
    name = canonical(domain)
    if not name:
        return ()
    if is_under(name, view.parent):
        told = list(view.path(name).said.get("MX", {}).values())
    else:
        told = [one for one in [view.looked_up(name, "MX")] if one]
    named = {data.rpartition(" ")[2] for one in told for data in one.answers}
    if not named and any(one.outcome == "nodata" for one in told) and view.host(name).addresses:
        named = {name}
    return tuple(sorted(named - {".", ""}))


def addresses_of(view: View, domains: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the addresses of all mail hosts of domains, by host; of one whose address is unknown, none."""
    hosts = sorted({host for domain in domains for host in exchangers(view, domain)})
    return {host: view.host(host).addresses for host in hosts}

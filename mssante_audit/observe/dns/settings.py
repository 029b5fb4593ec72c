"""What an observation of the DNS may do, and how fast."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from mssante_audit.base.errors import ParameterError
from mssante_audit.observe.dns.names import canonical

ROOT_HINTS = (
    ("a.root-servers.net", "198.41.0.4"), ("a.root-servers.net", "2001:503:ba3e::2:30"),
    ("b.root-servers.net", "170.247.170.2"), ("b.root-servers.net", "2801:1b8:10::b"),
    ("c.root-servers.net", "192.33.4.12"), ("c.root-servers.net", "2001:500:2::c"),
    ("d.root-servers.net", "199.7.91.13"), ("d.root-servers.net", "2001:500:2d::d"),
    ("e.root-servers.net", "192.203.230.10"), ("e.root-servers.net", "2001:500:a8::e"),
    ("f.root-servers.net", "192.5.5.241"), ("f.root-servers.net", "2001:500:2f::f"),
    ("g.root-servers.net", "192.112.36.4"), ("g.root-servers.net", "2001:500:12::d0d"),
    ("h.root-servers.net", "198.97.190.53"), ("h.root-servers.net", "2001:500:1::53"),
    ("i.root-servers.net", "192.36.148.17"), ("i.root-servers.net", "2001:7fe::53"),
    ("j.root-servers.net", "192.58.128.30"), ("j.root-servers.net", "2001:503:c27::2:30"),
    ("k.root-servers.net", "193.0.14.129"), ("k.root-servers.net", "2001:7fd::1"),
    ("l.root-servers.net", "199.7.83.42"), ("l.root-servers.net", "2001:500:9f::42"),
    ("m.root-servers.net", "202.12.27.33"), ("m.root-servers.net", "2001:dc3::35"),
)  # fmt: skip
"""The root's servers, as IANA's named.root lists them (compared with Debian's dns-root-data 2025080400)."""


@dataclass(frozen=True, slots=True)
class ObserveSettings:
    """How to observe. The defaults are gentle: some 5,000 domains take several minutes.

    Raises
    ------
    ParameterError
        If a value makes no sense.
    """

    parent_zone: str = "mssante.fr"
    """The zone that hands the domains out."""
    parent_servers: tuple[tuple[str, str], ...] = ()
    """Its servers, as (name, address); found through the DNS if none is given."""
    resolvers: tuple[str, ...] = ()
    """Addresses of resolvers to look names up with; without any, names are followed down from the root."""
    root: tuple[tuple[str, str], ...] = ROOT_HINTS
    """The root's servers, as (name, address)."""
    port: int = 53
    """Port of every server."""
    timeout: float = 3.0
    """Seconds before a query counts as unanswered."""
    retries: int = 2
    """How many times more a silent server is asked, the last time without EDNS."""
    retry_delay: float = 10.0
    """Seconds before the first of these; each further one waits three times longer."""
    in_flight: int = 64
    """Queries under way at any moment, in all."""
    per_second: float = 200.0
    """Queries sent a second, in all."""
    per_server: float = 20.0
    """Queries sent a second to one address."""
    per_server_in_flight: int = 4
    """Queries under way to one address."""
    ipv4_only: bool = False
    """Ask no IPv6 address (AAAA records are looked up all the same)."""
    only: str = ""
    """Shell pattern of the domains to observe; all of them if empty."""

    def __post_init__(self) -> None:
        for name in ("timeout", "in_flight", "per_second", "per_server", "per_server_in_flight"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} must be above 0")
        if not 0 <= self.retries <= 10 or self.retry_delay < 0:
            raise ParameterError("retries must be 0 to 10, and their delay not negative")
        if not 0 < self.port < 65536:
            raise ParameterError("the port must be 1 to 65535")
        zone = canonical(self.parent_zone)
        if not zone:
            raise ParameterError(f"{self.parent_zone!r} is not a zone's name")
        object.__setattr__(self, "parent_zone", zone)
        for field in ("parent_servers", "root"):
            servers = tuple((canonical(name), _address(address)) for name, address in getattr(self, field))
            if not all(name for name, _ in servers):
                raise ParameterError("a server's name is not a name", remedy="Write NAME=ADDRESS")
            object.__setattr__(self, field, servers)
        object.__setattr__(self, "resolvers", tuple(_address(address) for address in self.resolvers))

    @property
    def tries(self) -> int:
        """How many times a question is asked before its server is called silent."""
        return self.retries + 1


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ParameterError(f"{text!r} is not an address", remedy="Give an IPv4 or IPv6 address") from None

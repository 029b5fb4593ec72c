"""What an observation of the DNS may do, and how fast."""

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, field_validator

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.settings import Observe, fault, setting
from mssante_audit.observe.dns.names import canonical

# The root's servers, as IANA's named.root lists them (compared with Debian's dns-root-data 2025080400).
_ROOT = (
    ("a", "198.41.0.4", "2001:503:ba3e::2:30"), ("b", "170.247.170.2", "2801:1b8:10::b"),
    ("c", "192.33.4.12", "2001:500:2::c"), ("d", "199.7.91.13", "2001:500:2d::d"),
    ("e", "192.203.230.10", "2001:500:a8::e"), ("f", "192.5.5.241", "2001:500:2f::f"),
    ("g", "192.112.36.4", "2001:500:12::d0d"), ("h", "198.97.190.53", "2001:500:1::53"),
    ("i", "192.36.148.17", "2001:7fe::53"), ("j", "192.58.128.30", "2001:503:c27::2:30"),
    ("k", "193.0.14.129", "2001:7fd::1"), ("l", "199.7.83.42", "2001:500:9f::42"),
    ("m", "202.12.27.33", "2001:dc3::35"),
)  # fmt: skip
ROOT_HINTS = tuple((f"{name}.root-servers.net", address) for name, *both in _ROOT for address in both)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ParameterError(f"{text!r} is not an address", remedy="Give an IPv4 or IPv6 address") from None


def _zone(text: str) -> str:
    if not (zone := canonical(text)):
        raise ParameterError(f"{text!r} is not a zone's name")
    return zone


def _server(given: str | tuple[str, str]) -> tuple[str, str]:
    """Read ``name=address``, or the two."""
    name, address = given.partition("=")[::2] if isinstance(given, str) else given
    if not canonical(name) or not address:
        raise ParameterError(f"{given!r} is no server", remedy="Write NAME=ADDRESS")
    return canonical(name), _address(address)


Servers = tuple[Annotated[tuple[str, str], BeforeValidator(_server)], ...]


class ObserveSettings(Observe):
    """How to observe: `Observe`, and what nobody needs to set; `ParameterError` if a value makes no sense."""

    parent_servers: Servers = ()  # type: ignore[assignment]
    root: Servers = ROOT_HINTS
    undelegated: str = ""
    """A zone that nobody hands over yet: looked at as the parent zone is, at the servers `declared`."""
    declared: tuple[str, ...] = ()
    """Names of servers that are declared and not published yet; without a zone they are mail servers."""
    retry_delay: float = setting(
        10.0, "Seconds before a first retry; thrice that before a second.", ge=0, le=86_400
    )
    per_second: float = setting(200.0, "Queries a second, in all.", gt=0, le=1e9)
    per_server_in_flight: int = setting(4, "Queries under way to one address.", ge=1, le=10_000)

    _zone = field_validator("parent_zone")(_zone)
    _addresses = field_validator("resolvers")(lambda given: tuple(map(_address, given)))

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as errors:
            error = errors.errors()[0]
            ours = error.get("ctx", {}).get("error")
            raise ours or fault(type(self), error).within(ParameterError) from None

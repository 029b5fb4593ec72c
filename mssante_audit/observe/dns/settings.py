"""What an observation of the DNS may do, and how fast."""

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationError, field_validator

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.resources import table_of
from mssante_audit.base.settings import Observe, fault, setting
from mssante_audit.observe.dns.names import canonical

_ROOT = table_of("mssante_audit.observe.dns", "root.toml")
ROOT_HINTS = tuple((name, address) for name, addresses in _ROOT.items() for address in addresses)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ParameterError(
            "{} is not an address", repr(text), remedy="Give an IPv4 or IPv6 address"
        ) from None


def _zone(text: str) -> str:
    if not (zone := canonical(text)):
        raise ParameterError("{} is not a zone's name", repr(text))
    return zone


def _server(value: str | tuple[str, str]) -> tuple[str, str]:
    """Read ``name=address``, or the two."""
    name, address = value.partition("=")[::2] if isinstance(value, str) else value
    if not canonical(name) or not address:
        raise ParameterError("{} is no server", repr(value), remedy="Write NAME=ADDRESS")
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

    @property
    def start_zone(self) -> str:
        """The zone at whose servers walks begin."""
        return self.undelegated or self.parent_zone

    _zone = field_validator("parent_zone")(_zone)
    _addresses = field_validator("resolvers")(lambda texts: tuple(map(_address, texts)))

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as errors:
            error = errors.errors()[0]
            ours = error.get("ctx", {}).get("error")
            raise ours or fault(type(self), error).within(ParameterError) from None

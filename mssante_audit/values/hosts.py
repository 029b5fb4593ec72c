"""Names and addresses of hosts."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_network

from mssante_audit.values.slips import one_slip

ZONE = "mssante.fr"  # the zone that the manager runs
ENDINGS = ("fr", "com", "org", "net", "eu")  # endings that are left in, or put behind the zone, by mistake

# IPv6 that others cannot reach, whatever the version of Python says: NAT64 (RFC 6052, 8215), 6to4 (RFC 7526),
# documentation (RFC 9637), segment routing (RFC 9602), site-local (RFC 3879).
_LOCAL = [
    ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")
]
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether others can reach an address, as far as its number tells; an IPv4-mapped one is its IPv4.

    >>> from ipaddress import ip_address
    >>> is_public(ip_address("2001:4860::1")), is_public(ip_address("64:ff9b::c000:201"))
    (True, False)
    """
    address = (address.version == 6 and address.ipv4_mapped) or address
    return address.is_global and not (address.is_multicast or any(address in local for local in _LOCAL))


def can_be_asked(address: IPv4Address | IPv6Address, *, laboratory: bool) -> bool:
    """Tell whether a server that others name may be asked there; a laboratory's need not be public."""
    nobodys = address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255"
    return not nobodys and (laboratory or is_public(address))


def host_faults(name: str, *, any_case: bool = False) -> list[dict[str, str | int]]:
    """Tell what keeps a text from being a full host name, as facts; nothing if it is one.

    Each is a ``fault`` and, where there is more to tell, ``what`` it is: the characters, or how many there
    are. The macro ``host_faults`` (`mssante_audit.findings.templates`) has words for them. Sources: RFC 1035
    (2.3.4) for lengths, RFC 1123 (2.1) for letters, digits and hyphens, the form for capitals.

    >>> host_faults("ch-alpha.mssante.fr"), host_faults("Alpha_.fr")
    ([], [{'fault': 'capitals', 'what': ''}, {'fault': 'characters', 'what': '_'}])
    """
    if _HOST.fullmatch(name) and len(name) < 254:
        return []
    lower = name.lower()
    odd = "".join(dict.fromkeys(re.sub(r"[a-z0-9.-]", "", lower)))[:20]
    labels = lower.split(".")
    longest = max(map(len, labels))
    bare = all(labels) and not odd
    faults: dict[str, str | int | None] = {
        "capitals": "" if lower != name and not any_case else None,
        "characters": odd or None,
        "dots": None if all(labels) else "",
        "hyphen": "" if bare and not all(map(_LABEL.fullmatch, labels)) else None,
        "label-long": longest if longest > 63 else None,
        "name-long": len(name) if len(name) > 253 else None,
        "no-dot": "" if len(labels) == 1 else None,
        "number": "" if len(labels) > 1 and labels[-1].isdigit() else None,
    }
    return [{"fault": fault, "what": value} for fault, value in faults.items() if value is not None]


def is_host(name: str) -> bool:
    """Tell whether a text is a full host name, in small letters or capitals."""
    return not host_faults(name, any_case=True)


def domain_key(name: str) -> str:
    """Return a domain or server as it is compared: in lower case, without outer blanks and final dot."""
    return name.strip().lower().rstrip(".")


def in_zone(domain: str) -> str:
    """Return the name in the zone that a name outside it is a slip of, "" if it is none.

    >>> in_zone("ch-x.msante.fr"), in_zone("mssante.example.org")
    ('ch-x.mssante.fr', '')
    """
    if domain.endswith(f".{ZONE}"):
        return ""
    bare, _, behind = domain.partition(f".{ZONE}.")
    if behind in ENDINGS:  # an ending behind the zone, which stands there whole
        return f"{bare}.{ZONE}"
    first, top = ZONE.split(".")
    name, _, last = domain.rpartition(".")
    if name and last != top and (_slip_of(last, first) or _slip_of(last.replace("-", ""), first + top)):
        return f"{name}.{ZONE}"
    *labels, zone = name.split(".")
    if labels and _slip_of(zone, first):
        return ".".join([*labels, ZONE])
    glued, _, ending = zone.rpartition("-")
    if zone.endswith(first):
        glued, ending = zone.removesuffix(first).rstrip("-"), first
    return ".".join([*labels, glued, ZONE]) if glued and _slip_of(ending, first) else ""


def _slip_of(label: str, right: str) -> bool:
    together = label.replace("s-s", "ss").replace("rn", "m")  # ``mss-sante``, ``rnssante``
    return right in (label, together) or one_slip(label, right) or one_slip(together, right)

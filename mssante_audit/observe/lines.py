"""The lines of an observation file: what they may hold, and reading them out of any bytes."""

import errno
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of

# What a query was for; docs/observing.md says it of each.
STEPS = ("walk", "sibling", "apex", "address", "recursion", "capitals")
TRANSPORTS = ("udp", "tcp")
# Every way a query can end. The last three, and `truncated`, say nothing about what exists.
OUTCOMES = (
    "answer", "nodata", "nxdomain", "referral", "refused", "servfail", "lame", "truncated", "timeout",
    "unreachable", "malformed",
)  # fmt: skip
CONCLUSIVE = OUTCOMES[:3]
# Those that say what exists: the conclusive ones end a search, a referral leads on.
INFORMATIVE = OUTCOMES[:4]
SILENT = ("timeout", "unreachable")
# Rcodes of servers that do not take EDNS, or not its version (16: BADVERS), and what that is called.
NO_EDNS = {"FORMERR": "refused", "NOTIMP": "notimp", "16": "badvers"}
SECTIONS = ("answer", "authority", "additional")
MAX_NAME = 253  # characters: a DNAME can make longer names without end
# Errors of a machine that has no file descriptor, memory or port left: no server has a part in them.
SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}
_FIELDS = table_of("mssante_audit.observe", "records.toml")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z")


class ObservationError(InputError):
    """A file that is not an observation, or not one this version can read."""


def parse_at(text: Any) -> datetime:
    """Return the instant that a line has; `ValueError` if it is none."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise ValueError
    return datetime.fromisoformat(text)


def instant(at: datetime) -> str:
    """Write an instant (UTC) as a line has it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Clock:
    """The instants of a run: its beginning, and what has passed since; the time of day may jump meanwhile."""

    # Sleep of the machine counts, where its clock can tell.
    _passed = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def __init__(self) -> None:
        self._begun, self._start = datetime.now(UTC), self._passed()

    def now(self) -> datetime:
        """Return the instant."""
        return self._begun + timedelta(seconds=self._passed() - self._start)


@lru_cache(1 << 13)
def _is_readable(kind: str, data: str) -> bool:
    if kind not in ("A", "AAAA"):
        return kind not in _FIELDS or re.fullmatch(_FIELDS[kind], data) is not None
    with suppress(ValueError):
        return ip_address(data).version == (4 if kind == "A" else 6) and "%" not in data
    return False


def _address(text: str) -> str:
    if text and not (_is_readable("A", text) or _is_readable("AAAA", text)):
        raise ValueError
    return text


def _record(record: "Record") -> "Record":
    if not _is_readable(record.type, record.data):
        raise ValueError
    return record


def one_of(choices: tuple[str, ...]) -> Any:
    """Return what a field is that has one of `choices`."""
    return Field(pattern=f"^(?:{'|'.join(choices)})$")


_Count = Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]
Instant = Annotated[datetime, BeforeValidator(parse_at)]
Flag = Annotated[bool, Field(strict=True)]
Line = TypeVar("Line", bound=tuple[Any, ...])


class Record(NamedTuple):
    """One resource record, as text: names in lower case, without the final dot."""

    section: Annotated[str, one_of(SECTIONS)]
    owner: str
    ttl: Annotated[int, Field(strict=True, ge=0, lt=1 << 32)]
    type: str
    data: str


class Reply(NamedTuple):
    """One query and what came of it; docs/observing.md says what the fields mean."""

    at: Instant
    domain: str
    step: Annotated[str, one_of(STEPS)]
    zone: str
    qname: str
    qtype: str
    server: str
    address: Annotated[str, AfterValidator(_address)]
    transport: Annotated[str, one_of(TRANSPORTS)]
    edns: Flag
    rd: Flag
    attempt: _Count
    outcome: Annotated[str, one_of(OUTCOMES)]
    rcode: str
    flags: str
    cut: str
    rtt: Annotated[float, Field(strict=True, ge=0, lt=1e9)] | None
    ignored: _Count
    records: tuple[Annotated[Record, AfterValidator(_record)], ...] = ()
    line: int = 0
    """Where it stands in the file that it was read from, from 1."""

    def content(self) -> dict[str, Any]:
        """Return it as a line of the file."""
        content = self._asdict() | {"at": instant(self.at)}
        del content["line"]
        return content

    @property
    def silent(self) -> bool:
        """Whether nothing came."""
        return self.outcome in SILENT

    @property
    def signed(self) -> bool:
        """Whether it carried DNSSEC records."""
        return "signed" in self.flags

    @property
    def proves(self) -> bool:
        """Whether it proves that there is no data of a type, or no DS of the zone handed over."""
        is_denial = self.outcome in ("nodata", "referral")
        return is_denial and self.signed and "unproven" not in self.flags

    @property
    def of_wildcard(self) -> bool | None:
        """Whether its name's data are a wildcard's, as their signature says (RFC 4034, 3.1.3)."""
        rrsigs = [r.data.split() for r in self.records if (r.type, r.owner) == ("RRSIG", self.qname)]
        labels = str(self.qname.count(".") + 1)
        return all(fields[2] != labels for fields in rrsigs) if rrsigs else None

    @property
    def signer(self) -> str:
        """The zone that signed what it answers of its name (or a DNAME above), "" if none did."""
        of_name = (r for r in self.records if f".{self.qname}".endswith(f".{r.owner}"))
        signed = (r.data.split() for r in of_name if (r.section, r.type) == ("answer", "RRSIG"))
        return next((data[7].removesuffix(".").lower() for data in signed if len(data) > 7), "")

    @property
    def weak(self) -> bool:
        """Whether it answers its question without authority (AA is not set): resolvers take it."""
        return self.outcome == "lame" and any(k in (self.qtype, "CNAME") for k, _ in own_answers(self))

    @property
    def denies(self) -> bool:
        """Whether it says without authority that there is nothing, as a server does that lost the zone.

        Knot Resolver and unbound may believe that, Knot Resolver also a name that is referred to itself
        (measured); a referral upwards nobody believes.
        """
        if self.outcome != "lame" or self.weak or self.rcode not in ("NOERROR", "NXDOMAIN"):
            return False
        return {r.owner for r in self.records if r.section == "authority" and r.type == "NS"} <= {self.qname}

    @property
    def denies_all(self) -> bool:
        """Whether BIND takes it for a denial of all types: there is no such name, but a zone's (measured)."""
        return self.outcome == "nxdomain" and self.qname != self.zone

    @property
    def hollow(self) -> bool:
        """Whether it holds nothing, without authority: resolvers take that for a denial (measured)."""
        return self.outcome == "lame" and self.rcode == "NOERROR" and not self.records

    @property
    def odd(self) -> str:
        """Why some resolvers reject it (measured), "" if none does.

        Knot Resolver compares the letters in which the question is repeated (``case``), and makes no alias of
        a DNAME that comes without it (``dname``). BIND takes no two aliases of one name (``aliases``), nor a
        denial with an NS set and without SOA (``no-soa``), or with the SOA of a zone that does not lie in the
        one asked (``other-soa``).
        """
        if "case" in self.flags.split():
            return "case"
        if any(not self.data("CNAME", name) for name in self.chain[:-1]):
            return "dname"
        aliases = {(r.owner, r.data) for r in self.records if r.type == "CNAME" and r.section == "answer"}
        if len(aliases) > len({owner for owner, _ in aliases}):
            return "aliases"
        if self.outcome != "nodata":
            return ""
        authority = [r for r in self.records if r.section == "authority"]
        soas = [r.owner for r in authority if r.type == "SOA"]
        if not soas:
            return "no-soa" if any(r.type == "NS" for r in authority) else ""
        is_inside = self.zone in ("", ".") or any(f".{soa}".endswith(f".{self.zone}") for soa in soas)
        return "" if is_inside else "other-soa"

    @property
    def usable(self) -> bool:
        """Whether it says what a name has, for a resolver."""
        return self.outcome in CONCLUSIVE or self.weak

    @property
    def chain(self) -> tuple[str, ...]:
        """The name asked for, what it is an alias of, and so on; a circle ends where it comes back.

        Resolvers make the alias themselves where a DNAME comes without it (RFC 6672, 3.1).
        """
        answers = [r for r in self.records if r.section == "answer"]
        aliases = {r.owner: r.data for r in answers if r.type == "CNAME"}
        dnames = [r for r in answers if r.type == "DNAME"]
        names = [self.qname]
        while names[-1] not in names[:-1]:
            name = names[-1]
            made = (f"{name.removesuffix(r.owner)}{r.data}" for r in dnames if name.endswith(f".{r.owner}"))
            alias = aliases.get(name) or next(made, "")
            if not alias or len(alias) > MAX_NAME:
                break
            names.append(alias)
        return tuple(names)

    @property
    def alias(self) -> str:
        """The end of its aliases, "" where there is none."""
        return chain[-1] if len(chain := self.chain) > 1 else ""

    @property
    def aliases(self) -> list[str]:
        """The end of its aliases, and what else the name is an alias of: each resolver takes one."""
        others = self.data("CNAME", self.qname).difference(self.chain[1:])
        return [self.alias, *sorted(others)] if self.alias else []

    @property
    def direct(self) -> frozenset[str]:
        """Data of the type asked for, of the name itself."""
        return self._data_of((self.qname,))

    @property
    def answers(self) -> frozenset[str]:
        """The same, of the name or of one that it is an alias of."""
        return self._data_of(self.chain)

    def _data_of(self, names: Collection[str]) -> frozenset[str]:
        if self.outcome == "nxdomain":  # who is told that there is no such name takes no data beside
            return frozenset()
        of_type = [r for r in self.records if r.type == self.qtype and r.owner in names]
        return frozenset([r.data for r in of_type if r.section == "answer"])

    def data(self, kind: str, owner: str) -> set[str]:
        """Return the data of an owner's records of a type, in whatever section."""
        return {r.data for r in self.records if r.type == kind and r.owner == owner}


def reader_of(kind: type[Line]) -> Callable[..., Line]:
    """Return what checks a line, with its number or without; its `ValueError` says which field is wrong."""
    check = TypeAdapter(kind).validate_python
    names = [name for name in vars(kind)["_fields"] if name != "line"]

    def read(content: Mapping[str, Any], *number: int) -> Line:
        try:
            return check([content.get(name, ...) for name in names] + [*number])
        except ValidationError as errors:
            place = errors.errors()[0]["loc"][0]
            raise ValueError(f"field {names[place] if isinstance(place, int) else place}") from None

    return read


parse_reply = reader_of(Reply)


class Ask(NamedTuple):
    """A question to an address (fields as in `Reply`)."""

    domain: str
    step: str
    zone: str
    qname: str
    qtype: str
    server: str
    address: str
    transport: str = "udp"
    rd: bool = False


def own_answers(reply: Reply) -> set[tuple[str, str]]:
    """Return type and data of what a reply answers of its name itself, its alias included."""
    answers = [r for r in reply.records if (r.section, r.owner) == ("answer", reply.qname)]
    aliases = {("CNAME", name) for name in reply.chain[1:2]}
    return {(r.type, r.data) for r in answers if r.type != "RRSIG"} | aliases


def servers_in(replies: Iterable[Reply], zone: str) -> dict[str, set[str]]:
    """Return the servers that replies name for a zone, sorted, each with the addresses beside them (glue)."""
    servers: dict[str, set[str]] = {}
    for reply in replies:
        names = reply.data("NS", zone)
        servers |= {name: servers.get(name, set()) for name in names}
        for record in reply.records:
            if record.section == "additional" and record.type in ("A", "AAAA") and record.owner in names:
                servers[record.owner].add(record.data)
    return dict(sorted(servers.items()))


def is_asked_over_tcp(reply: Reply) -> bool:
    """Whether an error over UDP has the same asked over TCP, where no server of its zone answers."""
    of_mail = reply.zone and reply.qtype in ("MX", "A", "AAAA") and reply.step != "sibling"
    return bool(of_mail) and reply.transport == "udp" and reply.outcome in ("refused", "servfail")


def key(query: Reply | Ask) -> tuple[Any, ...]:
    """Return what makes two questions the same question."""
    return (query.zone, query.qname, query.qtype, query.address, query.transport, query.rd)

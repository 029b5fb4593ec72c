"""One zone a rule, for real name servers: what is served, and what the audit must find, in `dnscases.toml`.

`dnsscene` serves them, `test_resolvers` holds the audit to them, `tools/oracle.py` has Zonemaster look at
them too. Addresses are of networks that have owners: they exist only in a network namespace with nothing but
itself, where they stand for public ones.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

ROOT, TOP = "198.41.0.4", "194.0.9.1"
P1, P2, P3 = "5.39.10.1", "46.18.20.1", "46.18.21.1"
"""Servers of the parents: NSD, Knot, and a scripted one that answers with data at a cut."""
ONE, TWO, NEAR = "80.67.1.1", "91.121.2.2", "80.67.1.2"
"""Good servers of operators: NSD, Knot, and NSD's second address, in the same /24 as the first."""
SIX_ONE, SIX_TWO = "2001:660:1::1", "2001:bc8:2::2"  # the good servers' addresses of IPv6
SHARED = (ROOT, TOP, P1, P2, P3, ONE, TWO, NEAR, SIX_ONE, SIX_TWO)
MX = "mx1.mail.example"
NS = ("ns1.op.example", "ns2.op.example")
DS, DS_SHA1 = "{ds}", "{ds-sha1}"  # stand for the DS record of the case's key, of its SHA-256 or SHA-1
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)(?:\.\.(\d+))?\}")


def each(lines: Iterable[str]) -> Iterator[str]:
    """Write ``{1..4}`` and ``{1..9..2}`` out as a shell does, several in a line together."""
    for line in lines:
        ranges = [range(int(a), int(b) + 1, int(step or 1)) for a, b, step in _RANGE.findall(line)]
        for numbers in map(iter, zip(*ranges, strict=True)) if ranges else [iter(())]:
            yield _RANGE.sub(lambda _, numbers=numbers: str(next(numbers)), line)


def zone(
    lines: Iterable[str] = (), *, ns: Iterable[str] = NS, mx: str = f"10 {MX}.", serial: int = 2024020201,
    timers: str = "14400 3600 1209600 3600",
) -> str:  # fmt: skip
    soa = f"@ SOA ns1.op.example. hostmaster.op.example. {serial} {timers}"
    exchanger = [f"@ MX {mx}"] if mx else []
    return "".join(f"{line}\n" for line in (soa, *cut(*ns), *exchanger, *each(lines)))


def cut(*names: str) -> tuple[str, ...]:
    """Write a delegation, as lines of the parent zone."""
    return tuple(f"@ NS {name}." for name in each(names or NS))


@dataclass(frozen=True)
class Case:
    """A domain on real servers; the head of `dnscases.toml` says what most fields mean."""

    name: str
    what: str
    rules: tuple[str, ...] = ()
    parent: tuple[str, ...] = field(default_factory=cut)
    first: str | None = field(default_factory=zone)  # as NSD serves it, on `ONE` and `NEAR`
    second: str | None = ""  # as Knot serves it on `TWO`; "" for the same
    carried: str | None = None  # as the parent's servers have it
    hosts: tuple[str, ...] = ()
    scripted: tuple[tuple[str, str], ...] = ()
    listed: tuple[str, ...] = ("@",)
    declared: tuple[str, ...] = ()
    cn: str = MX
    signed: str = ""
    more: tuple[tuple[str, str], ...] = ()  # names below the case's, or with a final dot
    split: tuple[tuple[str, str, str], ...] = ()  # zones that the two servers have in different versions
    zone: str = "mssante.fr"
    tested: str = ""
    second_parent: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tested", self.tested or self.domain)

    @property
    def domain(self) -> str:
        return f"{self.name}.{self.zone}"

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.domain if label == "@" else f"{label}.{self.domain}" for label in self.listed)

    @property
    def apart(self) -> str | None:
        return self.first if self.second == "" else self.second


# -- the files of cases -------------------------------------------------------------------------------------

Kind = TypeVar("Kind", bound=Case)


def read(file: str, kind: type[Kind]) -> tuple[Kind, ...]:
    """Return the cases of a file beside this one; the head of `dnscases.toml` says what its words mean."""
    rows = tomllib.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))
    return tuple(kind(name, **_fields(name, row, n)) for n, (name, row) in enumerate(rows.items(), 1))


def _fields(name: str, row: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the fields of the case of that number in its file, which gives its servers their addresses."""
    block, last = divmod(number, 256)
    ns, hosts, scripted = _servers(name, row.pop("servers", ("", "")), f"{20 + 2 * block}.{last}")
    if beyond := row.pop("beyond", None):
        far, more_hosts, more_scripted = _servers(
            name, beyond.pop("servers", ("", "")), f"{21 + 2 * block}.{last}"
        )
        place, cuts = f"{name}-z", beyond.pop("ns", far)
        hosts += [*more_hosts, *(f"{place} NS {server}." for server in cuts)]
        scripted |= more_scripted
        if versions := beyond.pop("versions", ()):
            row["split"] = ((f"{place}.example.", *map(zone, versions)),)
        else:
            usual = {"ns": beyond.pop("itself", cuts), "lines": ["mx A 82.64.5.30"]}
            row["more"] = {f"{place}.example.": usual | beyond} | row.get("more", {})
        if not row.keys() & {"redirected", "first"}:
            row["redirected"] = [f"@ MX 10 mx.{place}.example."]
        row = {"cn": f"mx.{place}.example"} | row
    if "redirected" in row:
        row = {"parent": row.pop("redirected"), "first": False} | row
    ns = row.pop("ns", ns)
    keys = [f"@ DS {ds}" for ds in row.pop("ds", [DS] if "signed" in row else [])]
    row = {"parent": [*cut(*ns), *keys], "first": {}} | row | {"hosts": hosts + row.get("hosts", [])}
    lists = {field: tuple(each(value)) for field, value in row.items() if isinstance(value, list)}
    served = {side: _zone(row[side], ns) for side in ("first", "second", "carried") if side in row}
    more = tuple((place, _zone(side_of, NS)) for place, side_of in row.get("more", {}).items())
    return row | lists | served | {"more": more, "scripted": (*(scripted | row.get("scripted", {})).items(),)}


def _servers(label: str, does: Iterable[str], at: str) -> tuple[list[str], list[str], dict[str, str]]:
    """Return names of servers, lines that give the bad ones addresses, and what those do there.

    "" is a good one; a bad one is in a network of its own, which nobody else has.
    """
    names, hosts, scripted = [], [], {}
    for number, done in enumerate(does, 1):
        if not done:
            names.append(NS[number - 1])
            continue
        name, address = f"ns{number}-{label}.op", f"62.{209 + number}.{at}"
        names.append(f"{name}.example")
        hosts.append(f"{name} A {address}")
        scripted[address] = done
    return names, hosts, scripted


def _zone(fields: dict[str, Any] | Literal[False], ns: Iterable[str]) -> str | None:
    return None if fields is False else zone(**{"ns": ns} | fields)


CASES = read("dnscases.toml", Case)
PARENT_ZONES = {
    **dict.fromkeys(
        ("mssante.fr", "desaccord.fr", "nonsigne.fr"),
        (("ns1.gestion.example", P1), ("ns2.gestion.example", P2)),
    ),
    "melange.fr": (("ns3.gestion.example", P3),),
}
"""Parent zone → its servers."""


ALL = BIND, UNBOUND, UNBOUND_VALIDATING, KNOT = "BIND", "unbound", "unbound, validating", "Knot Resolver"
NONE = ()


@dataclass(frozen=True)
class Hard(Case):
    """A case with its truth, in the words at the head of the file."""

    method: str = ""
    reached: tuple[str, ...] | None = ALL  # ``None``: by chance
    unsound: str = ""
    postfix: bool = False
    learns: str = ""
    alone: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        usual = "delegated" if any(" NS " in line for line in self.parent) else "redirected"
        object.__setattr__(self, "method", self.method or usual)
        if self.reached == "by chance":
            object.__setattr__(self, "reached", None)

    @property
    def learnt(self) -> tuple[str, ...]:
        """The zones whose servers are asked for first."""
        return (self.learns.replace("@", self.domain),) if self.learns else ()

    @property
    def receives(self) -> str:
        """What we must say: `yes`, `degraded` or `no`."""
        if self.reached == NONE:
            return "degraded" if self.postfix else "no"
        return "yes" if self.reached == ALL and not self.unsound else "degraded"


HARD = read("dnshard.toml", Hard)

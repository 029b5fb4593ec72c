"""Whether mail to a domain arrives: the decision table, case by case, and what no file may do to it."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_dns import ALPHA_MX, AT, DELEGATED, ONE, PARENTS, REDIRECTED, TWO, Change, Scene

from mssante_audit.network.mail import CAUSES, Mail, mails
from mssante_audit.observe.lines import Reply
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.verdicts import presented
from mssante_audit.verdicts.words import causes
from tools.sample.dns_world import NameServer, Zone, observe_world

AS_OF = AT + timedelta(days=1)
NS1, NS2 = "ns1.alpha.example", "ns2.gamma.example"
LOST = "203.0.113.66"
"""Nobody listens there."""


def observed(scene: Scene) -> Observation:
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns.jsonl.gz")
        observe_world(scene.world, [row["domain"] for row in scene.rows], file, AT, ipv6=scene.ipv6)
        return load_observation(file)


def verdicts(scene: Scene, as_of: datetime = AS_OF) -> dict[str, Mail]:
    return mails(observed(scene), [row["domain"] for row in scene.rows], as_of, 7)


def mx(*data: str) -> Change:
    """Have the zone of the delegated domain name these mail hosts."""

    def change(scene: Scene) -> None:
        scene.zone.records[DELEGATED].pop("MX", None)
        if data:
            scene.zone.add(DELEGATED, "MX", *data)

    return change


def faulty(*addresses: str, **faults: Any) -> Change:
    """Have servers misbehave."""
    return lambda scene: does(scene, *addresses, **faults)


def lame(*addresses: str) -> Change:
    return lambda scene: scene.world.servers.update(
        {address: NameServer(otherwise="lame") for address in addresses}
    )


def stale(scene: Scene, *data: str) -> None:
    """Give the second server a zone of its own with other mail hosts."""
    zone = scene.split()
    zone.records[DELEGATED].pop("MX", None)
    if data:
        zone.add(DELEGATED, "MX", *data)


def together(*changes: Change) -> Change:
    def change(scene: Scene) -> None:
        for one in changes:
            one(scene)

    return change


def glue(scene: Scene, *addresses: str) -> None:
    """Have the zone's one server lie in the zone, with these addresses as the parent gives them."""
    name = f"ns1.{DELEGATED}"
    scene.servers(name)
    for address in addresses:
        scene.parent.add(name, "AAAA" if ":" in address else "A", address)
        scene.zone.add(name, "AAAA" if ":" in address else "A", address)
        scene.world.serve(scene.zone, address)


def aliased(scene: Scene, name: str = "ailleurs.alpha.example") -> None:
    scene.zone.records[DELEGATED].pop("MX")
    scene.zone.add(DELEGATED, "CNAME", name)


def does(scene: Scene, *addresses: str, **faults: Any) -> None:
    """Have servers, those of the zone unless others are given, misbehave."""
    for address in addresses or (ONE, TWO):
        for name, value in faults.items():
            setattr(scene.world.servers[address], name, value)


def elsewhere(
    scene: Scene,
    servers: tuple[str, ...] = ("ns1.b", "ns2.b"),
    below: str = "",
    *,
    named: bool = True,
    **faults: Any,
) -> None:
    """Put the exchanger into a zone on servers of its own; those called ``nsa…`` have aliases for names."""
    root, names = scene.world.root, [f"{name}.example" for name in servers]
    for number, name in enumerate(names, 1):
        address = f"198.51.{100 + number}.7"
        target = name.replace("nsa", "ns")
        root.records.pop(name, None)
        if target != name:
            root.add(name, "CNAME", target)
        scene.host(target, address)
    root.records.pop("cible.example", None)
    root.add("cible.example", "NS", *names)
    zone = scene.world.serve(
        Zone("cible.example").soa(1).add("cible.example", "NS", *names),
        *(f"198.51.{100 + number}.7" for number in range(1, len(names) + 1)),
    )
    if below:
        zone.add(f"{below}cible.example", "NS", "ns1.alpha.example")
        zone = scene.world.serve(
            Zone(f"{below}cible.example").soa(1).add(f"{below}cible.example", "NS", "ns1.alpha.example"), ONE
        )
    zone.add(f"mx.{below}cible.example", "A", "192.88.99.30")
    does(scene, *(f"198.51.{100 + number}.7" for number in range(1, len(names) + 1)), **faults)
    if named:
        mx(f"10 mx.{below}cible.example")(scene)


OTHER = "mss2.alpha.example"
BOTH = ("udp", "tcp")
CASES: dict[str, tuple[str, str, Change]] = {
    "sain": ("yes", "", lambda s: None),
    "un-seul-serveur": ("yes", "", lambda s: s.servers(NS1)),
    "serveur-muet": ("degraded", "one-server", faulty(TWO, silent=BOTH)),
    "serveur-en-panne": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "SERVFAIL"})),
    "serveur-refuse": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "REFUSED"})),
    "serveur-boiteux": ("degraded", "one-server", lame(TWO)),
    "serveur-tcp": ("degraded", "one-server", faulty(TWO, silent=("udp",))),
    "serveur-inconnu": ("degraded", "one-server", lambda s: s.servers(NS1, "parti.alpha.example")),
    "serveur-prive-non-demande": ("yes", "", lambda s: s.host(NS2, "0.0.0.0").servers(NS1)),
    "serveur-zero": ("degraded", "one-server", lambda s: s.host(NS2, "0.0.0.0")),
    "zone-muette": ("no", "zone-dead", faulty(silent=BOTH)),
    "zone-en-panne": ("no", "zone-dead", faulty(rcodes={DELEGATED: "SERVFAIL"})),
    "zone-boiteuse": ("no", "zone-dead", lame(ONE, TWO)),
    "zone-sans-serveur": ("no", "zone-lost", lambda s: s.servers("parti.alpha.example")),
    "zone-zero": ("no", "zone-lost", lambda s: s.host(NS1, "0.0.0.0").host(NS2, "0.0.0.0")),
    "zone-ipv6": ("degraded", "servers-ipv6", lambda s: glue(s, "2001:db8::53")),
    "zone-sans-colle": ("no", "zone-lost", lambda s: s.servers(f"ns1.{DELEGATED}")),
    "parent-partage": ("degraded", "servers-differ", lambda s: s.split_parent().records.pop(DELEGATED)),
    "parent-boiteux": (
        "degraded", "one-server", lambda s: s.world.servers.update({PARENTS[1][1]: NameServer()}),
    ),
    "parent-pour-lui-seul": (
        "no", "mx-unanswered",
        lambda s: does(s, *(address for _, address in PARENTS), refused=("MX", "A", "AAAA")),
    ),
    "parent-pour-lui-seul-un": (
        "degraded", "one-server", lambda s: does(s, PARENTS[1][1], refused=("MX", "A", "AAAA")),
    ),
    "rien": ("no", "no-name", lambda s: s.parent.records.pop(DELEGATED)),
    "sans-mx": ("no", "no-mail", mx()),
    "sans-mx-avec-adresse": ("yes", "", together(mx(), lambda s: s.zone.add(DELEGATED, "A", "192.88.99.7"))),
    "sans-mx-adresse-privee": (
        "no", "exchangers-private", together(mx(), lambda s: s.zone.add(DELEGATED, "A", "10.0.0.7")),
    ),
    "mx-nul": ("no", "null-mx", mx("0 .")),
    "mx-nul-a-cote": ("degraded", "null-mx-beside", mx("0 .", f"10 {ALPHA_MX}")),
    "mx-nul-a-cote-de-rien": ("no", "exchangers-absent", mx("0 .", "10 parti.alpha.example")),
    "mx-inconnu": ("no", "exchangers-absent", mx("10 parti.alpha.example")),
    "mx-inconnu-a-cote": ("degraded", "one-exchanger", mx(f"10 {ALPHA_MX}", "20 parti.alpha.example")),
    "mx-inconnu-sur-trois": (
        "yes",
        "",
        together(
            mx(f"10 {ALPHA_MX}", f"10 {OTHER}", "20 parti.alpha.example"),
            lambda s: s.host(OTHER, "192.88.99.9"),
        ),
    ),
    "mx-prive": ("no", "exchangers-private", lambda s: s.host(ALPHA_MX, "10.0.0.1")),
    "mx-boucle": ("no", "exchangers-private", lambda s: s.host(ALPHA_MX, "127.0.0.1")),
    "mx-zero": ("no", "exchangers-private", lambda s: s.host(ALPHA_MX, "0.0.0.0")),
    "mx-prive-aussi": ("degraded", "private-among", lambda s: s.host(ALPHA_MX, "10.0.0.1", "192.88.99.1")),
    "mx-ipv6": ("degraded", "exchangers-ipv6", lambda s: s.host(ALPHA_MX, "2001:db8::25")),
    "mx-ipv6-et-ipv4": ("yes", "", lambda s: s.host(ALPHA_MX, "192.88.99.1", "2001:db8::25")),
    "mx-litteral": ("degraded", "exchangers-literal", mx("10 192.88.99.1")),
    "mx-litteral-a-cote": ("degraded", "one-exchanger", mx("10 192.88.99.1", f"10 {ALPHA_MX}")),
    "mx-alias": (
        "yes",
        "",
        together(
            mx("10 alias.alpha.example"),
            lambda s: s.world.root.add("alias.alpha.example", "CNAME", ALPHA_MX),
        ),
    ),
    "mx-alias-pendant": (
        "no",
        "exchangers-absent",
        together(
            mx("10 alias.alpha.example"),
            lambda s: s.world.root.add("alias.alpha.example", "CNAME", "parti.alpha.example"),
        ),
    ),
    "mx-preferences": ("yes", "", lambda s: stale(s, f"20 {ALPHA_MX}")),
    "mx-differents": ("degraded", "mx-differ", lambda s: stale(s.host(OTHER, "192.88.99.9"), f"10 {OTHER}")),
    "mx-en-plus": ("yes", "", lambda s: stale(s.host(OTHER, "192.88.99.9"), f"10 {ALPHA_MX}", f"10 {OTHER}")),
    "mx-perime": ("degraded", "servers-differ", lambda s: stale(s, "10 parti.alpha.example")),
    "mx-manque-a-un-serveur": ("degraded", "servers-differ", lambda s: stale(s)),
    "alias": (
        "yes", "",
        together(aliased, lambda s: s.world.root.add("ailleurs.alpha.example", "MX", f"10 {ALPHA_MX}")),
    ),
    "alias-pendant": ("no", "alias-lost", aliased),
    "mx-ipv6-a-cote": (
        "yes", "", together(mx(f"10 {ALPHA_MX}", f"20 {OTHER}"), lambda s: s.host(OTHER, "2a00::25")),
    ),
    "mx-vers-ns-alias": ("degraded", "exchangers-partly", lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"))),
    "mx-vers-ns-alias-un": ("yes", "", lambda s: elsewhere(s, ("nsa1.b", "ns2.b"))),
    "mx-vers-ns-alias-au-dessus": (
        "degraded", "exchangers-partly", together(lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), "bas.")),
    ),
    "mx-vers-edns-notimp": ("degraded", "exchangers-partly", lambda s: elsewhere(s, edns="NOTIMP")),
    "mx-vers-tcp": ("degraded", "exchangers-partly", lambda s: elsewhere(s, silent=("udp",))),
    "mx-vers-lent": ("degraded", "exchangers-partly", lambda s: elsewhere(s, late=True)),
    "mx-vers-faible": ("yes", "", lambda s: elsewhere(s, weak=True)),
    "zone-edns-notimp": ("degraded", "servers-edns", faulty(edns="NOTIMP")),
    "zone-lente": ("degraded", "servers-slow", faulty(late=True)),
    "zone-tcp": ("degraded", "servers-tcp", faulty(silent=("udp",))),
    "zone-edns-muet": ("no", "edns-dropped", faulty(edns="dropped")),
    "mx-refuse": ("no", "mx-unanswered", faulty(refused=("MX",))),
    "a-refuse": ("no", "exchangers-lost", lambda s: elsewhere(s, refused=("A", "AAAA"))),
    "sans-mx-ipv6": (
        "degraded", "exchangers-ipv6", together(mx(), lambda s: s.zone.add(DELEGATED, "AAAA", "2a00::7")),
    ),
    "sans-mx-prive-parmi": (
        "degraded", "private-among",
        together(mx(), lambda s: s.zone.add(DELEGATED, "A", "192.88.99.7", "10.0.0.7")),
    ),
    "alias-ns-alias": (
        "degraded",
        "servers-alias",
        together(
            lambda s: aliased(s, "mx.cible.example"),
            lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), named=False),
        ),
    ),
    "joker": (
        "yes",
        "",
        together(
            lambda s: s.parent.records.pop(DELEGATED),
            lambda s: s.parent.add("*.mssante.fr", "MX", f"10 {ALPHA_MX}"),
        ),
    ),
}  # fmt: skip
"""Name → answer, cause, what is changed in a made-up DNS where all is well."""


@cache
def case(name: str) -> tuple[Observation, Mail]:
    scene = Scene()
    CASES[name][2](scene)
    found = observed(scene)
    return found, mails(found, [DELEGATED], AS_OF, 7)[DELEGATED]


@pytest.mark.parametrize("name", CASES)
def test_the_walk_decides(name: str) -> None:
    told = case(name)[1]
    assert (told.receives, told.cause) == CASES[name][:2]
    assert told.ways
    if told.receives == "yes":
        assert told.dns.grade == told.mail.grade == "ok"
    else:
        assert told.cause in CAUSES[told.receives]


def test_redirections_are_walked_too() -> None:
    scene = Scene()
    scene.world.servers["198.18.9.1"] = NameServer(otherwise="REFUSED")
    assert verdicts(scene)[REDIRECTED].receives == "yes"
    scene.world.root.add("perdue.example", "NS", "ns.perdue.example")
    scene.parent.records[REDIRECTED]["MX"] = ["10 mss.perdue.example"]
    for address in (LOST, "198.18.9.1"):  # a zone that is silent, one whose server knows nothing of it
        scene.world.root.records["ns.perdue.example"] = {"A": [address]}
        told = verdicts(scene)[REDIRECTED]
        assert (told.receives, told.cause, told.facts) == (
            "no", "exchangers-lost", {"hosts": ["mss.perdue.example"]}
        )  # fmt: skip


def test_servers_on_ipv6_are_not_called_dead_by_an_observer_without() -> None:
    scene = Scene(ipv6=False)
    glue(scene, "2001:db8::53")
    told = verdicts(scene)[DELEGATED]
    assert (told.receives, told.cause) == ("degraded", "servers-ipv6")
    assert told.dns.grade == told.mail.grade == "warn"


def test_age_counts() -> None:
    found = case("sain")[0]
    for as_of, days, expected in (
        (AT + timedelta(days=7), 7, ("yes", "")),
        (AT + timedelta(days=8), 7, ("unknown", "too-old")),
        (AT + timedelta(days=8), 30, ("yes", "")),
        (AT - timedelta(days=1), 7, ("unknown", "of-the-future")),
    ):
        told = mails(found, [DELEGATED], as_of, days)[DELEGATED]
        assert (told.receives, told.cause) == expected


def test_what_was_not_observed_is_unknown() -> None:
    found = case("sain")[0]
    for told in (
        mails(None, [DELEGATED], AS_OF, 7)[DELEGATED],
        mails(found, ["ch-autre.mssante.fr"], AS_OF, 7)["ch-autre.mssante.fr"],
    ):
        assert (told.receives, told.cause) == ("unknown", "not-observed")
    assert mails(found, ["a..b"], AS_OF, 7)["a..b"].receives == "no"  # no resolver can ask for it


def test_every_cause_has_its_words() -> None:
    assert causes().keys() == {cause for own in (*CAUSES.values(), presented.CAUSES) for cause in own}
    assert causes("en").keys() == causes().keys()
    for cause, words in causes().items():
        assert words.keys() == {"met", "do"}
        assert words["met"][0].islower()
        assert causes("en")[cause]["met"] != words["met"]


def test_the_decision_table_has_every_cause_and_our_cases() -> None:
    table = Path(__file__).parents[2].joinpath("docs/dns_verdicts.md").read_text(encoding="utf-8")
    for cause in causes():
        assert f"`{cause}`" in table
    for name, (receives, cause, _) in CASES.items():
        if cause:
            assert f"| `{receives}` | `{cause}` |" in table, name


# -- whatever the file --------------------------------------------------------------------------------------


def kept(found: Observation, replies: Iterable[Reply]) -> Observation:
    """Return an observation with these lines only, in this order; one that repeats is a line of its own."""
    lines = enumerate(replies, 1)
    return replace(found, replies=tuple(reply._replace(line=number) for number, reply in lines))


def receives_without(found: Observation, gone: Collection[Reply]) -> str:
    """Return whether mail arrives as far as an observation without these lines tells."""
    lines = {reply.line for reply in gone}
    fewer = replace(found, replies=tuple(reply for reply in found.replies if reply.line not in lines))
    return mails(fewer, [DELEGATED], AS_OF, 7)[DELEGATED].receives


@pytest.mark.parametrize("name", CASES)
def test_neither_order_nor_repetition_changes_it(name: str) -> None:
    found, told = case(name)
    lines = list(found.replies)
    mixed = random.Random(name).choices(lines, k=len(lines) // 2) + lines
    random.Random(name).shuffle(mixed)
    changed = mails(kept(found, mixed), [DELEGATED], AS_OF, 7)[DELEGATED]
    assert (changed.receives, changed.cause, changed.facts) == (told.receives, told.cause, told.facts)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_line_less_only_makes_it_unknown(name: str, data: st.DataObject) -> None:
    found, told = case(name)
    lines = st.sampled_from(found.replies)
    gone = data.draw(st.lists(lines, min_size=1, max_size=len(found.replies)))
    assert receives_without(found, gone) in (told.receives, "unknown")


@pytest.mark.parametrize("name", CASES)
def test_no_single_line_nor_server_makes_it_another_answer(name: str) -> None:
    found, told = case(name)
    groups: dict[tuple[str, object], list[Reply]] = {}
    for reply in found.replies:
        for field in ("line", "address", "qname", "qtype", "transport", "zone", "step", "outcome"):
            groups.setdefault((field, getattr(reply, field)), []).append(reply)
    for gone in {tuple(reply.line for reply in group): group for group in groups.values()}.values():
        receives = receives_without(found, gone)
        assert receives in (told.receives, "unknown"), gone

"""Whether mail to a domain arrives: the decision table, case by case, and what no file may do to it."""

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
LOST = "203.0.113.66"  # nobody listens there


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
    return lambda s: s.world.servers.update({at: NameServer(otherwise="lame") for at in addresses})


def host(name: str, *addresses: str) -> Change:
    """Give a name these addresses."""
    return lambda scene: scene.host(name, *addresses)


def servers(*names: str) -> Change:
    return lambda scene: scene.servers(*names)


def has(kind: str, *data: str, name: str = DELEGATED) -> Change:
    """Have the zone of ch-alpha, or the root for another name, hold a record."""
    return lambda s: (s.zone if name == DELEGATED else s.world.root).add(name, kind, *data)


def stale(*data: str) -> Change:
    """Give the second server a zone of its own with other mail hosts."""

    def change(scene: Scene) -> None:
        zone = scene.split()
        zone.records[DELEGATED].pop("MX", None)
        if data:
            zone.add(DELEGATED, "MX", *data)

    return change


def together(*changes: Change) -> Change:
    def change(scene: Scene) -> None:
        for part in changes:
            part(scene)

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
    scene: Scene, servers: tuple[str, ...] = ("ns1.b", "ns2.b"), below: str = "", *, named: bool = True,
    **faults: Any,
) -> None:  # fmt: skip
    """Put the exchanger into a zone on servers of its own; those called ``nsa…`` have aliases for names."""
    root, names = scene.world.root, [f"{name}.example" for name in servers]
    addresses = [f"198.51.{100 + number}.7" for number in range(1, len(names) + 1)]
    for name, address in zip(names, addresses, strict=True):
        target = name.replace("nsa", "ns")
        root.records.pop(name, None)
        if target != name:
            root.add(name, "CNAME", target)
        scene.host(target, address)
    root.records.pop("cible.example", None)
    root.add("cible.example", "NS", *names)
    zone = scene.world.serve(Zone("cible.example").soa(1).add("cible.example", "NS", *names), *addresses)
    inner, ns = f"{below}cible.example", "ns1.alpha.example"
    if below:
        zone.add(inner, "NS", ns)
        zone = scene.world.serve(Zone(inner).soa(1).add(inner, "NS", ns), ONE)
    zone.add(f"mx.{inner}", "A", "192.88.99.30")
    does(scene, *addresses, **faults)
    if named:
        mx(f"10 mx.{inner}")(scene)


OTHER = "mss2.alpha.example"
BOTH = ("udp", "tcp")
GONE, ALIAS = "parti.alpha.example", "alias.alpha.example"
NO_A = ("MX", "A", "AAAA")
CASES: dict[str, tuple[str, str, Change]] = {
    "sain": ("yes", "", lambda s: None),
    "un-seul-serveur": ("yes", "", servers(NS1)),
    "serveur-muet": ("degraded", "one-server", faulty(TWO, silent=BOTH)),
    "serveur-en-panne": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "SERVFAIL"})),
    "serveur-refuse": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "REFUSED"})),
    "serveur-boiteux": ("degraded", "one-server", lame(TWO)),
    "serveur-tcp": ("degraded", "one-server", faulty(TWO, silent=("udp",))),
    "serveur-inconnu": ("degraded", "one-server", servers(NS1, GONE)),
    "serveur-prive-non-demande": ("yes", "", together(host(NS2, "0.0.0.0"), servers(NS1))),
    "serveur-zero": ("degraded", "one-server", host(NS2, "0.0.0.0")),
    "zone-muette": ("no", "zone-dead", faulty(silent=BOTH)),
    "zone-en-panne": ("no", "zone-dead", faulty(rcodes={DELEGATED: "SERVFAIL"})),
    "zone-boiteuse": ("no", "zone-dead", lame(ONE, TWO)),
    "zone-sans-serveur": ("no", "zone-lost", servers(GONE)),
    "zone-zero": ("no", "zone-lost", together(host(NS1, "0.0.0.0"), host(NS2, "0.0.0.0"))),
    "zone-ipv6": ("degraded", "servers-ipv6", lambda s: glue(s, "2001:db8::53")),
    "zone-sans-colle": ("no", "zone-lost", servers(f"ns1.{DELEGATED}")),
    "parent-partage": ("degraded", "servers-differ", lambda s: s.split_parent().records.pop(DELEGATED)),
    "parent-boiteux": (
        "degraded", "one-server", lambda s: s.world.servers.update({PARENTS[1][1]: NameServer()}),
    ),
    "parent-pour-lui-seul": ("no", "mx-unanswered", faulty(*(at for _, at in PARENTS), refused=NO_A)),
    "parent-pour-lui-seul-un": ("degraded", "one-server", faulty(PARENTS[1][1], refused=NO_A)),
    "rien": ("no", "no-name", lambda s: s.parent.records.pop(DELEGATED)),
    "sans-mx": ("no", "no-mail", mx()),
    "sans-mx-avec-adresse": ("yes", "", together(mx(), has("A", "192.88.99.7"))),
    "sans-mx-adresse-privee": ("no", "exchangers-private", together(mx(), has("A", "10.0.0.7"))),
    "mx-nul": ("no", "null-mx", mx("0 .")),
    "mx-nul-a-cote": ("degraded", "null-mx-beside", mx("0 .", f"10 {ALPHA_MX}")),
    "mx-nul-a-cote-de-rien": ("no", "exchangers-absent", mx("0 .", f"10 {GONE}")),
    "mx-inconnu": ("no", "exchangers-absent", mx(f"10 {GONE}")),
    "mx-inconnu-a-cote": ("degraded", "one-exchanger", mx(f"10 {ALPHA_MX}", f"20 {GONE}")),
    "mx-inconnu-sur-trois": (
        "yes", "", together(mx(f"10 {ALPHA_MX}", f"10 {OTHER}", f"20 {GONE}"), host(OTHER, "192.88.99.9")),
    ),
    "mx-prive": ("no", "exchangers-private", host(ALPHA_MX, "10.0.0.1")),
    "mx-boucle": ("no", "exchangers-private", host(ALPHA_MX, "127.0.0.1")),
    "mx-zero": ("no", "exchangers-private", host(ALPHA_MX, "0.0.0.0")),
    "mx-prive-aussi": ("degraded", "private-among", host(ALPHA_MX, "10.0.0.1", "192.88.99.1")),
    "mx-ipv6": ("degraded", "exchangers-ipv6", host(ALPHA_MX, "2001:db8::25")),
    "mx-ipv6-et-ipv4": ("yes", "", host(ALPHA_MX, "192.88.99.1", "2001:db8::25")),
    "mx-litteral": ("degraded", "exchangers-literal", mx("10 192.88.99.1")),
    "mx-litteral-a-cote": ("degraded", "one-exchanger", mx("10 192.88.99.1", f"10 {ALPHA_MX}")),
    "mx-alias": ("yes", "", together(mx(f"10 {ALIAS}"), has("CNAME", ALPHA_MX, name=ALIAS))),
    "mx-alias-pendant": (
        "no", "exchangers-absent", together(mx(f"10 {ALIAS}"), has("CNAME", GONE, name=ALIAS)),
    ),
    "mx-preferences": ("yes", "", stale(f"20 {ALPHA_MX}")),
    "mx-differents": ("degraded", "mx-differ", together(host(OTHER, "192.88.99.9"), stale(f"10 {OTHER}"))),
    "mx-en-plus": (
        "yes", "", together(host(OTHER, "192.88.99.9"), stale(f"10 {ALPHA_MX}", f"10 {OTHER}")),
    ),
    "mx-perime": ("degraded", "servers-differ", stale(f"10 {GONE}")),
    "mx-manque-a-un-serveur": ("degraded", "servers-differ", stale()),
    "alias": ("yes", "", together(aliased, has("MX", f"10 {ALPHA_MX}", name="ailleurs.alpha.example"))),
    "alias-pendant": ("no", "alias-lost", aliased),
    "mx-ipv6-a-cote": ("yes", "", together(mx(f"10 {ALPHA_MX}", f"20 {OTHER}"), host(OTHER, "2a00::25"))),
    "mx-vers-ns-alias": ("degraded", "exchangers-partly", lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"))),
    "mx-vers-ns-alias-un": ("yes", "", lambda s: elsewhere(s, ("nsa1.b", "ns2.b"))),
    "mx-vers-ns-alias-au-dessus": (
        "degraded", "exchangers-partly", lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), "bas."),
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
    "sans-mx-ipv6": ("degraded", "exchangers-ipv6", together(mx(), has("AAAA", "2a00::7"))),
    "sans-mx-prive-parmi": (
        "degraded", "private-among", together(mx(), has("A", "192.88.99.7", "10.0.0.7")),
    ),
    "alias-ns-alias": ("degraded", "servers-alias", together(
        lambda s: aliased(s, "mx.cible.example"), lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), named=False),
    )),
    "joker": ("yes", "", together(
        lambda s: s.parent.records.pop(DELEGATED),
        lambda s: s.parent.add("*.mssante.fr", "MX", f"10 {ALPHA_MX}"),
    )),
}  # fmt: skip
"""Name → answer, cause, what is changed in a made-up DNS where all is well."""


@cache
def case(name: str) -> tuple[Observation, Mail]:
    scene = Scene()
    CASES[name][2](scene)
    observation = observed(scene)
    return observation, mails(observation, [DELEGATED], AS_OF, 7)[DELEGATED]


@pytest.mark.parametrize("name", CASES)
def test_the_walk_decides(name: str) -> None:
    mail = case(name)[1]
    assert (mail.receives, mail.cause) == CASES[name][:2]
    assert mail.ways
    if mail.receives == "yes":
        assert mail.dns.grade == mail.mail.grade == "ok"
    else:
        assert mail.cause in CAUSES[mail.receives]


def test_redirections_are_walked_too() -> None:
    scene = Scene()
    scene.world.servers["198.18.9.1"] = NameServer(otherwise="REFUSED")
    assert verdicts(scene)[REDIRECTED].receives == "yes"
    scene.world.root.add("perdue.example", "NS", "ns.perdue.example")
    scene.parent.records[REDIRECTED]["MX"] = ["10 mss.perdue.example"]
    for address in (LOST, "198.18.9.1"):  # a zone that is silent, one whose server knows nothing of it
        scene.world.root.records["ns.perdue.example"] = {"A": [address]}
        mail = verdicts(scene)[REDIRECTED]
        assert (mail.receives, mail.cause, mail.facts) == (
            "no", "exchangers-lost", {"hosts": ["mss.perdue.example"]}
        )  # fmt: skip


def test_servers_on_ipv6_are_not_called_dead_by_an_observer_without() -> None:
    scene = Scene(ipv6=False)
    glue(scene, "2001:db8::53")
    mail = verdicts(scene)[DELEGATED]
    assert (mail.receives, mail.cause) == ("degraded", "servers-ipv6")
    assert mail.dns.grade == mail.mail.grade == "warn"


def test_age_counts() -> None:
    observation = case("sain")[0]
    for as_of, days, expected in (
        (AT + timedelta(days=7), 7, ("yes", "")),
        (AT + timedelta(days=8), 7, ("unknown", "too-old")),
        (AT + timedelta(days=8), 30, ("yes", "")),
        (AT - timedelta(days=1), 7, ("unknown", "of-the-future")),
    ):
        mail = mails(observation, [DELEGATED], as_of, days)[DELEGATED]
        assert (mail.receives, mail.cause) == expected


def test_what_was_not_observed_is_unknown() -> None:
    observation = case("sain")[0]
    for mail in (
        mails(None, [DELEGATED], AS_OF, 7)[DELEGATED],
        mails(observation, ["ch-autre.mssante.fr"], AS_OF, 7)["ch-autre.mssante.fr"],
    ):
        assert (mail.receives, mail.cause) == ("unknown", "not-observed")
    assert mails(observation, ["a..b"], AS_OF, 7)["a..b"].receives == "no"  # no resolver can ask for it


def test_every_cause_has_its_words() -> None:
    assert causes().keys() == {cause for each in (*CAUSES.values(), presented.CAUSES) for cause in each}
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


def kept(observation: Observation, replies: Iterable[Reply]) -> Observation:
    """Return an observation with these lines only, in this order; one that repeats is a line of its own."""
    lines = enumerate(replies, 1)
    return replace(observation, replies=tuple(reply._replace(line=number) for number, reply in lines))


def receives_without(observation: Observation, gone: Collection[Reply]) -> str:
    """Return whether mail arrives as far as an observation without these lines tells."""
    lines = {reply.line for reply in gone}
    fewer = replace(
        observation, replies=tuple(reply for reply in observation.replies if reply.line not in lines)
    )
    return mails(fewer, [DELEGATED], AS_OF, 7)[DELEGATED].receives


@pytest.mark.parametrize("name", CASES)
def test_neither_order_nor_repetition_changes_it(name: str) -> None:
    observation, mail = case(name)
    lines = list(observation.replies)
    mixed = random.Random(name).choices(lines, k=len(lines) // 2) + lines
    random.Random(name).shuffle(mixed)
    changed = mails(kept(observation, mixed), [DELEGATED], AS_OF, 7)[DELEGATED]
    assert (changed.receives, changed.cause, changed.facts) == (mail.receives, mail.cause, mail.facts)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_a_line_less_only_makes_it_unknown(name: str, data: st.DataObject) -> None:
    observation, mail = case(name)
    lines = st.sampled_from(observation.replies)
    gone = data.draw(st.lists(lines, min_size=1, max_size=len(observation.replies)))
    assert receives_without(observation, gone) in (mail.receives, "unknown")


@pytest.mark.parametrize("name", CASES)
def test_no_single_line_nor_server_makes_it_another_answer(name: str) -> None:
    observation, mail = case(name)
    groups: dict[tuple[str, object], list[Reply]] = {}
    for reply in observation.replies:
        for field in ("line", "address", "qname", "qtype", "transport", "zone", "step", "outcome"):
            groups.setdefault((field, getattr(reply, field)), []).append(reply)
    for gone in {tuple(reply.line for reply in group): group for group in groups.values()}.values():
        receives = receives_without(observation, gone)
        assert receives in (mail.receives, "unknown"), gone

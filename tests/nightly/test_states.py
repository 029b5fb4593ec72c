"""Nights are played in which an input goes, shrinks, is forged, comes back: nothing false is said then.

The lists have the sample's rows, signed by an authority of the test's own.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import CATALOGUE
from cryptography.hazmat.primitives.serialization import Encoding
from loopback import give, serving
from lxml.html import fromstring
from made_nights import Place

from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import Record, open_archive
from mssante_audit.base import export
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.steps import Job, fetch
from mssante_audit.site import build
from mssante_audit.space.states import State, states_of, worded
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.whitelist.load import load_whitelist
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.signing import make_chain, make_keys, sign
from tools.sample.space import Row, whitelist_chunks

MORNING, NOON, EVENING = (f"2026-03-03T{hour}:00:00Z" for hour in ("06", "12", "18"))
"""On one day, so that no finding comes or goes with the date."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


FIRST, SECOND, THIRD = at("2026-03-02T05:30:00Z"), at("2026-03-03T10:00:00Z"), at("2026-03-03T16:00:00Z")
"""When the lists of the three nights are made."""


@dataclass(frozen=True)
class Lists:
    """Makes lists of the sample's rows."""

    rows: list[Row]
    chain: Any
    other: Any
    stranger: Any

    def made(self, when: datetime, *, rows: int | None = None, by: str = "chain") -> bytes:
        xml = b"".join(whitelist_chunks(self.rows[:rows], when))
        return sign(xml, getattr(self, by)) if by else xml


@dataclass(frozen=True)
class Told:
    status: int
    counts: dict[str, int]
    states: dict[str, str]
    mail: list[str]
    run: Path

    @property
    def findings(self) -> list[dict[str, Any]]:
        return list(json.loads((self.run / "findings.json").read_text(encoding="utf-8")))

    @property
    def fixed(self) -> list[dict[str, str]]:
        return list(json.loads((self.run / "audit.json").read_text(encoding="utf-8"))["told"]["fixed"])

    @property
    def since(self) -> dict[str, str]:
        return {one["fingerprint"]: one["first_seen"] for one in self.findings}


@dataclass(frozen=True)
class Nights(Place):
    """A folder of data in which nights are played."""

    lists: Lists

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def page(self) -> str:
        """The first page that is shown."""
        return (self.site / "index.html").read_text(encoding="utf-8")

    def trust(self) -> None:
        """Write the certificates of the authority that signs the lists."""
        (self.folder / "anchors").mkdir()
        for number, one in enumerate((self.lists.chain.root, self.lists.chain.issuing)):
            (self.folder / "anchors" / f"{number}.pem").write_bytes(one.public_bytes(Encoding.PEM))

    def put(self, content: bytes) -> None:
        (self.data / "list.xml").write_bytes(content)

    def set(self, *, lang: str = "en", fetch: str = "", **more: Any) -> None:
        """Write audit.toml: a list is fetched from an address, if one is given."""
        self.settings({
            "lang": lang,
            "data": {"folder": "data", "anchors": ["anchors"], "signer": SAMPLE_SIGNER},
            "fetch": {"enabled": True, "url": fetch, "attempts": 1} if fetch else {},
            "thresholds": {"observation_max_age_days": 31},
            "reports": {"enabled": False}, "dossiers": {"enabled": False}, **more,
        })  # fmt: skip

    def told(self, when: str) -> Told:
        """Play a night as the command does, and return what was said of it."""
        night, state = self.night(when), self.state("run.json")
        mail = (night.folder / "summary.txt").read_text(encoding="utf-8").splitlines()
        assert state["exit_status"] == night.exit_status
        assert all(len(line) <= 72 for line in mail if not line.startswith(("SITE", "LOG", "JOURNAL")))
        states = {one["name"]: one["state"] for one in state["inputs"]}
        return Told(night.exit_status, night.audited.get("counts", {}), states, mail, night.folder)


@pytest.fixture(scope="module")
def lists() -> Lists:
    sample = load_whitelist(CATALOGUE / "listeblanchemssante.xml.gz").entries
    fields = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")
    keys = make_keys()
    rows = [
        (*row[:-1], min(row[-1], "2026-02-01T00:00:00Z"))  # none is stamped after a list
        for row in zip(*(sample[name] for name in fields), strict=True)
    ]
    return Lists(
        rows, make_chain(keys=keys), make_chain(keys=keys, common_name="autre.fictif.example"), make_chain()
    )


@pytest.fixture(scope="module", autouse=True)
def _nothing_unread() -> Iterator[None]:
    """Steps are done in this process: of a site there is one page, and of the findings one format."""

    def build_site(folder: Path, space: TrustSpace, *_: object, **__: object) -> None:
        page = f"<!DOCTYPE html><title>x</title><body class=a><p>{len(space.entries)} rows</p></body>"
        (folder / "index.html").write_text(page, encoding="utf-8")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "build_site", build_site)
        patch.setattr(export, "WRITERS", {"json": export.WRITERS["json"]})
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, lists: Lists) -> tuple[Nights, Told]:
    """A place after a good first night, not to be changed, and what was said in it."""
    folder, sample = tmp_path_factory.mktemp("states"), CATALOGUE
    nights = Nights(folder, lists)
    nights.data.mkdir()
    nights.trust()
    for name in ("observations", "archive"):
        shutil.copytree(sample / name, nights.data / name)
    bring_up_to_date(open_archive(nights.data / "archive"))  # as a fetch leaves it
    for file in (*sample.glob("Extraction*"), sample / "declarations.csv"):
        shutil.copy(file, nights.data)
    nights.put(lists.made(FIRST))
    nights.set()
    told = nights.told(MORNING)
    assert (told.status, {*told.states.values()}) == (0, {"ok"}), told.mail
    assert re.fullmatch(r"MSSanté 3 March: 1\d critical \(first run\), 1 unknown domain", told.mail[0])
    return nights, told


@pytest.fixture
def nights(first: tuple[Nights, Told], tmp_path: Path) -> Nights:
    shutil.copytree(first[0].folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return replace(first[0], folder=tmp_path)


def gone(pattern: str) -> Callable[[Nights], None]:
    """Return what removes files."""

    def go(nights: Nights) -> None:
        for path in nights.data.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return go


def listed(when: datetime = SECOND, **how: Any) -> Callable[[Nights], None]:
    return lambda nights: nights.put(nights.lists.made(when, **how))


def forged(nights: Nights) -> None:
    nights.put(nights.lists.made(SECOND).replace(b"MESSAGERIES FICTIVES", b"MESSAGERIES FACTICES", 1))


def cut(nights: Nights) -> None:
    content = nights.lists.made(SECOND)
    nights.put(content[: len(content) // 2])


def torn(name: str) -> Callable[[Nights], None]:
    def tear(nights: Nights) -> None:
        (file,) = nights.data.glob(name)
        file.write_bytes(b"\x00 no such thing")

    return tear


def emptied(nights: Nights) -> None:
    file = nights.data / "declarations.csv"
    file.write_bytes(file.read_bytes().split(b"\n", 1)[0] + b"\n")


def both(*changes: Callable[[Nights], None]) -> Callable[[Nights], None]:
    return lambda nights: [change(nights) for change in changes] and None


def anchors(change: Callable[[Path], object]) -> Callable[[Nights], None]:
    return lambda nights: [change(file) for file in (nights.folder / "anchors").iterdir()] and None


HALF = 92
LATER = "2026-03-12T06:00:00Z"
PLAYED: dict[str, tuple[Callable[[Nights], None], str, dict[str, str], tuple[str, ...]]] = {
    "half the list": (listed(rows=HALF), NOON, {"list": "shrunk"}, ("92 rows, 185 rows before",)),
    "no observation, no mailboxes": (
        both(gone("observations"), gone("Extraction*")), NOON,
        {"dns": "absent", "tls": "absent", "mailboxes": "absent"}, ("is no longer there",)
    ),
    "no register, no archive": (
        both(gone("declarations.csv"), gone("archive")), NOON,
        {"register": "absent", "archive": "absent"}, ("is no longer there",)
    ),
    "an empty register, torn mailboxes": (
        both(emptied, torn("Extraction*0301*")), NOON, {"register": "shrunk", "mailboxes": "damaged"},
        ("0 declarations, 104 declarations before", "cannot be read"),
    ),
    "a torn observation, a torn register": (
        both(torn("observations/dns-*"), torn("declarations.csv")), NOON,
        {"dns": "damaged", "register": "damaged"}, ("cannot be read",)
    ),
    "a forged list": (forged, NOON, {"list": "unverified"}, ("its signature is wrong",)),
    "an unsigned list": (listed(by=""), NOON, {"list": "unverified"}, ("it has no signature",)),
    "another signer": (
        listed(by="other"), NOON, {"list": "changed-signer"}, ("signed by autre.fictif.example",)
    ),
    "a stale list": (lambda _: None, LATER, {"list": "stale"}, ("10 days old, at most 7 allowed",)),
    "a damaged list": (cut, NOON, {"list": "damaged"}, ("cannot be read, or not wholly",)),
}  # fmt: skip
COME_BACK = {"half the list", "no observation, no mailboxes", "a forged list", "a stale list"}
"""Those of which the night after is played too."""


@pytest.mark.parametrize("name", PLAYED)
def test_what_an_input_in_doubt_hides_is_neither_fixed_nor_new_nor_new_again(first, nights, name):
    known, (change, when, states, whys) = first[1], PLAYED[name]
    change(nights)
    dark = nights.told(when)
    assert dark.status == 4, dark.mail
    assert {name: state for name, state in dark.states.items() if state != "ok"} == states
    assert (dark.counts["new"], dark.fixed) == (0, [])
    assert dark.counts["open"] + dark.counts["unknown"] >= known.counts["new"] + len(known.findings)
    whole = "list" in states
    told = " ".join(line.strip() for line in dark.mail[:30])
    sight = "BLIND: list" if whole else ".*0 new.*, PARTLY BLIND: "
    assert re.match(rf"MSSanté \d+ March: {sight}", told)
    assert re.search(r"Since 3 March 2026: |SAME as on 3 March 2026: ", told)
    assert re.search(r": 0 new, 0 fixed, \d+ open, \d+ unknown", told)
    assert " UNKNOWN " in told
    assert ("STILL IN FORCE: the site of 3 March 2026 at 06:00 UTC" in told) is whole
    assert [why for why in whys if why not in told] == []
    assert str(nights.folder) not in json.dumps(
        nights.state("run.json")["inputs"]
    )  # pages that are shared say it too
    assert "<p>185 rows</p>" in nights.page  # it stays that of the last list that was well
    notice = fromstring(nights.page).text_content().replace("\xa0", " ")
    assert ('data-notice="list"' in nights.page, whys[0] in notice) == (whole, whole)
    assert ("still that of 3 March 2026 at 06:00" in notice) is whole
    if name not in COME_BACK:
        return
    for folder in ("data", "anchors"):
        shutil.rmtree(nights.folder / folder)
        shutil.copytree(first[0].folder / folder, nights.folder / folder)
    # With the next list, or a day later where there was none.
    back = "2026-03-12T18:00:00Z" if when == LATER else EVENING
    nights.put(nights.lists.made(at("2026-03-12T05:30:00Z") if when == LATER else THIRD))
    light = nights.told(back)
    assert "data-notice" not in nights.page
    assert (light.status, {*light.states.values()}) == (0, {"ok"}), light.mail
    if when != LATER:  # nine days on, some deadlines are over
        assert (light.counts["new"], light.fixed, light.counts["unknown"]) == (0, [], 0)
        assert light.since == known.since


@pytest.mark.parametrize(
    ("change", "state", "why"),
    [
        (listed(at("2026-03-01T05:30:00Z")), "older", "its date goes back"),
        (listed(by="stranger"), "unverified", "no authority known here vouches for its signer"),
        (anchors(Path.unlink), "unverified", "no CA certificate here"),
        (
            anchors(lambda file: file.write_bytes(b"no certificate")),
            "unverified",
            "no certificate that can be read",
        ),
        (listed(at("2026-03-09T05:30:00Z")), "future", "in the future"),
    ],
)
def test_what_else_makes_a_list_one_to_doubt(nights, change, state, why):
    change(nights)
    found = list_state(nights)
    assert (found.state, found.doubtful) == (state, True)
    assert why in worded(found, "en")


# -- one by one -------------------------------------------------------------------------------------


def test_a_list_that_stays_halved_stays_in_doubt_until_somebody_accepts_it(nights):
    listed(rows=HALF)(nights)
    assert nights.told(NOON).states["list"] == "shrunk"
    listed(THIRD, rows=HALF)(nights)
    again = nights.told(EVENING)
    assert (again.status, again.states["list"], again.fixed) == (4, "shrunk", [])
    nights.set(inputs={"tolerated": ["list:shrunk"]})
    accepted = nights.told("2026-03-03T20:00:00Z")
    assert (accepted.status, accepted.counts["unknown"]) == (0, 0)
    assert accepted.counts["fixed"] > 0
    assert any(line.startswith("BETTER than on 3 March 2026: ") for line in accepted.mail)
    assert any(line.startswith("TOLERATED white list: 92 rows") for line in accepted.mail)
    nights.set()
    after = nights.told("2026-03-03T21:00:00Z")
    assert (after.status, after.states["list"], after.counts["new"], after.fixed) == (0, "ok", 0, [])


def test_a_register_stays_absent_until_somebody_accepts_that_and_its_own_findings_stay_unknown(nights):
    gone("declarations.csv")(nights)
    assert nights.told(NOON).states["register"] == "absent"
    again = nights.told(EVENING)
    assert (again.status, again.states["register"], again.fixed) == (4, "absent", [])
    nights.set(inputs={"tolerated": ["register:absent"]})
    accepted = nights.told("2026-03-03T20:00:00Z")
    assert (accepted.status, accepted.fixed) == (0, [])
    assert accepted.counts["unknown"] > 50
    nights.set()
    after = nights.told("2026-03-03T21:00:00Z")
    assert (after.status, "register" in after.states, after.fixed) == (0, False, [])


def test_where_the_anchors_lie_makes_no_finding_new(nights):
    (nights.folder / "anchors").rename(nights.folder / "trusted")
    settings = nights.folder / "audit.toml"
    settings.write_text(settings.read_text().replace('["anchors"]', '["trusted"]'))
    moved = nights.told(NOON)
    assert (moved.status, moved.counts["new"], moved.fixed) == (0, 0, [])
    assert moved.counts["open"] == len(moved.findings)


def test_a_list_that_is_gone_is_no_calm(nights):
    gone("list.xml")(nights)
    gone("archive")(nights)
    dark = nights.told(NOON)
    assert (dark.status, dark.states) == (4, {"list": "absent"})
    assert dark.mail[0] == "MSSanté 3 March: BLIND: list (absent)"
    assert dark.mail[1].startswith("UNKNOWN white list: is no longer there")
    assert "No findings could be had." in dark.mail
    listed(THIRD)(nights)
    shutil.copytree(CATALOGUE / "archive", nights.data / "archive")
    light = nights.told(EVENING)
    assert (light.status, light.counts["new"], light.fixed) == (0, 0, [])


def test_after_a_first_night_without_sight_the_next_one_is_the_first(nights, first):
    shutil.rmtree(nights.folder / "output")
    listed(FIRST, by="")(nights)
    dark = nights.told(MORNING)
    assert (dark.status, dark.states["list"]) == (4, "unverified")
    listed(THIRD)(nights)
    light = nights.told(EVENING)
    assert (light.status, light.counts["new"], light.fixed) == (0, 0, [])
    assert "(first run)" in light.mail[0]
    assert len(light.findings) == len(first[1].findings)


def test_what_is_really_new_and_really_fixed_is_told_and_new_ones_may_ask_for_status_1(nights):
    """The same rows but one, whose description and contacts are gone."""
    nights.set(fail_on_new="warning")
    changed = [(*row[:3], "", "", row[5]) if n == 5 else row for n, row in enumerate(nights.lists.rows)]
    nights.put(replace(nights.lists, rows=changed).made(SECOND))
    worse = nights.told(NOON)
    assert (worse.status, worse.counts["new"] > 0) == (1, True)
    assert any(line.startswith("WORSE than ") for line in worse.mail)
    listed(THIRD)(nights)
    better = nights.told(EVENING)
    assert (better.counts["new"], better.fixed != []) == (0, True)
    assert any(line.startswith("BETTER than ") for line in better.mail)


def test_to_accept_a_finding_fixes_nothing_and_its_return_is_not_new(nights, first):
    one = next(f for f in first[1].findings if f["severity"] == "error")
    (nights.data / "waivers.toml").write_text(
        f"""[[waiver]]
rule = "{one["rule"]}"
fingerprint = "{one["fingerprint"]}"
reason = "suivi"
who = "cellule"
until = 2026-12-31
"""
    )
    accepted = nights.told(NOON)
    assert (accepted.counts["waived"], accepted.counts["new"], accepted.fixed) == (1, 0, [])
    gone("waivers.toml")(nights)
    back = nights.told(EVENING)
    assert (back.counts["new"], back.counts["open"], back.fixed) == (0, len(first[1].findings), [])
    assert back.since == first[1].since


def test_a_mail_in_french_names_the_criticals_and_nobody(nights):
    nights.set(contacts="all", lang="fr")
    gone("observations")(nights)
    dark = nights.told(NOON)
    text = "\n".join(dark.mail)
    assert dark.mail[0].startswith("MSSanté 3 mars : ")
    assert "INCONNU observation du DNS : n'est plus là" in " ".join(text.split())
    assert re.search(r"CRITIQUES DONT ON NE SAIT PLUS RIEN : \d+ constats \(\d+ causes?\)", text)
    assert "Aucun serveur ne répond pour la zone" in text
    assert re.search(r"APPELER .*\b0[1-59]( \d\d){4}\b", " ".join(text.split()))  # a service's, to be called
    assert not re.search(r"\b0[67]( \d\d){4}\b", text)


# -- the list published ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fetched(first: tuple[Nights, Told], tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A place whose first list was fetched, not to be changed."""
    folder = tmp_path_factory.mktemp("fetched")
    shutil.copytree(first[0].folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("output"))
    nights = replace(first[0], folder=folder)
    gone("archive")(nights)
    gone("list.xml")(nights)
    with serving(give(nights.lists.made(FIRST))) as url:
        nights.set(fetch=url)
        known = nights.told(MORNING)
    assert known.status == 0, known.mail
    return nights


@pytest.mark.parametrize(
    ("when", "how", "state"),
    [
        (SECOND, {"by": "other"}, "changed-signer"),
        (at("2026-02-20T05:30:00Z"), {}, "older"),
        (at("2026-03-09T05:30:00Z"), {}, "future"),
        (SECOND, {"rows": HALF}, "shrunk"),
        (SECOND, {}, "ok"),
    ],
)
def test_what_is_published_has_a_state_though_another_list_is_audited(fetched, tmp_path, when, how, state):
    shutil.copytree(fetched.folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    nights = replace(fetched, folder=tmp_path)
    with serving(give(nights.lists.made(when, **how))) as url:
        nights.set(fetch=url)
        config = load_config(nights.folder / "audit.toml")
        _, facts = fetch(Job(config, tmp_path, NOON))
    assert list_state(nights, Record(**facts)).state == state


def list_state(nights: Nights, published: Record | None = None) -> State:
    """Return the state of the list of a night that is not played, held against that of the night before."""
    (scope,) = nights.state("ledger.json").values()
    (before,) = scope["inputs"].values()
    space = load_space(
        nights.data, as_of=NOON, anchors=[nights.folder / "anchors"], signer=SAMPLE_SIGNER, recover=True,
        lenient=True,
    )  # fmt: skip
    return next(s for s in states_of(space, known=before, published=published) if s.name == "list")

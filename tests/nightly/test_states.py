"""Nights are played in which an input goes, shrinks, is forged, comes back: nothing false is said then.

The lists have the sample's rows, signed by an authority of the test's own; one that is refused is told in the
reader's language.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from conftest import CATALOGUE, toml
from cryptography.hazmat.primitives.serialization import Encoding
from foreign import ENGLISH, FRENCH
from loopback import Answer, give, serving
from lxml import html
from lxml.html import fromstring
from made_lists import revocations
from made_nights import Place

from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import LogLine, open_archive
from mssante_audit.base import export
from mssante_audit.base.inputs import State
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.night import Night
from mssante_audit.nightly.steps import fetch
from mssante_audit.site import build
from mssante_audit.space.states import states_of, worded
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.whitelist.load import load_whitelist
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.certificates import Made
from tools.sample.signing import make_chain, make_keys, sign
from tools.sample.space import Row, whitelist_chunks

MORNING, NOON, EVENING = (f"2026-03-03T{hour}:00:00Z" for hour in ("06", "12", "18"))
"""On one day, so that no finding comes or goes with the date."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


FIRST, SECOND, THIRD = at("2026-03-02T05:30:00Z"), at("2026-03-03T10:00:00Z"), at("2026-03-03T16:00:00Z")
"""When the lists of the three nights are made."""


CASES = toml("nightly/states")


@dataclass(frozen=True)
class Lists:
    rows: list[Row]
    chain: Any
    other: Any
    stranger: Any
    lapsed: Any = None

    def made(
        self, when: datetime = SECOND, *, rows: int | None = None, by: str = "chain", forged: bool = False,
        cut: int = 0,
    ) -> bytes:  # fmt: skip
        content = b"".join(whitelist_chunks(self.rows[:rows], when))
        content = sign(content, getattr(self, by)) if by else content
        content = content.replace(b"FICTIVES", b"FACTICES", 1) if forged else content
        return content[:-cut] if cut else content


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
        return {finding["fingerprint"]: finding["first_seen"] for finding in self.findings}


@dataclass(frozen=True)
class Nights(Place):
    lists: Lists

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def page(self) -> str:
        return (self.site / "index.html").read_text(encoding="utf-8")

    def trust(self) -> None:
        """Write the certificates of the authority that signs the lists."""
        (self.folder / "anchors").mkdir()
        for number, anchor in enumerate((self.lists.chain.root, self.lists.chain.issuing)):
            (self.folder / "anchors" / f"{number}.pem").write_bytes(anchor.public_bytes(Encoding.PEM))

    def put(self, content: bytes) -> None:
        (self.data / "list.xml").write_bytes(content)

    def set(self, *, lang: str = "en", fetch: str = "", **more: Any) -> None:
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
        states = {record["name"]: record["state"] for record in state["inputs"]}
        return Told(night.exit_status, night.audited.get("counts", {}), states, mail, night.folder)

    def calm(self) -> Told:
        """Play the evening with a new list, when nothing is new or fixed, and return what was said."""
        self.put(self.lists.made(THIRD))
        light = self.told(EVENING)
        assert (light.status, light.counts["new"], light.fixed) == (0, 0, [])
        return light


STAMP = "2026-02-01T00:00:00Z"
"""No row is stamped after a list."""
ROW = (
    "ch-alpha.mssante.fr", "MESSAGERIES FICTIVES",
    "C=FR,ST=Ain (01),O=CH ALPHA,OU=101010001,CN=a.ch-alpha.example",
    *("04 65 71 00 01, dsi@ch-alpha.example",) * 2, STAMP,
)  # fmt: skip
KEYS = make_keys()
GOOD, OTHER = make_chain(keys=KEYS), make_chain(keys=KEYS, common_name="autre.fictif.example")
LAPSED = make_chain(keys=KEYS, not_before=at("2022-01-15T00:00:00Z"))
LISTS = Lists([ROW], GOOD, OTHER, make_chain(), LAPSED)


@pytest.fixture(scope="module")
def lists() -> Lists:
    sample = load_whitelist(CATALOGUE / "listeblanchemssante.xml.gz").entries
    fields = ["domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]
    rows = sample[fields].itertuples(index=False)
    return replace(LISTS, rows=[(*row[:-1], min(row[-1], STAMP)) for row in rows])


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
    night = nights.told(MORNING)
    assert (night.status, {*night.states.values()}) == (0, {"ok"}), night.mail
    assert re.fullmatch(r"MSSanté 3 March: 1\d critical \(first run\), 1 unknown domain", night.mail[0])
    return nights, night


@pytest.fixture
def nights(first: tuple[Nights, Told], tmp_path: Path) -> Nights:
    shutil.copytree(first[0].folder, tmp_path, symlinks=True, dirs_exist_ok=True)
    return replace(first[0], folder=tmp_path)


def spoil(nights: Nights, files: Mapping[str, bytes | None], listed: Mapping[str, Any] | None = None) -> None:
    """Write something else into files, or remove them; have another list, made in some way."""
    for pattern, content in files.items():
        for path in nights.data.glob(pattern):
            if content is not None:
                path.write_bytes(content)
            else:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    if listed is not None:
        nights.put(nights.lists.made(**listed))


HALF = 92
LATER = "2026-03-12T06:00:00Z"
INSTEAD = {
    "torn": b"\x00 no such thing", "gone": None,
    "empty": (CATALOGUE / "declarations.csv").read_bytes().split(b"\n", 1)[0] + b"\n",
}  # fmt: skip


@pytest.mark.parametrize("case", CASES["played"].values(), ids=CASES["played"])
def test_what_an_input_in_doubt_hides_is_neither_fixed_nor_new_nor_new_again(first, nights, case):
    before, states, whys = first[1], case["states"], case["why"]
    when = LATER if "stale" in states.values() else NOON
    spoil(nights, {name: INSTEAD[kind] for name, kind in case.get("files", {}).items()}, case.get("list"))
    dark = nights.told(when)
    assert dark.status == 4, dark.mail
    assert {name: state for name, state in dark.states.items() if state != "ok"} == states
    assert (dark.counts["new"], dark.fixed) == (0, [])
    assert dark.counts["open"] + dark.counts["unknown"] >= before.counts["new"] + len(before.findings)
    whole = "list" in states
    mail = " ".join(line.strip() for line in dark.mail[:30])
    sight = "BLIND: list" if whole else ".*0 new.*, PARTLY BLIND: "
    assert re.match(rf"MSSanté \d+ March: {sight}", mail)
    assert re.search(r"Since 3 March 2026: |SAME as on 3 March 2026: ", mail)
    assert re.search(r": 0 new, 0 fixed, \d+ open, \d+ unknown", mail)
    assert " UNKNOWN " in mail
    assert ("STILL IN FORCE: the site of 3 March 2026 at 06:00 UTC" in mail) is whole
    assert [why for why in whys if why not in mail] == []
    # Pages that are shared say it too.
    assert str(nights.folder) not in json.dumps(nights.state("run.json")["inputs"])
    assert "<p>185 rows</p>" in nights.page  # it stays that of the last list that was well
    notice = fromstring(nights.page).text_content().replace("\xa0", " ")
    assert ('data-notice="list"' in nights.page, whys[0] in notice) == (whole, whole)
    assert ("still that of 3 March 2026 at 06:00" in notice) is whole
    if "again" not in case:
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
        assert light.since == before.since


@pytest.mark.parametrize(
    ("listed", "anchor", "state", "why"),
    [
        ({"when": at("2026-03-01T05:30:00Z")}, None, "older", "its date goes back"),
        ({"when": at("2026-03-09T05:30:00Z")}, None, "future", "in the future"),
        ({"by": "stranger"}, None, "unverified", "no authority known here vouches for its signer"),
        (None, b"", "unverified", "no CA certificate here"),
        (None, b"no certificate", "unverified", "no certificate that can be read"),
    ],
)
def test_what_else_makes_a_list_one_to_doubt(nights, listed, anchor, state, why):
    spoil(nights, {"../anchors/*": anchor or None} if anchor is not None else {}, listed)
    judged = list_state(nights)
    assert (judged.state, judged.doubtful) == (state, True)
    assert why in worded(judged, "en")


@pytest.mark.parametrize(("name", "verdict"), [("list", "shrunk"), ("register", "absent")])
def test_an_input_stays_in_doubt_until_somebody_accepts_it(nights, name, verdict):
    whole = name == "list"
    for when, generated in ((NOON, SECOND), (EVENING, THIRD)):
        files = {} if whole else {"declarations.csv": None}
        spoil(nights, files, {"when": generated, "rows": HALF if whole else None})
        dark = nights.told(when)
        assert (dark.status, dark.states[name], dark.fixed) == (4, verdict, [])
    nights.set(inputs={"tolerated": [f"{name}:{verdict}"]})
    accepted = nights.told("2026-03-03T20:00:00Z")
    assert (accepted.status, accepted.fixed != []) == (0, whole)
    # What only a register tells stays unknown without one; rows that left are fixed.
    assert accepted.counts["unknown"] == 0 if whole else accepted.counts["unknown"] > 50
    assert any(line.startswith("TOLERATED white list: 92 rows") for line in accepted.mail) is whole
    nights.set()
    after = nights.told("2026-03-03T21:00:00Z")
    assert (after.status, after.states.get(name), after.fixed) == (0, "ok" if whole else None, [])
    assert after.counts["new"] == 0


def test_where_the_anchors_lie_makes_no_finding_new(nights):
    (nights.folder / "anchors").rename(nights.folder / "trusted")
    settings = nights.folder / "audit.toml"
    settings.write_text(settings.read_text().replace('["anchors"]', '["trusted"]'))
    moved = nights.told(NOON)
    assert (moved.status, moved.counts["new"], moved.fixed) == (0, 0, [])
    assert moved.counts["open"] == len(moved.findings)


def test_a_list_that_is_gone_is_no_calm(nights):
    spoil(nights, {"list.xml": None, "archive": None})
    dark = nights.told(NOON)
    assert (dark.status, dark.states) == (4, {"list": "absent"})
    assert dark.mail[0] == "MSSanté 3 March: BLIND: list (absent)"
    assert dark.mail[1].startswith("UNKNOWN white list: is no longer there")
    assert "No findings could be had." in dark.mail
    (nights.data / "LISTE.XML").write_bytes(b"<torn")
    assert nights.told(EVENING).states == {"list": "damaged"}, "it is there"
    spoil(nights, {"LISTE.XML": None})
    shutil.copytree(CATALOGUE / "archive", nights.data / "archive")
    nights.calm()


def test_after_a_first_night_without_sight_the_next_one_is_the_first(nights, first):
    shutil.rmtree(nights.folder / "output")
    spoil(nights, {}, {"when": FIRST, "by": ""})
    dark = nights.told(MORNING)
    assert (dark.status, dark.states["list"]) == (4, "unverified")
    light = nights.calm()
    assert ("(first run)" in light.mail[0], len(light.findings)) == (True, len(first[1].findings))


def test_to_accept_a_finding_fixes_nothing_and_its_return_is_not_new(nights, first):
    finding = next(f for f in first[1].findings if f["severity"] == "error")
    matched = f'rule = "{finding["rule"]}"\nfingerprint = "{finding["fingerprint"]}"'
    waiver = f'{matched}\nreason = "suivi"\nwho = "cellule"'
    (nights.data / "waivers.toml").write_text(f"[[waiver]]\n{waiver}\nuntil = 2026-12-31\n")
    accepted = nights.told(NOON)
    assert (accepted.counts["waived"], accepted.counts["new"], accepted.fixed) == (1, 0, [])
    spoil(nights, {"waivers.toml": None})
    back = nights.told(EVENING)
    assert (back.counts["new"], back.counts["open"], back.fixed) == (0, len(first[1].findings), [])
    assert back.since == first[1].since


def test_a_mail_in_french_names_the_criticals_and_nobody(nights):
    nights.set(contacts="all", lang="fr")
    spoil(nights, {"observations": None})
    dark = nights.told(NOON)
    text = " ".join(" ".join(dark.mail).split())
    assert "INCONNU observation du DNS : n'est plus là" in text
    assert re.search(r"CRITIQUES DONT ON NE SAIT PLUS RIEN : \d+ constats \(\d+ causes?\)", text)
    assert re.search(r"APPELER .*\b0[1-59]( \d\d){4}\b", text)  # a service's, to be called
    assert not re.search(r"\b0[67]( \d\d){4}\b", text)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"by": "other"}, "changed-signer"),
        ({"when": at("2026-02-20T05:30:00Z")}, "older"),
        ({"when": at("2026-03-09T05:30:00Z")}, "future"),
        ({"rows": HALF}, "shrunk"),
        ({}, "ok"),
    ],
)
def test_what_is_published_has_a_state_though_another_list_is_audited(nights, changes, state):
    spoil(nights, {"archive": None, "list.xml": None})
    for content in (nights.lists.made(FIRST), nights.lists.made(**changes)):
        with serving(give(content)) as url:
            nights.set(fetch=url)
            _, facts = fetch(Night(load_config(nights.folder / "audit.toml"), nights.folder, NOON))
    assert list_state(nights, LogLine(**facts)).state == state


def list_state(nights: Nights, published: LogLine | None = None) -> State:
    """Return the state of the list of a night that is not played, held against that of the night before."""
    (scope,) = nights.state("ledger.json").values()
    (before,) = scope["inputs"].values()
    space = load_space(
        nights.data, as_of=NOON, anchors=[nights.folder / "anchors"], signer=SAMPLE_SIGNER, recover=True,
        lenient=True,
    )  # fmt: skip
    return next(s for s in states_of(space, known=before, published=published) if s.name == "list")


PAGE = b"<!DOCTYPE html><html><body>login</body></html>"


def played(nights: Nights, when: str, published: bytes | Answer, lang: str) -> tuple[str, str, str, int]:
    """Play a night that fetches what is published; return subject, text, text of the HTML, and status."""
    with serving(give(published) if isinstance(published, bytes) else published) as url:
        nights.set(lang=lang, fetch=url)
        night = nights.told(when)
    mail = message_from_bytes((night.run / "summary.eml").read_bytes(), policy=policy.default)
    plain, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    body = html.document_fromstring(page)
    for hidden in body.xpath("//style"):
        hidden.drop_tree()
    kept = [line for line in plain.splitlines() if not line.startswith(("SITE", "LOG", "JOURNAL"))]
    shown = [text for text in body.itertext() if not text.strip().startswith(("SITE", "LOG", "JOURNAL"))]
    spaces = str.maketrans("’\xa0\u202f", "'  ")
    every = ([mail["Subject"]], kept, shown)
    return (*(" ".join(" ".join(parts).translate(spaces).split()) for parts in every), night.status)


@pytest.fixture(scope="module")
def in_french(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place after a good night, not to be changed."""
    nights = Nights(tmp_path_factory.mktemp("refused"), LISTS)
    (nights.data / "archive").mkdir(parents=True)
    nights.trust()
    assert played(nights, MORNING, LISTS.made(FIRST), "fr")[3] == 0
    return nights.folder


@pytest.mark.parametrize("name", CASES["refused"])
def test_a_refused_list_is_told_in_the_readers_language_and_as_what_is_new(name, in_french, tmp_path):
    shutil.copytree(in_french, tmp_path, symlinks=True, dirs_exist_ok=True)
    nights = Nights(tmp_path, LISTS)
    if name == "revoked":
        issuing = Made(GOOD.issuing.public_bytes(Encoding.DER), KEYS[1])
        revoked = revocations(issuing, at(MORNING), revoked=[GOOD.signer.serial_number])
        (nights.data / "a.crl").write_bytes(revoked)
    case, failed = CASES["refused"][name], {"a page": PAGE, "an error": give(b"", 503)}.get(name)
    expected = CASES["failed" if failed else "doubted"]
    for lang, when, foreign in (("fr", NOON, ENGLISH), ("en", EVENING, FRENCH)):
        published = failed or LISTS.made(**case["list"])
        subject, text, page, status = played(nights, when, published, lang)
        head, *words = expected[lang]
        assert (status, head in subject, len(subject) <= 78) == (3 if failed else 4, True, True), subject
        dated = re.search(r"(?:white list of|liste blanche du) (.*? UTC)", text)
        assert not dated or dated[1] in nights.page.replace("\xa0", " ")
        for part in (text, page):
            wanted = (subject, case[lang], *words, *CASES["stays"][lang])
            assert [words for words in wanted if words not in part] == []
            assert foreign.findall(part) == []


@pytest.mark.parametrize(
    ("published", "head", "wanted"),
    [
        (LISTS.made(by=""), "(sans signature)", [": aucune signature, et il n'y en a pas d'autre"]),
        (PAGE, "(absente)", [": aucune dans le dossier de données", "DÉPOSER", "HTML"]),
    ],
)
def test_a_first_run_whose_list_is_refused_says_so(published, head, wanted, in_french, tmp_path):
    nights = Nights(tmp_path, LISTS)
    shutil.copytree(in_french / "anchors", tmp_path / "anchors")
    (nights.data / "archive").mkdir(parents=True)
    subject, text, _, status = played(nights, NOON, published, "fr")
    assert (status, subject) == (4, f"MSSanté 3 mars : AVEUGLES : liste {head}")
    wanted = [*wanted, "site : l'audit a échoué"]
    assert [words for words in wanted if words.upper() not in text.upper()] == []
    assert "précédent" not in text
    assert "list:absent" not in text

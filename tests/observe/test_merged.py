"""Several observations in one data folder: each domain judged from one; what changed, certificates too."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from cells import shown
from in_clear import told_in_clear
from lxml import html as lxml_html
from made_up import ALPHA, BETA_DN, xml_of
from made_up_dns import AT, DELEGATED, REDIRECTED, Scene
from test_certificates import ONE as SERVER
from test_certificates import OTHER_DN, Wires
from tlsmade import write_visits

from mssante_audit.base.errors import InputError
from mssante_audit.network import methods
from mssante_audit.observe.file import default_path, find_observations
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.observe.tls.observation import changes, chosen
from mssante_audit.observe.tls.run import MailServer
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.differences import Answers, answers_of, differences
from mssante_audit.verdicts.domains import domains, hosts
from mssante_audit.verdicts.presented import renewals
from tools.sample.certificates import Made, make
from tools.sample.dns_world import observe_world

INSIDE = f"service.{DELEGATED}"
HOUR = timedelta(hours=1)
NOW = AT + 6 * HOUR


class Folder:
    """A data folder with a list of three domains."""

    def __init__(self, path: Path) -> None:
        self.path, self.scene = path, Scene()
        self.scene.zone.add(INSIDE, "MX", "10 mss.alpha.example")
        rows = [ALPHA, ALPHA | {"domain": INSIDE}, ALPHA | {"domain": REDIRECTED, "dn": BETA_DN}]
        (path / "liste.xml").write_bytes(xml_of(*rows))

    def observe(self, *domains: str, at: datetime = AT) -> Path:
        file = default_path(self.path, at)
        observe_world(self.scene.world, list(domains or (DELEGATED, INSIDE, REDIRECTED)), file, at)
        return file

    def move_a_server(self) -> None:
        """Put ns3 in the place of ns2."""
        self.scene.host("ns3.gamma.example", "203.0.113.3")
        self.scene.servers("ns1.alpha.example", "ns3.gamma.example")
        self.scene.world.serve(self.scene.zone, "203.0.113.3")

    def space(self, at: datetime = NOW) -> TrustSpace:
        return load_space(self.path, as_of=at)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def rewrite(file: Path, change: Callable[[list[dict]], list[dict]]) -> Path:
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in change(lines)).encode()))
    return file


def headed(file: Path, **changes: object) -> str:
    edited = rewrite(file, lambda lines: [line | changes if "format" in line else line for line in lines])
    return edited.name


def used(space: TrustSpace) -> dict[str, tuple[str, str]]:
    """Return domain → its method, and the file that tells it."""
    rows = methods(space.observation, space.audited["domain"]).astype("str")
    return {row.domain: (row.method, row.observed_in) for row in rows.itertuples()}


def findings(space: TrustSpace, rule: str) -> list[dict]:
    rows = told_in_clear("delegation_vs_redirection", space)
    return rows[rows["rule"] == rule].to_dict("records")


def test_a_spot_check_refreshes_its_domains_and_hides_none(folder):
    whole = folder.observe().name
    folder.scene.parent.records[REDIRECTED]["MX"] = ["10 perdu.beta.example"]
    spot = folder.observe(REDIRECTED, at=AT + HOUR).name
    space = folder.space()
    assert used(space) == {
        DELEGATED: ("delegated", whole), INSIDE: ("within-delegated", whole), REDIRECTED: ("redirected", spot)
    }  # fmt: skip
    assert set(hosts(space, "MX").itertuples(index=False, name=None)) == {
        (DELEGATED, "mss.alpha.example"), (INSIDE, "mss.alpha.example"), (REDIRECTED, "perdu.beta.example")
    }  # fmt: skip
    [unresolved] = findings(space, "DNS_MX_UNRESOLVED")
    assert (unresolved["rows"], unresolved["evidence"].endswith(f"({spot}, 2026-03-02)")) == ((3,), True)
    rows = methods(space.observation, [DELEGATED, REDIRECTED])
    assert (rows["observed_at"] - AT < HOUR).tolist() == [True, False], "each has its own age"


def test_each_domain_is_judged_from_one_file_only(folder):
    """A server moved between the files: the old referral is not held against the zone's new servers."""
    folder.observe()
    folder.move_a_server()
    folder.observe(INSIDE, at=AT + HOUR)
    space = folder.space()
    assert len(space.parts()) == 2
    assert not findings(space, "DNS_NS_MISMATCH")
    assert not findings(space, "DNS_NS_DISAGREE")


def test_what_two_files_show_of_one_subject_is_one_finding(folder):
    folder.scene.server("203.0.113.1").silent = ("udp", "tcp")
    files = {folder.observe().name, folder.observe(INSIDE, at=AT + HOUR).name}
    [silent] = findings(folder.space(), "DNS_SERVER_SILENT")
    assert (sorted(silent["rows"]), len(silent["facts"]["seen"])) == ([1, 2], 1)
    assert all(file in silent["evidence"] for file in files)


def test_a_run_that_was_stopped_answers_for_what_it_was_done_with(folder):
    whole = folder.observe()
    cut = folder.observe(at=AT + HOUR)
    rewrite(cut, lambda ls: ls[: places(ls, domain=DELEGATED)[-1] + 1])
    answers = used(folder.space())
    assert answers[DELEGATED] == ("delegated", cut.name)
    assert answers[REDIRECTED] == ("redirected", whole.name)
    rewrite(cut, lambda ls: ls[: places(ls, qname="mss.alpha.example")[0]])
    assert used(folder.space())[DELEGATED] == ("delegated", whole.name), "its exchanger was not looked up yet"
    whole.unlink()
    assert used(folder.space())[DELEGATED] == ("delegated", cut.name), "better than nothing"


def places(lines: list[dict], **wanted: str) -> list[int]:
    return [i for i, line in enumerate(lines) if wanted.items() <= line.items()]


def test_what_is_of_the_future_is_set_aside_and_said(folder, run):
    now, later = folder.observe().name, folder.observe(at=NOW + 2 * HOUR).name
    space = folder.space()
    assert {file for _, file in used(space).values()} == {now}
    assert space.aside == ((later, "future"),)
    done = run("methods", "--data", folder.path, "--as-of", NOW.isoformat())
    why = "it was begun after the instant that is audited at"
    assert done.stderr == f"mssante-audit: {later} is not used: {why}\n"
    assert folder.space(NOW + 3 * HOUR).aside == ()


def test_a_line_of_the_future_is_a_problem_of_that_line(folder):
    late = {"at": "2099-01-01T00:00:00Z"}
    file = folder.observe()
    rewrite(file, lambda lines: [line | (late if line.get("qname") == REDIRECTED else {}) for line in lines])
    space = folder.space()
    assert set(space.observation.problems["message"]) == {"field at: of the future"}
    assert used(space)[REDIRECTED] == ("unknown", "")


@pytest.mark.parametrize("spoil", [lambda data: data[:300] + b"damage", lambda data: b"not one"])
def test_an_old_file_is_neither_opened_nor_refused_where_a_newer_one_is_whole(folder, spoil):
    old = folder.observe(at=AT - timedelta(days=30))
    old.write_bytes(spoil(old.read_bytes()))
    folder.observe()
    assert folder.space().observation.older == ()


def test_the_newest_file_is_refused_if_it_is_none(folder):
    folder.observe()
    default_path(folder.path, AT + HOUR).write_bytes(b"")
    with pytest.raises(ObservationError, match="not a DNS observation"):
        folder.space()


def test_a_spot_check_of_a_domain_no_longer_listed_does_no_harm(folder):
    whole = folder.observe().name
    folder.observe("parti.mssante.fr", at=AT + HOUR)
    assert {file for _, file in used(folder.space()).values()} == {whole}
    assert folder.space().observation.source == whole


@pytest.mark.parametrize(("refreshed", "other"), [(DELEGATED, REDIRECTED), (REDIRECTED, DELEGATED)])
def test_each_domain_is_as_old_as_its_own_answer(folder, refreshed, other):
    folder.scene.parent.records[REDIRECTED]["MX"] = ["10 perdu.beta.example"]
    del folder.scene.zone.records[DELEGATED]["MX"]
    folder.observe()
    folder.observe(refreshed, at=AT + timedelta(days=5))
    space = folder.space(AT + timedelta(days=8))
    rows = domains(space).set_index("domain")
    assert all(findings(space, rule) for rule in ("DNS_NO_MX", "DNS_MX_UNRESOLVED")), "findings stay"
    assert (rows.loc[refreshed, "mail"], rows.loc[refreshed, "receives"]) == ("fail", "no")
    assert rows.loc[other, ["dns", "mail", "tls", "receives"]].tolist() == ["unknown"] * 4
    assert rows.loc[other, "why"]["mail"] == rows.loc[other, "why"]["dns"] == ["too-old"]


def test_the_report_on_changes_compares_the_two_newest_whole_ones(folder):
    def part() -> str:
        space = folder.space()
        report = SimpleNamespace(entries=space.audited)
        variables = {"space": space, "report": report, "row_limit": 5}
        text = lxml_html.fromstring(shown("changes", "dns", **variables)._repr_html_()).text_content()
        return " ".join(re.sub("[\xa0\u202f]", " ", text).split())

    folder.observe()
    assert part() == "Moins de deux observations entières du DNS : rien à comparer."
    folder.scene.parent.records[REDIRECTED]["MX"] = ["10 perdu.beta.example"]
    del folder.scene.zone.records[INSIDE]
    folder.observe(at=AT + HOUR)

    folder.scene.parent.records[REDIRECTED]["MX"] = ["10 autre.beta.example"]
    headed(folder.observe(REDIRECTED, at=AT + 2 * HOUR), settings={"only": REDIRECTED})
    text = part()
    assert "changements dans le DNS de 2 domaines" in text
    assert f"{REDIRECTED}Serveurs de messagerie10 mss.beta.example10 perdu.beta.example" in text
    assert f"{INSIDE}Méthodedans une zone déléguéerien" in text
    assert "autre.beta.example" not in text


def test_a_long_or_odd_first_line_costs_no_other_file_its_answers(folder):
    whole = folder.observe().name
    first = {"tool": "x" * 100_000, "parent_zone": "essai.example"}
    long = headed(folder.observe(at=AT + HOUR), **first)
    odd = headed(folder.observe(at=AT - HOUR), at="9999-12-31T23:59:59-12:00")
    space = folder.space()
    assert {file for _, file in used(space).values()} == {whole}
    assert space.aside == ((long, "zone"),), f"{odd} is not reached"


BEFORE, AFTER = (f"ns1.alpha.example | {other}.gamma.example" for other in ("ns2", "ns3"))
TEN_BETA, BOTH = "10 mss.beta.example", "10 mss.alpha.example | 20 mss.beta.example"
CHANGED = [
    (DELEGATED, "servers", "changed", BEFORE, AFTER),
    (REDIRECTED, "exchangers", "changed", TEN_BETA, BOTH),
    (INSIDE, "method", "changed", "within-delegated", "none"),
    (INSIDE, "servers", "changed", BEFORE, AFTER),
    (INSIDE, "exchangers", "changed", "10 mss.alpha.example", ""),
    (INSIDE, "receives", "changed", "yes", "no"),
]


def answers_in(file: Path) -> Answers:
    return answers_of(load_observation(file))


def test_what_changed_is_told_by_the_command_of_files_or_dates(folder, tmp_path, run):
    first = folder.observe()
    folder.move_a_server()
    folder.scene.parent.records[REDIRECTED]["MX"] = BOTH.split(" | ")
    del folder.scene.zone.records[INSIDE]
    files = first, folder.observe(at=AT + HOUR)
    text = run("observe", "diff", *files).stdout
    assert f"{DELEGATED}: servers: {BEFORE} -> {AFTER}" in text
    assert f"{INSIDE}: exchangers: 10 mss.alpha.example -> none" in text
    dates = ("2026-03-02T06:00:00Z", "2026-03-02T07:30:00Z")
    assert text == run("observe", "diff", *dates, "--data", tmp_path).stdout
    same = run("observe", "diff", "2026-03-02", "2026-03-02", "--data", tmp_path).stdout
    assert same.splitlines()[2:] == ["nothing changed"]
    run("observe", "diff", *files, "--format", "json", "--out", tmp_path / "d.json")
    rows = [tuple(row.values()) for row in json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))]
    assert sorted(rows) == sorted(CHANGED)
    table = run("observe", "diff", *files, "--format", "csv").stdout
    assert table.splitlines()[0] == "domain,what,change,before,after"
    before, after = map(answers_in, files)
    with pytest.raises(InputError, match=r"of the zone essai\.example, not mssante\.fr"):
        differences(before, replace(after, zone="essai.example"))


def test_what_one_did_not_ask_or_hear_is_unknown_and_not_gone(folder):
    whole, spot = folder.observe(), folder.observe(REDIRECTED, at=AT + HOUR)
    rows = differences(answers_in(whole), answers_in(spot))
    assert set(rows["change"]) == {"unknown"}
    assert REDIRECTED not in set(rows["domain"])
    for address in ("192.0.2.10", "192.0.2.11"):
        folder.scene.server(address).silent = ("udp", "tcp")
    silent = folder.observe(REDIRECTED, at=AT + 2 * HOUR)
    rows = differences(answers_in(spot), answers_in(silent))
    assert {*rows[["change", "after"]].itertuples(index=False, name=None)} == {("unknown", "")}


@pytest.mark.parametrize(
    ("first", "why"),
    [("nope", "no such observation, nor a date"), ("2020-01-01", "no whole observation of 2020-01-01")],
)
def test_what_is_no_observation_is_one_clear_line(run, first, why):
    done = run("observe", "diff", first, "2026-03-02")
    assert (done.returncode, why in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr


START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(1)
SERVERS = {"first": "192.0.2.1", "second": "192.0.2.2", "third": "192.0.2.3", "alpha": SERVER}
FIRST = SERVERS["first"]
CA = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
OTHER_CA = make("CN=AC NOUVELLE,C=FR", ca=True, days=9_999)
NAME, OTHER = "CN=mx.alpha.example,O=CH ALPHA,C=FR", "CN=mx2.alpha.example,O=CH ALPHA,C=FR"


def write(folder: Path, day: float, port: int = 25, /, **seen: Made | None) -> Path:
    """Write an observation: what each server of `SERVERS` presented, ``None`` for one that was busy."""
    visits = [
        (
            MailServer(SERVERS[name], port, ("mx.alpha.example",)),
            Visit("presented", chain=(leaf.der,), protocol="TLSv1.3") if leaf else Visit("busy"),
        )
        for name, leaf in seen.items()
    ]
    return write_visits(folder, START + day * DAY, visits)


def changes_told(folder: Path, day: float = 100) -> list[tuple[str, str, int]]:
    rows = changes(find_observations(folder, "tls"), START + day * DAY)
    return list(zip(rows["address"], rows["kind"], rows["spare"], strict=True))


OLD = make(NAME, CA, days=50)


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (make(NAME, CA, days=400), "renewed"),
        (make(NAME.replace("CH ALPHA", "CH  ALPHA"), CA, days=400), "renewed"),
        (make(NAME, OTHER_CA, days=400), "issuer"),
        (make(OTHER, CA, days=400), "replaced"),
        (make(OTHER, OTHER_CA, days=400), "replaced"),
    ],
)
def test_a_change_is_told_with_what_it_changed(tmp_path, new, kind):
    for day, leaf in ((0, OLD), (10, OLD), (20, new)):
        write(tmp_path, day, first=leaf)
    assert changes_told(tmp_path) == [(FIRST, kind, 30)]
    (row,) = changes(find_observations(tmp_path, "tls"), START + 100 * DAY).to_dict("records")
    assert (row["last"], row["at"]) == (START + 10 * DAY, START + 20 * DAY)
    assert (row["before"], row["until_before"]) == (NAME, START + 50 * DAY)


def test_what_is_not_seen_or_the_same_has_not_changed(tmp_path):
    write(tmp_path, 0, first=OLD, second=None)
    write(tmp_path, 1, first=None, second=OLD)
    write(tmp_path, 2, first=OLD, second=OLD)
    (tmp_path / "observations" / "tls-2026-01-02T120000Z.jsonl.gz").write_bytes(b"nonsense")
    write(tmp_path, 3, 26, first=OLD)
    assert changes_told(tmp_path) == []


def test_what_was_renewed_too_late_has_less_than_nothing_to_spare(tmp_path):
    write(tmp_path, 0, first=OLD)
    write(tmp_path, 52, first=make(NAME, CA, days=400))
    assert changes_told(tmp_path) == [(FIRST, "renewed", -2)]


def test_there_and_back_are_two_changes_and_the_future_is_none(tmp_path):
    for day, leaf in enumerate((OLD, make(OTHER, CA), OLD, make(OTHER, CA))):
        write(tmp_path, day, first=leaf)
    assert [kind for _, kind, _ in changes_told(tmp_path, 2.5)] == ["replaced", "replaced"]


def test_of_long_ago_one_observation_a_week_is_looked_at(tmp_path):
    for day in range(60):
        write(tmp_path, day)
    begun = [file.begun for file in chosen(find_observations(tmp_path, "tls"), START + 60 * DAY)]
    assert 14 <= len(begun) <= 22
    assert (begun, begun[-1]) == (sorted(begun), START + 59 * DAY)


def test_two_observations_are_compared_by_the_command(tmp_path, run):
    first = write(tmp_path, 0, first=OLD, second=OLD)
    then = write(tmp_path, 1, first=make(OTHER, OTHER_CA, days=400), third=OLD)
    text = run("observe", "diff", first, then).stdout
    assert f"{FIRST} port 25 (mx.alpha.example): replaced, 49 days before the end" in text
    assert f"  {NAME} -> {OTHER}" in text
    assert "presented a certificate in one of them only, and so unknown: 2" in text
    shown = run("observe", "diff", first, then, "--format", "json").stdout
    assert [row["kind"] for row in json.loads(shown)] == ["replaced"]
    assert "nothing changed" in run("observe", "diff", then, then).stdout


@pytest.mark.parametrize(
    ("days", "order"),
    [(15, "presented-first"), (-5, "listed-first"), (5, ""), (-99, "listed-first"), (None, "unlisted")],
)
def test_a_new_name_is_held_against_the_list(tmp_path, monkeypatch, days, order):
    """The old name was seen until day 0, the new one from day 10; the archive begins 99 days before."""
    wires = Wires(tmp_path)
    for day, text in ((0, OTHER_DN), (10, ALPHA["dn"])):
        write(tmp_path, day, alpha=make(text, CA, days=900))
    rows = [(DELEGATED, OTHER_DN, START - 99 * DAY)]
    rows += [] if days is None else [(DELEGATED, ALPHA["dn"], START + days * DAY)]
    history = pd.DataFrame(rows, columns=["domain", "dn", "first_seen"])
    monkeypatch.setattr(TrustSpace, "past", (history, START - 99 * DAY, AT))
    files = {"tls": tuple(find_observations(tmp_path, "tls"))}
    (row,) = renewals(replace(wires.space(), files=files)).to_dict("records")
    assert (row["kind"], row["order"], row["domains"]) == ("replaced", order, (DELEGATED,))
    assert pd.notna(row["listed"]) == (days is not None)

"""Several observation files in one data folder: merged by domain, each judged from one of them."""

import gzip
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cells import shown
from in_clear import told_in_clear
from lxml import html as lxml_html
from made_up import ALPHA, BETA_DN, xml_of
from made_up_dns import AT, DELEGATED, REDIRECTED, Scene
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.network import methods
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.lines import ObservationError
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.domains import domains, hosts
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

    def space(self, at: datetime = NOW) -> TrustSpace:
        return load_space(self.path, as_of=at)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def rewrite(file: Path, change: Callable[[list[dict]], list[dict]]) -> Path:
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in change(lines)).encode()))
    return file


def headed(file: Path, **changes: object) -> str:
    """Change the headers of a file; return its name."""
    edited = rewrite(file, lambda lines: [line | changes if "format" in line else line for line in lines])
    return edited.name


def used(space: TrustSpace) -> dict[str, tuple[str, str]]:
    rows = methods(space.observation, space.audited["domain"]).astype("str")
    return dict(zip(rows["domain"], zip(rows["method"], rows["observed_in"], strict=True), strict=True))


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
    [gone] = findings(space, "DNS_MX_UNRESOLVED")
    assert gone["rows"] == (3,)
    assert gone["evidence"].endswith(f"({spot}, 2026-03-02)")
    rows = methods(space.observation, [DELEGATED, REDIRECTED])
    assert (rows["observed_at"] - AT < HOUR).tolist() == [True, False], "each has its own age"


def test_each_domain_is_judged_from_one_file_only(folder):
    """A server moved between the files: the old referral is not held against the zone's new servers."""
    folder.observe()
    folder.scene.host("ns3.gamma.example", "203.0.113.3").servers("ns1.alpha.example", "ns3.gamma.example")
    folder.scene.world.serve(folder.scene.zone, "203.0.113.3")
    folder.observe(INSIDE, at=AT + HOUR)
    space = folder.space()
    assert len(space.parts()) == 2
    assert not findings(space, "DNS_NS_MISMATCH")
    assert not findings(space, "DNS_NS_DISAGREE")


def test_what_two_files_show_of_one_subject_is_one_finding(folder):
    folder.scene.server("203.0.113.1").silent = ("udp", "tcp")
    first = folder.observe().name
    second = folder.observe(INSIDE, at=AT + HOUR).name
    [silent] = findings(folder.space(), "DNS_SERVER_SILENT")
    assert sorted(silent["rows"]) == [1, 2]
    assert len(silent["facts"]["seen"]) == 1
    assert second in silent["evidence"]
    assert first in silent["evidence"]


def test_shuffled_names_and_one_second_twice_end_in_one_order(folder):
    spot = folder.observe(REDIRECTED, at=AT + HOUR)
    whole = folder.observe()
    whole = whole.rename(whole.with_name("zz-mine.jsonl.gz"))
    spot = spot.rename(spot.with_name("aa-mine.jsonl.gz"))
    assert used(folder.space())[REDIRECTED][1] == spot.name, "what they say of themselves counts"
    again = spot.with_name("ab-mine.jsonl.gz")
    again.write_bytes(spot.read_bytes())
    assert used(folder.space())[REDIRECTED][1] == again.name


def test_a_run_that_was_stopped_answers_for_what_it_was_done_with(folder):
    whole = folder.observe().name
    cut = rewrite(folder.observe(at=AT + HOUR), lambda lines: lines[: last_of(lines, DELEGATED) + 1])
    answers = used(folder.space())
    assert answers[DELEGATED] == ("delegated", cut.name)
    assert answers[REDIRECTED] == ("redirected", whole)
    rewrite(cut, lambda lines: lines[: first_of(lines, "mss.alpha.example")])
    assert used(folder.space())[DELEGATED] == ("delegated", whole), "its exchanger was not looked up yet"
    Path(folder.path, "observations", whole).unlink()
    assert used(folder.space())[DELEGATED] == ("delegated", cut.name), "better than nothing"


def last_of(lines: list[dict], domain: str) -> int:
    return max(i for i, line in enumerate(lines) if line.get("domain") == domain)


def first_of(lines: list[dict], qname: str) -> int:
    return next(i for i, line in enumerate(lines) if line.get("qname") == qname)


def test_what_is_of_the_future_is_set_aside_and_said(folder):
    now, later = folder.observe().name, folder.observe(at=NOW + 2 * HOUR).name
    space = folder.space()
    assert {file for _, file in used(space).values()} == {now}
    assert space.aside == ((later, "future"),)
    done = CliRunner().invoke(app, ["methods", "--data", str(folder.path), "--as-of", NOW.isoformat()])
    why = "it was begun after the instant that is audited at"
    assert done.stderr == f"mssante-audit: {later} is not used: {why}\n"
    assert folder.space(NOW + 3 * HOUR).aside == ()


def test_an_observation_of_another_zone_is_set_aside_and_said(folder):
    here = folder.observe().name

    lab = headed(folder.observe(at=AT + HOUR), parent_zone="essai.example")
    space = folder.space()
    assert {file for _, file in used(space).values()} == {here}
    assert space.aside == ((lab, "zone"),)


def test_a_line_of_the_future_is_a_problem_of_that_line(folder):
    late = {"at": "2099-01-01T00:00:00Z"}
    rewrite(
        folder.observe(),
        lambda lines: [line | late if line.get("qname") == REDIRECTED else line for line in lines],
    )
    seen = folder.space().observation
    assert set(seen.problems["message"]) == {"field at: of the future"}
    assert used(folder.space())[REDIRECTED] == ("unknown", "")


def test_an_old_file_is_not_opened_where_a_newer_one_is_whole(folder):
    old = folder.observe(at=AT - timedelta(days=30))
    old.write_bytes(old.read_bytes()[:300] + b"damage")
    folder.observe()
    assert folder.space().observation.older == ()
    whole = old.with_name("dns-2026-01-01T000000Z.jsonl.gz")
    whole.write_bytes(b"not one")
    assert folder.space().observation.older == (), "nor refused"


def test_an_old_whole_one_still_stands_behind_a_spot_check(folder):
    folder.observe(at=AT - timedelta(days=30))
    folder.observe(REDIRECTED)
    assert {method for method, _ in used(folder.space()).values()} == {
        "delegated", "within-delegated", "redirected"
    }  # fmt: skip


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


def test_each_domain_is_as_old_as_its_own_answer(folder):
    folder.scene.parent.records[REDIRECTED]["MX"] = ["10 perdu.beta.example"]
    del folder.scene.zone.records[DELEGATED]["MX"]
    folder.observe()
    for refreshed in (DELEGATED, REDIRECTED):
        for file in folder.path.glob("observations/*"):
            if file.name != default_path(folder.path, AT).name:
                file.unlink()
        folder.observe(refreshed, at=AT + timedelta(days=5))
        space = folder.space(AT + timedelta(days=8))
        rows = domains(space).set_index("domain")
        (other,) = {DELEGATED, REDIRECTED} - {refreshed}
        assert {rule for rule in ("DNS_NO_MX", "DNS_MX_UNRESOLVED") if findings(space, rule)} == {
            "DNS_NO_MX", "DNS_MX_UNRESOLVED"
        }, "findings stay"  # fmt: skip
        assert (rows.loc[refreshed, "mail"], rows.loc[refreshed, "receives"]) == ("fail", "no")
        assert rows.loc[other, ["dns", "mail", "tls", "receives"]].tolist() == ["unknown"] * 4
        assert rows.loc[other, "why"]["mail"] == rows.loc[other, "why"]["dns"] == ["too-old"]


def test_the_report_on_changes_compares_the_two_newest_whole_ones(folder):
    def part() -> str:
        space = folder.space()
        report = SimpleNamespace(entries=space.audited)
        given = {"space": space, "report": report, "row_limit": 5}
        text = lxml_html.fromstring(shown("changes", "dns", **given)._repr_html_()).text_content()
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
    assert (long, "zone") in space.aside
    assert odd not in {file for file, _ in space.aside}, "it is not reached"


def test_an_instant_long_before_or_after_is_no_trap(folder):
    folder.observe()
    assert folder.space(datetime.fromisoformat("1900-01-02T00:00:00Z")).observation is None
    assert folder.space(datetime.fromisoformat("2999-12-31T00:00:00Z")).observation is not None
    with pytest.raises(InputError, match="too far away"):
        folder.space(datetime.fromisoformat("0001-01-02T00:00:00Z"))

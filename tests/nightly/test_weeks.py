"""Three weeks of nights with faults drawn by seed: mail, status, ledger and site against the truth.

The truth of a night is an audit of the list in force then, with all its other inputs whole.
"""

import gzip
import json
import random
import re
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import CATALOGUE
from foreign import ENGLISH
from loopback import give, serving
from test_states import Lists, Nights, _nothing_unread, lists, spoil  # noqa: F401 - fixtures

from mssante_audit.audits import audit_all
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.run import run
from mssante_audit.nightly.steps import perform
from mssante_audit.space.trust import load_space
from mssante_audit.whitelist.signature import SAMPLE_SIGNER

pytestmark = pytest.mark.long

BEGIN = datetime(2026, 3, 3, 6, tzinfo=UTC)
NIGHTS = 21
LEFT, BACK = 4, 13
"""The nights when the contacts of a row leave the list, and when they are back."""
OF_LIST = {
    "cut": ("la fin du fichier manque", {"cut": 20_000}),
    "forged": ("la signature est fausse", {"forged": True}),
    "unsigned": ("aucune signature", {"by": ""}),
    "other": ("signée par autre.fictif.example", {"by": "other"}),
    "stranger": ("aucune autorité connue ici ne répond de son signataire", {"by": "stranger"}),
    "older": ("sa date recule", {}),
    "html": ("le serveur donne une page HTML à la place de la liste", {}),
}
"""Why the list published in a night is refused, as the mail says it, and how it is made."""
OF_OTHERS = {
    "no observation": (("observation du DNS", "observation TLS"), {"observations": None}),
    "torn observation": (("observation du DNS",), {"observations/dns-*": b"\x00 no such thing"}),
    "old observation": (("observation du DNS",), {}),
    "no register": (("registre",), {"declarations.csv": None}),
    "torn register": (("registre",), {"declarations.csv": b"\x00 no such thing"}),
}  # fmt: skip
"""The inputs that are in doubt, and the files that are gone or torn."""


@dataclass
class World:
    """What is true, and what was told so far."""

    nights: Nights
    whole: Path  # every input but the list, as it is without faults
    listed: list = field(default_factory=list)  # rows of the list in force
    generated: datetime = BEGIN
    believed: set[str] = field(default_factory=set)  # what a reader of all the mails takes to be open
    blind: bool = False  # whether the list of the night before was refused
    shown: int = 0  # rows of the list whose site is shown

    def truth(self, as_of: str) -> set[str]:
        folder = self.nights.folder / "truth"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, folder)
        shutil.copytree(self.nights.data / "archive", folder / "archive")
        (folder / "list.xml").write_bytes(replace(self.nights.lists, rows=self.listed).made(self.generated))
        anchors = [self.nights.folder / "anchors"]
        space = load_space(folder, as_of=as_of, anchors=anchors, signer=SAMPLE_SIGNER)
        return set(audit_all(space)["fingerprint"])

    def put_back(self) -> None:
        """Have every input but the list as it should be."""
        for path in self.nights.data.iterdir():
            if path.name != "archive":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.whole, self.nights.data, dirs_exist_ok=True)


def published(true: Lists, at: datetime, fault: str) -> bytes:
    if fault == "html":
        return b"<!DOCTYPE html><html><body>Maintenance</body></html>"
    return true.made(at - timedelta(days=20 if fault == "older" else 0), **OF_LIST.get(fault, ("", {}))[1])


def killed_before(step: str):
    """Return what does the steps of a run that is killed before one of them."""

    def until(name, job):
        if name == step:
            raise KeyboardInterrupt
        return perform(name, job)

    return until


def test_three_weeks_of_nights_are_told_as_they_were(lists, tmp_path):  # noqa: F811
    chance, sample = random.Random(20260303), CATALOGUE
    faults = [*OF_LIST, *OF_OTHERS, *[""] * NIGHTS][: NIGHTS - 1]
    drawn = ["", *chance.sample(faults, len(faults))]
    killed = set(chance.sample(range(1, NIGHTS), 4))
    world = World(Nights(tmp_path, lists), tmp_path / "whole")
    world.nights.trust()
    shutil.copytree(sample / "observations", world.whole / "observations")
    for file in (*sample.glob("Extraction*"), sample / "declarations.csv"):
        shutil.copy(file, world.whole)
    (world.nights.data / "archive").mkdir(parents=True)
    disagreements = []
    for night, fault in enumerate(drawn):
        as_of = (BEGIN + timedelta(days=night)).isoformat()
        generated = BEGIN + timedelta(days=night, minutes=-30)
        left = range(7, 8) if LEFT <= night < BACK else ()
        rows = [(*row[:3], "", "", row[5]) if n in left else row for n, row in enumerate(lists.rows)]
        world.put_back()
        spoil(world.nights, OF_OTHERS.get(fault, ((), {}))[1])
        if fault == "old observation":
            observation = next((world.nights.data / "observations").glob("dns-*"))
            text = gzip.decompress(observation.read_bytes()).replace(b"2026-03-02T", b"2026-01-20T")
            observation.unlink()
            observation.with_name("dns-2026-01-20T060000Z.jsonl.gz").write_bytes(gzip.compress(text))
        content = published(replace(lists, rows=rows), generated, fault)
        with serving(give(content)) as url:
            world.nights.set(lang="fr", inputs={"mailboxes_max_age_days": 99}, fetch=url)
            config = load_config(tmp_path / "audit.toml")
            if night in killed:
                with pytest.raises(KeyboardInterrupt):
                    run(config, as_of=as_of, perform=killed_before(chance.choice(["fetch", "audit", "site"])))
            done = run(config, as_of=as_of, perform=perform)
        if fault not in OF_LIST:
            world.listed, world.generated = rows, generated
        wrong = compared(world, done, fault, as_of, first=night == 0)
        if done.resumed is not (night in killed):
            wrong.append("whether it was gone on with")
        disagreements += [f"night {night} ({fault or 'calm'}): {claim}" for claim in wrong]
    assert disagreements == []


def compared(world: World, done, fault: str, as_of: str, *, first: bool) -> list[str]:
    """Return where mail, exit status, ledger and site say something else than the truth of a night."""
    folder, wrong = done.folder, []
    findings = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    followed = json.loads((folder / "audit.json").read_text(encoding="utf-8"))["told"]
    mail = (folder / "summary.txt").read_text(encoding="utf-8")
    text, site = " ".join(mail.split()), world.nights.page
    refused, doubted = fault in OF_LIST and fault != "html", OF_OTHERS.get(fault, ((),))[0]
    truth = world.truth(as_of)

    def check(claim: str, *, holds: bool) -> None:
        if not holds:
            wrong.append(claim)

    status = 3 if fault == "html" else 4 if fault else 0
    both = done.exit_status, world.nights.state("run.json")["exit_status"]
    check(f"exit status {both}", holds=both == (status, status))
    new = {f["fingerprint"] for f in findings if f["status"] == "new"}
    fixed = {f["fingerprint"] for f in followed["fixed"]}
    check(f"new and not true: {len(new - truth)}", holds=new <= truth)
    check(f"fixed and still true: {len(fixed & truth)}", holds=not fixed & truth)
    check(f"new again: {len(new & world.believed)}", holds=not new & world.believed)
    check(f"fixed and never open: {len(fixed - world.believed)}", holds=fixed <= world.believed)
    check("nothing is new or fixed while the list is refused", holds=not refused or not new | fixed)
    world.believed = ({f["fingerprint"] for f in findings} if first else world.believed | new) - fixed
    if not fault:
        check(f"open and not true: {sorted(world.believed ^ truth)[:3]}", holds=world.believed == truth)
    criticals = sum(f["severity"] == "critical" for f in findings)
    fresh = sum(f["severity"] == "critical" and f["status"] == "new" for f in findings)
    numbers = "premier passage" if first else f"{fresh} nouveau{'x' if fresh > 1 else ''}"
    unsure = sum(f["severity"] == "critical" and f["status"] == "unknown" for f in findings)
    numbers += f", {unsure} à confirmer" if unsure else ""
    sight = "TOUJOURS AVEUGLES" if world.blind else "AVEUGLES"
    blind = rf"{sight} : liste \([^)]+\) ; (\d+) critiques? (?:connu|à\s+confirmer)()()"
    seen = blind if refused else r"(\d+) critiques? \(([^)]*)\), (.*)"
    head = re.match(rf"MSSanté \d+(?:er)? mars : {seen}", text)
    holds = bool(head) and head[1] == str(criticals) and (refused or head[2] == numbers)
    check(f"the first line: {mail[:80]!r}", holds=holds)
    sight = (
        "" if refused
        else "(TOUJOURS )?EN PARTIE AVEUGLES : " + " et ".join(n.split()[-1] for n in doubted) if doubted
        else "EN ÉCHEC : téléchargement" if fault else r"\d+ domaines? inconnus?|rien d'inconnu"
    )  # fmt: skip
    check(f"how much is seen: {mail[:120]!r}", holds=bool(head) and bool(re.match(sight, head[3])))
    check("whom to call", holds=refused or "APPELER " in "".join(mail.splitlines(keepends=True)[:12]))
    check("why the list is refused", holds=OF_LIST.get(fault, ("",))[0] in text)
    check("what stays in force", holds=("RESTE EN VIGUEUR : " in text) is (fault in OF_LIST))
    if refused and fault != "older":
        listed = f"la liste du {world.generated.day} mars 2026"
        check("which list stays in force", holds=listed in text.replace("1er", "1"))
    check("what is in doubt", holds=all(f"INCONNU {name}" in text for name in doubted))
    check("which site is shown", holds=("site du" in text) is (fault in OF_LIST))
    if fault == "html":  # the list in force was audited, and its site made, this very night
        check("that it is tonight's", holds=f"le site du {int(as_of[8:10])} mars 2026" in text)
    told_lines = [line for line in mail.splitlines() if not line.startswith(("SITE", "JOURNAL"))]
    english = list(filter(ENGLISH.search, told_lines))
    check(f"in English: {english}", holds=not english)
    check("a person", holds=not re.search(r"\b0[67]( \d\d){4}\b|\b(M\.|Mme|Dr) [A-Z]", text))
    world.blind = refused
    world.shown = world.shown if refused else len(world.listed)
    check("the site", holds=f"<p>{world.shown} rows</p>" in site and ("data-notice" in site) is refused)
    return wrong

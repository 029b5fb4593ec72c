"""Have Zonemaster and resolvers look at the zones that our tests serve, and write it beside what we see.

Usage: ``python tools/oracle.py docs/dns_oracle.md docs/dns_verdicts.md``. Zonemaster and we look, in one run,
at the servers of ``tests/observe/dnscases.py``, in a network namespace with nothing else in it. Reasons for
differences are written by hand in ``oracle_reasons.toml``; exits with 1 if a difference has none, or a reason
no difference. `verdicts_table` has the second page, on which BIND, unbound and Knot Resolver are heard too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "observe"), str(HERE.parent), str(HERE)]
import dnsresolvers  # noqa: E402
import verdicts_table  # noqa: E402
from dnscases import CASES, HARD, ROOT, Case  # noqa: E402
from dnslab import HOW, KNOT, NAMESPACED, NSD, can_unshare, in_namespace  # noqa: E402

from mssante_audit.findings.registry import rule  # noqa: E402

ZONEMASTER = "Zonemaster is missing: `apt-get install --no-install-recommends zonemaster-cli` (Debian 13)"
LEVEL = "NOTICE"
CLEAN = "sain"
"""The case whose messages Zonemaster has for every zone: they are explained once."""
HINTS = f". 3600000 NS a.root-servers.net.\na.root-servers.net. 3600000 A {ROOT}\n"


@dataclass(frozen=True)
class Reasons:
    """What ``oracle_reasons.toml`` holds."""

    same: Mapping[str, Sequence[str]]
    """Our rule → Zonemaster's tags for the same thing."""
    ours: Mapping[str, str]
    """Our rule → why Zonemaster has nothing to say; ``case.RULE`` for one case only."""
    theirs: Mapping[str, str]
    """Zonemaster's tag → why we say nothing."""
    clean: Mapping[str, str]
    """Tag → why Zonemaster has it for clean zones."""


@dataclass
class Row:
    """One case: what is seen, and why where it differs."""

    case: Case
    theirs: dict[str, str]
    """Tag → level."""
    why: list[str] = field(default_factory=list)


def read_reasons(path: Path = HERE / "oracle_reasons.toml") -> Reasons:
    """Read the reasons written by hand."""
    return Reasons(**tomllib.loads(path.read_text(encoding="utf-8")))


def compare(
    cases: Sequence[Case],
    ours: Mapping[str, set[str]],
    theirs: Mapping[str, Mapping[str, str]],
    reasons: Reasons,
) -> tuple[list[Row], list[str]]:
    """Return the rows of the table, and what is wrong.

    Wrong is a difference without a reason, a reason without a difference, and what our tests do not expect.

    Parameters
    ----------
    cases
        What both looked at.
    ours
        Case → our rules.
    theirs
        Case → Zonemaster's tags with their levels.
    reasons
        Why they differ.
    """
    rows, wrong = [], []
    used: set[str] = set()
    for tag in theirs[CLEAN]:
        used.add(f"clean {tag}")
        if tag not in reasons.clean:
            wrong.append(f"clean zones: no reason for Zonemaster's {tag}")
    for case in cases:
        if ours[case.name] != set(case.rules):
            wrong.append(f"{case.name}: we see {sorted(ours[case.name])} instead of {sorted(case.rules)}")
        row = Row(case, {t: level for t, level in theirs[case.name].items() if t not in theirs[CLEAN]})
        alike = {tag for code in case.rules for tag in reasons.same.get(code, ())}
        explained: dict[str, str] = {}
        for code in case.rules:
            if not row.theirs.keys() & set(reasons.same.get(code, ())):
                key = f"{case.name}.{code}" if f"{case.name}.{code}" in reasons.ours else code
                used.add(f"ours {key}")
                explained[code] = reasons.ours.get(key, "")
        for tag in row.theirs.keys() - alike:
            used.add(f"theirs {tag}")
            explained[tag] = reasons.theirs.get(tag, "")
        wrong += [
            f"{case.name}: no reason for {difference}"
            for difference, reason in explained.items()
            if not reason
        ]
        row.why = list(dict.fromkeys(explained[difference] for difference in sorted(explained)))
        rows.append(row)
    used |= {f"same {tag}" for row in rows for tag in row.theirs}
    named = {tag: "" for tags in reasons.same.values() for tag in tags}
    kept = {"same": named, "ours": reasons.ours, "theirs": reasons.theirs, "clean": reasons.clean}
    for kind, texts in kept.items():
        wrong += [
            f"a reason for what does not happen: {kind} {key}" for key in texts if f"{kind} {key}" not in used
        ]
    return rows, wrong


def table(rows: Sequence[Row], clean: Mapping[str, str], reasons: Reasons, versions: str) -> str:
    """Write the page."""
    lines = [
        "# Zonemaster and us, case by case",
        "",
        "Written by `make oracle`, not by hand: both looked, in one run, at the same zones, served by NSD,",
        f"Knot and scripted servers of the tests ({versions}).",
        f"Zonemaster's messages are shown from level {LEVEL} up, ours all. Empty last column: no difference.",
        "Why they differ is written in `tools/oracle_reasons.toml`; the run fails where a reason is missing.",
        "",
        "## What Zonemaster says of every clean zone here",
        "",
        "| message | level | why we do not say it |",
        "| --- | --- | --- |",
        *(f"| `{tag}` | {level} | {reasons.clean.get(tag, '')} |" for tag, level in sorted(clean.items())),
        "",
        "These are left out below.",
        "",
        "## Case by case",
        "",
        "| case | what is served | Zonemaster | we | why they differ |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ours = ", ".join(f"`{code}` {rule(code).severity}" for code in row.case.rules) or "-"
        theirs, why = verdicts_table.by_level(row.theirs) or "-", " ".join(row.why)
        lines.append(f"| {row.case.name} | {row.case.what} | {theirs} | {ours} | {why} |")
    return "\n".join(lines) + "\n"


def zonemaster(domain: str, hints: Path, level: str = LEVEL) -> dict[str, str]:
    """Run Zonemaster on a zone; return tag → level."""
    options = ("--no-ipv6", f"--hints={hints}", "--json", f"--level={level}", "--no-progress")
    printed = output("zonemaster-cli", *options, domain)
    return {entry["tag"]: entry["level"] for entry in json.loads(printed)["results"]}


def output(*command: str) -> str:
    """Run a command; return what it says."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - ours
    if done.returncode:
        raise RuntimeError(f"{command} fails: {done.stderr.strip()[-500:]}")
    return done.stdout or done.stderr


def look(folder: Path) -> None:
    """Look with both; to be run inside the namespace."""
    from dnsscene import judged, observe_cases, running

    hints = folder / "hints"
    hints.write_text(HINTS)
    with running(folder), ThreadPoolExecutor(6) as pool:
        theirs = list(pool.map(lambda case: zonemaster(case.tested, hints), CASES))
        observe_cases(folder, timeout=3)
    ours = {name: sorted(rules) for name, rules in judged(folder)[2].items()}
    seen = {"ours": ours, "theirs": dict(zip((case.name for case in CASES), theirs, strict=True))}
    (folder / "seen.json").write_text(json.dumps(seen))
    verdicts_table.look(folder / "hard", lambda domain: zonemaster(domain, hints, "WARNING"))


def versions() -> str:
    """Name what was run."""
    engine = next(line for line in output("zonemaster-cli", "--version").splitlines() if "Engine" in line)
    texts = (engine, output(str(NSD), "-v").splitlines()[0], output(str(KNOT), "--version"))
    return _listed(texts)


def resolvers() -> str:
    """Name the resolvers that were run."""
    named, unbound, kresd = (str(dnsresolvers.PLACES[name]) for name in ("named", "unbound", "kresd"))
    bind = output(named, "-v").partition("-")[0]
    return _listed(
        (bind, f"unbound {output(unbound, '-V').split()[1]}", output(kresd, "-V").replace(",", ""))
    )


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(re.sub(r" version v?", " ", text.strip().removeprefix("knotd, ")) for text in texts)


def main(out: Path, verdicts: Path) -> int:
    """Look, compare and write the pages; return the exit status."""
    missing = (
        ZONEMASTER if not shutil.which("zonemaster-cli") else HOW if not (NSD and KNOT) else
        dnsresolvers.HOW if dnsresolvers.MISSING else "" if can_unshare() else NAMESPACED
    )  # fmt: skip
    if missing:
        print(missing, file=sys.stderr)  # noqa: T201 - the command's output
        return 2
    from dnsscene import addresses

    with tempfile.TemporaryDirectory() as name:
        code = (
            f"sys.path.insert(0, {str(HERE)!r})\n"
            f"from pathlib import Path; from oracle import look\nlook(Path({name!r}))"
        )
        networks = (f"{address}/32" for address in dnsresolvers.ADDRESSES.values())
        done = in_namespace(code, *dict.fromkeys((*addresses(), *addresses(HARD), *networks)), timeout=3600)
        if done.returncode:
            print(done.stderr, file=sys.stderr)  # noqa: T201 - the command's output
            return 1
        seen = json.loads(Path(name, "seen.json").read_text())
        hard = verdicts_table.lines(Path(name, "hard"))
    reasons = read_reasons()
    rows, wrong = compare(CASES, {n: set(r) for n, r in seen["ours"].items()}, seen["theirs"], reasons)
    for line in wrong:
        print(line, file=sys.stderr)  # noqa: T201 - the command's output
    if wrong:
        return 1
    out.write_text(table(rows, seen["theirs"][CLEAN], reasons, versions()), encoding="utf-8")
    page = verdicts.read_text(encoding="utf-8") if verdicts.exists() else ""
    programs = f"{resolvers()}, {versions()}"
    verdicts.write_text(verdicts_table.written(page, hard, programs), encoding="utf-8")
    print(f"{out}: {len(rows)} cases, every difference with its reason")  # noqa: T201 - the command's output
    print(f"{verdicts}: {len(HARD)} cases")  # noqa: T201 - the command's output
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))

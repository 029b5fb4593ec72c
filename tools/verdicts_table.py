"""The decision table of `docs/dns_verdicts.md`: what resolvers, Zonemaster and we say of the hard cases.

`tools/oracle.py` runs it, after having put the tests' folder on the path; it writes between two markers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dnscases import HARD, Hard
from dnsresolvers import ADDRESSES, Resolved, read_resolved

BEGIN, END = "<!-- cases: written by make oracle -->", "<!-- end of cases -->"
CLEAN = "propre"
LEVELS = ("CRITICAL", "ERROR", "WARNING", "NOTICE")
ZONES = ("delegated",)
"""Methods whose domains are zones, which is what Zonemaster looks at."""


def look(folder: Path, zonemaster: Callable[[str], Mapping[str, str]]) -> None:
    """Ask everybody, inside the namespace; leave what they say in `folder`."""
    from dnsscene import look_with_resolvers, running

    folder.mkdir()
    look_with_resolvers(folder, HARD)
    zones = [case.domains[0] for case in HARD if case.method in ZONES]
    with running(folder / "again", HARD), ThreadPoolExecutor(8) as pool:
        tags = dict(zip(zones, pool.map(zonemaster, zones), strict=True))
    (folder / "zonemaster.json").write_text(json.dumps(tags))


def lines(folder: Path) -> list[str]:
    """Return the table, from what `look` left."""
    from dnsscene import judged

    resolved = read_resolved(folder)
    zonemaster = json.loads((folder / "zonemaster.json").read_text())
    clean = zonemaster[next(case.domain for case in HARD if case.name == CLEAN)]
    mail, _, rules = judged(folder, HARD)
    columns = ("case", "`receives`", "findings", "resolvers", "Zonemaster")
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for case in HARD:
        domain = case.domains[0]
        ours = mail[domain]
        cells = (
            f"`{case.name}`: {case.what}",
            f"{ours.receives} ({ours.cause})" if ours.cause else ours.receives,
            ", ".join(f"`{code}`" for code in sorted(rules[case.name])),
            agreed(
                {name: cell(end) for name, end in zip(ADDRESSES, resolved[domain].values(), strict=True)}
            ),
            _tags(case, {t: level for t, level in zonemaster.get(domain, {}).items() if t not in clean}),
        )  # fmt: skip
        table.append(f"| {' | '.join(cells)} |")
    return table


def cell(resolved: Resolved) -> str:
    """Tell in a word or two what a resolver comes to."""
    if resolved.reached:
        return "arrives"
    if resolved.rcode != "NOERROR":
        return {"TIMEOUT": "no answer"}.get(resolved.rcode, resolved.rcode)
    return "no address" if resolved.exchangers else "no mail host"


def agreed(cells: Mapping[str, str]) -> str:
    """Say what most resolvers come to, then who comes to something else."""
    most = max(cells.values(), key=list(cells.values()).count)
    return "; ".join([most, *(f"{name}: {text}" for name, text in cells.items() if text != most)])


def by_level(tags: Mapping[str, str]) -> str:
    """Return Zonemaster's messages, each level named once, the worst first."""
    levels = [level for level in LEVELS if level in tags.values()]
    parts = [(level, sorted(f"`{tag}`" for tag in tags if tags[tag] == level)) for level in levels]
    return "; ".join(f"{level.lower()} {', '.join(named)}" for level, named in parts)


def _tags(case: Hard, levels: Mapping[str, str]) -> str:
    return by_level(levels) if case.method in ZONES else "no zone"


def written(page: str, table: list[str], versions: str) -> str:
    """Return the page with the table between its markers; a section at the end where it has none."""
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## Case by case\n\n{BEGIN}\n{END}\n".lstrip()
    before, _, rest = page.partition(BEGIN)
    head = (
        f"Made in one run ({versions}),",
        "on servers of the tests (`tests/observe/dnshard.toml`). *arrives*: the resolver comes to a public",
        "address of a mail host; a resolver is named where most come to something else. Zonemaster is shown",
        f"from level WARNING up, without what it says of the clean zone `{CLEAN}`; *no zone*: it sees",
        "zones only.",
    )
    return "\n".join((f"{before}{BEGIN}", *head, "", *table, END + rest.partition(END)[2]))

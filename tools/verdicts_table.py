"""The decision table of `docs/dns_verdicts.md`: what resolvers, Zonemaster and we say of the hard cases.

`tools/oracle.py` runs it, after having put the tests' folder on the path; it writes between two markers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dnshard import HARD, Hard
from dnsresolvers import ADDRESSES, Told, read_told

BEGIN, END = "<!-- cases: written by make oracle -->", "<!-- end of cases -->"
CLEAN = "propre"
ZONES = ("delegated",)
"""Methods whose domains are zones, which is what Zonemaster looks at."""


def look(folder: Path, zonemaster: Callable[[str], Mapping[str, str]]) -> None:
    """Ask everybody, inside the namespace; leave what they say in `folder`."""
    from dnsscene import look_with_resolvers, running

    folder.mkdir()
    look_with_resolvers(folder, HARD)
    zones = [case.domains[0] for case in HARD if case.method in ZONES]
    with running(folder / "again", HARD), ThreadPoolExecutor(8) as pool:
        said = dict(zip(zones, pool.map(zonemaster, zones), strict=True))
    (folder / "zonemaster.json").write_text(json.dumps(said))


def lines(folder: Path) -> list[str]:
    """Return the table, from what `look` left."""
    from dnsscene import answers, findings

    told = {d: read_told(one) for d, one in json.loads((folder / "told.json").read_text()).items()}
    zonemaster = json.loads((folder / "zonemaster.json").read_text())
    clean = zonemaster[next(case.domain for case in HARD if case.name == CLEAN)]
    mail, found = answers(folder, HARD), findings(folder, HARD)
    columns = ("case", "what is served", "`receives`", "cause", "findings", *ADDRESSES, "Zonemaster")
    table = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    for case in HARD:
        domain = case.domains[0]
        ours = mail[domain]
        cells = (
            case.name, case.what, ours.receives, ours.cause or "-",
            ", ".join(f"`{code}`" for code in sorted(found[case.name])) or "-",
            *(cell(one) for one in told[domain].values()),
            _tags(case, {t: level for t, level in zonemaster.get(domain, {}).items() if t not in clean}),
        )  # fmt: skip
        table.append(f"| {' | '.join(cells)} |")
    return table


def cell(told: Told) -> str:
    """Tell in a word or two what a resolver comes to."""
    if told.reached:
        return "arrives"
    if told.rcode != "NOERROR":
        return {"TIMEOUT": "no answer"}.get(told.rcode, told.rcode)
    return "no address" if told.exchangers else "no mail host"


def _tags(case: Hard, said: Mapping[str, str]) -> str:
    if case.method not in ZONES:
        return "no zone"
    return ", ".join(f"`{tag}` {level.lower()}" for tag, level in sorted(said.items())) or "-"


def written(page: str, table: list[str], versions: str) -> str:
    """Return the page with the table between its markers; a section at the end where it has none."""
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n## Case by case\n\n{BEGIN}\n{END}\n".lstrip()
    before, _, rest = page.partition(BEGIN)
    head = (
        f"Made in one run ({versions}),",
        "on servers of the tests (`tests/observe/dnshard.py`). *arrives*: the resolver comes to a public",
        "address of a mail host. Zonemaster is shown from level WARNING up, without what it says of the"
        f" clean zone\n`{CLEAN}`; *no zone*: it sees zones only.",
    )
    return "\n".join((f"{before}{BEGIN}", *head, "", *table, END + rest.partition(END)[2]))

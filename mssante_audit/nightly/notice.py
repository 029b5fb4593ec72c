"""The site shown while the list is not to be relied on: the last good one, under a notice on each page."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from jinja2 import Template

from mssante_audit.base.export import write_bytes
from mssante_audit.findings.templates import phrase
from mssante_audit.nightly.night import RUNS, SITE, doubted_list, read_result, read_run
from mssante_audit.space.states import State, worded

_NOTICE = Template(
    '<aside role="alert" data-notice="list" style="padding:.8em 1em;color:#fff;background:#8a1010;'
    'font:1rem/1.4 system-ui,sans-serif"><strong>{{ refused }}</strong> {{ kept }}</aside>',
    autoescape=True,
)
_BODY = re.compile(rb"<body[^>]*>")


def shown_run(output: Path) -> str:
    """Return the stamp of the run that the site shows, "" if there is none."""
    try:
        parts = Path(os.readlink(output / SITE)).parts
    except OSError:
        return ""
    return parts[1] if len(parts) == 3 and parts[0] == RUNS else ""


def good_run(output: Path) -> Path | None:
    """Return the run whose site is shown, under a notice or not; ``None`` if its list was in doubt, too."""
    shown = shown_run(output)
    made = read_result(output / RUNS / shown, "site") if shown else None
    run = output / RUNS / str(made.facts.get("of", shown) if made else shown)
    well = read_run(run) and not doubted_list(read_result(run, "audit"))
    return run if well and (run / SITE / "index.html").is_file() else None


def put_under_notice(run: Path, folder: Path, doubted: State, made: str | None, language: str) -> None:
    """Write the site of a `good_run` into an empty folder, a notice on top of each page; link the rest.

    `doubted` is the state of tonight's list, `made` when that was made, if it says so (ISO 8601).
    """
    words = "mssante_audit.nightly"
    refused = phrase(words, "refused", {"why": worded(doubted, language), "made": made}, language)
    head = read_run(run)
    kept = phrase(words, "kept", head and head.as_of, language)
    notice = _NOTICE.render(refused=refused, kept=kept).encode()
    site = run / SITE
    for path in sorted(site.rglob("*")):
        target = folder / path.relative_to(site)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif path.suffix == ".html":
            page = _BODY.sub(lambda tag: tag[0] + notice, path.read_bytes(), count=1)
            write_bytes(target, page)
        else:
            try:
                os.link(path, target)
            except OSError:  # a file system without links
                shutil.copy2(path, target)

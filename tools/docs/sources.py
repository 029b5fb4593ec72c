"""Write the sources of the documentation site: the pages of docs/, a page a rule, the API, the cookbook.

Usage: ``python tools/docs/sources.py FOLDER``, a new one; `make docs` builds the site from it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from shutil import copy

import mssante_audit
from mssante_audit.base.language import listing, using_language
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.registry import audits, catalogue, known_needs
from mssante_audit.report.cards import examples

ROOT = Path(__file__).parents[2]

READERS = {
    "The analyst": (
        "analyst", "analyst.fr", "commands", "data_folder", "own_audit",
        "cookbook", "gallery", "data", "domains", "gate", "snapshot", "verdicts",
        "rules/index", "api",
    ),
    "The scheduled job": ("schedule", "archive", "observing", "mailboxes", "tls"),
    "The reader": ("readme-fr", "demonstration", "reader", "reader.fr", "site", "explorer", "accessibilite"),
    "The operator": ("operator", "operator.fr", "dossiers", "declarations"),
    "The contributor": (
        "architecture", "contributing", "security", "translate", "dns_audit", "dns_verdicts", "dns_oracle",
        "changes",
    ),
}  # fmt: skip
"""Pages by whom they are for."""

TOP = {"README": "readme", "README.fr": "readme-fr", "CONTRIBUTING": "contributing", "CHANGELOG": "changes"}
"""Files beside `docs/`, and what their pages are called."""


def said() -> dict[str, str]:
    """Return what docs/verdicts.md says of each rule: claims, evidence, a true and a false example."""
    text = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^### ([A-Z][A-Z0-9_]+)\n", text)
    bodies = (re.split(r"(?m)^##+ ", body)[0].split("\n", 1)[1] for body in parts[2::2])
    return {code: body.strip() for code, body in zip(parts[1::2], bodies, strict=True)}


def literal(text: str) -> str:
    """Return a text as Markdown that is read as it stands, whatever is in it."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|$~-])", r"\\\1", " ".join(text.split()))


def rule_page(rule: Rule, body: str) -> str:
    """Return the page of a rule: what, why, remedy, source, severity, confidence, evidence, an example."""
    audit = audits().get(rule.audit)
    looks = [
        known_needs()[need]["en"].removeprefix("no ") for need in (audit.needs + audit.uses if audit else ())
    ]
    with using_language("en"):
        looks_at = listing(["the white list", *looks])
    facts = {
        "Severity": rule.severity,
        "Confidence": rule.confidence,
        "Source": rule.source,
        "Check": rule.check or "none: it changes no verdict",
        "Audit": rule.audit or "any",
        "Looks at": looks_at,
        "Since": f"version {rule.added_in}" if rule.added_in else "",
    }
    lines = [
        f"# {literal(rule.title_en)}",
        f"`{rule.code}` – {literal(rule.title_fr)}",
        "| | |\n| --- | --- |",
    ]
    lines[-1] += "".join(f"\n| {name} | {literal(fact)} |" for name, fact in facts.items() if fact)
    lines += ["## Why it matters", literal(rule.why_en), "## What to do", literal(rule.remedy_en)]
    example = examples(rule.audit, "en").get(rule.code) if audit else None
    if example:
        observed, expected, domain = example
        case = [f"{literal(domain)}: {literal(observed)}" if domain else literal(observed)]
        case += [f"Expected: {literal(expected)}"] if expected else []
        lines += ["## In the sample", *case]
    if body:
        lines += ["## Evidence", body]
    return "\n\n".join(lines) + "\n"


def api_page() -> str:
    """Return the reference of what the package offers, from the docstrings."""
    lines = ["# API", mssante_audit.__doc__.split("\n", 1)[0] + " `help(mssante_audit)` presents it."]
    for name in mssante_audit.__all__:
        if name == "AUDITS":  # a tuple, which tells of itself
            continue
        exported = getattr(mssante_audit, name)
        directive = "autoclass" if isinstance(exported, type) else "autofunction"
        members = "\n   :members:" if name in ("TrustSpace", "WhiteList") else ""
        lines.append(f"```{{eval-rst}}\n.. {directive}:: mssante_audit.{name}{members}\n```")
    return "\n\n".join(lines) + "\n"


def toctree(pages: tuple[str, ...] | list[str], caption: str = "") -> str:
    """Return a table of contents of pages."""
    option = f":caption: {caption}\n" if caption else ""
    listed = "\n".join(pages)
    return f"```{{toctree}}\n:maxdepth: 1\n{option}\n{listed}\n```"


def main(out: str) -> None:
    """Write the sources."""
    folder = Path(out)
    (folder / "rules").mkdir(parents=True)
    for page in (ROOT / "docs").iterdir():
        copy(page, folder / page.name)
    copy(ROOT / "notebooks" / "cookbook.ipynb", folder / "cookbook.ipynb")
    copy(ROOT / "tools" / "docs" / "conf.py", folder / "conf.py")
    (folder / "_static").mkdir()
    copy(ROOT / "tools" / "docs" / "theme.css", folder / "_static" / "theme.css")
    for name, target in TOP.items():
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        for other, page in TOP.items():
            text = text.replace(f"]({other}.md", f"]({page}.md")
        (folder / f"{target}.md").write_text(text, encoding="utf-8")
    by_code, bodies = catalogue(), said()
    for code, rule in by_code.items():
        (folder / "rules" / f"{code}.md").write_text(rule_page(rule, bodies.get(code, "")), encoding="utf-8")
    rules = [
        "# Rules",
        f"The {len(by_code)} rules of the catalogue, as `mssante-audit rules` lists them.",
        toctree([*by_code]),
    ]
    (folder / "rules" / "index.md").write_text("\n\n".join(rules) + "\n", encoding="utf-8")
    (folder / "api.md").write_text(api_page(), encoding="utf-8")
    index = ["# mssante_audit", toctree(["readme"]), *(toctree(pages, who) for who, pages in READERS.items())]
    (folder / "index.md").write_text("\n\n".join(index) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

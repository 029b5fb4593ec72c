"""Packages of somebody else, each of one file, with an audit as entry point; here for tests to install."""

import subprocess
import sys
import zipfile
from pathlib import Path

DIGITS = """
from mssante_audit import Audit, Finding, Person, Rule

RULE = Rule(
    "DIGITS_IN_DOMAIN", family="Noms de domaine", severity="warning", source="good practice",
    title_fr="Chiffres dans le <nom>", title_en="Digits in the <name>",
    why_fr="Un chiffre s’entend mal au téléphone.", why_en="A digit is misheard on the phone.",
    remedy_fr="Choisir un nom sans chiffre & l’annoncer.", remedy_en="Choose a name without digits & tell.",
    observed_fr="{{ digits | count('chiffre') }} : <b>{{ contact }}</b>",
    observed_en="{{ digits | count('digit') }}: <b>{{ contact }}</b>", personal=True,
)


def digits(space):
    for domain, own in space.audited.groupby("domain"):
        if number := sum(c.isdigit() for c in domain):
            contact = Person(own["support_contact"].iloc[0])
            yield Finding(RULE.code, domain, tuple(own["row"]), facts={"digits": number, "contact": contact})


AUDIT = Audit("digits", {"fr": "Chiffres & lettres", "en": "Digits & letters"}, (RULE,), digits)
"""
"""A module with an audit that finds something in the sample, named with what a page must escape."""

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "1"

[project.entry-points."mssante_audit.audits"]
{name} = "{name}:AUDIT"

[tool.hatch.build.targets.wheel]
include = ["{name}.py"]
"""


def installed(folder: Path, name: str, code: str) -> Path:
    """Build the wheel of a package, without network; return where it is installed, to go on PYTHONPATH."""
    source, target = folder / "source", folder / "installed"
    source.mkdir()
    (source / "pyproject.toml").write_text(PROJECT.format(name=name), encoding="utf-8")
    (source / f"{name}.py").write_text(code, encoding="utf-8")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:  # all that an installer does for a wheel of Python only
        archive.extractall(target)
    return target


def laid_down(folder: Path, name: str, code: str, point: str = "") -> Path:
    """Write a package as if it had been installed: quicker than a wheel, for the many that are broken."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    points = f"[mssante_audit.audits]\n{point or f'{name} = {name}:AUDIT'}\n"
    (info / "entry_points.txt").write_text(points)
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder

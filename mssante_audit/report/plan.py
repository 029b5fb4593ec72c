"""What a run is to make: notebooks found, their parameters checked, the data they need looked for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import InputError, ParameterError, UnknownNameError
from mssante_audit.base.resources import real_path
from mssante_audit.base.settings import LIMITS
from mssante_audit.findings.registry import audits
from mssante_audit.report.parameters import check_value, declared, shown_value
from mssante_audit.report.results import ASIDE, Limits, limits, open_space
from mssante_audit.snapshot import made_as_of
from mssante_audit.space.trust import TrustSpace

NEEDS = {"changes": ("archive",), "contacts_over_time": ("archive",)}
"""What a notebook needs beside the list (`mssante_audit.findings.registry.known_needs`); one of an audit's
name, what that needs."""

ONE_OPERATOR = frozenset({"operator"})
"""Reports about a single operator: made only when asked for, with the parameter `operator`."""

PATHS = ("data", "anchors")
"""Parameters that name files."""


@dataclass(frozen=True, slots=True)
class Job:
    """One report to make."""

    name: str
    content: bytes
    """The notebook."""
    given: Mapping[str, Any]
    """Parameters to pass, paths absolute."""
    shown: Mapping[str, Any]
    """All parameters in force, as given by the user or else the notebook's defaults."""


def find_notebooks(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the notebooks that `names` stand for, by name; without names the reports of `folder`.

    A report is a notebook with a cell tagged ``parameters``; the others are for JupyterLab. Overview first.
    No such notebook, or two of one name, is an `UnknownNameError`.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    chosen: dict[str, Path] = {}
    ordered = sorted(known.keys() - ONE_OPERATOR, key=lambda n: (n != "overview", n))
    for name in names or [n for n in ordered if declared(_read(known[n]), n)]:
        path = known.get(name) or (Path(name) if name.endswith(".ipynb") else None)
        if path is None or not path.is_file():
            raise UnknownNameError(f"no notebook {name!r}", remedy=f"There are: {', '.join(known)}")
        if chosen.setdefault(path.stem, path) != path or path.stem == "index":
            raise UnknownNameError(f"another report is called {path.stem!r}", file=name)
    return chosen


def plan(notebooks: Mapping[str, Path], parameters: Mapping[str, Any]) -> list[Job]:
    """Check every notebook's parameters; return what to run."""
    accepted = {name: declared(_read(path), name) for name, path in notebooks.items()}
    lang = check_value("lang", parameters.get("lang", "fr"))
    # A notebook of one's own need not know languages: it then says what it says.
    given = {name: check_value(name, value) for name, value in parameters.items() if name != "lang"}
    takes = dict.fromkeys(name for names in accepted.values() for name in names)
    if unknown := given.keys() - takes:
        raise ParameterError(
            f"{', '.join(accepted)}: no parameter {min(unknown)!r}",
            remedy=f"There are: {', '.join(takes)}" if takes else None,
        )
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    jobs = []
    for name, path in notebooks.items():
        values = {parameter: value for parameter, value in given.items() if parameter in accepted[name]}
        if "lang" in accepted[name]:
            values["lang"] = lang
        if name in ONE_OPERATOR and not values.get("operator"):
            raise ParameterError(
                f"the report {name!r} is about one operator",
                remedy="Give --operator, an identifier or a name",
            )
        if "as_of" in accepted[name] and values.get("as_of") is None:
            values["as_of"] = accepted[name]["as_of"] or made_as_of(values.get("data")) or now
        jobs.append(Job(name, path.read_bytes(), _absolute(values), {**accepted[name], **values}))
    return jobs


def of_space(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a notebook's parameters that open its space (`open_space`)."""
    return {name: value for name, value in values.items() if name not in ASIDE}


def check_input(jobs: Sequence[Job]) -> tuple[TrustSpace | None, Limits]:
    """Load what the notebooks will load, and say whom they are limited to.

    An input that cannot be used is refused here, before any of them runs.
    """
    values = {name: value for job in jobs for name, value in job.shown.items()}
    if "data" not in values:
        return None, Limits()
    space = open_space(**of_space(values))
    return space, limits(space, **{name: values.get(name) for name in LIMITS})


def has_data(name: str, space: TrustSpace | None, *, asked: bool) -> bool:
    """Tell whether the data that a notebook needs are there; refuse one that was asked for without them."""
    needs = NEEDS.get(name) or (audits()[name].needs if name in audits() else ())
    lacking = [need for need in needs if space is not None and space.given(need) is None]
    if lacking and asked:
        raise InputError(f"the data folder holds no {lacking[0]}", remedy=f"The report {name!r} needs them")
    return not lacking


def tellable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with paths but for their last part."""
    return {n: shown_value(n, v) if n in PATHS else v for n, v in values.items()}


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["nbformat"] == 4 and all(isinstance(c["metadata"], dict) for c in notebook["cells"]):
            return dict(notebook)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError("not a notebook (of format 4)", file=str(path))


def _absolute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with paths that hold in the kernel's own folder."""
    fixed = dict(values)
    if fixed.get("data") is not None:
        fixed["data"] = str(real_path(fixed["data"]))
    if fixed.get("anchors"):
        fixed["anchors"] = [str(real_path(anchor)) for anchor in fixed["anchors"]]
    return fixed

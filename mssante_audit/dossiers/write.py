"""A dossier for each operator, with its letter, an index for readers and one for machines.

A dossier whose inputs, parameters and code are the same as those it was made from, by hash, is not made
again. What is in the output folder changes at the very end of a run (`mssante_audit.base.staging`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import ParameterError
from mssante_audit.base.export import json_bytes, write_bytes
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.settings import LIMITS
from mssante_audit.base.staging import locked, publish
from mssante_audit.dossiers.page import NOTEBOOK
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.unchanged import fresh, link, whole
from mssante_audit.dossiers.workers import Made, Order, opened, produce
from mssante_audit.report.html import template
from mssante_audit.report.outcome import as_severe, write_files
from mssante_audit.report.page import policy_of
from mssante_audit.report.plan import Job, plan, tellable
from mssante_audit.report.results import limits, provenance, select_operator
from mssante_audit.report.results import operators as operators_of
from mssante_audit.report.tables import script, source_of, style
from mssante_audit.space.inputs import Bundle, code_digest, inputs_digest, pack
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import CPS_ISSUER

INDEX = "dossiers.json"

SUFFIXES = frozenset({".html", ".ipynb", ".results.json", ".findings.csv", ".txt", ".eml"})
"""Of the files of one dossier; ``.ipynb`` is of version 0.1 only."""

_PLAIN = re.compile(r"[0-9][0-9a-z-]{0,39}")


@dataclass(frozen=True, slots=True)
class Dossier:
    """What became of one operator's dossier."""

    operator_id: str
    name: str
    """The operator's."""
    file: str
    """Its files' name without suffix."""
    status: str
    """``done`` or ``failed``."""
    counts: Mapping[str, int] | None
    """Findings by severity."""
    made_at: str
    """When it was made (UTC, ISO 8601): an earlier run, if nothing it depends on has changed."""
    as_of: str
    hash: str
    """Of everything it was made from."""
    files: Mapping[str, str]
    """SHA-256 by suffix; of a failed one, those in ``failed/``."""
    failure: Mapping[str, str] | None = None
    """Of a failed one: `kind`, `message`, `section`."""
    last_good: str | None = None
    """Of a failed one: when the complete one that is still there was made."""
    facts: str = ""
    """Hash of what it says of the operator, whatever the day; "" of a failed one."""


@dataclass(frozen=True, slots=True)
class DossierRun:
    """What became of a run."""

    out: Path
    outcomes: tuple[Dossier, ...]
    """In the order of the index."""
    made: int
    """How many were made; the others were there already, or linked from an earlier run."""
    linked: int = 0
    """How many are those of an earlier run, which say the same."""

    def exit_status(self, fail_on: str | None = None) -> int:
        """Return 3 if a dossier failed, 1 if a finding is at or above severity `fail_on`, 0 otherwise."""
        if any(outcome.status == "failed" for outcome in self.outcomes):
            return 3
        return int(any(as_severe(outcome.counts, fail_on) for outcome in self.outcomes))


Listener = Callable[[int, int, Dossier], None]
"""Called with the number of dossiers there are, of all, and the last one."""


def write_dossiers(
    out: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    operators: Sequence[str] = (),
    region: str | None = None,
    department: str | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    masked: bool = False,
    on: Stationery | None = None,
    send: Callable[[Bundle], Any] = lambda bundle: bundle,
    earlier: Path | None = None,
    debug: bool = False,
    listener: Listener = lambda *_: None,
) -> DossierRun:
    """Write the dossiers of operators, those that are not there already.

    `out`, `parameters` (but for `operator`) and `debug` are those of `mssante_audit.report.run.run_reports`.
    Where `as_of` is not given it is now, and a dossier of the same day counts as unchanged.

    Parameters
    ----------
    operators
        Identifiers or unambiguous names; all operators of the list if empty. The others' dossiers stay.
    region, department
        Only of operators that sit there (`mssante_audit.report.results.limits`); the others' stay.
    jobs
        How many to make at once; as many as there are processors if not given.
    executor
        Where to make them, instead of in processes here; its workers may be other machines'. They need this
        package in this version, and nothing else: the data are sent.
    masked
        Mask each operator's own contacts as well: for others than the operators.
    on
        What letters are written on; sender and signature are left to fill in without.
    send
        Makes of the data what the tasks for `executor` are given in their place, such as a Dask future: they
        go out once then, and with every task if this is not given.
    earlier
        Another run's folder of dossiers. Those of the last week that say of their operator what would be
        said now are linked from there, with their dates, and not made again.

    Raises
    ------
    UnknownNameError, ParameterError, InputError
        Before anything runs: no such operator, bad parameter, white list that cannot be read.
    OutputError
        If `out` cannot be written, or another run is writing there.
    """
    given = dict(parameters or {})
    if apart := [name for name in LIMITS if name in given]:
        raise ParameterError(f"{apart[0]} is not a parameter here", remedy="Name operators apart")
    (base,) = plan({NOTEBOOK: resource("notebooks") / f"{NOTEBOOK}.ipynb"}, {**given, "operator": "0"})
    inputs = inputs_digest(base.given.get("data"), base.given.get("anchors") or ())
    order = replace(_order(base, inputs, debug), masked=masked, on=on or Stationery())
    with using_language(order.lang):
        space = opened(order)
    names = _operators(space)
    sitting = operators_of(space, limits(space, None, region, department))
    asked = [select_operator(space, operator) for operator in operators]
    if sitting is not None and asked and sitting.isdisjoint(asked):
        raise ParameterError(
            "none of these operators sits there", remedy="Name operators or places, not both"
        )
    chosen = [operator_id for operator_id in asked or names if sitting is None or operator_id in sitting]
    stamp = _stamp(base, inputs, order, pinned="as_of" in given)
    hashes = {i: digest(f"{stamp}\0{i}") for i in chosen if i}
    with locked(out) as staging:
        before = read_dossiers(out)
        same = (i for i, told_hash in hashes.items() if i in before and before[i].hash == told_hash)
        there = {i: before[i] for i in same if _complete(before[i], out)}
        todo = [operator_id for operator_id in hashes if operator_id not in there]
        kept = _keepable(earlier, todo, str(order.given["as_of"])) if earlier else {}
        order, linked = replace(order, known={i: d.facts for i, d in kept.items()}), 0
        for number, already in enumerate(there.values(), 1):
            listener(number, len(hashes), already)
        data, sent = _sent(base, order, space, send) if executor and todo else (None, order)
        workers = jobs or os.cpu_count() or 1
        with closing(produce(sent, todo, workers=workers, executor=executor, data=data)) as made:
            for dossier in made:
                operator_id = dossier.operator_id
                name, told_hash, old = names[operator_id], hashes[operator_id], before.get(operator_id)
                if dossier.kept and earlier:
                    told, linked = kept[operator_id], linked + 1
                    for suffix in told.files:
                        link(earlier / f"{told.file}{suffix}", staging / f"{told.file}{suffix}")
                else:
                    told = _told(dossier, name, order, told_hash, old)
                    write_files(staging, told.file, dossier.files, failed=bool(dossier.failure))
                there[operator_id] = told
                listener(len(there), len(hashes), told)
        left = {i: d for i, d in before.items() if i in names and i not in there}
        others = left if operators or region or department else {}
        index = sorted({**others, **there}.values(), key=lambda d: (d.name.casefold(), d.operator_id))
        with using_language(order.lang):
            _write_indexes(staging, index, base, space)
        publish(staging, out, list(_stale(before, index, there)))
    outcomes = tuple(dossier for dossier in index if dossier.operator_id in there)
    return DossierRun(out, outcomes, len(todo) - linked, linked)


def read_dossiers(out: Path) -> dict[str, Dossier]:
    """Return the dossiers that an output folder's index tells of, by operator; none if it cannot be read."""
    try:
        told = json.loads((out / INDEX).read_text(encoding="utf-8"))["dossiers"]
        found = {entry["operator_id"]: Dossier(**entry) for entry in told}
        return {i: d for i, d in found.items() if d.file == file_name(i) and SUFFIXES.issuperset(d.files)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # they are made again


def file_name(operator_id: str) -> str:
    """Return the name of an operator's files: its identifier, or a hash of one that a path could not bear.

    >>> file_name("010000001"), file_name("../../etc/passwd")
    ('010000001', 'operateur-3754d6cb3a38')
    """
    if _PLAIN.fullmatch(operator_id):
        return operator_id
    return f"operateur-{digest(operator_id)[:12]}"


def _operators(space: TrustSpace) -> dict[str, str]:
    """Return the operators of a list and what most of their rows call them, "" if none does."""
    entries = space.entries[space.entries["operator_id"] != ""]
    names = dict.fromkeys(map(str, entries["operator_id"]), "")
    named = entries[~entries["operator"].isin(["", CPS_ISSUER])]
    common = named.groupby("operator_id")["operator"].agg(lambda name: name.mode().iloc[0])
    return names | {str(operator_id): str(name) for operator_id, name in common.items()}


def _order(base: Job, inputs: str, debug: bool) -> Order:
    given = {**base.shown, **base.given}
    told = json.dumps([inputs, given, code_digest()], sort_keys=True, default=str)
    return Order(digest(told), given, code_digest(), debug)  # the key names no path elsewhere


def _sent(base: Job, order: Order, space: TrustSpace, send: Callable[[Bundle], Any]) -> tuple[Any, Order]:
    """Return the data for tasks elsewhere, and the order without paths of this machine."""
    where = base.given.get("data")
    if where is None or Path(where) == resource("data/sample").resolve():
        return None, replace(order, given={**order.given, "data": None})
    bundle = pack(where, base.given.get("anchors") or (), space.mailboxes)
    return send(bundle), replace(order, given=tellable(order.given))


def _stamp(base: Job, inputs: str, order: Order, *, pinned: bool) -> str:
    """Return a hash of what all dossiers of a run are made from."""
    shown = tellable({**base.shown, "operator": None})
    as_of = shown["as_of"] if pinned else shown["as_of"][:10]
    made = (code_digest(), digest(base.content), order.masked, repr(order.on))
    return json.dumps([inputs, {**shown, "as_of": as_of}, *made], sort_keys=True)


def _complete(told: Dossier, out: Path) -> bool:
    return told.status == "done" and whole(out, told.file, told.files)


def _keepable(earlier: Path, operators: Sequence[str], as_of: str) -> dict[str, Dossier]:
    """Return the dossiers of an earlier run that are complete and not too old, of some operators."""
    found = read_dossiers(earlier)
    own = {i: found[i] for i in operators if i in found}
    recent = {i: told for i, told in own.items() if told.facts and fresh(told.as_of, as_of)}
    return {i: told for i, told in recent.items() if _complete(told, earlier)}


def _told(made: Made, name: str, order: Order, told_hash: str, earlier: Dossier | None) -> Dossier:
    failure, why, good = made.failure, None, None
    if failure:
        why = {"kind": failure.kind, "message": failure.message, "section": made.section}
    if failure and earlier:
        good = earlier.made_at if earlier.status == "done" else earlier.last_good
    files = {suffix: digest(content) for suffix, content in made.files.items()}
    who, status = (made.operator_id, name, file_name(made.operator_id)), "failed" if failure else "done"
    when = made.made_at, str(order.given["as_of"])
    return Dossier(*who, status, made.counts, *when, told_hash, files, why, good, made.facts)


def _write_indexes(staging: Path, index: Sequence[Dossier], base: Job, space: TrustSpace) -> None:
    origin = provenance(space)
    shown = {n: v for n, v in tellable(base.shown).items() if n != "operator"}
    told = {"parameters": shown, "provenance": origin, "dossiers": [asdict(dossier) for dossier in index]}
    write_bytes(staging / INDEX, json_bytes(told))
    write_bytes(staging / "index.html", dossiers_html(index, origin).encode("utf-8", "backslashreplace"))


def _stale(
    before: Mapping[str, Dossier], index: Sequence[Dossier], there: Mapping[str, Dossier]
) -> Iterator[Path]:
    """Yield files of earlier runs that are not true any more.

    They are of who left, of failures mended, and those that a dossier does not have any more.
    """
    listed = {dossier.operator_id for dossier in index}
    for operator_id, old in before.items():
        new = there.get(operator_id)
        if operator_id not in listed or (new and new.status == "done"):
            yield from (Path("failed", f"{old.file}{suffix}") for suffix in SUFFIXES)
            yield from (Path(f"{old.file}{s}") for s in SUFFIXES.difference(new.files if new else ()))


def dossiers_html(dossiers: Sequence[Dossier], provenance: Mapping[str, Any]) -> str:
    """Return the page that lists dossiers, in the look of the other index and the language spoken.

    Parameters
    ----------
    dossiers
        In the order to show them in.
    provenance
        As `mssante_audit.report.results.provenance` returns it.
    """
    failed, code = sum(dossier.status == "failed" for dossier in dossiers), script()
    told = {"dossiers": dossiers, "failed": failed, "provenance": provenance}
    page = template("dossiers.html.j2")
    return page.render(told, policy=policy_of(source_of(code)), script=code, style=style())

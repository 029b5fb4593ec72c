"""Loading a trust space: from its files, or from a snapshot of it without reading them again.

How a snapshot lies in its folder: docs/snapshot.md. Its ``snapshot.json`` is written last.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from mssante_audit.archive.store import find_archive
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.reading import read_parquet
from mssante_audit.base.resources import SAMPLE_AS_OF, is_sample
from mssante_audit.base.state import read_state
from mssante_audit.declarations.register import Register, Scope
from mssante_audit.findings.facts import loaded
from mssante_audit.findings.frame import COLUMNS, Severity, from_json
from mssante_audit.findings.registry import audits, catalogue
from mssante_audit.mailboxes.extraction import Counts, Extraction
from mssante_audit.observe.kinds import hashes, read_observations
from mssante_audit.space.states import State
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.space.trust import load_space as load_files
from mssante_audit.whitelist.load import WhiteList
from mssante_audit.whitelist.rows import grouped
from mssante_audit.whitelist.signature import Verdict

FILE, VERSION = "snapshot.json", 5
PRIVATE = "private"  # folder that only its owner may enter (0700), its files his alone (0600); never shared
ORIGIN = f"{PRIVATE}/data.json"  # where the data lie, and what list, archive and servers were judged by
PACKAGE = "datapackage.json"  # what one to hand on says of its files (Frictionless Data Package)
AGAIN = "Make it again: mssante-audit snapshot --data DIR OUT"
UNNAMED = "unnamed"  # what `mssante_audit.snapshot.make.unnamed_rows` is remembered by
CLEAR = ("subject", "facts", "domain", "operator")  # columns of findings that are private in clear
WAIVED = ("reason", "who", "until")  # columns that a waived finding has, and an open one has empty


def load_space(
    data: str | Path | None = None,
    *,
    as_of: str | datetime | None = None,
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    recover: bool = False,
    any_namespace: bool = False,
    thresholds: Thresholds | None = None,
    contacts: str = "services",
) -> TrustSpace:
    """Load the trust space that a folder, a single white list or a snapshot describes.

    Parameters
    ----------
    data
        Folder, file or snapshot (`mssante_audit.snapshot`); the shipped sample if not given.
    as_of
        Instant to audit at, ISO 8601 (a date means midnight UTC); now if not given, that of a snapshot, and
        3 March 2026 for the shipped sample.
    anchors
        Certificate files or folders to trust. IGC-Santé certificates lying in the data folder are recognised
        by their fingerprints and need not be named. None for a snapshot, which has its verdict.
    signer
        Common name of whoever should have signed the list; `mssante_audit.whitelist.signature.SIGNER` or that
        of a snapshot if not given.
    recover, any_namespace
        Load the readable rows of a damaged list; accept a list in another XML namespace.
    thresholds
        Defaults of `Thresholds` if not given; those of a snapshot.
    contacts
        Whose numbers and addresses are shown: ``none``; ``services``, what names nobody; ``all``, for one's
        own eyes, not for sharing.

    Raises
    ------
    InputError
        If there is no list, it cannot be read (`WhiteListError`), or a snapshot is damaged, of another
        version, or was made with other settings than asked for.
    """
    if not is_snapshot(data):
        return load_files(
            data, as_of=as_of, anchors=anchors, signer=signer, recover=recover, any_namespace=any_namespace,
            thresholds=thresholds, contacts=contacts,
        )  # fmt: skip
    folder = Path(str(data))
    head = read_head(folder)
    made_with, signature = Thresholds(**head["thresholds"]), head["signature"]
    others = {
        "as_of": as_of is not None and parse_instant(as_of) != parse_instant(head["as_of"]) and head["as_of"],
        # A notebook hands over the defaults.
        "thresholds": thresholds not in (None, Thresholds(), made_with) and made_with,
        "anchors of its own:": bool(anchors) and signature["status"],
        "signer": signer not in (None, signature["expected"]) and (signature["expected"] or "unknown"),
    }
    for what, made in others.items():
        if made:
            message = "the snapshot was made with {} {}, and not as asked"
            raise InputError(message, what, made, file=str(folder), remedy=AGAIN)
    if contacts == "all" and head["shareable"]:
        raise InputError("a snapshot to hand on holds no contacts", file=str(folder), remedy=AGAIN)
    return _space(folder, head, contacts)


def made_as_of(data: str | Path | None) -> str | None:
    """Return the instant of a snapshot or of the shipped sample; ``None`` for other data."""
    if is_snapshot(data):
        return str(read_head(Path(str(data)))["as_of"])
    return SAMPLE_AS_OF if is_sample(data) else None


def is_snapshot(folder: str | Path | None) -> bool:
    """Tell whether a folder holds a snapshot, or what is left of one: its files and nothing else."""
    if folder is None:
        return False
    if (Path(folder) / FILE).is_file():
        return True
    try:
        left = {path.name for path in Path(folder).iterdir()}
    except OSError:
        return False
    ours = all(name in (PRIVATE, PACKAGE) or name.endswith(".parquet") for name in left)
    return ours and left >= {f"{name}.parquet" for name in ("entries", "problems", "findings", "domains")}


def read_head(folder: Path) -> dict[str, Any]:
    """Return what ``snapshot.json`` says, if all files are those it names; else it is an `InputError`."""
    head = read_state(folder / FILE, VERSION, remedy=AGAIN)
    if head is None:
        raise InputError("no snapshot, or one half written", file=str(folder), remedy=AGAIN)
    for name, hashed in head["files"].items():
        part = folder / name
        try:
            there = part.is_file() and part.resolve().is_relative_to(folder.resolve())
            same = there and digest(part.read_bytes()) == hashed
        except PermissionError:
            raise InputError("may be read by its owner only", file=str(part)) from None
        if not there:
            raise InputError("is missing in the snapshot", file=str(part), remedy=AGAIN)
        if not same:
            raise InputError("is not the file that the snapshot was made with", file=str(part), remedy=AGAIN)
    return head


def _frame(folder: Path, name: str, *needed: str) -> pd.DataFrame:
    return _frames(folder, name, *needed)[0]


def _frames(folder: Path, name: str, *needed: str) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Return a frame in clear, and what its columns that name somebody are where these are masked."""
    path, private = folder / f"{name}.parquet", folder / PRIVATE / f"{name}.parquet"
    try:
        frame, masked = read_parquet(path), {}
        if private.is_file():
            clear = read_parquet(private)
            masked = {str(column): frame[column] for column in clear.columns if column in frame}
            frame = frame.assign(**clear)
    except (OSError, ValueError) as error:
        raise InputError("cannot be read ({})", error, file=str(path), remedy=AGAIN) from None
    if missing := [column for column in needed if column not in frame.columns]:
        raise InputError("lacks the column {}", repr(missing[0]), file=str(path), remedy=AGAIN)
    return frame, masked


def _space(folder: Path, head: dict[str, Any], contacts: str) -> TrustSpace:
    made_at, made_with = parse_instant(head["as_of"]), Thresholds(**head["thresholds"])
    origin = json.loads((folder / ORIGIN).read_bytes()) if (folder / ORIGIN).is_file() else {}
    data = Path(origin["data"]) if origin.get("data") and Path(origin["data"]).exists() else None
    entries, masked = _frames(folder, "entries", "row", "domain", "dn", "operator_id", "is_audit_entry")
    for column in ("project_contact", "support_contact"):  # a snapshot to hand on has none
        if column not in entries:
            entries[column] = pd.Series("", index=entries.index, dtype="str")
    generated = head["list"]["generated_at"] and parse_instant(head["list"]["generated_at"])
    whitelist = WhiteList(
        entries,
        problems=_frame(folder, "problems"),
        anchors=tuple(path for path in origin.get("trusted", ()) if Path(path).exists()),
        beside=tuple(map(Path, origin.get("beside", ()))),
        verdict=TypeAdapter(Verdict).validate_python(head["signature"]),
        **head["list"] | {"generated_at": generated, "damage_kinds": tuple(head["list"]["damage_kinds"])},
    )
    names, since = entries["domain"].tolist(), made_with.oldest_observation(made_at)
    read = partial(read_observations, faults={})  # what could not be read then is not asked for either
    observed, aside, files = read(data, names, made_at, since) if data else ({}, (), {})
    same = {
        need: seen for need, seen in observed.items() if seen and hashes(seen) == head["observed"].get(need)
    }
    register, mailboxes = None, None
    if kept := head["mailboxes"]:
        counts = Counts(_frame(folder, "mailboxes"), **kept["counts"])
        mailboxes = Extraction(kept["source"], parse_instant(kept["made_at"]), known=counts)
    problems = folder / PRIVATE / "register_problems.parquet"
    if (kept := head["register"]) and problems.is_file():
        missing = {file: frozenset(columns) for file, columns in kept["missing"].items()}
        scope = Scope.model_validate(kept["scope"]) if kept["scope"] else None
        frames = _frame(folder, "register"), read_parquet(problems)
        register = Register(*frames, missing, kept["source"], kept["sha256"], scope)
    domains = _frame(folder, "domains")
    space = TrustSpace(
        whitelist,
        made_at,
        made_with,
        contacts,
        register=register,
        **same,
        aside=aside,
        files=files,
        mailboxes=mailboxes,
        archive=find_archive(data, origin["anchors"], origin["signer"]) if data and data.is_dir() else None,
        judged=tuple(State(**state) for state in head["inputs"]),
        kept_domains=domains.assign(why=_parsed(domains["why"])),
    )
    space.cache.update(_findings(folder, head["audits"]))
    space.cache[UNNAMED] = masked
    space.cache["changes"] = _frame(folder, "changes")
    return space


def _findings(folder: Path, made: Iterable[str]) -> dict[Hashable, Any]:
    """Return what audits found, open and waived, as `mssante_audit.audits` remembers it."""
    frame = _frame(folder, "findings", "audit", "rule", "severity", "rank", "until", "fingerprint")
    clear = {name: frame.get(f"own_{name}", frame[name]) for name in CLEAR}
    parsed = {name: _parsed(clear[name], loaded) for name in ("subject", "facts")}
    parsed |= {name: _parsed(frame[name]) for name in ("rows", "where")}
    clear |= parsed | {"severity": frame["severity"].astype(Severity)}
    frame = from_json(frame[[*COLUMNS, *WAIVED]].assign(**clear))
    kept, shown = dict[Hashable, Any](), frame[list(COLUMNS)]
    # Of each audit they lie side by side, the open ones first.
    places = grouped((name, at) for at, name in enumerate(frame["audit"].tolist()))
    for name in audits().keys() & made:
        first, end = (places[name][0], places[name][-1] + 1) if name in places else (0, 0)
        rules, until = (frame[column].iloc[first:end].tolist() for column in ("rule", "until"))
        if catalogue().keys() >= {*rules}:  # what another version found is found anew
            parts = shown.iloc[first : first + until.count("")], frame.iloc[first + until.count("") : end]
            kept[audits()[name]] = tuple(part.reset_index(drop=True) for part in parts)
    return kept


def _parsed(texts: pd.Series, read: Callable[[str], Any] = json.loads) -> pd.Series:
    """Return that of which a column has the JSON: one text of all is read ten times as fast as each."""
    return pd.Series(read(f"[{','.join(texts.tolist())}]"), texts.index, dtype="object")

"""Loading a trust space: from its files, or from a snapshot of it without reading them again.

How a snapshot lies in its folder: docs/snapshot.md. Its ``snapshot.json`` is written last.
"""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from mssante_audit.archive.store import find_archive
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.inputs import State
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
OF_FINDINGS = ("audit", "rule", "severity", "rank", "until", "fingerprint")  # columns that no file lacks
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
    snapshot = read_snapshot(Path(str(data)))
    head, folder = snapshot.head, snapshot.folder
    made_with, signature = Thresholds(**head["thresholds"]), head["signature"]
    differing = (thresholds or made_with).model_dump().items() - head["thresholds"].items()
    others = {
        "as_of": as_of is not None and parse_instant(as_of) != parse_instant(head["as_of"]) and head["as_of"],
        # A notebook hands over the defaults, of those that it does not have too.
        "thresholds": not differing <= Thresholds().model_dump().items() and made_with,
        "anchors of its own:": bool(anchors) and signature["status"],
        "signer": signer not in (None, signature["expected"]) and (signature["expected"] or "unknown"),
    }
    for setting, value in others.items():
        if value:
            message = "the snapshot was made with {} {}, and not as asked"
            raise InputError(message, setting, value, file=str(folder), remedy=AGAIN)
    if contacts == "all" and head["shareable"]:
        raise InputError("a snapshot to hand on holds no contacts", file=str(folder), remedy=AGAIN)
    return _space(snapshot, contacts)


def made_as_of(data: str | Path | None) -> str | None:
    """Return the instant of a snapshot or of the shipped sample; ``None`` for other data."""
    if is_snapshot(data):
        return str(read_snapshot(Path(str(data))).head["as_of"])
    return SAMPLE_AS_OF if is_sample(data) else None


def is_snapshot(folder: str | Path | None) -> bool:
    """Tell whether a folder holds a snapshot, or what is left of one: its files and nothing else."""
    if folder is None:
        return False
    if (Path(folder) / FILE).is_file():
        return True
    try:
        names = {path.name for path in Path(folder).iterdir()}
    except OSError:
        return False
    ours = all(name in (PRIVATE, PACKAGE) or name.endswith(".parquet") for name in names)
    return ours and names >= {f"{name}.parquet" for name in ("entries", "problems", "findings", "domains")}


@dataclass(frozen=True)
class _Snapshot:
    """A snapshot that is whole. Its files are in memory: another one in its place changes nothing."""

    folder: Path
    head: dict[str, Any]  # what ``snapshot.json`` says
    contents: Mapping[str, bytes]  # of its files, by name

    def frame(self, name: str, *needed: str, clear: bool = True) -> pd.DataFrame:
        """Return a frame, in `clear` where that is kept.

        One that cannot be read, or lacks a column that is `needed`, is an `InputError`.
        """
        file, private = f"{name}.parquet", f"{PRIVATE}/{name}.parquet"
        try:
            frame = read_parquet(file, self.contents[file])
            if lacking := [column for column in needed if column not in frame]:
                raise ValueError(f"lacks the column {lacking[0]!r}")
            if clear and private in self.contents:
                frame = frame.assign(**read_parquet(private, self.contents[private]))
        except (OSError, ValueError) as error:
            place = str(self.folder / file)
            raise InputError("cannot be read ({})", error, file=place, remedy=AGAIN) from None
        return frame


def read_snapshot(folder: Path) -> _Snapshot:
    """Return a snapshot whose files are those that ``snapshot.json`` names; else it is an `InputError`."""
    head = read_state(folder / FILE, VERSION, remedy=AGAIN)
    if head is None:
        raise InputError("no snapshot, or one half written", file=str(folder), remedy=AGAIN)
    contents = {}
    for name, hashed in head["files"].items():
        part = folder / name
        try:
            if not (part.is_file() and part.resolve().is_relative_to(folder.resolve())):
                raise InputError("is missing in the snapshot", file=str(part), remedy=AGAIN)
            contents[name] = part.read_bytes()
        except PermissionError:
            raise InputError("may be read by its owner only", file=str(part)) from None
        if digest(contents[name]) != hashed:
            raise InputError("is not the file that the snapshot was made with", file=str(part), remedy=AGAIN)
    return _Snapshot(folder, head, contents)


def _space(snapshot: _Snapshot, contacts: str) -> TrustSpace:
    head, contents = snapshot.head, snapshot.contents
    made_at, made_with = parse_instant(head["as_of"]), Thresholds(**head["thresholds"])
    origin = json.loads(contents.get(ORIGIN, b"{}"))
    data = Path(origin["data"]) if origin.get("data") and Path(origin["data"]).exists() else None
    entries = snapshot.frame("entries")
    for column in ("project_contact", "support_contact"):  # a snapshot to hand on has none
        if column not in entries:
            entries[column] = pd.Series("", index=entries.index, dtype="str")
    generated = head["list"]["generated_at"] and parse_instant(head["list"]["generated_at"])
    whitelist = WhiteList(
        entries,
        problems=snapshot.frame("problems"),
        anchors=tuple(path for path in origin.get("trusted", ()) if Path(path).exists()),
        beside=tuple(map(Path, origin.get("beside", ()))),
        verdict=TypeAdapter(Verdict).validate_python(head["signature"]),
        **head["list"] | {"generated_at": generated, "damage_kinds": tuple(head["list"]["damage_kinds"])},
    )
    names, since = entries["domain"].tolist(), made_with.oldest_observation(made_at)
    read = partial(read_observations, faults={})  # what could not be read then is not asked for either
    observed, unused, files = read(data, names, made_at, since) if data else ({}, (), {})
    same = {
        need: part for need, part in observed.items() if part and hashes(part) == head["observed"].get(need)
    }
    register, mailboxes = None, None
    if stored := head["mailboxes"]:
        counts = Counts(snapshot.frame("mailboxes"), **stored["counts"])
        mailboxes = Extraction(stored["source"], parse_instant(stored["made_at"]), known=counts)
    problems = f"{PRIVATE}/register_problems"
    if (stored := head["register"]) and f"{problems}.parquet" in contents:
        missing = {file: frozenset(columns) for file, columns in stored["missing"].items()}
        scope = Scope.model_validate(stored["scope"]) if stored["scope"] else None
        frames = snapshot.frame("register"), snapshot.frame(problems)
        register = Register(*frames, missing, stored["source"], stored["sha256"], scope)
    space = TrustSpace(
        whitelist,
        made_at,
        made_with,
        contacts,
        register=register,
        **same,
        aside=unused,
        files=files,
        mailboxes=mailboxes,
        archive=find_archive(data, origin["anchors"], origin["signer"]) if data and data.is_dir() else None,
        judged=tuple(State(**state) for state in head["inputs"]),
    )

    def masked() -> dict[Any, pd.Series]:
        frame = snapshot.frame("entries", clear=False)
        return {name: texts for name, texts in frame.items() if not texts.equals(entries[name])}

    space.kept.update(_findings(snapshot))
    space.kept["domains"] = lambda: _with_json(snapshot.frame("domains"), "why")
    space.kept["changes"] = lambda: _with_json(snapshot.frame("changes"), "facts")
    space.kept[UNNAMED] = masked
    return space


def _findings(snapshot: _Snapshot) -> dict[Hashable, Callable[[], Any]]:
    """Return what makes the findings of each audit, open and waived, as `mssante_audit.audits` has them."""
    stored = snapshot.frame("findings", *OF_FINDINGS)
    rules = grouped(zip(stored["audit"], stored["rule"], strict=True))

    @cache
    def all_findings() -> pd.DataFrame:
        clear = {name: stored.get(f"own_{name}", stored[name]) for name in CLEAR}
        clear["severity"] = stored["severity"].astype(Severity)
        frame = stored[[*COLUMNS, *WAIVED]].assign(**clear)
        return from_json(_with_json(_with_json(frame, "rows", "where"), "subject", "facts", read=loaded))

    def of_audit(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        findings = all_findings()[all_findings()["audit"] == name]
        is_open = findings["until"] == ""
        waived = findings[~is_open].reset_index(drop=True)
        return findings.loc[is_open, [*COLUMNS]].reset_index(drop=True), waived

    # What another version found is found anew.
    usable = [name for name in snapshot.head["audits"] if catalogue().keys() >= {*rules.get(name, ())}]
    return {audits()[name]: partial(of_audit, name) for name in usable if name in audits()}


def _with_json(frame: pd.DataFrame, *columns: str, read: Callable[[str], Any] = json.loads) -> pd.DataFrame:
    """Return a frame with what columns of JSON say: read as one text, for it is ten times as fast."""
    values = {name: read(f"[{','.join(frame[name].tolist())}]") for name in columns}
    return frame.assign(**{name: pd.Series(its, frame.index, dtype="object") for name, its in values.items()})

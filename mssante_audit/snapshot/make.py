"""Making a snapshot: everything about a trust space worked out once, beside, and renamed into place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive.changes import changes_frame, compare
from mssante_audit.archive.sides import side_of
from mssante_audit.audits import parted
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import parquet_bytes, writing
from mssante_audit.base.staging import exclusive
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.facts import dumped
from mssante_audit.findings.registry import audits
from mssante_audit.findings.words import worded
from mssante_audit.observe.kinds import hashes, kinds
from mssante_audit.snapshot.folder import (
    FILE,
    PRIVATE,
    VERSION,
    is_snapshot,
    naming,
    read_head,
    unnamed_texts,
)
from mssante_audit.space.inputs import code_digest, inputs_digest
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_of
from mssante_audit.whitelist.certificates import pinned_files
from mssante_audit.whitelist.revocation import find_crls

WAIVED = ("reason", "who", "until")
"""Columns that a waived finding has, and an open one has empty."""
_OF_LIST = ("sha256", "generated_at", "namespace", "signed", "damaged", "damage", "damage_kinds")


def bound_to(data: str | Path | None, settings: Mapping[str, Any]) -> str:
    """Return a hash of what a snapshot is made from: its inputs, settings and code.

    Parameters
    ----------
    data
        Folder or file of the space; the shipped sample if ``None``.
    settings
        What else it was loaded with (`mssante_audit.space.load_space`).
    """
    inputs = inputs_digest(data, settings.get("anchors") or ())
    told = json.dumps([inputs, dict(settings), code_digest()], sort_keys=True, default=str)
    return digest(told.encode())


def make_snapshot(
    space: TrustSpace, out: Path, *, bound: str = "", data: str | Path | None = None, shareable: bool = False
) -> dict[str, Any]:
    """Write a space and what was found in it into a folder, which is replaced as a whole.

    Parameters
    ----------
    space
        As `mssante_audit.space.load_space` loads it.
    out
        Folder to write: a new one, an empty one or an earlier snapshot.
    bound
        Of `bound_to`.
    data
        Folder that the space was loaded from: what is seldom asked for, its archive, is read there.
    shareable
        Leave out what names persons, and where the data lie: to hand on.

    Returns
    -------
    dict
        What ``snapshot.json`` says.

    Raises
    ------
    InputError
        If `out` holds something else than a snapshot.
    OutputError
        If it cannot be written.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not is_snapshot(out))):
        raise InputError(
            "holds something else than a snapshot", file=str(out), remedy="Choose another folder"
        )
    with exclusive(out.parent, f"another run is writing {out.name} here", lock=f".{out.name}.lock"):
        return _written(space, out, bound, data, shareable)


def _written(
    space: TrustSpace, out: Path, bound: str, data: str | Path | None, shareable: bool
) -> dict[str, Any]:
    draft, old = (out.with_name(f".{out.name}.{word}") for word in ("draft", "old"))
    try:
        with writing(out):
            if old.exists() and not out.exists():  # a kill came between the two renames
                old.rename(out)
            for left in (draft, old):
                if left.exists():
                    shutil.rmtree(left)
            draft.mkdir()
            files = {name: _put(draft / name, content) for name, content in _files(space, data, shareable)}
            head = _head(space, shareable) | {"bound": bound, "files": files}
            text = json.dumps(head, ensure_ascii=False, indent=1, default=_plain) + "\n"
            _put(draft / FILE, text.encode("utf-8", "backslashreplace"))
            if out.exists():
                out.rename(old)
            draft.rename(out)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    made: dict[str, Any] = json.loads(text)
    return made


def fresh(out: Path, bound: str, *, shareable: bool = False) -> bool:
    """Tell whether a folder holds a snapshot that is whole and bound to the same."""
    try:
        head = read_head(out)
    except InputError:
        return False
    return (head["bound"], head["shareable"]) == (bound, shareable)


def _put(path: Path, content: bytes) -> str:
    """Write a file, below ``private/`` for its owner only; return its hash."""
    own = path.parent.name == PRIVATE
    path.parent.mkdir(mode=0o700 if own else 0o755, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if own else 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return digest(content)


def _files(space: TrustSpace, data: str | Path | None, shareable: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a snapshot by name, with their content."""
    told = pd.concat([_of_audit(space, name) for name in audits()], ignore_index=True)
    shared = worded(told)
    names = dict.fromkeys(space.audited["domain"].tolist())
    seen = {
        name: frame.make(space.given(kind.need), list(names))
        for kind in kinds()
        for name, frame in kind.frames.items()
    }
    used = dict(zip(seen["methods"]["domain"], seen["methods"]["method"], strict=True))
    open_ones = shared[shared["until"] == ""]
    frames = {
        "entries": space.entries,
        "problems": space.whitelist.problems,
        "findings": shared,
        "domains": domains_of(space, open_ones, used),
        "changes": changes_of(space),
        **seen,
    }
    own: dict[str, Any] = {f"own_{name}": list(map(dumped, told[name])) for name in ("subject", "facts")}
    own |= {f"own_{name}": told[name] for name in ("fingerprint", "domain", "operator")}
    private = {"findings": pd.DataFrame(own)}
    if space.mailboxes is not None:
        frames["mailboxes"] = space.mailboxes.counts.frame
    if space.declarations is not None:
        frames["register"] = space.declarations.declarations
        private["register_problems"] = space.declarations.problems
    for name, frame in frames.items():
        hidden = naming(frame)
        shown = frame.drop(columns=hidden)
        masked = {} if name in private else unnamed_texts(shown)  # findings are worded: masked already
        yield f"{name}.parquet", parquet_bytes(shown.assign(**masked))
        if own_columns := [*hidden, *masked]:
            private[name] = frame[own_columns]
    if not shareable:
        for name, frame in private.items():
            yield f"{PRIVATE}/{name}.parquet", parquet_bytes(frame)
        # By these certificates and revocation lists the list and servers were judged.
        whitelist, archive = space.whitelist, space.archive
        beside = whitelist.origin.parent if isinstance(whitelist.origin, Path) else None
        found = [*pinned_files(beside), *find_crls(beside)] if beside else []
        place = {
            "data": None if data is None else str(Path(data).resolve()),
            "anchors": _resolved(archive.anchors if archive else ()),
            "signer": archive.signer if archive else None,
            "trusted": _resolved((*whitelist.anchors, *found)),
        }
        yield f"{PRIVATE}/data.json", json.dumps(place).encode()


def _resolved(paths: Iterable[str | Path]) -> list[str]:
    return list(dict.fromkeys(str(Path(path).resolve()) for path in paths))


def _of_audit(space: TrustSpace, name: str) -> pd.DataFrame:
    """Return the findings of an audit in facts, open ones first, waived ones with their `WAIVED`."""
    open_ones, aside = parted(name, space)
    whole = pd.concat([open_ones.assign(**dict.fromkeys(WAIVED, "")), aside], ignore_index=True)
    return whole.assign(audit=name)


def changes_of(space: TrustSpace) -> pd.DataFrame:
    """Return what changed since the archived list before this one, persons masked; empty if there is none."""
    archive, made = space.archive, space.whitelist.generated_at
    listed = archive.snapshots if archive and made else ()
    known = [s for s in listed if made and s.generated_at < made.replace(microsecond=0)]
    found = compare(space.side_of(known[-1]), side_of(space.whitelist)) if known else []
    return worded_changes(changes_frame(found))


def _told(of: object, *names: str) -> dict[str, Any]:
    return {name: getattr(of, name) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} in a snapshot")


def _head(space: TrustSpace, shareable: bool) -> dict[str, Any]:
    whitelist, register, mailboxes = space.whitelist, space.declarations, space.mailboxes
    return {
        "version": VERSION,
        "shareable": shareable,
        "as_of": space.as_of,
        "thresholds": space.thresholds.model_dump(),
        "severities": SEVERITIES,
        "audits": {name: list(told.lacking(space)) for name, told in audits().items()},
        "inputs": [asdict(one) for one in space.states],
        "list": {"source": Path(whitelist.source).name, **_told(whitelist, *_OF_LIST)},
        "signature": asdict(whitelist.signature),
        "register": register
        and {
            **_told(register, "source", "sha256"),
            "missing": {file: sorted(columns) for file, columns in register.missing.items()},
            "scope": register.scope and register.scope.model_dump(),
        },
        "observed": {need: hashes(seen) for need, seen in space.observations.items()},
        "mailboxes": mailboxes
        and _told(mailboxes, "source", "made_at") | _told(mailboxes.counts, "repeated", "unread", "damage"),
    }

"""Making a snapshot: everything about a trust space worked out once, beside, and renamed into place."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pydantic_core import to_jsonable_python

from mssante_audit.archive.changes import changes_frame, compare, side_of
from mssante_audit.audits import parted
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import json_bytes, parquet_bytes, write_bytes
from mssante_audit.base.resources import real_path
from mssante_audit.base.staging import exclusive, put_folder
from mssante_audit.base.state import write_state
from mssante_audit.findings.facts import dumped
from mssante_audit.findings.registry import audits
from mssante_audit.findings.words import worded
from mssante_audit.network import methods
from mssante_audit.observe.kinds import hashes
from mssante_audit.observe.tls.observation import servers
from mssante_audit.snapshot.dictionary import FRAMES, table_schema
from mssante_audit.snapshot.load import (
    FILE,
    ORIGIN,
    PACKAGE,
    PRIVATE,
    VERSION,
    WAIVED,
    is_snapshot,
    read_head,
)
from mssante_audit.space.inputs import code_digest, inputs_digest
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.domains import domains_of
from mssante_audit.whitelist.certificates import pinned_files
from mssante_audit.whitelist.revocation import find_crls

_OF_LIST = ("sha256", "generated_at", "namespace", "signed", "damaged", "damage", "damage_kinds")
_NAMING = re.compile(r"(?:project|support)_contact|postal_address|.*_(?:phone|email|last_name|first_name)")
_NUMBERS = re.compile(r"ou|finess|siren|siret|file|source|.*_(?:id|number)|operator_(?:before|after)")
_OU = re.compile(r"(OU=[0-9]+)")


def bound_to(data: str | Path | None, settings: Mapping[str, Any]) -> str:
    """Return a hash of what a snapshot is made from: its inputs, settings (of `load_space`) and code."""
    inputs = inputs_digest(data, settings.get("anchors") or ())
    return digest(json.dumps([inputs, dict(settings), code_digest()], sort_keys=True, default=str))


def make_snapshot(
    space: TrustSpace, out: Path, *, bound: str = "", data: str | Path | None = None, shareable: bool = False
) -> dict[str, Any]:
    """Write a space and what was found in it into a folder, which is replaced as a whole.

    `out` is a new folder, an empty one or an earlier snapshot; `bound` is of `bound_to`. What is seldom asked
    for, the archive, is read in `data` later on. A `shareable` one leaves out what names persons, and where
    the data lie. Returned is what ``snapshot.json`` says.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not is_snapshot(out))):
        remedy = "Choose another folder"
        raise InputError("holds something else than a snapshot", file=str(out), remedy=remedy)
    head: dict[str, Any] = {"bound": bound, "shareable": shareable, "files": {}, **_head(space)}

    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / PRIVATE).mkdir(mode=0o700)
        for name, content in _files(space, data, shareable):
            write_bytes(folder / name, content)
            (folder / name).chmod(0o600 if name.startswith(PRIVATE) else 0o644)
            head["files"][name] = digest(content)
        if shareable:
            (folder / PRIVATE).rmdir()
            package = json_bytes(_package(folder, head))
            write_bytes(folder / PACKAGE, package)
            head["files"][PACKAGE] = digest(package)
        write_state(folder / FILE, VERSION, head)

    with exclusive(out.parent, f"another run is writing {out.name} here", lock=f".{out.name}.lock"):
        written = {path.name for path in out.iterdir()} if out.exists() else ()
        put_folder(out, fill, names=written, force=True)
    return head


def fresh(out: Path, bound: str, *, shareable: bool = False) -> bool:
    """Tell whether a folder holds a snapshot that is whole and bound to the same."""
    try:
        head = read_head(out)
    except InputError:
        return False
    return (head["bound"], head["shareable"]) == (bound, shareable)


def _files(space: TrustSpace, data: str | Path | None, shareable: bool) -> Iterator[tuple[str, bytes]]:
    found = []
    for name in audits():  # in facts, open ones first, waived ones with their `WAIVED`
        open_ones, aside = parted(name, space)
        of_audit = pd.concat([open_ones.assign(**dict.fromkeys(WAIVED, "")), aside], ignore_index=True)
        found.append(of_audit.assign(audit=name))
    findings = pd.concat(found, ignore_index=True)
    shown = worded(findings)
    observed = methods(space.observation, space.audited["domain"].unique().tolist())
    used = dict(zip(observed["domain"], observed["method"], strict=True))
    frames = {
        "entries": space.entries,
        "problems": space.whitelist.problems,
        "findings": shown,
        "domains": domains_of(space, shown[shown["until"] == ""], used),
        "changes": changes_of(space),
        "methods": observed,
        "servers": servers(space.tls),
    }
    clear = findings[["subject", "facts", "domain", "operator"]]
    clear = clear.assign(**{name: list(map(dumped, findings[name])) for name in ("subject", "facts")})
    private = {"findings": clear.add_prefix("own_")}
    if space.mailboxes is not None:
        frames["mailboxes"] = space.mailboxes.counts.frame
    if space.register is not None:
        frames["register"] = space.register.declarations
        private["register_problems"] = space.register.problems
    for name, frame in frames.items():
        hidden = naming(frame)
        open_columns = frame.drop(columns=hidden)
        masked = {} if name in private else unnamed_texts(open_columns)  # findings are worded: masked already
        yield f"{name}.parquet", parquet_bytes(open_columns.assign(**masked))
        if own_columns := [*hidden, *masked]:
            private[name] = frame[own_columns]
    if shareable:
        return
    for name, frame in private.items():
        yield f"{PRIVATE}/{name}.parquet", parquet_bytes(frame)
    whitelist, archive = space.whitelist, space.archive
    beside = whitelist.origin.parent if isinstance(whitelist.origin, Path) else None
    trusted = [*whitelist.anchors, *([*pinned_files(beside), *find_crls(beside)] if beside else ())]
    yield ORIGIN, json_bytes({
        "data": None if data is None else str(real_path(data)),
        "anchors": [str(real_path(path)) for path in (archive.anchors if archive else ())],
        "signer": archive.signer if archive else None,
        "trusted": list(dict.fromkeys(str(real_path(path)) for path in trusted)),
    })  # fmt: skip


def _package(folder: Path, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Data Package (Frictionless) of a snapshot that is handed on: files and columns."""
    resources = [
        {
            "name": name, "path": file, "format": "parquet", "mediatype": "application/vnd.apache.parquet",
            "title": FRAMES[name][0], "schema": table_schema(name, pq.read_schema(folder / file).names),
        }
        for file in head["files"] for name in [Path(file).stem]
    ]  # fmt: skip
    return {
        "profile": "data-package", "name": "mssante-trust-space", "title": "Espace de confiance MSSanté",
        "description": "What `mssante-audit snapshot --shareable` wrote: whom a text names is masked.",
        "created": head["as_of"], "resources": resources,
    }  # fmt: skip


def changes_of(space: TrustSpace) -> pd.DataFrame:
    """Return what changed since the archived list before this one, contacts masked; empty without one."""

    def made() -> pd.DataFrame:
        at = space.whitelist.generated_at
        listed = space.archive.snapshots if space.archive else ()
        known = [s for s in listed if at and s.generated_at < at.replace(microsecond=0)]
        found = compare(space.side_of(known[-1]), side_of(space.whitelist)) if known else []
        return worded_changes(changes_frame(found), contacts="none")

    return space.once("changes", made)


def _head(space: TrustSpace) -> dict[str, Any]:
    """Return what no frame holds, as JSON types."""

    def told(of: object, *names: str) -> dict[str, Any]:
        return {name: getattr(of, name) for name in names}

    whitelist, register, mailboxes = space.whitelist, space.register, space.mailboxes
    return dict(to_jsonable_python({
        "as_of": space.as_of,
        "thresholds": space.thresholds,
        "audits": {name: audit.lacking(space) for name, audit in audits().items()},
        "inputs": space.states,
        "list": {"source": Path(whitelist.source).name, **told(whitelist, *_OF_LIST)},
        "signature": whitelist.signature,
        "register": register and {
            **told(register, "source", "sha256", "scope"),
            "missing": {file: sorted(columns) for file, columns in register.missing.items()},
        },
        "observed": {need: hashes(seen) for need, seen in space.observations.items()},
        "mailboxes": mailboxes and {
            **told(mailboxes, "source", "made_at"),
            "counts": told(mailboxes.counts, "repeated", "unread", "damage"),
        },
    }))  # fmt: skip


def naming(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame that name persons: they lie in ``private/``."""
    return [column for column in frame.columns if _NAMING.fullmatch(column)]


def unnamed_texts(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by name the columns of texts that name somebody though they should not, with these masked."""

    def shown(text: str) -> str:  # an identifier's digits may look like a phone number
        return "".join(part if _OU.fullmatch(part) else unnamed(part) for part in _OU.split(text))

    masked: dict[str, pd.Series] = {}
    for column, texts in frame.items():
        if isinstance(texts.dtype, pd.StringDtype) and not _NUMBERS.fullmatch(str(column)):
            masks = {text: shown(text) for text in texts.dropna().unique().tolist()}
            if any(text != mask for text, mask in masks.items()):
                masked[str(column)] = texts.map(masks)
    if "dn" in masked and "dn_key" in frame:  # in lower case a name is harder to see
        masked["dn_key"] = frame["dn_key"].where(masked["dn"] == frame["dn"], masked["dn"])
    return masked

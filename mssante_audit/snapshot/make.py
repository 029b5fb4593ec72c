"""Making a snapshot: everything about a trust space worked out once, beside, and renamed into place."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
from pydantic_core import to_jsonable_python

from mssante_audit.archive.changes import changes_frame, compare, side_of
from mssante_audit.audits import audit_all, parted, waived
from mssante_audit.base import errors, export, staging, state
from mssante_audit.base.digest import digest
from mssante_audit.base.resources import real_path
from mssante_audit.findings import facts, registry
from mssante_audit.findings.frame import worded
from mssante_audit.network import methods
from mssante_audit.observe.kinds import KINDS, hashes
from mssante_audit.observe.tls.observation import servers
from mssante_audit.snapshot import dictionary, load
from mssante_audit.space.inputs import code_digest, inputs_digest
from mssante_audit.space.story import worded_changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.domains import domains, domains_of

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

    `bound` is of `bound_to`; what is seldom asked for, the archive, is read in `data` later on. A
    `shareable` one leaves out what names persons, and where the data lie. Returned is what
    ``snapshot.json`` says.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not load.is_snapshot(out))):
        remedy = "Choose another folder"
        raise errors.InputError("holds something else than a snapshot", file=str(out), remedy=remedy)
    head: dict[str, Any] = {"bound": bound, "shareable": shareable, "files": {}, **_head(space)}

    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / load.PRIVATE).mkdir(mode=0o700)
        for name, content in _files(space, data, shareable):
            export.write_bytes(folder / name, content)
            (folder / name).chmod(0o600 if name.startswith(load.PRIVATE) else 0o644)
            head["files"][name] = digest(content)
        if shareable:
            (folder / load.PRIVATE).rmdir()
            package = export.json_bytes(_package(folder, head))
            export.write_bytes(folder / load.PACKAGE, package)
            head["files"][load.PACKAGE] = digest(package)
        state.write_state(folder / load.FILE, load.VERSION, head)

    with staging.exclusive(out.parent, f"another run is writing {out.name} here", lock=f".{out.name}.lock"):
        written = {path.name for path in out.iterdir()} if out.exists() else ()
        staging.put_folder(out, fill, names=written, force=True)
    return head


def fresh(out: Path, bound: str, *, shareable: bool = False) -> bool:
    """Tell whether a folder holds a snapshot that is whole and bound to the same."""
    try:
        head = load.read_snapshot(out).head
    except errors.InputError:
        return False
    return (head["bound"], head["shareable"]) == (bound, shareable)


def frames_of(space: TrustSpace) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return what makes each frame of a space, by the name that it has in a snapshot."""
    boxes, register = space.mailboxes, space.register
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "entries": lambda: space.entries,
        "problems": lambda: space.whitelist.problems,
        "findings": lambda: audit_all(space),
        "waived": lambda: waived(space),
        "domains": lambda: domains(space),
        "changes": lambda: changes_of(space),
        "methods": lambda: methods(space.observation, space.audited["domain"].unique().tolist()),
        "servers": lambda: servers(space.tls),
    }
    if boxes is not None:
        makers["mailboxes"] = lambda: boxes.counts.frame
    if register is not None:
        makers["register"] = lambda: register.declarations
    return makers


def _files(space: TrustSpace, data: str | Path | None, shareable: bool) -> Iterator[tuple[str, bytes]]:
    parts = []
    for name in registry.audits():  # in facts, open ones first, waived ones with their `WAIVED`
        open_ones, closed = parted(name, space)
        of_audit = pd.concat([open_ones.assign(**dict.fromkeys(load.WAIVED, "")), closed], ignore_index=True)
        parts.append(of_audit.assign(audit=name))
    findings = pd.concat(parts, ignore_index=True)
    table, makers = worded(findings), frames_of(space)
    makers |= {
        "findings": lambda: table,
        "domains": lambda: domains_of(space, table[table["until"] == ""]),
    }
    frames = {name: make() for name, make in makers.items() if name != "waived"}
    clear = findings[["subject", "facts", "domain", "operator"]]
    clear = clear.assign(**{name: list(map(facts.dumped, findings[name])) for name in ("subject", "facts")})
    private = {"findings": clear.add_prefix("own_")}
    if space.register is not None:
        private["register_problems"] = space.register.problems
    for name, frame in frames.items():
        hidden = naming(frame)
        open_columns = frame.drop(columns=hidden)
        masked = {} if name in private else unnamed_texts(open_columns)  # findings are worded: masked already
        yield f"{name}.parquet", export.parquet_bytes(open_columns.assign(**masked))
        if own_columns := [*hidden, *masked]:
            private[name] = frame[own_columns]
    if shareable:
        return
    for name, frame in private.items():
        yield f"{load.PRIVATE}/{name}.parquet", export.parquet_bytes(frame)
    archive = space.archive
    yield load.ORIGIN, export.json_bytes({
        "data": None if data is None else str(real_path(data)),
        "anchors": [str(real_path(path)) for path in (archive.anchors if archive else ())],
        "signer": archive.signer if archive else None,
        "trusted": [str(real_path(path)) for path in space.whitelist.anchors],
        "beside": [str(real_path(path)) for path in space.whitelist.beside],
    })  # fmt: skip


def _package(folder: Path, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Data Package (Frictionless) of a snapshot that is handed on: files and columns."""
    resources = []
    for file in head["files"]:
        name, columns = Path(file).stem, pq.read_schema(folder / file).names
        title, schema = dictionary.FRAMES[name][0], dictionary.table_schema(name, columns)
        kind = {"format": "parquet", "mediatype": "application/vnd.apache.parquet"}
        resources.append({"name": name, "path": file, **kind, "title": title, "schema": schema})
    return {
        "profile": "data-package", "name": "mssante-trust-space", "title": "Espace de confiance MSSanté",
        "description": "What `mssante-audit snapshot --shareable` wrote: whom a text names is masked.",
        "created": head["as_of"], "resources": resources,
    }  # fmt: skip


def changes_of(space: TrustSpace) -> pd.DataFrame:
    """Return what changed since the archived list before this one, contacts masked; empty without one."""

    def made() -> pd.DataFrame:
        at = space.whitelist.generated_at
        archived = space.archive.snapshots if space.archive else ()
        before = [s for s in archived if at and s.generated_at < at.replace(microsecond=0)]
        changes = compare(space.side_of(before[-1]), side_of(space.whitelist)) if before else []
        return worded_changes(changes_frame(changes), contacts="none")

    return space.once("changes", made)


def _head(space: TrustSpace) -> dict[str, Any]:
    """Return what no frame holds, as JSON types."""

    def fields(record: object, *names: str) -> dict[str, Any]:
        return {name: getattr(record, name) for name in names}

    whitelist, register, mailboxes = space.whitelist, space.register, space.mailboxes
    return dict(to_jsonable_python({
        "as_of": space.as_of,
        "thresholds": space.thresholds,
        "audits": {name: audit.lacking(space) for name, audit in registry.audits().items()},
        "inputs": space.states,
        "list": {"source": Path(whitelist.source).name, **fields(whitelist, *_OF_LIST)},
        "signature": whitelist.signature,
        "register": register and {
            **fields(register, "source", "sha256", "scope"),
            "missing": {file: sorted(columns) for file, columns in register.missing.items()},
        },
        "observed": {k.need: hashes(file) for k in KINDS if (file := space.given(k.need)) is not None},
        "mailboxes": mailboxes and {
            **fields(mailboxes, "source", "made_at"),
            "counts": fields(mailboxes.counts, "repeated", "unread", "damage"),
        },
    }))  # fmt: skip


def naming(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame that name persons: they lie in ``private/``."""
    return [column for column in frame.columns if _NAMING.fullmatch(column)]


def unnamed_rows(space: TrustSpace, rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return rows of a space's list with whom texts in some columns name masked, which is done once."""
    entries = space.entries
    masked = space.once(load.UNNAMED, lambda: unnamed_texts(entries.drop(columns=naming(entries))))
    return rows.assign(**{name: masked[name] for name in columns if name in masked})


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

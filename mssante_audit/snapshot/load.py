"""Loading a trust space: from its files, or from a snapshot of it without reading them again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.resources import SAMPLE_AS_OF, is_sample
from mssante_audit.declarations.register import Register
from mssante_audit.declarations.scope import Scope
from mssante_audit.findings.facts import loaded
from mssante_audit.findings.frame import COLUMNS, Severity, from_json
from mssante_audit.findings.registry import audits, catalogue
from mssante_audit.mailboxes.counts import Counts
from mssante_audit.mailboxes.extraction import Extraction
from mssante_audit.observe.kinds import hashes, read_observations
from mssante_audit.snapshot.folder import AGAIN, ORIGIN, PRIVATE, WAIVED, is_snapshot, read_frame, read_head
from mssante_audit.space.states import State
from mssante_audit.space.trust import Thresholds, TrustSpace, find_archive
from mssante_audit.space.trust import load_space as load_files
from mssante_audit.whitelist.load import WhiteList
from mssante_audit.whitelist.signature import Verdict


def load_space(
    data: str | Path | None = None,
    *,
    as_of: str | datetime | None = None,
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    recover: bool = False,
    any_namespace: bool = False,
    thresholds: Thresholds | None = None,
    show_contacts: bool = False,
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
        by their fingerprints and need not be named; nor need the shipped sample's, nor revocation lists. None
        for a snapshot, which has its verdict.
    signer
        Common name of whoever should have signed the list, `mssante_audit.whitelist.signature.SIGNER` if not
        given; that of a snapshot.
    recover
        Load the readable rows of a damaged list.
    any_namespace
        Accept a list in another XML namespace.
    thresholds
        Defaults of `Thresholds` if not given; those of a snapshot.
    show_contacts
        Let findings name contacts as they are: for one's own eyes, not for sharing.

    Raises
    ------
    InputError
        If there is no list, or it cannot be read (`WhiteListError`), or `as_of` is not a date; if a snapshot
        is damaged, of another version, or was made with other settings than asked for.
    """
    if is_snapshot(data):
        return _load_snapshot(Path(str(data)), as_of, anchors, signer, thresholds, show_contacts)
    return load_files(
        data,
        as_of=as_of,
        anchors=anchors,
        signer=signer,
        recover=recover,
        any_namespace=any_namespace,
        thresholds=thresholds,
        show_contacts=show_contacts,
    )


def made_as_of(data: str | Path | None) -> str | None:
    """Return the instant of a snapshot or of the shipped sample; ``None`` for other data."""
    if is_snapshot(data):
        return str(read_head(Path(str(data)))["as_of"])
    return SAMPLE_AS_OF if is_sample(data) else None


def _load_snapshot(
    folder: Path,
    as_of: str | datetime | None,
    anchors: Sequence[str | Path],
    signer: str | None,
    thresholds: Thresholds | None,
    show_contacts: bool,
) -> TrustSpace:
    head = read_head(folder)
    made_at, made_with = parse_instant(head["as_of"]), Thresholds(**head["thresholds"])
    verdict = TypeAdapter(Verdict).validate_python(head["signature"])
    asked = {
        "as_of": as_of is not None and parse_instant(as_of) != made_at and head["as_of"],
        # A notebook hands over the defaults.
        "thresholds": thresholds not in (None, Thresholds(), made_with) and made_with,
        "anchors of its own:": bool(anchors) and verdict.status,
        "signer": signer not in (None, verdict.expected) and (verdict.expected or "unknown"),
    }
    for what, made in asked.items():
        if made:
            message = f"the snapshot was made with {what} {made}, and not as asked"
            raise InputError(message, file=str(folder), remedy=AGAIN)
    if show_contacts and head["shareable"]:
        raise InputError("a snapshot to hand on holds no contacts", file=str(folder), remedy=AGAIN)
    origin = json.loads((folder / ORIGIN).read_bytes()) if (folder / ORIGIN).is_file() else {}
    data = Path(origin["data"]) if origin.get("data") and Path(origin["data"]).exists() else None
    trusted = tuple(path for path in origin.get("trusted", ()) if Path(path).exists())
    whitelist = _whitelist(folder, head["list"], trusted, verdict)
    domains, since = whitelist.entries["domain"].tolist(), made_with.oldest_observation(made_at)
    read = partial(read_observations, faults={})  # what could not be read then is not asked for either
    observed, aside, files = read(data, domains, made_at, since) if data else ({}, (), {})
    same = {
        need: seen for need, seen in observed.items() if seen and hashes(seen) == head["observed"].get(need)
    }
    space = TrustSpace(
        whitelist,
        made_at,
        made_with,
        show_contacts,
        declarations=_register(folder, head["register"]),
        **same,
        aside=aside,
        files=files,
        mailboxes=_mailboxes(folder, head["mailboxes"]),
        archive=find_archive(data, origin["anchors"], origin["signer"]) if data and data.is_dir() else None,
        judged=tuple(State(**state) for state in head["inputs"]),
        kept_domains=_domains(folder),
    )
    space.cache.update(_found(folder, head["audits"]))
    return space


def _whitelist(folder: Path, kept: dict[str, Any], anchors: tuple[str, ...], verdict: Verdict) -> WhiteList:
    entries = read_frame(folder, "entries", ("row", "domain", "dn", "operator_id", "is_audit_entry"))
    for column in ("project_contact", "support_contact"):  # a snapshot to hand on has none
        if column not in entries:
            entries[column] = pd.Series("", index=entries.index, dtype="str")
    made = kept["generated_at"] and parse_instant(kept["generated_at"])
    more = {**kept, "generated_at": made, "damage_kinds": tuple(kept["damage_kinds"])}
    problems = read_frame(folder, "problems")
    return WhiteList(entries, problems=problems, anchors=anchors, verdict=verdict, **more)


def _register(folder: Path, kept: dict[str, Any] | None) -> Register | None:
    problems = folder / PRIVATE / "register_problems.parquet"
    if kept is None or not problems.is_file():
        return None
    missing = {file: frozenset(columns) for file, columns in kept["missing"].items()}
    scope = Scope.model_validate(kept["scope"]) if kept["scope"] else None
    frames = read_frame(folder, "register"), pd.read_parquet(problems)
    return Register(*frames, missing, kept["source"], kept["sha256"], scope)


def _mailboxes(folder: Path, kept: dict[str, Any] | None) -> Extraction | None:
    if kept is None:
        return None
    counts = Counts(read_frame(folder, "mailboxes"), **kept["counts"])
    return Extraction(kept["source"], parse_instant(kept["made_at"]), known=counts)


def _domains(folder: Path) -> pd.DataFrame:
    frame = read_frame(folder, "domains")
    return frame.assign(why=pd.Series(map(json.loads, frame["why"]), dtype="object"))


def _found(folder: Path, made: Iterable[str]) -> dict[Hashable, Any]:
    """Return what audits found, as `mssante_audit.audits` remembers it."""
    needed = ("audit", "rule", "severity", "rank", "until", "fingerprint")
    frame = read_frame(folder, "findings", needed)
    for name in ("subject", "facts", "domain", "operator"):
        frame[name] = frame.get(f"own_{name}", frame[name])
    for name in ("subject", "facts"):
        frame[name] = _listed(frame[name])
    for name in ("rows", "where"):
        frame[name] = pd.Series(_listed(frame[name]), frame.index, dtype="object")
    frame = from_json(frame)
    frame["severity"] = frame["severity"].astype(Severity)
    waived, known = frame[[*COLUMNS, *WAIVED]], audits()
    set_apart = (frame["until"] != "").tolist()
    open_ones, counts = waived[list(COLUMNS)], Counter(zip(frame["audit"].tolist(), set_apart, strict=True))
    codes, rules = frame["rule"].tolist(), catalogue().keys()
    found: dict[Hashable, Any] = {}
    start = 0
    for name in made:  # they stand in this order, of each the open ones first: slices copy nothing
        middle = start + counts[name, False]
        end = middle + counts[name, True]
        parts = (open_ones.iloc[start:middle], waived.iloc[middle:end])
        for part in parts:
            part.index = pd.RangeIndex(len(part))
        # What another version of its package found is found anew.
        if name in known and rules >= set(codes[start:end]):
            found[known[name]] = parts
        start = end
    return found


def _listed(texts: pd.Series) -> list[Any]:
    """Return what a column of JSON texts says, read as one text: a tenth of the time of reading each."""
    read: list[Any] = loaded(f"[{','.join(texts.tolist())}]")
    return read

"""Loading a trust space: from its files, or from a snapshot of it without reading them again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

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
from mssante_audit.snapshot.folder import AGAIN, PRIVATE, is_snapshot, read_frame, read_head
from mssante_audit.snapshot.make import WAIVED
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

    def other(what: str, made: object) -> InputError:
        return InputError(
            f"the snapshot was made with {what} {made}, and not as asked", file=str(folder), remedy=AGAIN
        )

    made_at, made_with = parse_instant(head["as_of"]), Thresholds(**head["thresholds"])
    if as_of is not None and parse_instant(as_of) != made_at:
        raise other("as_of", head["as_of"])
    if thresholds not in (None, Thresholds(), made_with):  # a notebook hands over the defaults
        raise other("thresholds", made_with)
    if anchors:
        raise other("anchors of its own:", head["signature"]["status"])
    if signer not in (None, head["signature"]["expected"]):
        raise other("signer", head["signature"]["expected"] or "unknown")
    if show_contacts and head["shareable"]:
        raise InputError("a snapshot to hand on holds no contacts", file=str(folder), remedy=AGAIN)
    where, trusted, judged_by = _where(folder)
    whitelist = _whitelist(folder, head, judged_by)
    domains, since = whitelist.entries["domain"].tolist(), made_with.oldest_observation(made_at)
    read = partial(read_observations, faults={})  # what could not be read then is not asked for either
    observed, aside, files = read(where, domains, made_at, since) if where else ({}, (), {})
    told = head["observed"]  # only what the snapshot was made with
    observed = {need: seen for need, seen in observed.items() if seen and hashes(seen) == told.get(need)}
    space = TrustSpace(
        whitelist,
        made_at,
        made_with,
        show_contacts,
        declarations=_register(folder, head["register"]),
        observation=observed.pop("observation", None),
        observed=observed,
        aside=aside,
        files=files,
        mailboxes=_mailboxes(folder, head["mailboxes"]),
        archive=find_archive(where, *trusted) if where and where.is_dir() else None,
        told=tuple(State(**one) for one in head["inputs"]),
        kept=partial(read_frame, folder),
    )
    space.found.update(_found(folder, head["audits"]))
    return space


def _whitelist(folder: Path, head: dict[str, Any], anchors: tuple[str, ...]) -> WhiteList:
    entries = read_frame(folder, "entries", ("row", "domain", "dn", "operator_id", "is_audit_entry"))
    for column in ("project_contact", "support_contact"):  # a snapshot to hand on has none
        if column not in entries:
            entries[column] = pd.Series("", index=entries.index, dtype="str")
    told = _dated(head["list"], "generated_at")
    told["damage_kinds"] = tuple(told["damage_kinds"])
    whitelist = WhiteList(entries=entries, problems=read_frame(folder, "problems"), anchors=anchors, **told)
    verdict = Verdict(**_dated(head["signature"], "not_before", "not_after", "at"))
    whitelist.__dict__["signature"] = verdict  # as if it had been asked for already
    return whitelist


def _dated(told: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return what is told with instants read."""
    return {name: parse_instant(one) if name in names and one else one for name, one in told.items()}


def _register(folder: Path, told: dict[str, Any] | None) -> Register | None:
    if told is None or not (folder / PRIVATE / "register_problems.parquet").is_file():
        return None
    return Register(
        read_frame(folder, "register"),
        pd.read_parquet(folder / PRIVATE / "register_problems.parquet"),
        {file: frozenset(columns) for file, columns in told["missing"].items()},
        told["source"],
        told["sha256"],
        Scope.model_validate(told["scope"]) if told["scope"] else None,
    )


def _mailboxes(folder: Path, told: dict[str, Any] | None) -> Extraction | None:
    if told is None:
        return None
    kept = _dated(told, "made_at")
    found = Extraction(kept.pop("source"), kept.pop("made_at"))
    found.__dict__["counts"] = Counts(read_frame(folder, "mailboxes"), **kept)  # as if read already
    return found


def _where(folder: Path) -> tuple[Path | None, tuple[list[str], str | None], tuple[str, ...]]:
    """Return where the data lie, what is trusted of an archive there, and what servers were judged by."""
    file = folder / PRIVATE / "data.json"
    told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    where = told.get("data")
    trusted = told.get("anchors", []), told.get("signer")
    judged_by = tuple(path for path in told.get("trusted", ()) if Path(path).exists())
    return (Path(where) if where and Path(where).exists() else None), trusted, judged_by


def _found(folder: Path, made: Iterable[str]) -> dict[str, Any]:
    """Return what audits found, as `mssante_audit.audits` remembers it."""
    needed = ("audit", "rule", "severity", "rank", "until", "fingerprint")
    told = read_frame(folder, "findings", needed)
    for name in ("subject", "facts"):
        told[name] = _listed(told[f"own_{name}" if f"own_{name}" in told else name])
    for name in ("domain", "operator"):
        told[name] = told.get(f"own_{name}", told[name])
    for name in ("rows", "where"):
        told[name] = pd.Series(_listed(told[name]), told.index, dtype="object")
    told = from_json(told)
    told["severity"] = told["severity"].astype(Severity)
    waived, known = told[[*COLUMNS, *WAIVED]], audits()
    set_apart = (told["until"] != "").tolist()
    open_ones, counts = waived[list(COLUMNS)], Counter(zip(told["audit"].tolist(), set_apart, strict=True))
    codes, rules = told["rule"].tolist(), catalogue().keys()
    found, start = {}, 0
    for name in made:  # they stand in this order, of each the open ones first: slices copy nothing
        middle = start + counts[name, False]
        end = middle + counts[name, True]
        parts = (open_ones.iloc[start:middle], waived.iloc[middle:end])
        for part in parts:
            part.index = pd.RangeIndex(len(part))
        # What another version of its package found is found anew.
        if name in known and rules >= set(codes[start:end]):
            found[name] = (known[name], parts)
        start = end
    return found


def _listed(texts: pd.Series) -> list[Any]:
    """Return what a column of JSON texts says, read as one text: a tenth of the time of reading each."""
    read: list[Any] = loaded(f"[{','.join(texts.tolist())}]")
    return read

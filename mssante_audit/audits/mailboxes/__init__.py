"""Audit of the public extraction of mailboxes against the white list.

Domains are compared letter for letter, as the list is (source: form). Test entries are left out. Where the
numbers are unknown (`mssante_audit.space.trust.TrustSpace.published`) one finding says why, and nothing else
is said: a broken archive may have made up the names it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files

import pandas as pd

from mssante_audit.audits.since import past_of
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.findings.catalogue import load_rules
from mssante_audit.findings.frame import Finding
from mssante_audit.findings.registry import Audit
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.whitelist.load import is_audit_domain
from mssante_audit.whitelist.rows import above_of, all_rows, operator_names, rows_by

FEWEST = 10
"""Mailboxes from which a loss or a majority says something: the median domain has four (data). No source."""

_KINDS = frozenset(table_of("mssante_audit.audits.mailboxes", "names.toml")["kinds"].split())
"""Words of names that do not tell structures apart, accents folded."""


def _unusable(space: TrustSpace) -> Iterator[Finding]:
    mailboxes = space.mailboxes
    if mailboxes is None:
        return
    listed = space.whitelist.generated_at or space.as_of
    if fault := mailboxes.fault(listed):
        made = mailboxes.made_at
        facts = {"reason": fault, "made": made, "days": abs(listed - made).days, "before": made < listed}
        yield Finding("MAILBOX_UNUSABLE", "extraction", facts=facts)


def _unlisted(space: TrustSpace) -> Iterator[Finding]:
    """Find addresses in domains that are not listed, each with what explains it where that is known."""
    published = space.published or {}
    listed = set(space.entries["domain"])
    missing = [name for name in published if name not in listed and not is_audit_domain(name)]
    if not missing:
        return
    spelt = {name.lower(): name for name in sorted(listed)}
    owners, names = _owners(space.audited), operator_names(space.entries)
    left = _left(space, missing)
    for name in missing:
        like, above = spelt.get(name.lower(), ""), next((up for up in above_of(name) if up in listed), "")
        when, owner = left.get(name, ("", owners.get(like or above, "")))
        facts = {"domain": name, "mailboxes": published[name], "like": like, "above": above, "left": when}
        whose = names.get(owner, "")
        yield Finding(
            "MAILBOX_UNLISTED", name, domains=(name,), facts=facts, operator_id=owner, operator=whose
        )


def _left(space: TrustSpace, missing: list[str]) -> dict[str, tuple[str, str]]:
    """Return for domains of earlier lists when the last one was made that had them, and whose they were."""
    past = past_of(space)
    if past is None:
        return {}
    history = past[0][past[0]["domain"].isin(missing)].sort_values("last_seen")
    told = (history[column].tolist() for column in ("domain", "last_seen", "dn"))
    return {
        name: (seen.isoformat(), parse_identifier(parse_dn(dn).get("OU")).value)
        for name, seen, dn in zip(*told, strict=True)
    }


def _without(space: TrustSpace) -> Iterator[Finding]:
    """Find the listed domains without a published mailbox, an operator's in one finding."""
    published = space.published
    if published is None:
        return
    other = {name.lower() for name in published}  # spelt otherwise: `_unlisted` says so
    entries = space.audited
    bare = [name for name in entries["domain"].unique().tolist() if name.lower() not in other]
    whole = Counter(_owners(entries).values())
    for owner, names, rows in _by_owner(entries, bare):
        facts = {"domains": names, "number": len(names), "of": whole[owner]}
        yield Finding("MAILBOX_NONE", owner, rows, facts=facts)


def _lost(space: TrustSpace) -> Iterator[Finding]:
    """Find listed domains that lost more than half since the extraction before, an operator's together."""
    published, mailboxes = space.published, space.mailboxes
    if published is None or mailboxes is None or mailboxes.earlier is None or mailboxes.earlier.counts.damage:
        return
    before, entries = mailboxes.earlier.by_domain, space.audited
    fallen = [
        name
        for name in entries["domain"].unique().tolist()
        if before.get(name, 0) >= FEWEST and 2 * published.get(name, 0) < before[name]
    ]
    for owner, names, rows in _by_owner(entries, fallen):
        told = [{"domain": n, "before": before[n], "now": published.get(n, 0)} for n in names]
        facts = {"domains": told, "since": mailboxes.earlier.made_at}
        yield Finding("MAILBOX_LOST", owner, rows, facts=facts)


def _structure(space: TrustSpace) -> Iterator[Finding]:
    """Find domains most mailboxes of which are another operator's than who runs them, and than is described.

    The list knows the names of operators only: of another structure nothing is said, nor where a word of its
    name stands in the domain or in its description, since hosting is what most operators do.
    """
    published, mailboxes = space.published, space.mailboxes
    if published is None or mailboxes is None:
        return
    entries = space.audited
    names = {_legal(owner): (owner, name) for owner, name in operator_names(entries).items() if owner}
    runs: dict[str, set[str]] = {}
    told: dict[str, set[str]] = {}
    rows: dict[str, list[int]] = {}
    for (domain, owner, text), own in rows_by(entries, "domain", "operator_id", "description").items():
        runs.setdefault(domain, set()).add(_legal(owner))
        told.setdefault(domain, set()).update(fold(f"{text} {domain}").split())
        rows.setdefault(domain, []).extend(own)
    for domain, structure, number in _majorities(mailboxes.counts.frame, published):
        other = names.get(_legal(structure))
        if domain not in rows or other is None or _legal(structure) in runs[domain]:
            continue
        own_words = [word for word in fold(other[1]).split() if word not in _KINDS]
        if own_words and not any(word in said for word in own_words for said in told[domain]):
            whose = {"operator": other[0], "name": other[1]}
            facts = {"structure": whose, "number": number, "of": published[domain]}
            yield Finding("MAILBOX_STRUCTURE", domain, tuple(rows[domain]), facts=facts)


def _majorities(frame: pd.DataFrame, published: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    """Yield the domains of `FEWEST` mailboxes or more of which most are one structure's: it, and how many."""
    known = (
        frame[frame["structure"] != ""].groupby(["domain", "structure"], as_index=False)["mailboxes"].sum()
    )
    told = (known[column].tolist() for column in ("domain", "structure", "mailboxes"))
    for domain, structure, number in zip(*told, strict=True):
        if published[domain] >= FEWEST and 2 * number > published[domain]:
            yield domain, structure, number


def _legal(identifier: str) -> str:
    """Return what an identifier shares with those of the same legal person: the SIREN in a SIRET."""
    return f"2{identifier[1:10]}" if identifier.startswith("3") else identifier


def _owners(entries: pd.DataFrame) -> dict[str, str]:
    counts: dict[str, Counter[str]] = {}
    for domain, owner in zip(entries["domain"].tolist(), entries["operator_id"].tolist(), strict=True):
        counts.setdefault(domain, Counter())[owner] += 1
    return {domain: own.most_common(1)[0][0] for domain, own in counts.items()}


def _by_owner(
    entries: pd.DataFrame, domains: Iterable[str]
) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
    """Yield each operator of some domains with its domains and all their rows."""
    owners, rows = _owners(entries), rows_by(entries, "domain")
    grouped: dict[str, list[str]] = {}
    for name in domains:
        grouped.setdefault(owners[name], []).append(name)
    for owner, names in grouped.items():
        yield owner, names, all_rows(rows[(name,)] for name in names)


AUDIT = Audit(
    "mailboxes",
    {"fr": "Boîtes aux lettres publiées", "en": "Published mailboxes"},
    load_rules(files(__package__) / "rules.toml"),
    (_unusable, _unlisted, _without, _lost, _structure),
    needs=("mailboxes",),
    uses=("archive",),
)

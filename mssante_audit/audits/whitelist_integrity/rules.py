"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions.

Rules and their words: ``rules.toml``. What concerns the file as a whole has no rows; the rest looks at
`TrustSpace.audited`, except rows that could not be read, which are reported whoever they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from mssante_audit.audits.whitelist_integrity.descriptions import descriptions, is_garbled
from mssante_audit.findings.frame import Finding, row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.shown import has_hidden, hidden, host_faults
from mssante_audit.whitelist.load import NAMESPACE
from mssante_audit.whitelist.rows import all_rows, operator_names, rows_by, structures

ZONE = "mssante.fr"
FIELDS = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")


# -- the file -----------------------------------------------------------------------------------------------


def _signature(space: TrustSpace) -> Iterator[Finding]:
    verdict = space.whitelist.signature
    match verdict.status:
        case "absent":
            yield Finding("LIST_UNSIGNED", "list")
        case "invalid":
            yield Finding("LIST_SIGNATURE_INVALID", "list", facts={"reason": verdict.reason})
        case "valid-untrusted":
            facts = {"signer": verdict.signer, "reason": verdict.reason, "wanted": verdict.expected}
            yield Finding("LIST_SIGNER_UNTRUSTED", verdict.signer, facts=facts)
        case _ if verdict.not_after is not None and verdict.not_after < space.as_of:
            until = {"signer": verdict.signer, "until": verdict.not_after}
            yield Finding("LIST_SIGNER_EXPIRED", verdict.signer, facts=until)


def _file(space: TrustSpace) -> Iterator[Finding]:
    whitelist = space.whitelist
    if whitelist.damaged:
        yield Finding("LIST_DAMAGED", "list", facts={"kinds": whitelist.damage_kinds})
    if whitelist.namespace != NAMESPACE:
        facts = {"namespace": whitelist.namespace, "right": NAMESPACE}
        yield Finding("LIST_NAMESPACE", "list", facts=facts)
    # A list without a readable date is a problem row, not an old list.
    if whitelist.generated_at is not None:
        limit = space.thresholds.list_max_age_days
        age = space.as_of - whitelist.generated_at
        if age > pd.Timedelta(days=limit):
            old = {"generated": whitelist.generated_at, "days": age.days, "limit": limit}
            yield Finding("LIST_OLD", "list", facts=old)


def _unreadable(space: TrustSpace) -> Iterator[Finding]:
    """Report each kind and element once; what concerns no loaded row, by its line in the file."""
    problems = space.whitelist.problems.assign(row=space.whitelist.problems["row"].fillna(0).astype("int64"))
    known = len(space.entries)
    groups: dict[tuple[str, str, bool], list[tuple[int, int]]] = {}
    for row, line, kind, element in zip(
        *(problems[column].tolist() for column in ("row", "line", "kind", "element")), strict=True
    ):
        if (kind, element) != ("date", "DateMAJ"):
            groups.setdefault((kind, element, 0 < row <= known), []).append((row, line))
    for (kind, element, loaded), places in groups.items():
        yield Finding(
            "LIST_UNREADABLE_ROW",
            (kind, element, "row" if loaded else "file"),
            tuple(row for row, _ in places if loaded),
            facts={
                "kind": kind,
                "element": element,
                "times": len(places),
                "lines": "" if loaded else row_ranges(line for _, line in places),
            },
        )


# -- rows and dates -----------------------------------------------------------------------------------------


def _dates(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    generated_at = space.whitelist.generated_at
    if generated_at is not None:
        after = entries[entries["updated_at"] > pd.Timestamp(generated_at)]
        if len(after):
            late = (after["updated_at"].max() - pd.Timestamp(generated_at)).total_seconds()
            facts = {"n": len(after), "seconds": round(late)}
            yield Finding("LIST_STAMPED_AFTER", "list", tuple(after["row"].tolist()), facts=facts)
    unread = entries[entries["updated_at"].isna()]
    for (text,), rows in rows_by(unread, "updated_at_text").items():
        if text.strip():
            yield Finding("LIST_DATE_UNREADABLE", text, tuple(rows), facts={"text": text})


def _repeated(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    same = entries[entries.duplicated(["domain", "dn_key"], keep=False) & (entries["domain"] != "")]
    content = dict(
        zip(same["row"].tolist(), zip(*(same[f].tolist() for f in FIELDS), strict=True), strict=True)
    )
    for (domain, dn), rows in rows_by(same, "domain", "dn").items():
        copies: dict[tuple[str, ...], list[int]] = {}
        for row in rows:
            copies.setdefault(content[row], []).append(row)
        repeated = [alike for alike in copies.values() if len(alike) > 1]
        if repeated:
            facts = {"copies": [len(alike) for alike in repeated]}
            yield Finding("LIST_ROW_DUPLICATE", (domain, dn), all_rows(repeated), facts=facts)
        if dn and len(copies) > 1:
            differing = [f for i, f in enumerate(FIELDS) if len({texts[i] for texts in copies}) > 1]
            told = {"n": len(rows), "differing": differing}
            yield Finding("LIST_PAIR_REPEATED", (domain, dn), tuple(rows), facts=told)
    for (domain, key), rows in rows_by(same, "domain", "dn_key").items():
        dns = list(dict.fromkeys(content[row][2] for row in rows))
        if key and len(dns) > 1:
            yield Finding("LIST_PAIR_RESPELT", (domain, key), tuple(rows), facts={"dns": dns})


# -- domains ------------------------------------------------------------------------------------------------


def _domains(space: TrustSpace) -> Iterator[Finding]:
    for (domain, under), rows in rows_by(
        space.audited.assign(under=space.audited["under_mssante"].astype("str")), "domain", "under"
    ).items():
        if not domain.strip():
            continue  # an absent name is LIST_UNREADABLE_ROW
        faults = host_faults(domain)
        if faults:
            facts = {"domain": domain, "faults": faults, "meant": _mended(domain)}
            yield Finding("LIST_DOMAIN_INVALID", domain, tuple(rows), facts=facts)
        elif under != "True":
            yield Finding("LIST_DOMAIN_OUTSIDE", domain, tuple(rows), facts={"domain": domain})


def _mended(domain: str) -> str:
    """Return the name most likely meant, "" if there is no saying."""
    kept = "".join(c for c in domain.rpartition("@")[2].lower() if not hidden(c)).strip().strip(".")
    return "" if host_faults(kept) else kept


def _shared(space: TrustSpace) -> Iterator[Finding]:
    """Domains under several operators, and sub-domains of another operator's domain."""
    same, names = structures(space.audited), operator_names(space.audited)
    rows: dict[str, list[int]] = {}
    owners: dict[str, dict[str, str]] = {}
    for (domain, operator_id), found in rows_by(space.audited, "domain", "operator_id").items():
        rows.setdefault(domain, []).extend(found)
        if operator_id:  # an unreadable identifier is unknown, not another operator
            owners.setdefault(domain, {}).setdefault(same[operator_id], operator_id)

    def named(owner: dict[str, str]) -> list[dict[str, str]]:
        ids = [owner[structure] for structure in sorted(owner)]
        return [{"operator": operator_id, "name": names[operator_id]} for operator_id in ids]

    shared: dict[tuple[str, ...], list[str]] = {}
    below: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for domain, owner in owners.items():
        if len(owner) > 1:
            shared.setdefault(tuple(sorted(owner)), []).append(domain)
        parent = _listed_parent(domain, rows)
        if parent and owners.get(parent) and owner.keys().isdisjoint(owners[parent]):
            below.setdefault((tuple(sorted(owner)), parent), []).append(domain)
    for ids, domains in shared.items():
        facts = {"domains": len(domains), "owners": named(owners[domains[0]])}
        yield Finding("LIST_DOMAIN_OPERATORS", ids, all_rows(rows[d] for d in domains), facts=facts)
    for (ids, parent), domains in below.items():
        facts = {
            "domains": len(domains),
            "owners": named(owners[domains[0]]),
            "parent": parent,
            "parent_owners": named(owners[parent]),
        }
        yield Finding(
            "LIST_SUBDOMAIN_OPERATOR", (parent, *ids), all_rows(rows[d] for d in domains), facts=facts
        )


def _listed_parent(domain: str, listed: Iterable[str]) -> str:
    """Return the nearest listed domain above `domain`, "" if there is none; the manager's zone is none."""
    parent = domain.partition(".")[2]
    while parent and parent != ZONE:
        if parent in listed:
            return parent
        parent = parent.partition(".")[2]
    return ""


# -- texts --------------------------------------------------------------------------------------------------


def _hidden_text(space: TrustSpace) -> Iterator[Finding]:
    for field in FIELDS[:5]:
        found = {}
        for text in space.audited[field].unique():
            if has_hidden(text):
                odd = "".join(dict.fromkeys(filter(hidden, text)))
                if field not in ("domain", "dn"):
                    odd = odd.translate(dict.fromkeys(map(ord, "\t\r\n")))
                if field == "description" and is_garbled(text):
                    odd = ""  # reported as mojibake
                if odd:
                    found[text] = odd
        if found:
            where = space.audited[space.audited[field].isin(list(found))]
            facts = {
                "field": field,
                "characters": list(dict.fromkeys("".join(found.values()))),
                # A contact's text stays out of this rule, which is not a personal one.
                "example": "" if "contact" in field else next(iter(found)),
            }
            yield Finding("LIST_TEXT_CONTROL", field, tuple(where["row"].tolist()), facts=facts)


PARTS = (
    _signature,
    _file,
    _unreadable,
    _dates,
    _repeated,
    _domains,
    _shared,
    descriptions,
    _hidden_text,
)
"""What the audit is made of."""

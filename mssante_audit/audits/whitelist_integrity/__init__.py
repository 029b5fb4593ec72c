"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions.

What concerns the file as a whole has no rows; rows that could not be read are reported whoever has them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.audits.whitelist_integrity import descriptions, domains
from mssante_audit.base.text import foreign_letters, has_hidden, is_hidden, latin
from mssante_audit.findings import Finding
from mssante_audit.findings.places import row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.person import Person
from mssante_audit.whitelist.copies import fitting
from mssante_audit.whitelist.load import NAMESPACE
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by

FIELDS = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")
# The tool stamps repeated rows within a second of the list's own date (data): so much later is not its.
STAMPING = pd.Timedelta(minutes=1)
RECENT = 31  # archived lists among which a change of signer is looked for: an older one is history


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
            ended = {"signer": verdict.signer, "until": verdict.not_after}
            yield Finding("LIST_SIGNER_EXPIRED", verdict.signer, facts=ended)


def _signer(space: TrustSpace) -> Iterator[Finding]:
    archive, verdict, since = space.archive, space.whitelist.signature, space.whitelist.generated_at
    after = parse_dn(verdict.signer).get("CN")
    if archive is None or since is None or not after or verdict.status not in ("valid", "valid-untrusted"):
        return
    earlier = [s for s in archive.snapshots if s.generated_at < since.replace(microsecond=0)]
    for snapshot in reversed(earlier[-RECENT:]):
        before = archive.signer_of(snapshot)
        if before not in ("", after):
            code = "LIST_SIGNER_NEW" if verdict.status == "valid" else "LIST_SIGNER_CHANGED"
            facts = {"before": before, "after": after, "since": since, "wanted": verdict.expected}
            yield Finding(code, (before, after), facts=facts)
            return
        since = snapshot.generated_at if before else since


def _file(space: TrustSpace) -> Iterator[Finding]:
    whitelist = space.whitelist
    if whitelist.damaged:
        facts = {"kinds": whitelist.damage_kinds, "cut": "cut" in whitelist.damage_kinds}
        yield Finding("LIST_DAMAGED", "list", facts=facts)
    if whitelist.namespace != NAMESPACE:
        facts = {"namespace": whitelist.namespace, "right": NAMESPACE}
        yield Finding("LIST_NAMESPACE", "list", facts=facts)
    # A list without a readable date is a problem row, not an old list.
    made, limit = whitelist.generated_at, space.thresholds.list_max_age_days
    if made is not None and (age := space.as_of - made) > pd.Timedelta(days=limit):
        yield Finding("LIST_OLD", "list", facts={"generated": made, "days": age.days, "limit": limit})


def _unreadable(space: TrustSpace) -> Iterator[Finding]:
    """Report each kind and element once; what concerns no loaded row, by its line in the file."""
    problems = space.whitelist.problems.assign(row=space.whitelist.problems["row"].fillna(0).astype("int64"))
    problems = problems[(problems["kind"] != "date") | (problems["element"] != "DateMAJ")]
    loaded = np.where(problems["row"].between(1, len(space.entries)), "row", "file")
    for key, places in problems.groupby(["kind", "element", loaded], sort=False):
        kind, element, where = map(str, key)
        lines = row_ranges(places["line"].tolist()) if where == "file" else ""
        facts = {"kind": kind, "element": element, "times": len(places), "lines": lines}
        rows = places["row"].tolist() if where == "row" else []
        yield Finding("LIST_UNREADABLE_ROW", (kind, element, where), rows, facts)


def _dates(space: TrustSpace) -> Iterator[Finding]:
    entries, made = space.audited, space.whitelist.generated_at
    if made is not None and len(after := entries[entries["updated_at"] > pd.Timestamp(made)]):
        pairs = entries.loc[entries.duplicated(["domain", "dn_key"], keep=False), "row"]
        late = after["updated_at"] - pd.Timestamp(made)
        is_added = ~after["row"].isin(pairs) & (late > STAMPING)
        for domain, added in after[is_added].groupby("domain", sort=False):
            facts = {"date": added["updated_at"].max(), "generated": made}
            yield Finding("LIST_ROW_ADDED_AFTER", (str(domain),), added["row"].tolist(), facts)
        if not is_added.all():
            facts = {"n": int((~is_added).sum()), "seconds": round(late[~is_added].max().total_seconds())}
            yield Finding("LIST_STAMPED_AFTER", "list", after.loc[~is_added, "row"].tolist(), facts)
    unread = entries[entries["updated_at"].isna()]
    for (text,), rows in rows_by(unread, "updated_at_text").items():
        if text.strip():
            yield Finding("LIST_DATE_UNREADABLE", text, rows, {"text": text})


def _repeated(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    same = entries[entries.duplicated(["domain", "dn_key"], keep=False) & (entries["domain"] != "")]
    content = {row: tuple(texts) for row, *texts in same[["row", *FIELDS]].itertuples(index=False, name=None)}
    for (domain, dn), rows in rows_by(same, "domain", "dn").items():
        copies = grouped((content[row], row) for row in rows)
        if repeated := [alike for alike in copies.values() if len(alike) > 1]:
            counts = {"copies": [len(alike) for alike in repeated]}
            yield Finding("LIST_ROW_DUPLICATE", (domain, dn), all_rows(repeated), counts)
        if dn and len(copies) > 1:
            fields = dict(zip(FIELDS, map(set, zip(*copies, strict=True)), strict=True))
            differing = [
                _named(field, its_texts) for field, its_texts in fields.items() if len(its_texts) > 1
            ]
            texts = list(dict.fromkeys(copy[1] for copy in copies)) if "description" in differing else []
            right = fitting(domain, texts)
            facts = {"n": len(rows), "differing": differing, "descriptions": texts, "right": right}
            yield Finding("LIST_PAIR_REPEATED", (domain, dn), rows, facts)


def _named(field: str, texts: set[str]) -> str:
    """Return a field in which copies differ, with `` spelt`` where it is one contact all the same."""
    is_spelt = field.endswith("contact") and len({parse_contact(text).key for text in texts}) == 1
    return f"{field} spelt" if is_spelt else field


def _hidden_text(space: TrustSpace) -> Iterator[Finding]:
    """Report free text with hidden characters; LIST_DOMAIN_INVALID has domains', DN_NOT_CANONICAL names'."""
    for field in ("description", "project_contact", "support_contact"):
        odd_in: dict[str, str] = {}
        for text in filter(has_hidden, space.audited[field].unique()):
            odd = "".join(c for c in dict.fromkeys(text) if is_hidden(c) and c not in "\t\r\n")
            if odd and not (field == "description" and descriptions.is_garbled(text)):
                odd_in[text] = odd
        if odd_in:
            rows = space.audited.loc[space.audited[field].isin(list(odd_in)), "row"].tolist()
            characters = list(dict.fromkeys("".join(odd_in.values())))
            # A contact's text stays out of this rule, which is not a personal one.
            example = next(iter(odd_in)) if field == "description" else ""
            facts = {"field": field, "characters": characters, "example": example}
            yield Finding("LIST_TEXT_CONTROL", field, rows, facts)


def _foreign_letters(space: TrustSpace) -> Iterator[Finding]:
    """Report letters of other scripts, which look like Latin ones and are not the same to a program."""
    for field in FIELDS[:-1]:
        shown: Callable[[str], Any] = Person if field.endswith("contact") else str
        for (text,), rows in rows_by(space.audited, field).items():
            if not text.isascii() and (letters := foreign_letters(text)):
                meant = [shown(latin(text))] if latin(text) else []
                facts = {"field": field, "text": shown(text), "letters": letters, "right": meant}
                yield Finding("LIST_LETTER_FOREIGN", (field, shown(text)), rows, facts)


RUNS = (
    _signature, _signer, _file, _unreadable, _dates, _repeated, domains.named, domains.shared, domains.near,
    descriptions.described, descriptions.whose, descriptions.contradictions, _hidden_text, _foreign_letters,
)  # fmt: skip

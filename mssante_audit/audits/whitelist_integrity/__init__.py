"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions.

What concerns the file as a whole has no rows; rows that could not be read are reported whoever has them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.audits.whitelist_integrity import descriptions
from mssante_audit.base.text import fold, foreign_letters, has_hidden, is_hidden, latin, unaccented
from mssante_audit.findings import Finding
from mssante_audit.findings.places import row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.hosts import ENDINGS, ZONE, host_faults, in_zone
from mssante_audit.values.person import Person
from mssante_audit.values.slips import pairs
from mssante_audit.whitelist.copies import fitting
from mssante_audit.whitelist.load import NAMESPACE
from mssante_audit.whitelist.rows import above_of, all_rows, grouped, rows_by, tuples

_CONTACTS = ("project_contact", "support_contact")
FIELDS = ("domain", "description", "dn", *_CONTACTS, "updated_at_text")
# The tool stamps repeated rows within a second of the list's own date (data): so much later is not its.
STAMPING = pd.Timedelta(minutes=1)
RECENT = 31  # archived lists among which a change of signer is looked for: an older one is history

# Endings of other zones (and our own, doubled). `asso` is not one: it is used as a name there (data).
_ENDINGS = frozenset((*ENDINGS, "re", "nc", "pf", "mssante"))
_NEAR_LETTERS = 8  # shorter names are too near one another to be slips: acronyms mostly (data)
_PARTED_LETTERS = 6  # the same where only a hyphen or a dot differs
_FAMILY = 3  # a name near to more others than that is one of a series, on purpose
_LONGEST = 63  # longer names are no labels, and what they would cost is the list's to choose


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
    generated, limit = whitelist.generated_at, space.thresholds.list_max_age_days
    if generated is not None and (age := space.as_of - generated) > pd.Timedelta(days=limit):
        yield Finding("LIST_OLD", "list", facts={"generated": generated, "days": age.days, "limit": limit})


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
    entries, generated = space.audited, space.whitelist.generated_at
    if generated is not None and len(after := entries[entries["updated_at"] > pd.Timestamp(generated)]):
        repeated = entries.loc[entries.duplicated(["domain", "dn_key"], keep=False), "row"]
        late = after["updated_at"] - pd.Timestamp(generated)
        is_added = ~after["row"].isin(repeated) & (late > STAMPING)
        for domain, added in after[is_added].groupby("domain", sort=False):
            facts = {"date": added["updated_at"].max(), "generated": generated}
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
    content = {row: tuple(texts) for row, *texts in tuples(same, "row", *FIELDS)}
    for (domain, dn), rows in rows_by(same, "domain", "dn").items():
        copies = grouped((content[row], row) for row in rows)
        if repeated := [alike for alike in copies.values() if len(alike) > 1]:
            counts = {"copies": [len(alike) for alike in repeated]}
            yield Finding("LIST_ROW_DUPLICATE", (domain, dn), all_rows(repeated), counts)
        if dn and len(copies) > 1:
            fields = dict(zip(FIELDS, map(set, zip(*copies, strict=True)), strict=True))
            # One contact in several spellings is one contact all the same.
            keys = {name: {parse_contact(text).key for text in fields[name]} for name in _CONTACTS}
            spelt = {name: f"{name} spelt" for name, its_keys in keys.items() if len(its_keys) == 1}
            differing = [spelt.get(name, name) for name, its_texts in fields.items() if len(its_texts) > 1]
            texts = list(dict.fromkeys(copy[1] for copy in copies)) if "description" in differing else []
            right = fitting(domain, texts)
            facts = {"n": len(rows), "differing": differing, "descriptions": texts, "right": right}
            yield Finding("LIST_PAIR_REPEATED", (domain, dn), rows, facts)


def _hidden_text(space: TrustSpace) -> Iterator[Finding]:
    """Report free text with hidden characters; LIST_DOMAIN_INVALID has domains', DN_NOT_CANONICAL names'."""
    for field in ("description", *_CONTACTS):
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
        text_type: Callable[[str], Any] = Person if field in _CONTACTS else str
        for (text,), rows in rows_by(space.audited, field).items():
            if not text.isascii() and (letters := foreign_letters(text)):
                proposals = [text_type(latin(text))] if latin(text) else []
                facts = {"field": field, "text": text_type(text), "letters": letters, "right": proposals}
                yield Finding("LIST_LETTER_FOREIGN", (field, text_type(text)), rows, facts)


def _named(space: TrustSpace) -> Iterator[Finding]:
    """Find names that are none, names outside the zone, and names with another zone's ending left in."""
    outside = {*space.audited.loc[~space.audited["under_mssante"], "domain"]}
    for domain, rows in space.domain_rows.items():
        if not domain.strip():
            continue  # an absent name is LIST_UNREADABLE_ROW
        faults, near_name = host_faults(domain), ""
        if not faults and domain in outside and (near_name := in_zone(domain)):
            faults = [{"fault": "zone", "what": ZONE}]
        if faults:
            letters = unaccented(latin(domain.rpartition("@")[2].lower()))
            plain = "".join(c for c in letters if not is_hidden(c)).strip().strip(".")
            mended = "" if host_faults(plain) else in_zone(plain) or plain
            facts = {"domain": domain, "faults": faults, "meant": near_name or mended}
            yield Finding("LIST_DOMAIN_INVALID", domain, rows, facts)
        elif domain in outside:
            yield Finding("LIST_DOMAIN_OUTSIDE", domain, rows, {"domain": domain})
        elif domain != ZONE:
            name, _, ending = domain.removesuffix(f".{ZONE}").rpartition(".")
            if name and ending in _ENDINGS:
                bare = f"{name.removesuffix('.mssante')}.{ZONE}"
                other = bare if bare in space.domain_rows else ""
                facts = {"domain": domain, "ending": ending, "other": other}
                yield Finding("LIST_DOMAIN_SUFFIX", domain, rows, facts)


def _shared(space: TrustSpace) -> Iterator[Finding]:
    """Domains under several operators (of one server: DN_CN_OPERATORS), and sub-domains of another's."""
    same, names, rows = space.structures, space.operator_names, space.domain_rows
    # An unreadable identifier is unknown, not another operator.
    uses = [use for use in rows_by(space.audited, "domain", "operator_id", "cn") if use[1]]
    owners: dict[str, dict[str, str]] = {}  # domain → structure → its first operator there
    for domain, operator_id, _ in uses:
        owners.setdefault(domain, {}).setdefault(same[operator_id], operator_id)
    servers = grouped(((d, cn.lower().strip()), same[owner]) for d, owner, cn in uses if cn.strip())
    one_server = {domain for (domain, _), group in servers.items() if {*group} == owners[domain].keys()}

    def named(domain: str) -> list[dict[str, str]]:
        return [{"operator": o, "name": names[o]} for _, o in sorted(owners[domain].items())]

    causes: dict[tuple[str, ...], list[str]] = {}  # parent, "" if none matters, and structures → domains
    for domain, of_domain in owners.items():
        if len(of_domain) > 1 and domain not in one_server:
            causes.setdefault(("", *sorted(of_domain)), []).append(domain)
        above = takewhile(ZONE.__ne__, above_of(domain))  # the manager's zone is nobody's parent
        parent = next((name for name in above if name in rows), "")
        if parent and of_domain.keys().isdisjoint(owners.get(parent, of_domain)):
            causes.setdefault((parent, *sorted(of_domain)), []).append(domain)
    for (parent, *ids), domains in causes.items():
        facts: dict[str, Any] = {"domains": len(domains), "owners": named(domains[0])}
        of_domains = all_rows(rows[domain] for domain in domains)
        if parent:
            facts |= {"parent": parent, "parent_owners": named(parent)}
            yield Finding("LIST_SUBDOMAIN_OPERATOR", (parent, *ids), of_domains, facts)
        else:
            yield Finding("LIST_DOMAIN_OPERATORS", tuple(ids), of_domains, facts)


def _near(space: TrustSpace) -> Iterator[Finding]:
    """Find domains that are easily taken for one another: a letter, a hyphen or a dot apart.

    Numbers are no slips, nor short names, nor names that the descriptions spell so (Cayenne, Mayenne: data).
    """
    rows, names = space.domain_rows, space.operator_names
    listed = [domain for domain in rows if not host_faults(domain)]
    labels = (domain.partition(".") for domain in listed)
    under = grouped((up, label) for label, _, up in labels if _NEAR_LETTERS <= len(label) <= _LONGEST)
    slips = {
        (f"{min(label_pair)}.{parent}", f"{max(label_pair)}.{parent}")
        for parent, of_parent in under.items()
        for label_pair in pairs(of_parent)
    }
    # Names that only differ in hyphens and dots; of several, each with the first.
    parted = {
        (min(several), other)
        for bare, several in grouped((re.sub("[-.]", "", domain), domain) for domain in listed).items()
        if len(bare) - len("mssantefr") >= _PARTED_LETTERS
        for other in sorted(several)[1:]
    }
    near_others = space.audited["domain"].isin({domain for pair in slips | parted for domain in pair})
    uses = rows_by(space.audited[near_others], "domain", "operator_id", "description")
    holders = grouped((domain, operator_id) for domain, operator_id, _ in uses)
    descriptions = grouped((domain, text) for domain, _, text in uses)
    pairs_near = sorted(parted.union(pair for pair in slips if not _are_both_meant(*pair, descriptions)))
    neighbours = Counter(domain for pair in pairs_near for domain in pair)
    for pair in pairs_near:
        if max(neighbours[domain] for domain in pair) > _FAMILY:
            continue
        sides = [
            {
                "domain": domain,
                "holders": [{"operator": o, "name": names[o]} for o in dict.fromkeys(holders[domain])],
                "descriptions": list(dict.fromkeys(descriptions[domain])),
            }
            for domain in pair
        ]
        same = not {*holders[pair[0]]}.isdisjoint(holders[pair[1]])
        facts = {"sides": sides, "same_operator": same}
        yield Finding("LIST_DOMAIN_NEAR", pair, all_rows(rows[domain] for domain in pair), facts)


def _are_both_meant(first: str, second: str, descriptions: Mapping[str, Iterable[str]]) -> bool:
    """Tell whether each of two domains is described in its own spelling, and not in the other's."""
    for domain, other in ((first, second), (second, first)):
        its, others = (set(fold(name.partition(".")[0]).split()) for name in (domain, other))
        text = "".join(fold(" ".join(descriptions[domain])).split())
        confused = any(word not in text for word in its - others) or any(w in text for w in others - its)
        if its <= others or confused:
            return False
    return True


RUNS = (
    _signature, _signer, _file, _unreadable, _dates, _repeated, _named, _shared, _near,
    descriptions.described, descriptions.whose, descriptions.contradictions, _hidden_text, _foreign_letters,
)  # fmt: skip

"""Rules on the names of domains and whose they are, part of the audit `whitelist_integrity`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any

from mssante_audit.base.text import fold, is_hidden, latin, unaccented
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.hosts import ENDINGS, ZONE, host_faults, in_zone
from mssante_audit.values.slips import pairs
from mssante_audit.whitelist.rows import above_of, all_rows, grouped, rows_by

# Endings of other zones (and our own, doubled). `asso` is not one: it is used as a name there (data).
_ENDINGS = frozenset((*ENDINGS, "re", "nc", "pf", "mssante"))
_NEAR_LETTERS = 8  # shorter names are too near one another to be slips: acronyms mostly (data)
_PARTED_LETTERS = 6  # the same where only a hyphen or a dot differs
_FAMILY = 3  # a name near to more others than that is one of a series, on purpose
_LONGEST = 63  # longer names are no labels, and what they would cost is the list's to choose


def named(space: TrustSpace) -> Iterator[Finding]:
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
            kept = "".join(c for c in letters if not is_hidden(c)).strip().strip(".")
            mended = "" if host_faults(kept) else in_zone(kept) or kept
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


def shared(space: TrustSpace) -> Iterator[Finding]:
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


def near(space: TrustSpace) -> Iterator[Finding]:
    """Find domains that are easily taken for one another: a letter, a hyphen or a dot apart.

    Numbers are no slips, nor short names, nor names that the descriptions spell so (Cayenne, Mayenne: data).
    """
    rows, names = space.domain_rows, space.operator_names
    listed = [domain for domain in rows if not host_faults(domain)]
    labels = (domain.partition(".") for domain in listed)
    under = grouped((up, label) for label, _, up in labels if _NEAR_LETTERS <= len(label) <= _LONGEST)
    slips = {
        (f"{min(both)}.{parent}", f"{max(both)}.{parent}")
        for parent, of_parent in under.items()
        for both in pairs(of_parent)
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

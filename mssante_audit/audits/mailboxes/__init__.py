"""Audit of the public extraction of mailboxes against the white list, letter for letter, but test entries.

Where the numbers are unknown one finding says why, and nothing else is said: a broken archive may have made
up the names it holds.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.findings import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier, structure_key
from mssante_audit.whitelist.load import is_audit_domain
from mssante_audit.whitelist.rows import above_of, all_rows, grouped, operator_names, rows_by, tuples

FEWEST = 10  # mailboxes from which a loss or a majority says something: the median is four (data; no source)
# Words of names that do not tell structures apart, accents folded.
_KINDS = frozenset(table_of("mssante_audit.audits.mailboxes", "names.toml")["kinds"].split())


def _unusable(space: TrustSpace) -> Iterator[Finding]:
    mailboxes, listed = space.mailboxes, space.whitelist.generated_at or space.as_of
    if mailboxes is not None and (fault := mailboxes.fault(listed)):
        date = mailboxes.made_at
        facts = {"reason": fault, "made": date, "days": abs(listed - date).days, "before": date < listed}
        yield Finding("MAILBOX_UNUSABLE", "extraction", facts=facts)


def _unlisted(space: TrustSpace) -> Iterator[Finding]:
    """Find addresses in domains that are not listed, each with what explains it where that is known."""
    published, listed = space.published or {}, set(space.entries["domain"])
    missing = [name for name in published if name not in listed and not is_audit_domain(name)]
    spelt = {name.lower(): name for name in sorted(listed)}
    names, last_listed = operator_names(space.entries), {}
    if space.past:  # when the last list was made that had it, and whose it was
        history = space.past[0]
        history = history[history["domain"].isin(missing)].sort_values("last_seen")
        for name, last_seen, dn in tuples(history, "domain", "last_seen", "dn"):
            last_listed[name] = (last_seen.isoformat(), parse_identifier(parse_dn(dn).get("OU")).value)
    for name in missing:
        like, above = spelt.get(name.lower(), ""), next((up for up in above_of(name) if up in listed), "")
        when, owner = last_listed.get(name, ("", space.owners.get(like or above, ("",))[0]))
        facts = {"domain": name, "mailboxes": published[name], "like": like, "above": above, "left": when}
        yield Finding("MAILBOX_UNLISTED", name, (), facts, (name,), owner, names.get(owner, ""))


def _without(space: TrustSpace) -> Iterator[Finding]:
    """Find the listed domains without a published mailbox, an operator's in one finding."""
    other = {name.lower() for name in space.published or ()}  # spelt otherwise: `_unlisted` says so
    totals = Counter(owner for owner, *_ in space.owners.values())
    for owner, names, rows in _by_owner(space, lambda name: name.lower() not in other):
        facts = {"domains": names, "number": len(names), "of": totals[owner]}
        yield Finding("MAILBOX_NONE", owner, rows, facts=facts)


def _lost(space: TrustSpace) -> Iterator[Finding]:
    """Find listed domains that lost more than half since the extraction before, an operator's together."""
    earlier, published = space.mailboxes and space.mailboxes.earlier, space.published or {}
    if earlier is None or earlier.counts.damage:
        return
    before = earlier.by_domain

    def has_lost(name: str) -> bool:
        return before.get(name, 0) >= FEWEST and 2 * published.get(name, 0) < before[name]

    for owner, names, rows in _by_owner(space, has_lost):
        losses = [{"domain": n, "before": before[n], "now": published.get(n, 0)} for n in names]
        yield Finding("MAILBOX_LOST", owner, rows, facts={"domains": losses, "since": earlier.made_at})


def _structure(space: TrustSpace) -> Iterator[Finding]:
    """Find domains most mailboxes of which are of another operator than who runs them, and is described."""
    published, mailboxes = space.published, space.mailboxes
    if published is None or mailboxes is None:
        return
    names = {structure_key(owner): (owner, name) for owner, name in space.operator_names.items() if owner}
    uses = grouped(
        (domain, (owner, text))
        for domain, owner, text in rows_by(space.audited, "domain", "operator_id", "description")
    )
    frame = mailboxes.counts.frame
    shares = frame[frame["structure"] != ""].groupby(["domain", "structure"])
    sums = shares["mailboxes"].sum().reset_index()
    for domain, structure, number in tuples(sums, "domain", "structure", "mailboxes"):
        other, total = names.get(structure_key(structure)), published[domain]
        if domain not in uses or other is None or total < FEWEST or 2 * number <= total:
            continue
        texts = {word for _, text in uses[domain] for word in fold(f"{text} {domain}").split()}
        its_words = [word for word in fold(other[1]).split() if word not in _KINDS]
        runs = any(structure_key(owner) == structure_key(structure) for owner, _ in uses[domain])
        if its_words and not runs and not any(word in text for word in its_words for text in texts):
            facts = {"structure": {"operator": other[0], "name": other[1]}, "number": number, "of": total}
            yield Finding("MAILBOX_STRUCTURE", domain, space.domain_rows[domain], facts)


def _by_owner(
    space: TrustSpace, is_meant: Callable[[str], bool]
) -> Iterator[tuple[str, list[str], tuple[int, ...]]]:
    """Yield each operator of some domains with these and their rows; nothing where numbers are unknown."""
    rows = space.domain_rows
    domains = filter(is_meant, rows) if space.published is not None else ()
    for owner, names in grouped((space.owners[name][0], name) for name in domains).items():
        yield owner, names, all_rows(rows[name] for name in names)


RUNS = (_unusable, _unlisted, _without, _lost, _structure)

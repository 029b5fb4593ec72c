"""Audit: the register of declarations against the white list, as of a date.

What a declaration asks for can only be in a list made after it: days are counted up to the list's generation,
or to the audit's date if that is earlier; until ``listing_days`` it is under way.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.archive.renames import distance
from mssante_audit.audits.declarations.declared import label
from mssante_audit.audits.declarations.rules import Declaration, declarations_of, finding
from mssante_audit.audits.reconciliation import matching
from mssante_audit.audits.reconciliation.matching import STATUSES, Match
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings import Finding
from mssante_audit.findings.frame import Subject
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.hosts import ZONE, is_host
from mssante_audit.values.identifiers import identifier_of
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import above_of, all_rows, grouped, tuples

__all__ = ["STATUSES", "status"]

Rows = tuple[int, ...]
LONG = 8  # letters from which a name may have two typos and be near another, one below (no source)
_SIGNS, _NO_FIGURES = re.compile(r"[\W_]+"), re.compile(r"\D+")


def status(space: TrustSpace, operators: Collection[str] | None = None) -> pd.DataFrame:
    """Return one row a domain, as `matching.FRAME` describes: the worst of its operators, with all rows.

    Of some operators only, if given.
    """
    parties = matching.statuses(space)
    if operators is not None:
        parties = parties[parties["operator_id"].isin(operators)]
    by_domain: dict[str, list[Rows]] = grouped(tuples(parties, "domain", "rows"))
    domains = parties.drop_duplicates("domain", ignore_index=True)[[column.name for column in matching.FRAME]]
    rows = [tuple(sorted(all_rows(by_domain[domain]))) for domain in domains["domain"]]
    return domains.assign(rows=pd.Series(rows, dtype="object"))


def _presence(space: TrustSpace) -> Iterator[Finding]:
    matched = matching.match(space)
    first = matched.current.drop_duplicates("party")
    declared_by = dict(zip(first["party"], declarations_of(first), strict=True))
    statuses = matched.statuses
    withdrawn = statuses["status"] == "withdrawn-listed"
    for code, where in (("RECO_WITHDRAWN_LISTED", withdrawn), ("RECO_RELISTED", statuses["relisted"])):
        several = statuses.loc[where, "domain"].duplicated(keep=False)
        for (domain, party, when, rows), shared in zip(_dated(statuses[where]), several, strict=True):
            subject: Subject = (domain, declared_by[party].operator_id) if shared else domain
            yield finding(code, subject, [declared_by[party]], when, rows)
    # Of listed domains whose withdrawal without a date may be the last word.
    open_ = statuses[(statuses["status"] == "unknown") & statuses["rows"].map(bool)]
    is_undated = matched.current["withdrawal"].fillna(value=False) & matched.current["date"].isna()
    undated = matched.current[is_undated]
    for party, rows in zip(open_["party"], open_["rows"], strict=True):
        if declared := declarations_of(undated[undated["party"] == party]):
            subject = (declared[0].domain, declared[0].operator_id)
            yield finding("RECO_WITHDRAWAL_UNDATED", subject, declared, {}, rows)
    absent: dict[tuple[str, str], tuple[list[Declaration], dict[str, Any]]] = {}
    for domain, party, when, _ in _dated(statuses[statuses["status"] == "not-listed"]):
        if is_host(domain):  # of any other DECL_DOMAIN_INVALID says all there is to say
            cause = (declared_by[party].operator_id, when["date"] or "")
            absent.setdefault(cause, ([], when))[0].append(declared_by[party])
    neighbours = _nearest(matched.listed, [row.domain for declared, _ in absent.values() for row in declared])
    for cause, (declared, when) in absent.items():
        like = [neighbours[row.domain] for row in declared if row.domain in neighbours]
        yield finding("RECO_NOT_LISTED", cause, declared, {**when, "near": like})
    rest = statuses[statuses["status"] == "not-declared"]
    of_others = matching.among(rest["domain"], matched.current["domain_key"])
    for code, where in (("RECO_NOT_DECLARED", ~of_others), ("RECO_OPERATOR_UNDECLARED", of_others)):
        for operator_id, groups in rest[where].groupby("operator_id", sort=False)["rows"]:
            yield Finding(code, str(operator_id), all_rows(groups))


def _nearest(listed: pd.DataFrame, absent: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return by domain key the similar `listed` domain: its name, why (`parent` …), its operator."""
    rows = tuples(listed.drop_duplicates("key"), "key", "operator_id", "operator")
    owners = {key: owner for key, *owner in rows}
    plain = {_SIGNS.sub("", key): key for key in reversed(owners)}
    # Names with other figures are never near: ``ch-alpha1`` and ``ch-alpha2`` are two establishments.
    by_figures = grouped((_NO_FIGURES.sub("", key), key) for key in owners)
    letters = cache(lambda figures: np.stack([_letters(key) for key in by_figures[figures]]))
    like = {}
    for domain in dict.fromkeys(absent):
        why, other = "parent", next((up for up in above_of(domain) if up in owners), "")
        if not other:
            why, other = "punctuation", plain.get(_SIGNS.sub("", domain), "")
        if not other and (rivals := by_figures.get(figures := _NO_FIGURES.sub("", domain))):
            limit = 2 if len(domain.removesuffix(f".{ZONE}")) >= LONG else 1
            may_be = np.flatnonzero(np.abs(letters(figures) - _letters(domain)).sum(axis=1) <= 2 * limit)
            typos = [(distance(domain, rivals[at], limit), rivals[at]) for at in may_be.tolist()]
            why, other = "typo", min((typo for typo in typos if typo[0] <= limit), default=(0, ""))[1]
        if other:
            operator, name = owners[other]
            like[domain] = {"domain": domain, "listed": other, "why": why, "operator": operator, "name": name}
    return like


def _letters(domain: str) -> np.ndarray:
    return np.bincount(np.frombuffer(domain.encode(), np.uint8) % 32, minlength=32).astype(np.int16)


def _dated(statuses: pd.DataFrame) -> Iterator[tuple[str, int, dict[str, Any], Rows]]:
    """Yield domains with party, date and age of the declaration (``None`` without a date), and rows."""
    for domain, party, date, days, rows in tuples(statuses, "domain", "party", "date", "days", "rows"):
        dated = not pd.isna(date)
        when = {"date": f"{date:%Y-%m-%d}" if dated else None, "days": int(days) if dated else None}
        yield domain, party, when, rows


def _differences(space: TrustSpace) -> Iterator[Finding]:
    matched = matching.match(space)
    days = space.thresholds.listing_days
    ids = ("structure_id", "beneficiary_id")
    pairs = _where(matched, "operator_match", "differs", days)
    for same, declared, rows in _groups(pairs, "operator_id", "operator_id_listed", "operator", *ids):
        if identifier_of(same["beneficiary_id"]) == identifier_of(same["structure_id"]):
            same["beneficiary_id"] = ""
        fields = [label(name, text=same[name]) for name in ids if same[name].strip()]
        listed = {"operator": same["operator_id_listed"], "name": same["operator"]}
        subject = (same["operator_id"], *listed.values(), same["structure_id"])
        yield finding("RECO_OPERATOR", subject, declared, {"listed": listed, "declared": fields}, rows)
    for code, value in (("RECO_DN_DIFFERS", "differs"), ("RECO_DN_SPELLING", "spelling")):
        pairs = _where(matched, "dn", value, days)
        for same, declared, rows in _groups(pairs, "operator_id", "dn", "declared_dn", "line"):
            facts = {"listed": same["dn"], "declared": [label(same["line"], text=same["declared_dn"])]}
            yield finding(code, tuple(same.values())[:3], declared, facts, rows)
    undeclared = _where(matched, "certificates", "differs", days)
    texts = dict(zip(undeclared["row_listed"].tolist(), undeclared["dn"].tolist(), strict=True))
    for same, declared, rows in _groups(undeclared, "domain_key", "operator_id", "declared_dn"):
        facts = {"listed": list(dict.fromkeys(texts[row] for row in rows)), "declared": same["declared_dn"]}
        yield finding("RECO_DN_UNDECLARED", tuple(same.values())[:2], declared, facts, rows)
    pairs = _where(matched, "description", "differs", days)
    for same, declared, rows in _groups(pairs, "operator_id", "description_listed", "description"):
        fields = [label("description", text=same["description"])]
        facts = {"listed": same["description_listed"], "declared": fields}
        yield finding("RECO_DESCRIPTION", tuple(same.values()), declared, facts, rows)
    for name, (kind, column, phone, email) in matching.CONTACTS.items():
        pairs = _where(matched, name, "differs", days)
        pairs = pairs.assign(since=matching.superseded(space, pairs, column, phone, email))
        for same, declared, rows in _groups(pairs, "operator_id", column, phone, email, "since"):
            operator_id, listed_text, *_, since = same.values()
            fields = [
                label(name, text=Person(text.strip(), registered=True))
                for name in (phone, email)
                if (text := same[name]).strip()
                and (since or not matching.same_contact(text, text, listed_text))
            ]
            contact: dict[str, Any] = {"kind": kind, "listed": Person(listed_text), "declared": fields}
            persons = [Person(same[name], name != column) for name in (column, phone, email)]
            cause: tuple[str | Person, ...] = (operator_id, kind, *persons)
            if since:
                old = finding("RECO_CONTACT_OLD", (*cause, since), declared, contact | {"since": since}, rows)
                yield replace(old, first_seen=parse_instant(since))
            else:
                yield finding("RECO_CONTACT", cause, declared, contact, rows)


def _where(matched: Match, column: str, value: str, days: int) -> pd.DataFrame:
    """Return the pairs with a verdict that their party has too, for longer than some days."""
    statuses = matched.statuses
    due = (statuses[column] == value) & (statuses["days"].isna() | (statuses["days"] > days))
    pairs = matched.pairs[matched.pairs[matching.match_of(column)] == value]
    return pairs[pairs["party"].isin(statuses.loc[due, "party"])]


def _groups(pairs: pd.DataFrame, *by: str) -> Iterator[tuple[dict[str, str], list[Declaration], Rows]]:
    """Yield what pairs have in common, their declarations and their rows of the list: one cause each."""
    uses = zip(declarations_of(pairs), pairs["row_listed"].tolist(), strict=True)
    for key, same in grouped(zip(tuples(pairs, *by), uses, strict=True)).items():
        rows = tuple(sorted({row for _, row in same}))
        yield dict(zip(by, key, strict=True)), list(dict.fromkeys(domain for domain, _ in same)), rows


RUNS = (_presence, _differences)

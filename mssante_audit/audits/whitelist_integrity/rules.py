"""Audit of the white list as a file and as a table: signature, age, damage, rows, domains, descriptions.

Rules: ``rules/whitelist_integrity.toml``. What concerns the file as a whole has no rows; the rest looks at
`TrustSpace.audited`, except rows that could not be read, which are reported whoever they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from mssante_audit.audits.whitelist_integrity.descriptions import descriptions, is_garbled
from mssante_audit.base.french import REASONS, count, damage, listing, moment
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import row_ranges, said
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.shown import enumerated, has_hidden, hidden, host_faults, shown
from mssante_audit.whitelist.listing import NAMESPACE
from mssante_audit.whitelist.rows import all_rows, operator_names, rows_by, structures

ZONE = "mssante.fr"
FIELDS = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")


# -- the file -----------------------------------------------------------------------------------------------


def _signature(space: TrustSpace) -> Iterator[Finding]:
    verdict = space.whitelist.signature
    match verdict.status:
        case "absent":
            yield said("LIST_UNSIGNED", observed="aucune signature")
        case "invalid":
            yield said("LIST_SIGNATURE_INVALID", observed=REASONS[verdict.reason])
        case "valid-untrusted":
            yield said(
                "LIST_SIGNER_UNTRUSTED", observed=f"{shown(verdict.signer)} : {REASONS[verdict.reason]}"
            )
        case _ if verdict.not_after is not None and verdict.not_after < space.as_of:
            yield said(
                "LIST_SIGNER_EXPIRED",
                observed=f"{shown(verdict.signer)} : expiré le {moment(verdict.not_after)}",
            )


def _file(space: TrustSpace) -> Iterator[Finding]:
    whitelist = space.whitelist
    if whitelist.damaged:
        yield said("LIST_DAMAGED", observed=damage(whitelist.damage_kinds))
    if whitelist.namespace != NAMESPACE:
        yield said(
            "LIST_NAMESPACE",
            observed=shown(whitelist.namespace) or "aucun espace de noms",
            expected=NAMESPACE,
        )
    # A list without a readable date is a problem row, not an old list.
    if whitelist.generated_at is not None:
        limit = space.thresholds.list_max_age_days
        age = space.as_of - whitelist.generated_at
        if age > pd.Timedelta(days=limit):
            yield said(
                "LIST_OLD",
                observed=f"liste du {moment(whitelist.generated_at)}, âgée de {count(age.days, 'jour')}",
                expected=f"{count(limit, 'jour')} au plus",
            )


PROBLEMS = {
    "missing": "champ absent",
    "empty": "champ vide",
    "repeated": "champ répété",
    "unexpected": "élément inattendu",
    "order": "champs dans un autre ordre",
    "misplaced": "ligne hors de la liste, non lue",
    "text": "texte hors des champs",
    "attribute": "attribut inattendu",
    "cut": "ligne coupée, non lue",
    "date": "date illisible",
}
"""Kinds of `WhiteList.problems`, in French."""


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
        lines = row_ranges(line for _, line in places)
        yield said(
            "LIST_UNREADABLE_ROW",
            tuple(row for row, _ in places if loaded),
            observed=f"{shown(element)} : {PROBLEMS.get(kind, kind)} ({len(places)} fois)",
            evidence="" if loaded else f"fichier XML, ligne {lines}",
        )


# -- rows and dates -----------------------------------------------------------------------------------------


def _dates(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    generated_at = space.whitelist.generated_at
    if generated_at is not None:
        after = entries[entries["updated_at"] > pd.Timestamp(generated_at)]
        if len(after):
            late = (after["updated_at"].max() - pd.Timestamp(generated_at)).total_seconds()
            yield said(
                "LIST_STAMPED_AFTER",
                tuple(after["row"].tolist()),
                observed=f"{count(len(after), 'ligne')}, jusqu’à {late:.0f} s après la liste",
            )
    unread = entries[entries["updated_at"].isna()]
    for (text,), rows in rows_by(unread, "updated_at_text").items():
        if text.strip():
            yield said(
                "LIST_DATE_UNREADABLE", tuple(rows), observed=shown(text), expected="2025-02-28T15:42:07Z"
            )


def _repeated(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    same = entries[entries.duplicated(["domain", "dn_key"], keep=False) & (entries["domain"] != "")]
    content = dict(
        zip(same["row"].tolist(), zip(*(same[f].tolist() for f in FIELDS), strict=True), strict=True)
    )
    for rows in rows_by(same, *FIELDS).values():
        if len(rows) > 1:
            yield said("LIST_ROW_DUPLICATE", tuple(rows), observed=f"{len(rows)} lignes identiques")
    for (_, dn), rows in rows_by(same, "domain", "dn").items():
        distinct = list(dict.fromkeys(content[row] for row in rows))
        if dn and len(distinct) > 1:
            yield said(
                "LIST_PAIR_REPEATED",
                tuple(rows),
                observed=f"{len(rows)} lignes ; diffèrent par {_differences(distinct)}",
            )
    for (_, key), rows in rows_by(same, "domain", "dn_key").items():
        texts = list(dict.fromkeys(content[row][2] for row in rows))
        if key and len(texts) > 1:
            yield said(
                "LIST_PAIR_RESPELT", tuple(rows), observed=enumerated(shown(t, spaces=True) for t in texts)
            )


def _differences(rows: list[tuple[str, ...]]) -> str:
    names = ("", "la description", "", "le contact projet", "le contact support", "la date")
    return listing([name for i, name in enumerate(names) if name and len({row[i] for row in rows}) > 1])


# -- domains ------------------------------------------------------------------------------------------------


def _domains(space: TrustSpace) -> Iterator[Finding]:
    for (domain, under), rows in rows_by(
        space.audited.assign(under=space.audited["under_mssante"].astype("str")), "domain", "under"
    ).items():
        if not domain.strip():
            continue  # an absent name is LIST_UNREADABLE_ROW
        faults = host_faults(domain)
        if faults:
            yield said(
                "LIST_DOMAIN_INVALID",
                tuple(rows),
                observed=f"{shown(domain, spaces=True)} : {', '.join(faults)}",
                expected=_mended(domain),
            )
        elif under != "True":
            yield said("LIST_DOMAIN_OUTSIDE", tuple(rows), observed=domain)


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

    def called(owner: dict[str, str]) -> str:
        return enumerated(names[owner[structure]] for structure in sorted(owner))

    shared: dict[tuple[str, ...], list[str]] = {}
    below: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for domain, owner in owners.items():
        if len(owner) > 1:
            shared.setdefault(tuple(sorted(owner)), []).append(domain)
        parent = _listed_parent(domain, rows)
        if parent and owners.get(parent) and owner.keys().isdisjoint(owners[parent]):
            below.setdefault((tuple(sorted(owner)), parent), []).append(domain)
    for domains in shared.values():
        yield said(
            "LIST_DOMAIN_OPERATORS",
            all_rows(rows[domain] for domain in domains),
            observed=f"{count(len(domains), 'domaine')} : {called(owners[domains[0]])}",
        )
    for (_, parent), domains in below.items():
        yield said(
            "LIST_SUBDOMAIN_OPERATOR",
            all_rows(rows[domain] for domain in domains),
            observed=f"{count(len(domains), 'sous-domaine')} : {called(owners[domains[0]])} | "
            f"{shown(parent)} : {called(owners[parent])}",
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
    names = ("domaine", "description", "nom de certificat (DN)", "contact projet", "contact support")
    for field, name in zip(FIELDS[:5], names, strict=True):
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
            characters = "".join(dict.fromkeys("".join(found.values())))
            # A contact's text stays out of this rule, which is not a personal one.
            example = "" if "contact" in field else f" ; {shown(next(iter(found)))}"
            yield said(
                "LIST_TEXT_CONTROL",
                tuple(where["row"].tolist()),
                observed=f"{name} : {enumerated(map(shown, characters), ' ')}{example}",
            )


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

"""Audit of the certificate names (DN): shape, spelling, identifier, département, server and operator names.

Each distinct text is looked at once; its finding names all its rows. What is proposed in place of a spelling
is what another row of the operator writes, or the same values as the form writes them.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mssante_audit.base.text import fold, has_hidden, is_hidden
from mssante_audit.findings import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import DN, IGC, parse_dn
from mssante_audit.values.hosts import host_faults
from mssante_audit.values.identifiers import DEPARTMENTS, parse_department, parse_identifier
from mssante_audit.values.slips import one_slip
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, grouped, rows_by

CUT_AT = 40  # length at which names of operators are cut (data)
# A spelling of a département that is not official is proposed if so many of its rows bear it. No source.
USUAL_SHARE = 0.2
_DEPARTMENT = {
    "mismatch": "DN_DEPARTMENT_MISMATCH", "unknown": "DN_DEPARTMENT_UNKNOWN", "form": "DN_DEPARTMENT_FORM",
}  # fmt: skip
_LAYOUT = ("spacing", "nbsp", "control", "separator", "escape")  # problems of a DN that no certificate has
# Faults that the certificate may have: a quotation mark in a name, a département without its blank.
_UNSURE = {"inside", "department"}


def _of_dn(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rules that a DN breaks, with the facts."""
    dn = parse_dn(text)
    if "unreadable" in dn.problems:
        yield "DN_UNREADABLE", {"dn": text}
        return
    kinds = [kind for kind, _ in dn.rdns]
    if dn.igc == "IGC-CPS" and dn.get("O") != CPS_ISSUER:
        yield "DN_SHAPE", {"dn": text, "wrong": "issuer", "missing": [], "extra": []}
    elif not dn.igc:  # reported by the shape that it is nearest to
        shape = IGC["IGC-CPS" if "L" in kinds and "ST" not in kinds else "IGC-Santé"]
        missing = [kind for kind in shape if not dn.get(kind).strip()]
        extra = [kind for i, kind in enumerate(kinds) if kind not in shape or kind in kinds[:i]]
        wrong = "attributes" if missing or extra else "joined"
        yield "DN_SHAPE", {"dn": text, "wrong": wrong, "missing": missing, "extra": extra}
    if dn.get("C") not in ("", "FR"):
        yield "DN_COUNTRY", {"country": dn.get("C")}


def _texts(space: TrustSpace) -> Iterator[Finding]:
    """Report what is wrong with values by themselves; an absent one is LIST_UNREADABLE_ROW or DN_SHAPE."""

    def held(*columns: str) -> Iterator[tuple[Any, list[int]]]:
        rows = rows_by(space.audited, *columns).items()
        return ((texts if len(texts) > 1 else texts[0], its) for texts, its in rows if texts[0].strip())

    for dn, rows in held("dn"):
        yield from (Finding(rule, dn, rows, facts) for rule, facts in _of_dn(dn))
    for ou, rows in held("ou"):
        identifier = parse_identifier(ou)
        if wrong := {"kind", "shape", "luhn"} & {*identifier.problems}:
            rule = "DN_ID_LUHN" if wrong == {"luhn"} else "DN_ID_SHAPE"
            yield Finding(rule, ou, rows, {"kind": identifier.kind, "ou": ou})
    for (ou, st), rows in held("ou", "st"):
        finess, name = parse_identifier(ou), parse_department(st)
        sure = finess.department and name.code and "mismatch" not in name.problems
        if sure and finess.department != name.code:
            where = f"{DEPARTMENTS[finess.department]} ({finess.department})"
            facts = {"finess": finess.value[1:], "department": where, "st": st}
            yield Finding("DN_FINESS_DEPARTMENT", (ou, st), rows, facts)
    for cn, rows in held("cn"):
        if faults := host_faults(cn, any_case=True):
            yield Finding("DN_CN_NOT_FQDN", cn, rows, {"cn": cn, "faults": faults})
    for o, rows in held("o"):
        if len(o) == CUT_AT:
            yield Finding("DN_O_TRUNCATED", o, rows, {"o": o})


def _departments(space: TrustSpace) -> Iterator[Finding]:
    texts = rows_by(space.audited, "operator_id", "st")
    usual = _usual_departments(space)
    names = {st: parse_department(st) for st in {st for _, st in texts}}
    right = [(operator_id, st, names[st].code) for operator_id, st in texts if st in usual]
    written = grouped(((operator_id, code), st) for operator_id, st, code in right)
    everywhere = grouped((code, st) for _, st, code in right)
    for (operator_id, st), rows in texts.items():
        name = names[st]
        if not name.problems or not st.strip() or _spaced_department(st):
            continue  # DN_SHAPE, DN_SPELLINGS
        problem = next(p for p in _DEPARTMENT if p in name.problems)
        likely = {name.code, parse_department(name.label).code} if problem == "mismatch" else {name.code}
        best = {text for code in likely for text in written.get((operator_id, code), ())}
        others = everywhere.get(name.code, []) if not best and problem != "mismatch" else []
        if problem == "form":
            best = best or {*others} or {f"{DEPARTMENTS.get(name.code, name.label)} ({name.code})"}
        else:
            label = fold(name.label)
            best |= {other for other in others if one_slip(label, fold(parse_department(other).label))}
        facts = {"st": st, "best": best.pop() if len(best) == 1 else ""}
        yield Finding(_DEPARTMENT[problem], (operator_id, st), rows, facts)


def _shared_servers(space: TrustSpace) -> Iterator[Finding]:
    """Servers of several operators; if one has it on all domains, only the shared domains."""
    same, names = space.structures, space.operator_names
    uses = rows_by(space.audited, "cn", "operator_id", "domain").items()
    servers = grouped(
        (cn.lower(), (operator_id, domain, rows)) for (cn, operator_id, domain), rows in uses if cn.strip()
    )
    for cn, of_server in servers.items():
        owners = grouped((operator_id, domain) for operator_id, domain, _ in of_server)
        holders = grouped((same[operator_id], domain) for operator_id, domain, _ in of_server if operator_id)
        if len(holders) < 2:
            continue
        all_domains = {domain for _, domain, _ in of_server}
        heirs = [structure for structure, domains in holders.items() if {*domains} == all_domains]
        others = {d for structure, domains in holders.items() if [structure] != heirs for d in domains}
        contested = others if heirs else all_domains
        where = all_rows(rows for _, domain, rows in of_server if domain in contested)
        shares = [{"operator": o, "name": names[o], "domains": len({*owned})} for o, owned in owners.items()]
        facts = {"cn": cn, "shares": shares, "both": len(contested) if heirs else 0}
        heir = next((o for o in owners if [same.get(o)] == heirs), "")
        yield Finding("DN_CN_OPERATORS", cn, where, facts, operator_id=heir)


def _concentration(space: TrustSpace) -> Iterator[Finding]:
    """Certificates with which many domains fall: those that have no other."""
    shares, total = space.audited.groupby("dn_key")["domain"].nunique(), space.audited["domain"].nunique()
    many = shares.index[shares >= space.thresholds.concentration_min]
    rows = space.alone[space.alone["dn_key"].isin(many) & (space.alone["cn"].str.strip() != "")]
    for key, group in rows.groupby("dn_key", sort=False):
        domains = group["domain"].nunique()
        if domains >= space.thresholds.concentration_min:
            facts = {"cn": group["cn"].iloc[0], "alone": domains, "of": total, "domains": shares[key]}
            yield Finding("DN_CONCENTRATION", str(key), group["row"].tolist(), facts)


def _operators(space: TrustSpace) -> Iterator[Finding]:
    uses = rows_by(space.audited, "operator_id", "operator").items()
    named = [(o, name, rows) for (o, name), rows in uses if o and name and name != CPS_ISSUER]
    for operator_id, of_operator in grouped((o, (name, rows)) for o, name, rows in named).items():
        called = grouped((fold(name), (name, rows)) for name, rows in of_operator).values()
        if len(called) > 1:
            where = all_rows(rows for _, rows in of_operator)
            spelt = [{"name": same[0][0], "rows": sum(len(rows) for _, rows in same)} for same in called]
            yield Finding("DN_OPERATOR_NAMES", operator_id, where, {"names": spelt})
    for name, owners in grouped((name, (o, rows)) for o, name, rows in named).items():
        if len(owners) > 1:
            facts = {"name": name, "ids": [operator_id for operator_id, _ in owners]}
            yield Finding("DN_NAME_OPERATORS", name, all_rows(rows for _, rows in owners), facts)


@dataclass(slots=True)
class _Text:
    """One text of one name by one operator."""

    dn: DN
    faults: list[str]
    best: str  # the same values as the form writes them, "" if that is not known
    domains: dict[str, list[int]]  # with their rows

    @property
    def rows(self) -> list[int]:
        return list(all_rows(self.domains.values()))

    @property
    def is_wrong(self) -> bool:
        return not _UNSURE.issuperset(self.faults)


def _spellings(space: TrustSpace) -> Iterator[Finding]:
    """Find names in several spellings, and spellings that no certificate has."""
    usual = {text.casefold() for text in _usual_departments(space)}
    operators: dict[str, dict[str, dict[str, _Text]]] = {}
    made_up_for: set[str] = set()
    uses = rows_by(space.audited, "operator_id", "dn_key", "dn", "domain").items()
    for (operator_id, key, text), domains in grouped((key[:3], (key[3], rows)) for key, rows in uses).items():
        read = _read(text, dict(domains), usual)
        if "unreadable" in read.dn.problems or not key:
            continue  # DN_UNREADABLE; an absent DN is LIST_UNREADABLE_ROW
        operators.setdefault(operator_id or key, {}).setdefault(key, {})[text] = read
        if not read.is_wrong and read.dn.igc:
            made_up_for.update(read.domains)
    for operator, names in operators.items():
        odd = [texts for texts in names.values() if len(texts) > 1 or any(t.faults for t in texts.values())]
        parsed = [text for texts in odd for text in texts.values()]
        parsed.sort(key=lambda text: (not text.is_wrong, not text.faults, -len(text.rows)))
        wrong = [(domain, rows) for text in parsed if text.is_wrong for domain, rows in text.domains.items()]
        affected = {domain for domain, _ in wrong if domain not in made_up_for}
        proposed = [_proposed(text, texts) for texts in odd for text in texts.values()]
        facts: dict[str, Any] = {
            "texts": [{"rows": len(t.rows), "dn": t.dn.text, "faults": t.faults} for t in parsed],
            "alone": len(affected), "best": list(dict.fromkeys(filter(None, proposed))),
        }  # fmt: skip
        if affected:
            only_wrong = all_rows(rows for domain, rows in wrong if domain in affected)
            yield Finding("DN_NOT_CANONICAL", operator, only_wrong, facts)
        elif odd:
            # Of each name those of its texts that have faults, or all where none of several has.
            faulty = ([t for t in texts.values() if t.faults] or [*texts.values()] for texts in odd)
            yield Finding("DN_SPELLINGS", operator, all_rows(t.rows for part in faulty for t in part), facts)


def _proposed(text: _Text, spelt: Mapping[str, _Text]) -> str:
    """Return what is to be written in place of a text, "" if it is right or that is not known."""
    right = [other for other, read in spelt.items() if not read.faults]
    if not text.faults or text.best in right:
        return text.best if text.faults else ""
    if not right:
        same = {read.best for read in spelt.values()}
        return text.best if len(same) == 1 else ""
    # A program puts a name in quotes for its doubled spaces (RFC 1779): so they are in the certificate.
    doubled = "quotes" in text.faults and "doubled" in text.dn.problems
    return right[0] if len(right) == 1 and not doubled else ""


def _read(text: str, domains: dict[str, list[int]], usual: Collection[str]) -> _Text:
    dn = parse_dn(text)
    best = dn.canonical
    if has_hidden(best):
        best = "".join(" " if c.isspace() else c for c in best if c.isspace() or not is_hidden(c))
    faults: list[str] = [fault for fault in _LAYOUT if fault in dn.problems]
    if "control" not in faults and has_hidden(text) and any(map(is_hidden, text)):
        faults.append("control")  # letters that print nothing, which a comparison of names keeps
    if "quotes" in dn.problems:
        faults.append("inside" if any('"' in value for _, value in dn.rdns) else "quotes")
    if dn.igc and not dn.order_ok:
        faults.append("order")
    if dn.igc and not faults and best != text:
        faults.append("form")
    if place := _spaced_department(dn.get("ST") or dn.get("L")):
        faults.append("department")
        best = best.replace(dn.get("ST") or dn.get("L"), place) if place.casefold() in usual else ""
    return _Text(dn, faults, "" if "inside" in faults else best, domains)


def _usual_departments(space: TrustSpace) -> set[str]:
    """Return the spellings of départements that may be proposed: official ones, and those of many rows."""
    counts = space.audited["st"].value_counts()
    read = {text: parse_department(text) for text in counts.index.tolist()}
    shares = counts / counts.groupby(lambda text: read[text].code).transform("sum")
    often = {text for text in read if shares[text] >= USUAL_SHARE and not read[text].problems}
    return often | {f"{label} ({code})" for code, label in DEPARTMENTS.items()}


def _spaced_department(text: str) -> str:
    """Return a département with its blanks corrected, "" if it is right or has another fault."""
    read = parse_department(text)
    right = f"{read.label} ({read.code})"
    same = "".join(text.split()).casefold() == "".join(right.split()).casefold()
    return right if read.problems == ("form",) and same else ""


RUNS = (_texts, _spellings, _departments, _shared_servers, _concentration, _operators)

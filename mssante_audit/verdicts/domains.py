"""The domains of a list, one row each: who runs it, what is known of it and why, how it is reached.

A critical finding or an error makes the check that its rule is about ``fail``, a warning ``warn``;
information and hints change none, nor does a finding that is waived. ``dns`` and ``mail`` are ``ok`` where
the walk to the domain's mail hosts says so and no finding contradicts; what it finds at fault counts where no
finding tells. A check is unknown as no audit looks at it yet (``not_audited``), as there is no register of
declarations (``no_declarations``; so for each need of an audit that decides it), as the register does not
cover its operators (``outside``, by ``scope.toml``), as the walk does not decide (``not-observed``…:
`mssante_audit.network.mail.CAUSES`), as the list is not to be relied on (``forged``…:
`mssante_audit.whitelist.load.doubts`) or as a rule could not be evaluated (AUDIT_RULE_FAILED).
"""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from mssante_audit.audits import audit_all, parted
from mssante_audit.audits.certificates import presented
from mssante_audit.audits.delegation_vs_redirection.observed import Declared, declarations, seen_of
from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.export import records
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.base.language import current_language
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.causes import Doubts
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import audits, input_of, rule
from mssante_audit.findings.templates import sentence
from mssante_audit.network import methods
from mssante_audit.network.methods import METHODS
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import region_of
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, RESULTS, UNSEEN, mails_of, verdicts
from mssante_audit.verdicts.presented import receiving, tls_of
from mssante_audit.verdicts.words import about, capital, causes, reasons
from mssante_audit.whitelist.rows import grouped

CONTACTS = {"support": "support_contact", "project": "project_contact"}
_FINDING = ("rule", "severity", "confidence", "observed", "expected", "first_seen", "rows")

FRAME = columns_of(
    "mssante_audit.verdicts", "domains", receives=RECEIVES, order=ORDERS, severity=("", *SEVERITIES),
    method=METHODS, **dict.fromkeys(CHECKS, RESULTS),
)  # fmt: skip
_NAMES = ("method_records", "mail_records", "behind")
_FRAMES = {name: columns_of("mssante_audit.verdicts", name) for name in _NAMES}
__doc__ = described(__doc__, "Columns", FRAME)
for _name, _columns in _FRAMES.items():
    __doc__ = described(__doc__, f"Columns of `{_name}`", _columns)


def worked_out(space: TrustSpace) -> bool:
    """Tell whether the `domains` of a space take no time any more."""
    return bool(space.kept) or ("domains", *audits().values()) in space.cache


def domains(space: TrustSpace, findings: pd.DataFrame | None = None, *, language: str = "") -> pd.DataFrame:
    """Return a row a domain of a space, with the frame's columns as this module's docstring describes them.

    Worked out once for a space. A snapshot's is the one that it keeps, as its data may be gone: audits that
    are registered later have findings, and change no domain of it.

    Parameters
    ----------
    space
        The trust space.
    findings
        What to judge by, if it is not what all audits find (`mssante_audit.audits.audit_all`).
    language
        Of `reasons`: ``fr`` or ``en``; "" for the one in use.
    """
    if findings is not None:
        return domains_of(space, findings, language=language)

    def make() -> pd.DataFrame:
        return domains_of(space, concat(parted(name, space)[0] for name in audits()))

    frame: pd.DataFrame = space.once(("domains", *audits().values()), space.kept.get("domains", make))
    key = ("reasons", language or current_language(), *audits().values())
    texts = space.once(key, lambda: pd.Series(_reasons(frame["why"], language), dtype="str"))
    return frame.assign(reasons=texts)


def answers(domains: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many domains have each answer, by ``arrives`` and ``order``: what all pages show."""
    arrives, order = (Counter(domains[column].tolist()) for column in ("receives", "order"))
    return {"arrives": {a: arrives[a] for a in RECEIVES}, "order": {a: order[a] for a in ORDERS}}


def domains_of(space: TrustSpace, findings: pd.DataFrame, *, language: str = "") -> pd.DataFrame:
    """Return the frame of this module's docstring from a space's findings."""
    entries, published, walked = space.audited, space.published, mails_of(space)
    rows, worst_first = entries.groupby("domain", sort=False), SEVERITIES[::-1]
    names, touched = entries["domain"].unique().tolist(), domains_touched(entries, findings)
    used = methods(space.observation, names)
    method = dict(zip(used["domain"], used["method"], strict=True))
    judged = verdicts(space, findings, touched)
    severities = zip(findings["severity"].astype("str"), touched, strict=True)
    counts = Counter((domain, severity) for severity, its in severities for domain in its)
    columns: dict[str, Iterable[Any]] = {
        "domain": names,
        "rows": rows.size(),
        "certificates": rows["dn_key"].nunique(),
        "mailboxes": [None if published is None else published.get(name, 0) for name in names],
        "reasons": _reasons([verdict["why"] for verdict in judged], language),
        "severity": [next((s for s in worst_first if counts[name, s]), "") for name in names],
        "method": [method.get(name, "unknown") for name in names],
        "observed_at": [walked[name].observed_at for name in names],
    }
    owners = space.owners.values()
    columns |= {n: [o[at] for o in owners] for at, n in enumerate(("operator_id", "operator", "department"))}
    columns["region"] = map(region_of, columns["department"])
    columns |= {name: [verdict[name] for verdict in judged] for name in (*CHECKS, "receives", "order", "why")}
    columns |= {severity: [counts[name, severity] for name in names] for severity in worst_first}
    return frame_of(zip(*(columns[column.name] for column in FRAME), strict=True), FRAME)


def _reasons(whys: Iterable[Mapping[str, Any]], language: str) -> list[str]:
    by_text = {str(codes): codes for codes in whys}  # few are different
    texts = {text: reasons(codes, language) for text, codes in by_text.items()}
    return [texts[str(codes)] for codes in whys]


def domains_touched(entries: pd.DataFrame, findings: pd.DataFrame) -> list[set[str]]:
    """Return for each finding the domains that it counts for; "" is the list as a whole.

    They are those of its rows in `entries`; without rows what it names, and of the register all in its facts.
    """
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    spelt = grouped((domain.lower().rstrip("."), domain) for domain in domain_of.values())
    touched = []
    columns = (findings[name] for name in ("rule", "rows", "domain", "facts"))
    for code, rows, named, facts in zip(*columns, strict=True):
        names = {domain_of[row] for row in rows if row in domain_of} or {named}
        if not rows and ("domains" in facts or rule(code).check == "declaration"):  # spelt by the register
            names = set().union(*(spelt.get(name, ()) for name in facts.get("domains", [named])))
        touched.append(names)
    return touched


def doubts(space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame) -> Doubts:
    """Return the findings that are not known to hold: what they rest on is in doubt, or was seen long ago.

    A finding rests on the inputs of its audit (`mssante_audit.findings.registry.Audit.rests`) and what was
    observed of its domains. What says of the list itself that it is not to be relied on holds anyway.

    By fingerprint the names of the inputs why (`mssante_audit.space.states`), each with its age in whole days
    at the instant audited at, ``None`` where it does not say when it was made. `domains`: all of the space's.
    """
    doubtful = {state.name: state.age_days for state in space.states if state.doubtful}
    old: dict[str, dict[str, datetime]] = {"observation": {}, "tls": {}}
    """By need the domains of which its observation says nothing any more, and of when it is."""
    for name, why, at in zip(*(domains[c] for c in ("domain", "why", "observed_at")), strict=True):
        if not set(UNSEEN).isdisjoint(why.get("receives", ())) and not pd.isna(at):
            old["observation"][name] = at
        if "tls-old" in why.get("tls", ()) and (servers := presented(space).of.get(name)):
            old["tls"][name] = min(server.at for server in servers)
    doubted = {}
    columns = (findings[name] for name in ("fingerprint", "rule", "audit"))
    for key, code, name, touched in zip(*columns, domains_touched(space.audited, findings), strict=True):
        if (audit := audits().get(name)) is None or rule(code).affects_list:
            continue
        inputs = {source: doubtful[source] for source in audit.rests if source in doubtful}
        for need in (need for need in audit.needs if need in old and touched):
            if input_of(need) not in doubtful and touched <= old[need].keys():
                inputs[input_of(need)] = (space.as_of - max(old[need][domain] for domain in touched)).days
        if inputs:
            doubted[key] = inputs
    return doubted


def records_of(space: TrustSpace, names: Iterable[str], language: str = "") -> Iterator[dict[str, Any]]:
    """Yield what is known of domains, listed or not, as JSON types; contacts as the space shows them.

    Of one that is not listed, or is a test entry, the answers are ``unknown``. A finding has only the rows of
    the domain.
    """
    entries, generated_at = space.entries, space.whitelist.generated_at
    listed = {"generated_at": generated_at and generated_at.isoformat(), "doubts": list(space.list_doubts)}
    rows_of = entries.groupby("domain", sort=False).indices
    verdicts = {row["domain"]: row for row in domains(space, language=language).to_dict("records")}
    frame = audit_all(space)
    findings, touching = records(frame[list(_FINDING)]), _touching(space, frame)
    contacts = {kind: entries[column].to_numpy() for kind, column in CONTACTS.items()}
    for domain in names:
        rows = rows_of.get(domain, ())
        verdict: dict[Any, Any] = verdicts.get(domain, {"receives": "unknown", "order": "unknown"})
        operator = None
        if domain in verdicts:
            operator = {"id": verdict["operator_id"], "name": space.shown(verdict["operator"])}
            operator |= {part: verdict[part] for part in ("department", "region")}
        yield {
            "domain": space.shown(domain),
            "listed": len(rows) > 0,
            "arrives": verdict["receives"],
            "order": verdict["order"],
            "checks": {check: verdict[check] for check in CHECKS if check in verdict},
            "why": {check: list(codes) for check, codes in verdict.get("why", {}).items()},
            "reasons": verdict.get("reasons", ""),
            "findings": [findings[at] | {"rows": its} for at, its in touching.get(domain, {}).items()],
            "operator": operator,
            "contacts": {
                kind: [*space.shown_contacts(texts[[*rows]]).values()] for kind, texts in contacts.items()
            },
            "near": [],
            "list": listed,
        }


def _touching(space: TrustSpace, findings: pd.DataFrame) -> dict[str, dict[int, list[int]]]:
    """Return by domain the positions of the findings that name or touch it, with their rows of it."""
    domain_of = dict(zip(space.entries["row"].tolist(), space.entries["domain"].tolist(), strict=True))
    touching: defaultdict[str, dict[int, list[int]]] = defaultdict(dict)
    columns = (findings["domain"], findings["rows"], domains_touched(space.entries, findings))
    for position, (name, rows, touched) in enumerate(zip(*columns, strict=True)):
        for domain in {name, *touched}:
            touching[domain][position] = []
        for row in rows:
            if row in domain_of:
                touching[domain_of[row]][position].append(row)
    return touching


def method_records(space: TrustSpace) -> pd.DataFrame:
    """Return the method in use for each audited domain (columns: above); none without an observation."""
    rows, declared = [], declarations(space)
    used_methods = methods(space.observation, space.audited["domain"].unique().tolist())
    for domain, method, cut, facts, at in used_methods.iloc[:, :5].itertuples(index=False, name=None):
        kind = declared.get(domain.lower().rstrip("."), Declared("")).kind
        # The rule's own words, for the methods that are no finding too.
        text = sentence(rule("DNS_METHOD_UNKNOWN"), "observed", {"seen": [facts]})
        rows.append((domain, method, cut, kind, at, text, facts))
    return frame_of(rows, _FRAMES["method_records"])


def mail_records(space: TrustSpace) -> pd.DataFrame:
    """Return for each audited domain whether it receives mail, and what decides it (columns: above)."""
    published, presented, rows = space.published, tls_of(space), []
    for walked in mails_of(space).values():
        mail = receiving(walked, presented.get(walked.domain))
        words = causes()[mail.cause] if mail.cause else {"met": "", "do": ""}
        texts = (capital(words["met"]), capital(about(mail)) if mail.cause else "", words["do"])
        boxes = None if published is None else published.get(mail.domain, 0)
        rows.append((mail.domain, mail.receives, mail.cause, *texts, mail.observed_at, boxes))
    return frame_of(rows, _FRAMES["mail_records"])


def hosts(space: TrustSpace, kind: str) -> pd.DataFrame:
    """Return the pairs ``domain``, ``host`` of audited domains; `kind`: ``NS``, or ``MX`` (mail hosts)."""
    pairs: set[tuple[str, str]] = set()
    for part in space.parts() if space.observation is not None else ():
        view = seen_of(part)
        if kind == "NS":
            names = {zone: view.network.zone(zone).names for zone in view.zones}
            zones = view.zones.items()
            pairs |= {(domain, name) for zone, domains in zones for domain in domains for name in names[zone]}
        else:
            pairs |= {(name, host) for name in view.methods for host in view.network.exchangers(name)}
    return pd.DataFrame(sorted(pairs), columns=["domain", "host"], dtype="str")


def behind(space: TrustSpace, host: str) -> pd.DataFrame:
    """Return the domains behind one name server or mail host (columns: above).

    `host` is its name, in any case, with or without the final dot. `InputError` if the space has no
    observation (who is behind it is unknown), `UnknownNameError` if no domain is.
    """
    if space.observation is None:
        remedy = "`mssante-audit observe dns --data DIR` makes one"
        raise InputError("the data folder holds no observation", remedy=remedy)
    pairs = pd.concat([hosts(space, kind).assign(kind=kind) for kind in ("NS", "MX")])
    keys, key = pairs["host"].map(domain_key), domain_key(host)
    if not (keys == key).any():
        others = difflib.get_close_matches(key, keys.unique(), 3, cutoff=0.6)
        near = f"Near: {', '.join(others)}" if others else None
        raise UnknownNameError(f"no observed domain is behind {host!r}", remedy=near)
    behind = pairs.loc[keys == key, ["domain", "kind", "host"]].itertuples(index=False, name=None)
    return frame_of([(*pair, *space.owners[pair[0]][:2]) for pair in behind], _FRAMES["behind"])

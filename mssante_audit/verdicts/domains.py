"""The domains of a list, one row each: who runs it, what is known of it and why, how it is reached.

A critical finding or an error makes the check that its rule is about ``fail``, a warning ``warn``;
information and hints change none, nor does a finding that is waived. ``dns`` and ``mail`` are ``ok`` where
the walk to the domain's mail hosts says so and no finding contradicts; what it finds at fault counts where no
finding tells. Why a check is unknown:

=================== ==================================================================================
code                meaning
=================== ==================================================================================
``not_audited``     no audit looks at it yet
``no_declarations`` there is no register of declarations, and so for each need of an audit that decides it
``not-observed``…   the walk does not decide (`mssante_audit.network.mail.CAUSES`)
``outside``         the register does not cover its operators (``scope.toml``)
``forged``…         the list is not to be relied on (`mssante_audit.whitelist.load.doubts`)
AUDIT_RULE_FAILED   a rule that decides it could not be evaluated
=================== ==================================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from mssante_audit.audits import parted
from mssante_audit.base.frames import Column, described
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.findings.frame import concat
from mssante_audit.findings.registry import audits, rule
from mssante_audit.network import methods
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import region_of
from mssante_audit.verdicts.checks import ORDERS, RECEIVES, mails_of, verdicts
from mssante_audit.verdicts.words import reasons
from mssante_audit.whitelist.rows import grouped

COLUMNS = ("domain", "operator_id", "operator", "department", "region", "rows", "certificates", "mailboxes")

FRAME = (
    Column("domain", "str", "as the list writes it, in list order; test entries are left out"),
    Column("operator_id", "str", 'operator of most of its rows, or ""'),
    Column("operator", "str", "that operator's name, or \"\""),
    Column("department", "str", "code of the département of that operator's certificates, or \"\""),
    Column("region", "str", "its region, or \"\": the operator's, not that of the establishment served"),
    Column("rows", "int64", "rows of the list"),
    Column("certificates", "int64", "distinct certificate names on it"),
    Column(
        "mailboxes", "Int64",
        "mailboxes published in it; <NA> where that is unknown. Few or none is no proof that it is not "
        "used: those on the red list are not published",
    ),
    Column(
        "listed", "str",
        "whether its rows in the list are in order: ``ok``, ``warn``, ``fail``, ``unknown``, as the "
        "next ones; ``unknown`` where the list is not to be relied on",
    ),
    Column("certificate", "str", "the certificate names that stand for it"),
    Column("dns", "str", "its name in the DNS, from the parent zone to an answer about its mail"),
    Column("mail", "str", "its mail hosts"),
    Column("tls", "str", "what its mail hosts present (`mssante_audit.verdicts.tls`)"),
    Column("contacts", "str", "whom to call about it"),
    Column(
        "declaration", "str",
        "its declarations, and whether the list agrees; ``unknown`` without a register",
    ),
    Column(
        "receives", "str",
        "whether mail to it arrives (`mssante_audit.network.mail`): ``yes``, ``degraded``, ``no``, "
        "``unknown``",
    ),
    Column(
        "order", "str",
        "what is to be put right of it, beside what keeps mail from it: ``ok``, ``todo``, ``urgent``, "
        "``unknown`` (`mssante_audit.verdicts.checks.order_of`)",
    ),
    Column(
        "why", "object (dict)",
        "for each check that is not ``ok`` what decides it: codes of rules (those of the worst kind), "
        "causes where no rule tells, or why it is unknown; of ``receives`` the cause",
    ),
    Column("reasons", "str", "the same in words, without what is not audited yet"),
    *(Column(severity, "int64", "findings of that severity that touch it") for severity in SEVERITIES[::-1]),
    Column("severity", "str", 'the worst of them, "" if none does'),
    Column(
        "method", "str",
        "DNS method in use (`mssante_audit.network.methods`), ``unknown`` if not observed",
    ),
    Column("observed_at", "datetime64[us, UTC]", "when the DNS was last asked about its mail, NaT if never"),
)  # fmt: skip
__doc__ = described(__doc__, "Columns", FRAME)


def _key() -> tuple[object, ...]:
    return ("domains", *audits().values())


def worked_out(space: TrustSpace) -> bool:
    """Say whether `domains` is known of a space, and takes no time any more."""
    return space.kept_domains is not None or _key() in space.cache


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
        Of `reasons`: one of `mssante_audit.findings.templates.LANGUAGES`.
    """
    if findings is not None:
        return domains_of(space, findings, _used(space), language=language)

    def made() -> pd.DataFrame:
        if space.kept_domains is not None:
            return space.kept_domains
        return domains_of(space, concat(parted(name, space)[0] for name in audits()), _used(space))

    frame = space.once(_key(), made)
    words = [reasons(why, language) for why in frame["why"]]
    return frame.assign(reasons=pd.Series(words, dtype="str"))


def answers(domains: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many domains have each answer: the numbers that every page, file and mail shows.

    Returns
    -------
    dict
        ``arrives`` (whether mail arrives: `mssante_audit.network.mail.RECEIVES`) and ``order`` (what is to
        be put right: `mssante_audit.verdicts.checks.ORDERS`), each a number of domains by answer.

    Examples
    --------
    >>> from mssante_audit import load_space
    >>> counts = answers(domains(load_space(as_of="2026-03-03")))
    >>> [*counts["arrives"]], [*counts["order"]]
    (['yes', 'degraded', 'no', 'unknown'], ['ok', 'todo', 'urgent', 'unknown'])
    """
    return {
        name: {answer: int((domains[column] == answer).sum()) for answer in values}
        for name, column, values in (("arrives", "receives", RECEIVES), ("order", "order", ORDERS))
    }


def _used(space: TrustSpace) -> dict[str, str]:
    """Return the method in use by domain, where the DNS was observed."""
    if space.observation is None:
        return {}
    frame = methods(space.observation, space.audited["domain"].unique().tolist())
    return dict(zip(frame["domain"], frame["method"], strict=True))


def domains_of(
    space: TrustSpace, findings: pd.DataFrame, seen: Mapping[str, str] | None = None, *, language: str = ""
) -> pd.DataFrame:
    """Return the frame that this module's docstring describes.

    Parameters
    ----------
    space
        The trust space.
    findings
        Those of all its audits; they count for the domains of `domains_touched`.
    seen
        The method in use by domain, where the DNS was observed.
    language
        Of `reasons`.
    """
    entries, published = space.audited, space.published
    rows = entries.groupby("domain", sort=False)
    most = {name: _most(entries, name) for name in ("operator_id", "operator", "department")}
    frame = pd.DataFrame({"rows": rows.size(), "certificates": rows["dn_key"].nunique(), **most})
    frame["region"] = frame["department"].map(region_of)
    frame["mailboxes"] = [None if published is None else published.get(domain, 0) for domain in frame.index]
    frame = frame.rename_axis("domain").reset_index()[list(COLUMNS)]
    touched = domains_touched(entries, findings)
    found = verdicts(space, findings, touched)
    for check in CHECKS:
        frame[check] = [verdict.results[check] for verdict in found]
    frame["receives"] = [verdict.receives for verdict in found]
    frame["order"] = [verdict.order for verdict in found]
    frame["why"] = pd.Series([verdict.why for verdict in found], dtype="object")
    frame["reasons"] = [reasons(verdict.why, language) for verdict in found]
    counts = Counter(
        (domain, str(severity))
        for severity, names in zip(findings["severity"], touched, strict=True)
        for domain in names
    )
    names, worst_first = frame["domain"], SEVERITIES[::-1]
    for severity in worst_first:
        frame[severity] = [counts[name, severity] for name in names]
    frame["severity"] = [next((s for s in worst_first if counts[name, s]), "") for name in names]
    frame["method"] = [(seen or {}).get(name, "unknown") for name in names]
    walked = mails_of(space)
    frame["observed_at"] = pd.Series([walked[n].observed_at for n in names], dtype="datetime64[us, UTC]")
    kinds = dict.fromkeys(("rows", "certificates", *SEVERITIES), "int64")
    kinds |= {"mailboxes": "Int64", "why": "object", "observed_at": "datetime64[us, UTC]"}
    return frame.astype({name: kinds.get(name, "str") for name in frame.columns})


def domains_touched(entries: pd.DataFrame, findings: pd.DataFrame) -> list[set[str]]:
    """Return for each finding the domains that it counts for; "" is the list as a whole.

    They are those of its rows; where it has none, the one that it names, and of the register all that its
    facts name. `entries`: the rows of the list that are told of (columns `row`, `domain`).
    """
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    spelt = grouped((domain.lower().rstrip("."), domain) for domain in domain_of.values())
    touched = []
    columns = (findings[name] for name in ("rule", "rows", "domain", "facts"))
    for code, rows, named, facts in zip(*columns, strict=True):
        names = {domain_of[row] for row in rows if row in domain_of} or {named}
        if not rows and rule(code).check == "declaration":  # the register's spelling need not be the list's
            names = set().union(*(spelt.get(name, ()) for name in facts.get("domains", [named])))
        touched.append(names)
    return touched


def _most(entries: pd.DataFrame, name: str) -> pd.Series:
    """Return for each domain the value that most of its rows have, the first of those that tie."""
    borne = grouped(zip(entries["domain"].tolist(), entries[name].tolist(), strict=True))
    most = {domain: Counter(values).most_common(1)[0][0] for domain, values in borne.items()}
    return pd.Series(most, dtype="str")

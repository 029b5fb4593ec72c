"""How each domain is reached: the DNS method in use beside the declared one, and the hosts it depends on."""

from __future__ import annotations

import difflib

import pandas as pd

from mssante_audit.audits.delegation_vs_redirection.observed import declarations, seen_of
from mssante_audit.base.errors import InputError, UnknownNameError
from mssante_audit.base.frames import frame_of
from mssante_audit.declarations.register import domain_key
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.network import methods
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.checks import mails_of
from mssante_audit.verdicts.presented import receiving, tls_of
from mssante_audit.verdicts.words import about, capital, causes

COLUMNS = ("domain", "method", "cut", "declared", "observed_at", "why", "facts")


def method_records(space: TrustSpace) -> pd.DataFrame:
    """Return the method in use for each audited domain, one row each, in list order.

    ``domain`` str, ``method`` str (`mssante_audit.network.methods`), ``cut`` str, ``declared`` str
    (``delegation``, ``redirection``, ``withdrawal`` or "" for nothing), ``observed_at`` (UTC, NaT if not
    observed), ``why`` str (in words), ``facts`` dict (why in facts). Empty without an observation.
    """
    frame = methods(space.observation, space.audited["domain"].unique().tolist()).astype({"method": "str"})
    declared = declarations(space)
    keys = [domain.lower().rstrip(".") for domain in frame["domain"]]
    kinds = [declared[key].kind if key in declared else "" for key in keys]
    # The rule's own words, for the methods that are no finding too.
    why = [sentence(rule("DNS_METHOD_UNKNOWN"), "observed", {"seen": [facts]}) for facts in frame["why"]]
    words = {"declared": pd.Series(kinds, dtype="str"), "why": pd.Series(why, dtype="str")}
    return frame.rename(columns={"why": "facts"}).assign(**words)[list(COLUMNS)]


def mail_records(space: TrustSpace) -> pd.DataFrame:
    """Return one record an audited domain: whether it receives mail, and what decides it.

    ``domain`` str, ``receives`` and ``cause`` str (as in `mssante_audit.verdicts.domains`), ``what``, ``why``
    and ``remedy`` str (in words; ``why`` names zone, servers or hosts), ``observed_at`` (UTC, NaT if not
    observed), ``mailboxes`` Int64 (<NA> where that is unknown).
    """
    published, presented, rows = space.published, tls_of(space), []
    for walked in mails_of(space).values():
        mail = receiving(walked, presented.get(walked.domain))
        words = causes()[mail.cause] if mail.cause else {"met": "", "do": ""}
        told = (capital(words["met"]), capital(about(mail)) if mail.cause else "", words["do"])
        boxes = None if published is None else published.get(mail.domain, 0)
        rows.append((mail.domain, mail.receives, mail.cause, *told, mail.observed_at, boxes))
    texts = dict.fromkeys(("domain", "receives", "cause", "what", "why", "remedy"), "str")
    return frame_of(rows, texts | {"observed_at": "instant", "mailboxes": "Int64"})


def hosts(space: TrustSpace, kind: str) -> pd.DataFrame:
    """Return the hosts that audited domains depend on (``domain``, ``host``), each pair once.

    `kind` is ``NS`` for name servers, ``MX`` for mail hosts. Empty if nothing was observed.
    """
    pairs: set[tuple[str, str]] = set()
    for part in space.parts() if space.observation is not None else ():
        seen = seen_of(part)
        if kind == "NS":
            for zone, domains in seen.zones.items():
                pairs |= {(domain, name) for name in seen.network.zone(zone).names for domain in domains}
        for domain in seen.methods if kind == "MX" else ():
            pairs |= {(domain, host) for host in seen.network.exchangers(domain)}
    return pd.DataFrame(sorted(pairs), columns=["domain", "host"], dtype="str")


def behind(space: TrustSpace, host: str) -> pd.DataFrame:
    """Return the domains behind one name server or mail host, a row each.

    ``domain``, ``kind`` (``NS`` or ``MX``), ``host``, ``operator_id``, ``operator`` (str). `host` is its
    name, in any case, with or without the final dot. `InputError` if the space has no observation (who is
    behind it is unknown), `UnknownNameError` if no domain is.
    """
    if space.observation is None:
        raise InputError(
            "the data folder holds no observation", remedy="`mssante-audit observe dns --data DIR` makes one"
        )
    found = pd.concat([hosts(space, kind).assign(kind=kind) for kind in ("NS", "MX")], ignore_index=True)
    names, wanted = found["host"].map(domain_key), domain_key(host)
    if wanted not in set(names):
        near = difflib.get_close_matches(wanted, names.unique().tolist(), 3, cutoff=0.6)
        raise UnknownNameError(
            f"no observed domain is behind {host!r}", remedy=f"Near: {', '.join(near)}" if near else None
        )
    owners = space.audited.drop_duplicates("domain")[["domain", "operator_id", "operator"]]
    held = found[names == wanted].merge(owners, on="domain", how="left")
    return held[["domain", "kind", "host", "operator_id", "operator"]]

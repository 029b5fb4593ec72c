"""Certificates that changed, beside the list's own changes: which came first.

Columns of `renewals`: those of `mssante_audit.observe.tls.history`, then

============== =================== ==========================================================================
``domains``    object (tuple)      domains that the server stands for now
``operator``   str                 whose they are, with commas
``order``      str                 of a name that changed: ``listed-first``, ``presented-first``, ``unlisted``
                                   (not listed for any of them yet); "" where the name stayed, or no archive
                                   tells
``listed``     datetime64[us, UTC] the first list of the archive that has the new name for one of them
============== =================== ==========================================================================
"""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from mssante_audit.audits.certificates.presented import presented
from mssante_audit.audits.since import past_of
from mssante_audit.base.instants import instants
from mssante_audit.observe.tls.history import changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn


def renewals(space: TrustSpace) -> pd.DataFrame:
    """Return the changes of certificates that the observations kept tell of, worked out once for a space.

    Changes of servers that stand for no domain any more are left out.
    """
    return space.once("renewals", lambda: _renewals(space))


def _renewals(space: TrustSpace) -> pd.DataFrame:
    found, served = changes(space.files.get("tls", ()), space.as_of), presented(space).served
    found = found[found["address"].isin(set(served))].reset_index(drop=True)
    names = dict(
        zip(*(space.audited.drop_duplicates("domain")[n] for n in ("domain", "operator")), strict=True)
    )
    domains = [tuple(served[address]) for address in found["address"]]
    told = _listed(space, found, domains)
    return found.assign(
        domains=pd.Series(domains, dtype="object"),
        operator=pd.Series([", ".join(dict.fromkeys(names[d] for d in own)) for own in domains], dtype="str"),
        order=pd.Series([order for order, _ in told], dtype="str"),
        listed=instants(pd.Series([at for _, at in told])),
    )


def _listed(
    space: TrustSpace, found: pd.DataFrame, domains: list[tuple[str, ...]]
) -> list[tuple[str, datetime | None]]:
    """Return for each change whether its new name was listed before it was presented, and since when."""
    past = past_of(space)
    if past is None:
        return [("", None)] * len(found)
    history, start, _ = past
    history = history[history["domain"].isin({name for own in domains for name in own})]
    keys = {text: parse_dn(text).key for text in history["dn"].unique()}
    first = history.groupby(["domain", history["dn"].map(keys)])["first_seen"].min().to_dict()
    told: list[tuple[str, datetime | None]] = []
    for kind, after, last, at, own in zip(
        found["kind"], found["after"], found["last"], found["at"], domains, strict=True
    ):
        key = parse_dn(after).key
        since = min((first[domain, key] for domain in own if (domain, key) in first), default=None)
        if kind != "replaced":
            told.append(("", None))
        elif since is None:
            told.append(("unlisted", None))
        elif since <= last or since <= start:
            told.append(("listed-first", since))
        else:  # between the two visits nobody knows
            told.append(("presented-first" if since > at else "", since))
    return told

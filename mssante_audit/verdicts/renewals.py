"""Certificates that changed, beside the list's own changes: which came first.

Columns of `renewals`: those of `mssante_audit.observe.tls.observation`, then

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
from mssante_audit.observe.tls.observation import changes
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn


def renewals(space: TrustSpace) -> pd.DataFrame:
    """Return the changes that observations tell of, for servers that stand for a domain; made once."""
    return space.once("renewals", lambda: _renewals(space))


def _renewals(space: TrustSpace) -> pd.DataFrame:
    found, served = changes(space.files.get("tls", ()), space.as_of), presented(space).served
    found = found[found["address"].isin(set(served))].reset_index(drop=True)
    operator = space.audited.drop_duplicates("domain").set_index("domain")["operator"]
    domains = [tuple(served[address]) for address in found["address"]]
    listed = _listed(space, found, domains)
    owners = [", ".join(dict.fromkeys(operator[name] for name in names)) for names in domains]
    return found.assign(
        domains=pd.Series(domains, dtype="object"),
        operator=pd.Series(owners, dtype="str"),
        order=pd.Series([order for order, _ in listed], dtype="str"),
        listed=instants(pd.Series([at for _, at in listed])),
    )


def _listed(
    space: TrustSpace, found: pd.DataFrame, domains: list[tuple[str, ...]]
) -> list[tuple[str, datetime | None]]:
    """Return for each change whether its new name was listed before it was presented, and since when."""
    past = past_of(space)
    if past is None:
        return [("", None)] * len(found)
    history, start, _ = past
    history = history[history["domain"].isin({name for named in domains for name in named})]
    keys = {text: parse_dn(text).key for text in history["dn"].unique()}
    first = history.groupby(["domain", history["dn"].map(keys)])["first_seen"].min().to_dict()
    listed: list[tuple[str, datetime | None]] = []
    columns = (found[name] for name in ("kind", "after", "last", "at"))
    for kind, after, last, at, names in zip(*columns, domains, strict=True):
        key = parse_dn(after).key
        since = min((first[name, key] for name in names if (name, key) in first), default=None)
        if kind != "replaced":
            listed.append(("", None))
        elif since is None:
            listed.append(("unlisted", None))
        elif since <= last or since <= start:
            listed.append(("listed-first", since))
        else:  # between the two visits nobody knows
            listed.append(("presented-first" if since > at else "", since))
    return listed

"""What the report on certificates shows: servers of each domain, and when their certificates end."""

from __future__ import annotations

import pandas as pd

from mssante_audit.audits.certificates.presented import presented
from mssante_audit.space.trust import TrustSpace


def servers_shown(space: TrustSpace) -> pd.DataFrame:
    """Return the mail servers of each audited domain, seen or not; empty without observations.

    Returns
    -------
    DataFrame
        ``domain`` (in list order), ``operator_id``, ``operator``, ``host``, ``address``, ``outcome``
        (`mssante_audit.observe.tls.observation.OUTCOMES`, ``lost`` or ``unvisited``), ``detail``, all str.
    """
    columns = ["domain", "operator_id", "operator", "host", "address", "outcome", "detail"]
    rows: list[tuple[str, ...]] = []
    seen, owners = presented(space), _owners(space)
    for domain, servers in seen.of.items():
        own = (domain, *owners[domain])
        rows += [(*own, ", ".join(s.hosts), s.address, s.outcome, s.detail) for s in servers]
        rows += [(*own, name, "", "unvisited", "") for name in seen.missing[domain]]
    return pd.DataFrame(rows, columns=columns).astype("str")


def expiries(space: TrustSpace) -> pd.DataFrame:
    """Return when the certificates presented for each domain end; empty without observations.

    Returns
    -------
    DataFrame
        ``domain``, ``operator_id``, ``operator``, ``host``, ``name`` (of the certificate) str, ``until``
        (datetime64, UTC), ``days`` (int64, whole days from the space's date, negative if it has passed),
        ``alone`` (bool: no server of the domain presents one that ends later).
    """
    texts = ["domain", "operator_id", "operator", "host", "name"]
    rows: list[tuple[object, ...]] = []
    seen, owners = presented(space), _owners(space)
    for domain, servers in seen.of.items():
        ends = [(s, s.leaf.not_after) for s in servers if s.leaf and s.leaf.not_after]
        last = max((end for _, end in ends), default=None)
        for server, end in ends:
            days, own = (end - space.as_of).days, (domain, *owners[domain])
            rows.append((*own, ", ".join(server.hosts), server.subject, end, days, end == last))
    frame = pd.DataFrame(rows, columns=[*texts, "until", "days", "alone"])
    until = pd.to_datetime(frame["until"], utc=True).astype("datetime64[us, UTC]")
    kinds = {**dict.fromkeys(texts, "str"), "days": "int64", "alone": "bool"}
    return frame.assign(until=until).astype(kinds)


def _owners(space: TrustSpace) -> dict[str, tuple[str, str]]:
    first = space.audited.drop_duplicates("domain")
    columns = (first[name].tolist() for name in ("domain", "operator_id", "operator"))
    return {domain: (owner, name) for domain, owner, name in zip(*columns, strict=True)}

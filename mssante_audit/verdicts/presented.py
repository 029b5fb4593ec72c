"""What the report on certificates shows: servers of each domain, and when their certificates end."""

from __future__ import annotations

import pandas as pd

from mssante_audit.audits.certificates.presented import presented
from mssante_audit.base.frames import frame_of
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import region_of


def servers_shown(space: TrustSpace) -> pd.DataFrame:
    """Return the mail servers of each audited domain, seen or not; empty without observations.

    Returns
    -------
    DataFrame
        ``domain`` (in list order), ``operator_id``, ``operator``, ``host``, ``address``, ``outcome``
        (`mssante_audit.observe.tls.observation.OUTCOMES`, ``lost`` or ``unvisited``), ``detail``, all str.
    """
    columns = ("domain", "operator_id", "operator", "host", "address", "outcome", "detail")
    rows: list[tuple[str, ...]] = []
    seen, owners = presented(space), _owners(space)
    for domain, servers in seen.of.items():
        owner = (domain, *owners[domain][:2])
        rows += [(*owner, ", ".join(s.hosts), s.address, s.outcome, s.detail) for s in servers]
        rows += [(*owner, name, "", "unvisited", "") for name in seen.missing[domain]]
    return frame_of(rows, dict.fromkeys(columns, "str"))


def expiries(space: TrustSpace) -> pd.DataFrame:
    """Return when the certificates presented for each domain end; empty without observations.

    Returns
    -------
    DataFrame
        ``domain``, ``operator_id``, ``operator``, ``region`` (the operator's), ``host``, ``name`` (of the
        certificate; who is named in it masked, as in ``issuer``), ``certificate`` (SHA-256), ``issuer`` str,
        ``until`` (datetime64, UTC), ``days`` (int64, whole days from the space's date,
        negative if it has passed), ``alone`` (bool: no server of the domain
        presents one that ends later, and is right), ``seen_at`` (datetime64, UTC: of the visit that saw it),
        ``mailboxes`` (Int64, of the domain; <NA> where unknown).
    """
    texts = ("domain", "operator_id", "operator", "region", "host", "name", "certificate", "issuer")
    kinds = {"until": "instant", "days": "int64", "alone": "bool", "seen_at": "instant", "mailboxes": "Int64"}
    rows: list[tuple[object, ...]] = []
    seen, owners, published = presented(space), _owners(space), space.published
    for domain, servers in seen.of.items():
        owner, boxes = (domain, *owners[domain]), None if published is None else published.get(domain, 0)
        for server in servers:
            if (leaf := server.leaf) and leaf.not_after:
                name, issuer = space.shown(leaf.subject), space.shown(leaf.issuer)
                shown = (", ".join(server.hosts), name, leaf.sha256, issuer, leaf.not_after)
                days = (leaf.not_after - space.as_of).days
                rows.append((*owner, *shown, days, seen.alone(domain, server), server.at, boxes))
    return frame_of(rows, dict.fromkeys(texts, "str") | kinds)


def certificates(ending: pd.DataFrame) -> pd.DataFrame:
    """Return a row a certificate presented, with what falls when it ends, the nearest end first.

    Parameters
    ----------
    ending
        As `expiries` returns it, or part of it.

    Returns
    -------
    DataFrame
        ``until``, ``days``, ``name``, ``certificate``, ``issuer`` as there; ``operator``, ``region`` str
        (with commas where there are several); ``hosts``, ``domains``, ``falling`` object (tuple of str: mail
        hosts, domains, and those of them that have no other certificate); ``mailboxes`` Int64 (of the last);
        ``seen_at`` (datetime64, UTC: when it was last seen).
    """
    kinds = {
        "until": "instant", "days": "int64", "name": "str", "certificate": "str", "issuer": "str",
        "operator": "str", "region": "str", "hosts": "object", "domains": "object", "falling": "object",
        "mailboxes": "Int64", "seen_at": "instant",
    }  # fmt: skip
    rows = []
    for certificate, group in ending.groupby("certificate", sort=True):
        falling, first = group[group["alone"]].drop_duplicates("domain"), group.iloc[0]
        several = (
            ", ".join(dict.fromkeys(name for name in group[c] if name)) for c in ("operator", "region")
        )
        lists = (tuple(dict.fromkeys(frame)) for frame in (group["host"], group["domain"], falling["domain"]))
        boxes = falling["mailboxes"].sum() if falling["mailboxes"].notna().all() else pd.NA
        leaf = (first["until"], first["days"], first["name"], certificate, first["issuer"])
        rows.append((*leaf, *several, *lists, boxes, group["seen_at"].max()))
    return frame_of(rows, kinds).sort_values(["until", "certificate"], ignore_index=True)


def certificates_of(space: TrustSpace) -> pd.DataFrame:
    """Return the `certificates` presented for the audited domains: ``domains`` and ``falling`` are counts.

    ``names`` are the domains (tuple of str).
    """
    frame = certificates(expiries(space))
    counts = {name: frame[name].map(len).astype("int64") for name in ("domains", "falling")}
    return frame.assign(names=frame["domains"], **counts)


def revocations(space: TrustSpace) -> pd.DataFrame:
    """Return what revocation lists say of the certificates presented, a row an issuer and answer.

    Returns
    -------
    DataFrame
        ``issuer`` str, ``said`` (``good``, ``revoked``, ``unknown``) str, ``doubt`` (why nobody knows,
        `mssante_audit.whitelist.revocation.Status`) str, ``file`` (the list) str, ``made`` and ``due`` (of
        that list; NaT if none tells) datetime64 UTC, ``certificates`` int64 (how many).
    """
    kinds = dict.fromkeys(("issuer", "said", "doubt", "file"), "str") | {"made": "instant", "due": "instant"}
    chains = {s.chain.leaf.sha256: s.chain for s in presented(space).servers.values() if s.chain and s.leaf}
    statuses = [(chain.leaf.issuer, chain.status) for chain in chains.values()]
    frame = frame_of(((issuer, s.answer, s.doubt, s.file, s.made, s.due) for issuer, s in statuses), kinds)
    return frame.groupby(list(kinds), dropna=False).size().rename("certificates").reset_index()


def _owners(space: TrustSpace) -> dict[str, list[str]]:
    first = space.audited.drop_duplicates("domain")
    names = first["operator"].map(space.shown)
    columns = (first["domain"], first["operator_id"], names, first["department"].map(region_of))
    return {domain: owner for domain, *owner in zip(*columns, strict=True)}

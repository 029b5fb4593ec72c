"""What mail servers present: whether senders take it, when it ends, and what changed.

Grades and causes (`Tls`): ``ok`` where every server was seen, lately, and is right (name, dates, chain; none
is known to be revoked); ``fail`` by ``tls-none`` where none is, and all were seen; ``warn`` by ``tls-some``
(one is not, others are or were not seen) and ``tls-protocol`` (each is that was seen, but one speaks no TLS
of today); ``unknown`` where those that were seen are right, but one was seen longer ago than
`observation_max_age_days` (``tls-old``) or not at all (``tls-unseen``), where the domain names no server
(``not-reached``), by ``tls-alone`` where no anchors were at hand to judge a chain by, and ``tls-nobody``
where the list does not have the domain, and so no name for its servers (`receive`).

Whether mail arrives (`receiving`) is unknown, by ``tls-refused``, where all servers were visited lately and
none of them let us in: who sends mail may fare better, or not. So it is, by ``tls-old``, where none was seen
lately, and each that was ever seen was wrong then.
"""

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from mssante_audit.audits.certificates import MOST, OLD, SeenServer, presented
from mssante_audit.base.frames import columns_of, described, frame_of
from mssante_audit.network.hosts import YES, Part
from mssante_audit.network.mail import Arrival
from mssante_audit.observe.tls.observation import NOT_VISITED, TELLING, changes, turned_away
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import region_of

_NAMES = ("servers_shown", "expiries", "certificates", "revocations", "renewals")
_FRAMES = {name: columns_of("mssante_audit.verdicts", name) for name in _NAMES}
for _name, _columns in _FRAMES.items():
    __doc__ = described(__doc__, f"Columns of `{_name}`", _columns)
_WORST = ("fail", "warn", "unknown", "ok")


class Tls(NamedTuple):
    """What is known of the servers of a domain."""

    part: Part
    old: bool = False
    """Whether a server was seen too long ago: what was found of it then makes no check fail any more."""
    reception: Part = YES
    """What decides whether mail arrives, where the DNS leads it to them (`receiving`)."""


class ServerView(NamedTuple):
    """A mail server of a domain, as it was when it was last visited."""

    server: SeenServer
    old: bool
    """Whether that is too long ago to say anything of today."""
    faults: tuple[str, ...]
    """Why senders do not take its certificate (`Chain.faults`)."""


class Wire(NamedTuple):
    """What is known of a domain's servers, and of each of them."""

    tls: Tls = Tls(Part("no_tls"))
    servers: tuple[ServerView, ...] = ()
    missing: tuple[str, ...] = ()
    """Mail hosts and addresses that no visit tells of."""


def wire_of(space: TrustSpace) -> Wire:
    """Return what is known of the servers of a space's one domain."""
    if space.tls is None:
        return Wire()
    if not space.domains:
        return Wire(Tls(Part("tls-nobody")))
    domain, tls = min(tls_of(space).items(), key=lambda item: _WORST.index(item[1].part.grade))
    view, oldest = presented(space), space.thresholds.oldest_observation(space.as_of)
    listed, servers = view.listed[domain], view.of[domain]
    views = [ServerView(s, s.at < oldest, s.chain.faults(s.at, listed) if s.chain else ()) for s in servers]
    return Wire(tls, tuple(views), tuple(view.missing[domain]))


def tls_of(space: TrustSpace) -> dict[str, Tls]:
    """Return what is known of each domain's servers; empty without observations of DNS and of TLS."""
    view, oldest = presented(space), space.thresholds.oldest_observation(space.as_of)
    of_domains = {}
    for domain, servers in view.of.items():
        informative = [server for server in servers if server.outcome in TELLING]
        recent = [server for server in informative if server.at >= oldest]
        wrong = [server for server in recent if not view.right(domain, server)]
        old = len(recent) < len(informative)
        complete = bool(recent) and len(recent) == len(servers) and not view.missing[domain]
        let_in = any(s.outcome in (*TELLING, *NOT_VISITED, "lost") and not turned_away(s) for s in servers)
        seen_all = not view.missing[domain] and all(server.at >= oldest for server in servers)
        met = [f"{s.name}: {s.detail[:200] or s.outcome}" for s in servers[:MOST]]
        reception = Part("tls-refused", {"hosts": met}) if met and seen_all and not let_in else YES
        if wrong:
            part = reception = Part("tls-none" if complete and wrong == recent else "tls-some")
        elif any(server.protocol in OLD for server in recent):
            part = reception = Part("tls-protocol")
        elif complete:
            judged = all(server.chain and server.chain.state for server in informative)
            part = YES if judged else Part("tls-alone")
        else:
            none = not servers and not view.missing[domain]
            part = Part("not-reached" if none else "tls-old" if old else "tls-unseen")
            if old and not any(view.right(domain, server) for server in informative):
                reception = part
        of_domains[domain] = Tls(part, old, reception)
    return of_domains


def receiving(mail: Arrival, tls: Tls | None) -> Arrival:
    """Return whether mail arrives where the DNS leads it, once certificates have their say."""
    if tls is None or tls.reception is YES or mail.receives not in ("yes", "degraded"):
        return mail
    part = tls.reception
    return replace(mail, receives=part.receives, cause=part.cause, facts=part.facts)


def servers_shown(space: TrustSpace) -> pd.DataFrame:
    """Return the mail servers of each audited domain, seen or not (columns: above); none if not observed."""
    rows: list[tuple[object, ...]] = []
    view, owners = presented(space), _owners(space)
    for domain, servers in view.of.items():
        owner = (domain, *owners[domain][:2])
        rows += [(*owner, ", ".join(s.hosts), s.address, s.outcome, s.detail) for s in servers]
        rows += [(*owner, name, "", "unvisited", "") for name in view.missing[domain]]
    return frame_of(rows, _FRAMES["servers_shown"])


def expiries(space: TrustSpace) -> pd.DataFrame:
    """Return when the certificates presented for each domain end (columns: above); none if not observed."""
    rows: list[tuple[object, ...]] = []
    view, owners, published = presented(space), _owners(space), space.published
    for domain, servers in view.readable():
        owner, boxes = (domain, *owners[domain]), None if published is None else published.get(domain, 0)
        for server in servers:
            if (leaf := server.leaf) and leaf.not_after:
                name, issuer = space.shown(leaf.subject), space.shown(leaf.issuer)
                cells = (", ".join(server.hosts), name, leaf.sha256, issuer, leaf.not_after)
                days = (leaf.not_after - space.as_of).days
                rows.append((*owner, *cells, days, view.alone(domain, server), server.at, boxes))
    return frame_of(rows, _FRAMES["expiries"])


def certificates(ending: pd.DataFrame) -> pd.DataFrame:
    """Return a row a certificate presented, with what falls when it ends (columns: above).

    `ending` is what `expiries` returns, or part of it.
    """
    rows = []
    for _, group in ending.groupby("certificate", sort=True):
        falling = group[group["alone"]].drop_duplicates("domain")
        texts = (", ".join(dict.fromkeys(filter(None, group[name]))) for name in ("operator", "region"))
        lists = (tuple(dict.fromkeys(names)) for names in (group["host"], group["domain"], falling["domain"]))
        boxes = falling["mailboxes"].sum() if falling["mailboxes"].notna().all() else pd.NA
        same = group.iloc[0][["until", "days", "name", "certificate", "issuer"]]
        rows.append((*same, *texts, *lists, boxes, group["seen_at"].max()))
    return frame_of(rows, _FRAMES["certificates"]).sort_values(["until", "certificate"], ignore_index=True)


def certificates_of(space: TrustSpace) -> pd.DataFrame:
    """Return the `certificates` presented, ``domains`` and ``falling`` as counts; ``names``: the domains."""
    frame = certificates(expiries(space))
    counts = {name: frame[name].map(len).astype("int64") for name in ("domains", "falling")}
    return frame.assign(names=frame["domains"], **counts)


def revocations(space: TrustSpace) -> pd.DataFrame:
    """Return what revocation lists say of the certificates presented (columns: above).

    ``certificates`` int64 is beside them: of how many that is said.
    """
    chains = {s.chain.leaf.sha256: s.chain for s in presented(space).servers.values() if s.chain and s.leaf}
    statuses = [(chain.leaf.issuer, chain.status) for chain in chains.values()]
    rows = [(issuer, s.answer, s.doubt, s.file, s.made, s.due) for issuer, s in statuses]
    frame = frame_of(rows, _FRAMES["revocations"])
    return frame.groupby([*frame], dropna=False).size().rename("certificates").reset_index()


def _owners(space: TrustSpace) -> dict[str, list[str]]:
    return {d: [i, space.shown(name), region_of(seat)] for d, (i, name, seat) in space.owners.items()}


def renewals(space: TrustSpace) -> pd.DataFrame:
    """Return certificates that changed at servers that stand for a domain, beside the list's own changes.

    Columns: those of `mssante_audit.observe.tls.observation.changes`, and those above. Worked out once for a
    space.
    """
    return space.once("renewals", lambda: _renewals(space))


def _renewals(space: TrustSpace) -> pd.DataFrame:
    frame, served = changes(space.files.get("tls", ()), space.as_of), presented(space).served
    frame = frame[frame["address"].isin(set(served))].reset_index(drop=True)
    first, past = {}, space.past
    if past is not None:
        history = past[0][past[0]["domain"].isin({name for a in frame["address"] for name in served[a]})]
        keys = history["dn"].map(lambda text: parse_dn(text).key)
        first = history.groupby(["domain", keys])["first_seen"].min().to_dict()
    rows = []
    for change in frame.to_dict("records"):
        names, key, order, since = tuple(served[change["address"]]), parse_dn(change["after"]).key, "", None
        if past is not None and change["kind"] == "replaced":
            since = min((first[name, key] for name in names if (name, key) in first), default=None)
            if since is None:
                order = "unlisted"
            elif since <= change["last"] or since <= past[1]:
                order = "listed-first"
            elif since > change["at"]:  # between the two visits nobody knows
                order = "presented-first"
        operators = dict.fromkeys(space.owners[name][1] for name in names)
        rows.append((names, ", ".join(operators), order, since))
    return frame.join(frame_of(rows, _FRAMES["renewals"]))

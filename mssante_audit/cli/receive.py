"""What the command ``receive`` says: can one domain receive mail, asked now, whatever was observed before.

Nobody is visited: what mail servers present comes from the observation of TLS that there is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.language import current_language, format_text, gettext
from mssante_audit.network.hosts import Ways
from mssante_audit.network.lookups import Lookup
from mssante_audit.network.mail import Arrival, mails
from mssante_audit.network.walk import Elsewhere, ServerReplies, ZoneVisit
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.run import observe_now
from mssante_audit.observe.file import find_observations
from mssante_audit.observe.tls.observation import load_servers
from mssante_audit.space.trust import Thresholds, TrustSpace, list_of
from mssante_audit.verdicts.presented import ServerView, Wire, receiving, wire_of
from mssante_audit.verdicts.words import OUTCOME_WORDS, RECEIVING, REFUSED, about, capital, causes, reason


def judged(
    domain: str, data: Path | None, anchors: Sequence[str], options: Mapping[str, Any]
) -> tuple[Arrival, Wire]:
    """Ask the DNS about a domain; return whether its mail arrives, and what its mail servers presented.

    Of the data folder only the domain's rows in the list are read, and what was observed of TLS.
    """
    space, now, limits = None, datetime.now(UTC), Thresholds()
    if data is not None:
        whitelist, _ = list_of(data, now, anchors)
        listed = whitelist.entries["domain"].unique()
        names = frozenset(name for name in listed if canonical(name) == canonical(domain))
        files = find_observations(data, "tls")
        observed, _ = load_servers(files, (), now, limits.oldest_observation(now)) if files else (None, ())
        space = TrustSpace(whitelist, now, limits, tls=observed, domains=names)
    if not canonical(domain):
        raise ParameterError("{} is no name the DNS can carry", repr(domain))
    observation = observe_now(domain, **options)
    mail = mails(observation, [domain], datetime.now(UTC), 1)[domain]
    wire = wire_of(replace(space, observation=observation)) if space else Wire()
    return receiving(mail, wire.tls), wire


def answer_lines(mail: Arrival) -> Iterator[str]:
    """Yield the lines that say what was asked, what came of it, and what to do."""
    cause = f" ({mail.cause})" if mail.cause else ""
    yield f"{mail.domain}: {mail.receives}{cause}"
    yield RECEIVING[current_language()][mail.receives] + (f" {about(mail)}" if mail.cause else "")
    if mail.cause and (remedy := causes()[mail.cause]["do"]):
        yield remedy
    yield ""
    yield from _tree(steps(mail.ways))


def steps(ways: Ways | None) -> list[dict[str, Any]]:
    """Return the questions of a walk, as JSON has them; what servers say alike is followed at the first."""
    rows: list[dict[str, Any]] = []
    for step in ways.met if ways else ():
        if isinstance(step, Elsewhere):
            rows.append(_lookup(step.name, "MX", step.lookup, step.ways))
        elif not isinstance(step, ZoneVisit):
            rows += [_lookup(step.name, "A", step.v4), _lookup(step.name, "AAAA", step.v6)]
        else:
            below: dict[str, list[dict[str, Any]]] = {}
            for content, replies, onward in step.led:
                if content[0] != "implicit":
                    below.setdefault(replies[0].address, steps(onward))
            for server in step.servers:
                rows += _questions(step.name, step.zone, server, below)
    return rows


def _lookup(name: str, qtype: str, lookup: Lookup, ways: Ways | None = None) -> dict[str, Any]:
    server, address = (lookup.replies[-1].server, lookup.replies[-1].address) if lookup.replies else ("", "")
    return {
        "name": name, "qtype": qtype, "zone": "", "server": server, "address": address,
        "outcome": lookup.status or "unheard", "data": list(lookup.data), "below": steps(ways),
    }  # fmt: skip


def _questions(
    name: str, zone: str, server: ServerReplies, below: dict[str, list[dict[str, Any]]]
) -> Iterator[dict[str, Any]]:
    """Yield a question an address of a server, or one without an address; of `below` what it led to goes."""
    question = {"name": name, "qtype": "MX", "zone": zone, "server": server.name}
    if not server.answers:
        yield question | {"address": "", "outcome": server.state or "unheard", "data": [], "below": []}
    for address, answer in server.answers.items():
        reply = answer.reply if answer.informs else None
        outcome = (reply.outcome if reply else answer.kind) or "unheard"
        data = () if not reply else reply.data("NS", reply.cut) if outcome == "referral" else reply.answers
        led = below.pop(address, [])
        yield question | {"address": address, "outcome": outcome, "data": sorted(data), "below": led}


def _tree(steps: Sequence[dict[str, Any]], before: str = "") -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        server = " ".join(filter(None, (step["server"], step["address"])))
        at = f" @ {server}" if server else ""
        outcome = OUTCOME_WORDS[current_language()].get(step["outcome"], step["outcome"])
        data = f": {', '.join(step['data'])}" if step["data"] else ""
        yield f"{before}{'└─' if last else '├─'} {step['qtype']} {step['name']}{at} → {outcome}{data}"
        yield from _tree(step["below"], before + ("   " if last else "│  "))


def certificates(wire: Wire) -> Iterator[str]:
    """Yield the lines that say what the mail servers presented, when, and why senders refuse it."""
    from mssante_audit.observe.tls.visit import shown  # needs the group "observe"; the DNS alone does not

    outcomes, cause = OUTCOME_WORDS[current_language()], wire.tls.part.cause
    yield ""
    grade = format_text("TLS : {grade}", grade=wire.tls.part.grade)
    yield grade + (f" ({cause}). {capital(reason(cause))}." if cause else "")
    for server, old, faults in wire.servers:
        age = max(0, (datetime.now(UTC) - server.at).days)
        when = format_text("vu le {day}, il y a {age:jour}", day=server.at, age=age)
        when += gettext(", trop ancien") * old
        text = outcomes[server.outcome] + (f" ({shown(server.detail)})" if server.detail else "")
        if (leaf := server.leaf) and leaf.not_after:
            until = format_text("jusqu’au {day}", day=leaf.not_after)
            text = f"{shown(leaf.subject, 1000)}, {until}"
        reasons = ", ".join(REFUSED[current_language()][fault] for fault in faults)
        refused = f" {format_text('· refusé : {why}', why=reasons)}" if faults else ""
        yield f"- {shown(server.name)}, {when} → {text}{refused}"
    yield from (f"- {name} → {outcomes['unvisited']}" for name in wire.missing)


def record_of(mail: Arrival, wire: Wire) -> dict[str, Any]:
    """Return the same as JSON types."""
    return {
        "domain": mail.domain, "receives": mail.receives, "cause": mail.cause, "facts": dict(mail.facts),
        "why": about(mail) if mail.cause else "",
        "remedy": causes()[mail.cause].get("do", "") if mail.cause else "",
        "dns": mail.dns.grade, "mail": mail.mail.grade,
        "observed_at": mail.observed_at and mail.observed_at.isoformat(),
        "tls": wire.tls.part.grade, "tls_cause": wire.tls.part.cause,
        "servers": [*map(_server, wire.servers)], "unvisited": wire.missing, "walk": steps(mail.ways),
    }  # fmt: skip


def _server(visited: ServerView) -> dict[str, Any]:
    server, leaf, chain = visited.server, visited.server.leaf, visited.server.chain
    return {
        "hosts": server.hosts, "address": server.address, "seen_at": server.at.isoformat(),
        "old": visited.old, "outcome": server.outcome, "detail": server.detail, "name": server.subject,
        "issuer": leaf.issuer if leaf else "", "until": leaf.not_after if leaf else None,
        "chain": chain.state if chain else "", "revocation": chain.status.answer if chain else "unknown",
        "faults": visited.faults,
    }  # fmt: skip

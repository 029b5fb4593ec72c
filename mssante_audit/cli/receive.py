"""The command ``receive``: can one domain receive mail, asked now, whatever was observed before.

Nobody is visited: what mail servers present is told by the observation of TLS that there is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.language import current_language, format_text, gettext, use_language
from mssante_audit.cli import options
from mssante_audit.cli.console import say, settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from mssante_audit.network.hosts import Ways
    from mssante_audit.network.lookups import Found
    from mssante_audit.network.mail import Mail
    from mssante_audit.observe.observation import Observation
    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.verdicts.presented import Shown, Wire

EXIT = {"yes": 0, "degraded": 1, "no": 1, "unknown": 4}


def receive(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="The domain, listed or not.")],
    data: options.OwnData,
    *,
    format: options.TextFormat = options.Layout.text,
    lang: options.Lang = options.Language.fr,
    anchors: options.Anchors = None,
) -> None:
    """Ask the DNS now whether mail to one domain arrives, and show each question, server and answer.

    With --data, also what its mail servers presented when they were last visited (`observe tls`). Nothing is
    kept. Exit status: 0 yes, 1 degraded or no, 4 unknown.
    """
    from mssante_audit.base.settings import Observe
    from mssante_audit.verdicts.presented import Wire, receiving, wire_of

    use_language(lang)
    given = settings_of(context, Observe)
    space = beside(domain, data, anchors or ()) if data is not None else None
    mail, observation = asked(domain, **given)
    wire = wire_of(replace(space, observation=observation)) if space else Wire()
    mail = receiving(mail, wire.tls)
    if format == options.Layout.json:
        say(_json(mail, wire))
    else:
        say("\n".join([*answer_lines(mail), *(certificates(wire) if data or anchors else ())]))
    raise typer.Exit(EXIT[mail.receives])


def beside(domain: str, data: Path, anchors: Sequence[str]) -> TrustSpace:
    """Return a domain's rows in a list, and what was observed of TLS, without all else that a space has."""
    from mssante_audit.observe.dns.names import canonical
    from mssante_audit.observe.folder import find_observations
    from mssante_audit.observe.tls.observation import load_servers
    from mssante_audit.space.trust import Thresholds, TrustSpace, list_of

    now, limits = datetime.now(UTC), Thresholds()
    whitelist, _ = list_of(data, now, anchors)
    names = {name for name in whitelist.entries["domain"].unique() if canonical(name) == canonical(domain)}
    files = find_observations(data, "tls")
    observed, _ = load_servers(files, (), now, limits.oldest_observation(now)) if files else (None, ())
    return TrustSpace(whitelist, now, limits, tls=observed, domains=frozenset(names))


def asked(domain: str, **given: Any) -> tuple[Mail, Observation]:
    """Observe one domain and judge it as of now."""
    from mssante_audit.network.mail import mails
    from mssante_audit.observe.dns.names import canonical
    from mssante_audit.observe.dns.run import observe_now

    if not canonical(domain):
        raise ParameterError(f"{domain!r} is no name the DNS can carry")
    seen = observe_now(domain, **given)
    return mails(seen, [domain], datetime.now(UTC), 1)[domain], seen


def answer_lines(mail: Mail) -> Iterator[str]:
    """Yield the lines that say what was asked, what came of it, and what to do."""
    from mssante_audit.verdicts.words import RECEIVING, about, causes

    cause = f" ({mail.cause})" if mail.cause else ""
    yield f"{mail.domain}: {mail.receives}{cause}"
    yield RECEIVING[current_language()][mail.receives] + (f" {about(mail)}" if mail.cause else "")
    if mail.cause and (remedy := causes()[mail.cause]["do"]):
        yield remedy
    yield ""
    yield from _tree(steps(mail.ways))


class Step(NamedTuple):
    """A question of the walk, what came of it, and the questions that follow from it."""

    name: str
    qtype: str
    zone: str
    """The zone whose server was asked, "" for a lookup."""
    server: str
    address: str
    outcome: str
    """Of a reply, `mssante_audit.network.replies.ServerAnswer.kind` or a status of a lookup."""
    data: tuple[str, ...] = ()
    below: tuple[Step, ...] = ()


def steps(ways: Ways | None) -> list[Step]:
    """Return the questions of a walk; what servers say alike is followed once, at the first of them."""
    from mssante_audit.network.walk import Elsewhere, Visit

    def looked_up(name: str, qtype: str, found: Found, ways: Ways | None = None) -> Step:
        server, address = (found.replies[-1].server, found.replies[-1].address) if found.replies else ("", "")
        status = found.status or "unheard"
        return Step(name, qtype, "", server, address, status, found.data, tuple(steps(ways)))

    made: list[Step] = []
    for met in ways.met if ways else ():
        if isinstance(met, Elsewhere):
            made.append(looked_up(met.name, "MX", met.found, met.ways))
        elif not isinstance(met, Visit):
            made += [looked_up(met.name, "A", met.v4), looked_up(met.name, "AAAA", met.v6)]
        else:
            below: dict[str, tuple[Step, ...]] = {}
            for content, replies, onward in met.led:
                if content[0] != "implicit":
                    below.setdefault(replies[0].address, tuple(steps(onward)))
            for server in met.servers:
                asked = Step(met.name, "MX", met.zone, server.name, "", server.state or "unheard")
                made += [] if server.answers else [asked]
                for address, answer in server.answers.items():
                    reply = answer.reply if answer.informs else None
                    outcome = (reply.outcome if reply else answer.kind) or "unheard"
                    data: Collection[str] = reply.answers if reply else ()
                    if reply and outcome == "referral":
                        data = reply.data("NS", reply.cut)
                    said, led = tuple(sorted(data)), below.pop(address, ())
                    made.append(asked._replace(address=address, outcome=outcome, data=said, below=led))
    return made


def _tree(steps: Sequence[Step], before: str = "") -> Iterator[str]:
    from mssante_audit.verdicts.words import OUTCOME_WORDS

    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        where = " ".join(text for text in (step.server, step.address) if text)
        outcome = OUTCOME_WORDS[current_language()].get(step.outcome, step.outcome)
        data = f": {', '.join(step.data)}" if step.data else ""
        asked_of = f" @ {where}" if where else ""
        yield f"{before}{'└─' if last else '├─'} {step.qtype} {step.name}{asked_of} → {outcome}{data}"
        yield from _tree(step.below, before + ("   " if last else "│  "))


FAULTS = {
    "name": "nom qui n’est pas inscrit", "dates": "hors de ses dates", "chain": "d’aucune autorité connue",
    "revoked": "révoqué", "unreadable": "illisible",
}  # fmt: skip
"""Why senders refuse a certificate."""


def certificates(wire: Wire) -> Iterator[str]:
    """Yield the lines that say what the mail servers presented, when, and why senders refuse it."""
    from mssante_audit.observe.tls.visit import shown
    from mssante_audit.verdicts.words import OUTCOME_WORDS, capital, reason

    outcomes, cause = OUTCOME_WORDS[current_language()], wire.tls.cause
    yield ""
    grade = format_text("TLS : {grade}", grade=wire.tls.grade)
    yield grade + (f" ({cause}). {capital(reason(cause))}." if cause else "")
    for server, old, faults in wire.servers:
        age = max(0, (datetime.now(UTC) - server.at).days)
        when = format_text("vu le {day}, il y a {age:jour}", day=server.at, age=age)
        when += gettext(", trop ancien") * old
        met = outcomes[server.outcome] + (f" ({shown(server.detail)})" if server.detail else "")
        if (leaf := server.leaf) and leaf.not_after:
            until = format_text("jusqu’au {day}", day=leaf.not_after)
            met = f"{shown(leaf.subject, 1000)}, {until}"
        why = ", ".join(gettext(FAULTS[fault]) for fault in faults)
        refused = f" {format_text('· refusé : {why}', why=why)}" if faults else ""
        yield f"- {shown(server.name)}, {when} → {met}{refused}"
    yield from (f"- {name} → {outcomes['unvisited']}" for name in wire.missing)


def _json(mail: Mail, wire: Wire) -> str:
    from mssante_audit.verdicts.words import about, causes

    def nested(step: Step) -> dict[str, Any]:
        return {**step._asdict(), "data": list(step.data), "below": list(map(nested, step.below))}

    def told(shown: Shown) -> dict[str, Any]:
        server, leaf, chain = shown.server, shown.server.leaf, shown.server.chain
        return {
            "hosts": server.hosts,
            "address": server.address,
            "seen_at": server.at.isoformat(),
            "old": shown.old,
            "outcome": server.outcome,
            "detail": server.detail,
            "name": server.subject,
            "issuer": leaf.issuer if leaf else "",
            "until": leaf.not_after if leaf else None,
            "chain": chain.state if chain else "",
            "revocation": chain.status.answer if chain else "unknown",
            "faults": shown.faults,
        }

    record = {
        "domain": mail.domain,
        "receives": mail.receives,
        "cause": mail.cause,
        "facts": dict(mail.facts),
        "why": about(mail) if mail.cause else "",
        "remedy": causes()[mail.cause].get("do", "") if mail.cause else "",
        "dns": mail.dns.grade,
        "mail": mail.mail.grade,
        "observed_at": mail.observed_at and mail.observed_at.isoformat(),
        "tls": wire.tls.grade,
        "tls_cause": wire.tls.cause,
        "servers": list(map(told, wire.servers)),
        "unvisited": list(wire.missing),
        "walk": list(map(nested, steps(mail.ways))),
    }
    return json.dumps(record, ensure_ascii=False, indent=1, default=str)

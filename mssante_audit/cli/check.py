"""The command ``check``: is a name listed, who runs it, whom to call. For one's own eyes, and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.cli import options
from mssante_audit.cli.console import parameters_of, say, space_of

if TYPE_CHECKING:
    import pandas as pd

    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.whitelist.check import Answer

UNRELIABLE = 4
"""Exit status where a list is not to be relied on."""
SHOWN = 5
"""Findings that are told of a domain."""


def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ADDRESS_DOMAIN_OR_WORDS", help="What to look up.")],
    format: options.TextFormat = options.Layout.text,  # noqa: A002 - the option's name
    recover: Annotated[bool, typer.Option("--recover", hidden=True)] = True,
) -> None:
    """Say whether an address or a domain is in the white list, letter for letter, and whom to call.

    Exit status: 0 listed, 1 not listed, 4 the list is not to be relied on, whatever was found in it.
    """
    from mssante_audit.verdicts.record import record_of
    from mssante_audit.whitelist.check import check as look_up

    if not name.strip():
        raise ParameterError("nothing to look up")
    space = space_of(parameters_of(context) | {"recover": recover})
    answer = look_up(name, space.entries["domain"].tolist())
    doubted = space.list_doubts
    made = space.whitelist.generated_at
    if format is options.Layout.json:
        near = [*filter(None, (answer.respelt, answer.parent)), *answer.near]
        record = record_of(space, answer.domain, "en") | {"near": near}
        say(json.dumps(record, ensure_ascii=False, indent=1))
    else:
        lines = [not_relied_on(doubted)] if doubted else []
        where = f"{space.whitelist.source}, generated {made:%Y-%m-%d}" if made else space.whitelist.source
        lines += [f"{'' if answer.listed else 'not '}listed: {answer.domain} ({where})"]
        lines += _listed(space, answer.domain) if answer.listed else _not_listed(space, answer, name)
        if "damaged" in doubted and not answer.listed:
            lines.append("the name may be in the part of the list that could not be read")
        # Descriptions and names that should name nobody do all the same.
        say("\n".join(map(space.shown, lines)))
    raise typer.Exit(UNRELIABLE if doubted else int(not answer.listed))


def not_relied_on(doubts: Sequence[str]) -> str:
    """Say why a list is not to be relied on."""
    from mssante_audit.verdicts.words import DOUBTS

    return f"not to be relied on: {'; '.join(DOUBTS['en'][doubt] for doubt in doubts)}"


def _not_listed(space: TrustSpace, answer: Answer, name: str) -> Iterator[str]:
    from mssante_audit.whitelist.check import search

    if answer.parent:
        yield f"it lies under {answer.parent}, which is listed: that does not make a sub-domain listed"
    if answer.respelt:
        yield f"listed, but not letter for letter the same: {answer.respelt!r}"
    if answer.near:
        yield f"near: {', '.join(answer.near)}"
    if answer.parent or answer.respelt or "@" in name:
        return
    # What a domain ends with is in all of them: mssante.fr.
    words = name if " " in name.strip() or "." not in name else " ".join(name.split(".")[:-2])
    for row in search(space.entries, words).to_dict("records"):
        if row["domain"] not in answer.near:
            about, who = space.shown(row["description"]), space.shown(row["operator"]) or "no operator"
            yield f"like it: {row['domain']} ({about}), {who}"


def _listed(space: TrustSpace, domain: str) -> Iterator[str]:
    """Yield who runs a domain, whom to call, the two answers, and what was found on it."""
    from mssante_audit.findings.places import row_ranges
    from mssante_audit.verdicts.checks import RECEPTION
    from mssante_audit.verdicts.record import CONTACTS, record_of, shown_contacts
    from mssante_audit.verdicts.words import reasons

    rows: pd.DataFrame = space.entries[space.entries["domain"] == domain]
    owners = rows.groupby(["operator_id", "operator", "department"], sort=False)
    for (identifier, operator, place), group in owners:
        who = f"{space.shown(str(operator)) or 'no operator'} ({identifier or 'no identifier'})"
        yield f"row {row_ranges(group['row'])}: {who}" + (f", département {place}" if place else "")
        for kind, column in CONTACTS.items():
            yield f"  {kind}: {' | '.join(shown_contacts(space, group[column]))}"
    if rows["is_audit_entry"].any():
        yield "it is a test entry"
    record = record_of(space, domain, "en")
    of_mail = {check: codes for check, codes in record["why"].items() if check in (*RECEPTION, "receives")}
    rest = {check: codes for check, codes in record["why"].items() if check not in of_mail}
    yield f"arrives: {record['arrives']}. {reasons(of_mail, 'en')}".rstrip(". ")
    yield f"order: {record['order']}. {reasons(rest, 'en')}".rstrip(". ")
    findings = record["findings"]
    yield f"findings: {len(findings) or 'none'}"
    for finding in findings[:SHOWN]:
        yield f"  {finding['severity']} {finding['rule']}: {finding['observed']}"

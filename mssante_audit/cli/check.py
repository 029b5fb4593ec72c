"""The command ``check``: is a name listed, who runs it, whom to call. For one's own eyes, and for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.settings import Parameters
from mssante_audit.cli.console import given_by, say, space_of
from mssante_audit.cli.options import options_of

if TYPE_CHECKING:
    import pandas as pd

    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.whitelist.check import Answer

app = typer.Typer()

UNRELIABLE = 4
SHOWN = 5
"""Findings that are told of a domain."""


@app.command()
@options_of(Parameters, "data", "as_of", "anchors", "signer", "any_namespace", "show_contacts")
def check(
    name: Annotated[str, typer.Argument(metavar="ADDRESS_DOMAIN_OR_WORDS", help="What to look up.")],
    recover: Annotated[bool, typer.Option("--recover", hidden=True)] = True,
    **options: Any,
) -> None:
    """Say whether an address or a domain is in the white list, letter for letter, and whom to call.

    Exit status: 0 listed, 1 not listed, 4 the list is not to be relied on, whatever was found in it.
    """
    from mssante_audit.values.person import unnamed
    from mssante_audit.whitelist.check import check as look_up
    from mssante_audit.whitelist.check import search
    from mssante_audit.whitelist.reliance import doubts

    if not name.strip():
        raise ParameterError("nothing to look up")
    space = space_of(given_by(recover=recover, **options))
    answer = look_up(name, space.entries["domain"].tolist())
    found = doubts(space.whitelist, space.as_of, timedelta(space.thresholds.list_max_age_days))
    lines = []
    if found:
        lines.append(not_relied_on(found))
    made = space.whitelist.generated_at
    where = f"{space.whitelist.source}, generated {made:%Y-%m-%d}" if made else space.whitelist.source
    if answer.listed:
        lines += [f"listed: {answer.domain} ({where})", *_listed(space, answer.domain)]
    else:
        words = not answer.parent and not answer.respelt and "@" not in name
        # What a domain ends with is in all of them: mssante.fr.
        told = name if " " in name.strip() or "." not in name else " ".join(name.split(".")[:-2])
        like = search(space.entries, told) if words else None
        lines += [f"not listed: {answer.domain} ({where})", *_not_listed(answer, like)]
        if "damaged" in found:
            lines.append("the name may be in the part of the list that could not be read")
    # Descriptions and names that should name nobody do all the same.
    say("\n".join(lines if space.show_contacts else map(unnamed, lines)))
    raise typer.Exit(UNRELIABLE if found else int(not answer.listed))


def not_relied_on(doubts: Sequence[str]) -> str:
    """Say why a list is not to be relied on."""
    from mssante_audit.verdicts.words import DOUBTS

    return f"not to be relied on: {'; '.join(DOUBTS['en'][doubt] for doubt in doubts)}"


def _not_listed(answer: Answer, like: pd.DataFrame | None) -> list[str]:
    lines = []
    if answer.parent:
        lines.append(
            f"it lies under {answer.parent}, which is listed: that does not make a sub-domain listed"
        )
    if answer.respelt:
        lines.append(f"listed, but not letter for letter the same: {answer.respelt!r}")
    if answer.near:
        lines.append(f"near: {', '.join(answer.near)}")
    if like is not None:
        told = zip(*(like[column].tolist() for column in ("domain", "description", "operator")), strict=True)
        lines += [
            f"like it: {domain} ({description}), {operator or 'no operator'}"
            for domain, description, operator in told
            if domain not in answer.near
        ]
    return lines


def _listed(space: TrustSpace, domain: str) -> list[str]:
    """Return who runs a domain, whom to call, what its state is, and what was found on it."""
    from mssante_audit.audits import audit_all
    from mssante_audit.findings.places import row_ranges
    from mssante_audit.values.person import Person, masks, unnamed
    from mssante_audit.verdicts.domains import domains

    rows: pd.DataFrame = space.entries[space.entries["domain"] == domain]
    lines = []
    for (identifier, operator, place), own in rows.groupby(
        ["operator_id", "operator", "department"], sort=False
    ):
        called = operator if space.show_contacts else unnamed(operator)
        who = f"{called or 'no operator'} ({identifier or 'no identifier'})"
        lines.append(f"row {row_ranges(own['row'])}: {who}" + (f", département {place}" if place else ""))
        for kind, column in (("support", "support_contact"), ("project", "project_contact")):
            contacts = own[column].unique().tolist()
            shown = contacts if space.show_contacts else masks(map(Person, contacts)).values()
            lines.append(f"  {kind}: {' | '.join(shown)}")
    if rows["is_audit_entry"].any():
        lines.append("it is a test entry")
    numbers, findings = set(rows["row"].tolist()), audit_all(space)
    told = domains(space, language="en").query("domain == @domain")
    lines += [f"state: {state}. {why}".rstrip(". ") for state, why in told[["state", "reasons"]].to_numpy()]
    named = zip(findings["domain"], findings["rows"], strict=True)
    findings = findings[[name == domain or not numbers.isdisjoint(own) for name, own in named]]
    lines.append(f"findings: {len(findings) or 'none'}")
    first = findings.head(SHOWN)[["severity", "rule", "observed"]].itertuples(index=False)
    return [*lines, *(f"  {severity} {rule}: {observed}" for severity, rule, observed in first)]

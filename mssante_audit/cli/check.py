"""The command ``check``: is a name listed, who runs it, whom to call. For one's own eyes, and for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.language import current_language, format_text, gettext
from mssante_audit.cli import options
from mssante_audit.cli.console import in_readers_language, parameters_of, say, space_of

if TYPE_CHECKING:
    import pandas as pd

    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.whitelist.search import Answer

UNRELIABLE = 4
"""Exit status where a list is not to be relied on."""
NAMES = {
    "yes": "oui", "degraded": "en partie", "no": "non", "unknown": "inconnu", "ok": "rien à corriger",
    "todo": "à corriger", "project": "projet", "support": "technique", "critical": "critique",
    "error": "erreur", "warning": "avertissement",
}  # fmt: skip
SHOWN = 5
"""Findings that are told of a domain."""


@in_readers_language("en")
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ADDRESS_DOMAIN_OR_WORDS", help="What to look up.")],
    format: options.TextFormat = options.Layout.text,
    lang: options.ReaderLang = None,
    recover: Annotated[bool, typer.Option("--recover", hidden=True)] = True,
) -> None:
    """Say whether an address or a domain is in the white list, letter for letter, and whom to call.

    Exit status: 0 listed, 1 not listed, 4 the list is not to be relied on, whatever was found in it.
    """
    from mssante_audit.verdicts.domains import record_of
    from mssante_audit.verdicts.words import not_relied_on
    from mssante_audit.whitelist.load import DAMAGES
    from mssante_audit.whitelist.search import check as look_up

    if not name.strip():
        raise ParameterError("nothing to look up")
    space = space_of(parameters_of(context))
    answer = look_up(name, space.entries["domain"].tolist())
    doubted = space.list_doubts
    made = space.whitelist.generated_at
    if format is options.Layout.json:
        near = [*filter(None, (answer.respelt, answer.parent)), *answer.near]
        record = record_of(space, answer.domain, lang or "en") | {"near": near}
        say(json.dumps(record, ensure_ascii=False, indent=1))
    else:
        lines = [not_relied_on(doubted)] if doubted else []
        day = format_text(", générée le {day}", day=f"{made:%Y-%m-%d}") if made else ""
        found = gettext("inscrit") if answer.listed else gettext("non inscrit")
        lines += [space.shown(_said(found, f"{answer.domain} ({space.whitelist.source}{day})"))]
        # Descriptions and names that should name nobody do all the same.
        lines += (
            _listed(space, answer.domain)
            if answer.listed
            else map(space.shown, _not_listed(space, answer, name))
        )
        if not DAMAGES.isdisjoint(doubted) and not answer.listed:
            lines.append(gettext("le nom est peut-être dans la partie de la liste qui n’a pas pu être lue"))
        say("\n".join(lines))
    raise typer.Exit(UNRELIABLE if doubted else int(not answer.listed))


def _said(what: str, text: str) -> str:
    return format_text("{what} : {text}", what=what, text=text)


def _not_listed(space: TrustSpace, answer: Answer, name: str) -> Iterator[str]:
    if answer.parent:
        yield format_text(
            "il est sous {parent}, qui est inscrit : un sous-domaine ne l’est pas pour autant",
            parent=answer.parent,
        )
    if answer.respelt:
        yield _said(gettext("inscrit, mais pas à la lettre près"), repr(answer.respelt))
    if answer.near:
        yield _said(gettext("noms proches"), ", ".join(answer.near))
    if answer.parent or answer.respelt or "@" in name:
        return
    # What a domain ends with is in all of them: mssante.fr.
    words = name if " " in name.strip() or "." not in name else " ".join(name.split(".")[:-2])
    for row in space.search(words).to_dict("records"):
        if row["domain"] not in answer.near:
            about, who = space.shown(row["description"]), space.shown(row["operator"])
            text = f"{row['domain']} ({about}), {who or gettext('sans opérateur')}"
            yield _said(gettext("ressemblant"), text)


def _listed(space: TrustSpace, domain: str) -> Iterator[str]:
    """Yield who runs a domain, whom to call, the two answers, and what was found on it."""
    from mssante_audit.findings.places import row_ranges
    from mssante_audit.verdicts.checks import RECEPTION
    from mssante_audit.verdicts.domains import CONTACTS, record_of
    from mssante_audit.verdicts.words import reasons

    rows: pd.DataFrame = space.entries[space.entries["domain"] == domain]
    owners = rows.groupby(["operator_id", "operator", "department"], sort=False)
    for (identifier, operator, place), group in owners:
        who = space.shown(str(operator)) or gettext("sans opérateur")
        who = f"{who} ({identifier or gettext('sans identifiant')})"
        where = gettext("ligne") if len(group) == 1 else gettext("lignes")
        yield _said(f"{where} {row_ranges(group['row'])}", who + (f", département {place}" if place else ""))
        for kind, column in CONTACTS.items():
            contacts = " | ".join(space.shown_contacts(group[column]).values())
            yield _said(f"  {_named(kind)}", contacts)
    if rows["is_audit_entry"].any():
        yield gettext("c’est une entrée de test")
    record = record_of(space, domain)
    of_mail = {check: codes for check, codes in record["why"].items() if check in (*RECEPTION, "receives")}
    rest = {check: codes for check, codes in record["why"].items() if check not in of_mail}
    arrives, order = _named(record["arrives"]), _named(record["order"])
    yield _said(gettext("le courrier arrive"), f"{arrives}. {reasons(of_mail)}").rstrip(". ")
    yield _said(gettext("en ordre"), f"{order}. {reasons(rest)}").rstrip(". ")
    findings = record["findings"]
    yield _said(gettext("constats"), str(len(findings) or gettext("aucun")))
    for finding in findings[:SHOWN]:
        yield _said(f"  {_named(finding['severity'])} {finding['rule']}", finding["observed"])


def _named(code: str) -> str:
    """Return a code in words; English has the codes themselves, which scripts may read."""
    return NAMES.get(code, code) if current_language() == "fr" else code

"""The commands ``check``: is a name listed, who runs it, whom to call; and ``verify``: who signed a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Exit, Option

from mssante_audit.base.errors import ParameterError, WhiteListError
from mssante_audit.base.instants import asked_instant
from mssante_audit.base.language import (
    catalogue,
    current_language,
    damage,
    format_text,
    french,
    gettext,
    localized,
    plain,
    semicolon,
)
from mssante_audit.base.resources import table_of
from mssante_audit.cli import options
from mssante_audit.cli.console import in_readers_language, parameters_of, say, space_of, write_json

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.whitelist.load import WhiteList
    from mssante_audit.whitelist.search import Answer

UNRELIABLE = 4  # exit status where a list is not to be relied on
# Codes in French words; English has the codes themselves, which scripts may read.
NAMES = table_of("mssante_audit.cli", "check.toml")
SHOWN = 5  # findings that are shown of a domain


@in_readers_language("en")
def check(
    context: Context,
    name: Annotated[str, Argument(metavar="ADDRESS_DOMAIN_OR_WORDS", help="What to look up.")],
    format: options.TextFormat = options.Layout.text,
    lang: options.ReaderLang = None,
    recover: Annotated[bool, Option("--recover", hidden=True)] = True,
) -> None:
    """Say whether an address or a domain is in the white list, letter for letter, and whom to call.

    Exit status: 0 listed, 1 not listed, 4 the list is not to be relied on, whatever was found in it.
    """
    from mssante_audit.verdicts.domains import records_of
    from mssante_audit.verdicts.words import not_relied_on
    from mssante_audit.whitelist.load import DAMAGES
    from mssante_audit.whitelist.search import check as look_up

    if not name.strip():
        raise ParameterError("nothing to look up")
    space = space_of(parameters_of(context))
    answer = look_up(name, space.entries["domain"].tolist())
    doubts, listed = space.list_doubts, answer.listed
    if format is options.Layout.json:
        similar = list(map(space.shown, filter(None, (answer.respelt, answer.parent, *answer.near))))
        write_json(next(records_of(space, [answer.domain])) | {"near": similar})
    else:
        lines = [not_relied_on(doubts)] if doubts else []
        verdict, generated_at = gettext("inscrit" if listed else "non inscrit"), space.whitelist.generated_at
        day = format_text(", générée le {day}", day=f"{generated_at:%Y-%m-%d}") if generated_at else ""
        lines.append(space.shown(_line(verdict, f"{answer.domain} ({space.whitelist.source}{day})")))
        # Descriptions and names that should name nobody do all the same.
        others = map(space.shown, _resembling(space, answer, name))
        lines += _details(space, answer.domain) if listed else others
        if not DAMAGES.isdisjoint(doubts) and not listed:
            lines.append(gettext("le nom est peut-être dans la partie de la liste qui n’a pas pu être lue"))
        say("\n".join(line.replace("\n", "\\n") for line in lines))  # no text of the list adds a line
    raise Exit(UNRELIABLE if doubts else int(not listed))


def _name_of(code: str) -> str:
    return NAMES.get(code, code) if french() else code


def _line(label: str, text: str) -> str:
    return format_text("{what} : {text}", what=label, text=text)


def _resembling(space: TrustSpace, answer: Answer, name: str) -> Iterator[str]:
    """Yield which listed names are near a name that is not listed."""
    if answer.parent:
        yield format_text(
            "il est sous {parent}, qui est inscrit : un sous-domaine ne l’est pas pour autant",
            parent=answer.parent,
        )
    if answer.respelt:
        yield _line(gettext("inscrit, mais pas à la lettre près"), repr(answer.respelt))
    if answer.near:
        yield _line(gettext("noms proches"), ", ".join(answer.near))
    if answer.parent or answer.respelt or "@" in name:
        return
    # What a domain ends with is in all of them: mssante.fr.
    words = name if " " in name.strip() or "." not in name else " ".join(name.split(".")[:-2])
    for row in space.search(words).to_dict("records"):
        if row["domain"] not in answer.near:
            operator = space.shown(row["operator"]) or gettext("sans opérateur")
            text = f"{row['domain']} ({space.shown(row['description'])}), {operator}"
            yield _line(gettext("ressemblant"), text)


def _details(space: TrustSpace, domain: str) -> Iterator[str]:
    """Yield who runs a domain, whom to call, the two answers, and what was found on it."""
    from mssante_audit.findings.places import row_ranges
    from mssante_audit.findings.registry import rule
    from mssante_audit.verdicts.checks import RECEPTION
    from mssante_audit.verdicts.domains import CONTACTS, records_of
    from mssante_audit.verdicts.words import reasons

    rows = space.entries[space.entries["domain"] == domain]
    owners = rows.groupby(["operator_id", "operator", "department"], sort=False)
    for (identifier, operator, department), group in owners:
        name = space.shown(str(operator)) or gettext("sans opérateur")
        owner = f"{name} ({identifier or gettext('sans identifiant')})"
        place = gettext("ligne") if len(group) == 1 else gettext("lignes")
        seat = f", département {department}" if department else ""
        yield _line(f"{place} {row_ranges(group['row'])}", owner + seat)
        for kind, column in CONTACTS.items():
            yield _line(f"  {_name_of(kind)}", " | ".join(space.shown_contacts(group[column]).values()))
    if rows["is_audit_entry"].any():
        yield gettext("c’est une entrée de test")
    record = next(records_of(space, [domain]))
    of_mail = {check: codes for check, codes in record["why"].items() if check in (*RECEPTION, "receives")}
    rest = {check: codes for check, codes in record["why"].items() if check not in of_mail}
    for question, code, causes in (("le courrier arrive", "arrives", of_mail), ("en ordre", "order", rest)):
        yield _line(gettext(question), f"{_name_of(record[code])}. {reasons(causes)}").rstrip(". ")
    findings = record["findings"]
    yield _line(gettext("constats"), str(len(findings) or gettext("aucun")))
    for finding in findings[:SHOWN]:
        title = f"{localized(rule(finding['rule']), 'title')} ({finding['rule']})"
        line = _line(title, finding["observed"]) if finding["observed"] else title
        yield _line(f"  {_name_of(finding['severity'])}", line)


@in_readers_language("en")
def verify(
    file: Annotated[Path, Argument(help="White list, .xml or .xml.gz.")],
    at: Annotated[
        str | None, Option(help="Instant to validate certificates at.", show_default="when the list was made")
    ] = None,
    anchors: options.Anchors = None,
    signer: options.Signer = None,
    lang: options.ReaderLang = None,
) -> None:
    """Verify a white list's signature; the first word printed is the verdict."""
    from mssante_audit.whitelist.load import load_whitelist
    from mssante_audit.whitelist.signature import verify_signature

    try:
        whitelist = load_whitelist(file, recover=True, any_namespace=True)
    except WhiteListError as error:
        error.language = current_language()
        say(f"invalid\n{error}")
        raise Exit(1) from None
    when = asked_instant(at) if at is not None else None
    verdict = verify_signature(whitelist, anchors or (), when, signer=signer)
    status = "invalid" if whitelist.damaged else verdict.status
    sentences = _signature_sentences(replace(whitelist, verdict=verdict))
    say("\n".join([status, *(_line(_name_of(label), text) for label, text in sentences.items() if text)]))
    raise Exit(0 if status == "valid" else 1)


def _signature_sentences(whitelist: WhiteList) -> dict[str, str]:
    """Return what is told of a list's signature, by what it is about."""
    from mssante_audit.verdicts.words import DOUBTS
    from mssante_audit.whitelist.load import DAMAGES, doubts

    verdict, valid = whitelist.signature, {True: "valid", False: "not valid", None: "unknown"}
    why = f"the file is damaged: {whitelist.damage}" if whitelist.damaged else verdict.why
    revocation = verdict.revocation_why
    times = verdict.not_before, verdict.not_after, verdict.at, whitelist.generated_at
    start, end, at, generated_at = (f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else "" for time in times)
    if french():  # in the words of `check`, but for the instant asked about
        words = DOUBTS["fr"] | {"expired": f"le certificat qui signe la liste n’est pas valable au {at[:10]}"}
        faults = [damage(whitelist.damage_kinds)] if whitelist.damaged else []
        faults += [words[doubt] for doubt in doubts(whitelist) if doubt not in DAMAGES]
        right = "la signature est juste, et une autorité connue répond du signataire"
        why = semicolon().join(faults) or right
        revocation = catalogue("fr").get(plain(revocation), "")
    validity = format_text(
        "du {start} au {end}, {then} à la date de la liste, {now} aujourd’hui",
        start=start[:10], end=end[:10],
        then=_name_of(valid[verdict.valid_at_generation]), now=_name_of(valid[verdict.valid_now]),
    )  # fmt: skip
    rows, total = str(verdict.verified_rows), str(len(whitelist.entries))
    return {
        "why": why, "signer": verdict.signer, "issuer": verdict.issuer, "validity": validity if start else "",
        "signer expected": verdict.expected,
        "revocation": _name_of(verdict.revocation) + (f" ({revocation})" if revocation else ""),
        "validated at": at, "generated at": generated_at or _name_of("unreadable"),
        "verified rows": format_text("{n} sur {all}", n=rows, all=total), "sha256": whitelist.sha256,
    }  # fmt: skip

"""The command ``gate``: an edit of the list, or a declaration, judged before it is signed or sent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.language import colon, count, gettext, severity_name, translated, using_language
from mssante_audit.cli import options
from mssante_audit.cli.console import parameters_of, settings_of, space_of, write

if TYPE_CHECKING:
    from mssante_audit.declarations.register import Register
    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.verdicts.gate import Edit, EditedRow, EditFinding

EXIT = {"ready": 0, "not-ready": 1, "unknown": 4}
Format = StrEnum("Format", "text json markdown sarif")
MOST = 60_000
"""Characters of a comment: GitHub takes 65,536."""
_SHOWN = ("rule", "severity", "confidence", "observed", "expected", "remedy")
_VERDICTS = {"ready": "prêt", "not-ready": "à corriger", "unknown": "inconnu"}
_CHANGES = {
    "added": "ajouté", "removed": "retiré", "changed": "modifié", "renamed": "renommé",
    "restamped": "seule la date change", "declared": "déclaré",
}  # fmt: skip


def gate(
    context: typer.Context,
    before: Annotated[Path | None, typer.Argument(help="The published list.", show_default=False)] = None,
    after: Annotated[
        Path | None, typer.Argument(help="The proposal, signed or not.", show_default=False)
    ] = None,
    *,
    declaration: Annotated[Path | None, typer.Option(help="Annexe 1 to judge instead of an edit.")] = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="Ask the servers that it declares, too.")
    ] = False,
    format: Annotated[Format, typer.Option(help="Format to write.")] = Format.text,  # noqa: A002 - the option's name
    lang: options.Lang = options.Language.fr,
    parent_zone: options.ParentZone = "mssante.fr",
    parent_servers: options.ParentServers = None,
    resolvers: options.Resolvers = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of every server.", show_default="53, and 25")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds before a server counts as silent.", show_default="3, of mail 15"),
    ] = None,
    retries: options.Retries = 2,
    ipv4_only: options.Ipv4Only = False,
) -> None:
    """Judge an edit of the list before it is signed, or a declaration before it is sent.

    Only what the edit changes is judged. With --observe the name servers that a declaration names are asked
    as if the parent zone pointed to them already, or its mail server, and the certificate presented is held
    against the declared one. Exit status: 0 ready, 1 not ready, 4 unknown.
    """
    from mssante_audit.verdicts.gate import judge_declaration, judge_edit

    if observe and declaration is None:
        raise ParameterError("no declaration whose servers could be asked", remedy="Add --declaration FILE")
    given = parameters_of(context)
    with using_language(lang.value):
        if declaration is not None:
            if before or after:
                raise ParameterError("an edit and a declaration", remedy="Judge one after the other")
            from mssante_audit.declarations.register import load_declarations

            space, declared = space_of(given), load_declarations(declaration)
            edit = judge_declaration(space, declared, _asked(context, space, declared) if observe else {})
        elif before is None or after is None:
            remedy = "Give BEFORE and AFTER, or --declaration FILE"
            raise ParameterError("nothing to judge", remedy=remedy)
        else:
            edit = judge_edit(_published(before, given), _proposal(after))
        write(_WRITERS[format](edit) + "\n", safe=format is not Format.json)
    raise typer.Exit(EXIT[edit.verdict])


def _asked(context: typer.Context, space: TrustSpace, declared: Register) -> dict[int, list[EditFinding]]:
    """Ask the servers of a declaration, as the command's options say."""
    from pydantic import ValidationError

    from mssante_audit.base.fields import fault
    from mssante_audit.base.settings import Observe, ObserveTls
    from mssante_audit.verdicts.undelegated import ask_declared
    from mssante_audit.whitelist.signature import trust

    given, origin = settings_of(context, Observe), space.whitelist.origin
    trusted = trust(space.whitelist.anchors, origin.parent if isinstance(origin, Path) else None)
    try:
        tls = ObserveTls(**{name: given[name] for name in ("port", "timeout") if name in given})
        return ask_declared(declared, given, tls, trusted)
    except ValidationError as errors:
        raise ParameterError(fault(ObserveTls, errors.errors()[0])) from None


def _published(before: Path, given: dict[str, Any]) -> TrustSpace:
    """Return the space of the published list, with what lies in the data folder beside it."""
    from mssante_audit.space.trust import list_of

    how: dict[str, Any] = {"recover": True, "any_namespace": True}
    space = space_of({"data": str(before)} | given | how)
    if "data" not in given:
        return space
    anchors, signer = space.whitelist.anchors, space.whitelist.signer
    return space.with_list(list_of(before, space.as_of, anchors, signer, **how)[0])


def _proposal(after: Path) -> Any:
    from mssante_audit.whitelist.load import load_whitelist

    whitelist = load_whitelist(after, recover=True, any_namespace=True, max_field=2**16)
    if whitelist.entries.empty and whitelist.namespace == "":
        remedy = "Name the published list, then the proposal"
        raise InputError("is no white list", file=str(after), remedy=remedy)
    return whitelist


def _json(edit: Edit) -> str:
    rows = [
        {"domain": row.domain, "change": row.change}
        | ({"before": row.before} if row.before else {})
        | {"verdict": row.verdict, "findings": _shown(row.findings)}
        for row in edit.rows
    ]
    record = {"verdict": edit.verdict, "rows": rows, "list": _shown(edit.list)}
    record |= {name: getattr(edit, name) for name in ("introduced", "resolved", "untouched")}
    return json.dumps(record | {"notes": [*_notes(edit)]}, ensure_ascii=False, indent=1)


def _shown(findings: Iterable[EditFinding]) -> list[dict[str, str]]:
    return [{name: getattr(finding, name) for name in _SHOWN} for finding in findings]


def _notes(edit: Edit) -> Iterator[str]:
    """Yield what is said of the edit as a whole: why nothing can be said, and what is not judged."""
    from mssante_audit.cli.check import not_relied_on

    if edit.doubts:
        yield not_relied_on(edit.doubts)
    if edit.swapped:
        yield gettext("Fichiers inversés ? Nommez la liste publiée, puis la proposition.")
    elif edit.same:
        yield gettext("Les deux fichiers sont les mêmes : rien n’est modifié.")
    elif edit.signed:
        yield gettext("La signature de la proposition n’est pas jugée : elle sera signée de nouveau.")


def _summary(edit: Edit) -> str:
    counts = ", ".join((
        count(len(edit.rows), "ligne modifiée", "lignes modifiées"),
        count(edit.introduced, "constat introduit", "constats introduits"),
        count(edit.resolved, "résolu", "résolus"),
        count(edit.untouched, "inchangé", "inchangés"),
    ))  # fmt: skip
    return f"{translated(_VERDICTS[edit.verdict])}{colon()}{counts}"


def _parts(edit: Edit) -> Iterator[tuple[EditedRow | None, Sequence[EditFinding]]]:
    """Yield what is found of the whole list, then each row with what is found there."""
    yield None, edit.list
    yield from ((row, row.findings) for row in edit.rows)


def _named(row: EditedRow) -> str:
    name = f"{row.before} → {row.domain}" if row.before else row.domain
    return f"{name} ({translated(_CHANGES[row.change])})"


def _text(edit: Edit) -> str:
    lines = [_summary(edit), *_notes(edit)]
    for row, findings in _parts(edit):
        if row:
            lines.append(f"{_named(row)}{colon()}{translated(_VERDICTS[row.verdict])}")
        indent = "  " if row else ""
        for finding in findings:
            what = colon().join(filter(None, (finding.title, finding.observed)))
            lines.append(f"{indent}{severity_name(finding.severity)} {finding.rule} {what}")
            expected = finding.expected and f"{gettext('Attendu :')} {finding.expected}"
            lines += [f"{indent}  {line}" for line in (expected, finding.remedy) if line]
    return "\n".join(lines)


def _markdown(edit: Edit) -> str:
    """Return the comment of a pull request; whatever the lists say stands in code, and is no Markdown."""
    signs = {"not-ready": "❌", "unknown": "❔", "ready": "✅"}
    ranks = [*signs]
    lines = [f"### {signs[edit.verdict]} {_summary(edit)}", "", *(f"> {note}" for note in _notes(edit)), ""]
    parts = sorted(
        _parts(edit), key=lambda part: (ranks.index(part[0].verdict), not part[1]) if part[0] else (-1,)
    )
    for row, findings in parts:
        if row:
            lines.append(f"- {signs[row.verdict]} {_code(_named(row))}")
        for finding in findings:
            what = " → ".join(map(_code, filter(None, (finding.observed, finding.expected))))
            where = f"**{severity_name(finding.severity)} · {finding.title}** {what}".rstrip()
            lines.append(f"{'  ' if row else ''}- {where} ({finding.rule}). {finding.remedy}")
    sizes = accumulate(len(line) + 1 for line in lines)
    kept = sum(size <= MOST for size in sizes)
    more = [gettext("La suite ne tient pas dans un commentaire : voyez le format json.")]
    return "\n".join(lines[:kept] + more * (kept < len(lines)))


def _code(text: str) -> str:
    plain = " ".join(text.split()).replace("`", "ˋ")
    return f"`` {plain} ``"


def _sarif(edit: Edit) -> str:
    """Return annotations: each finding on the lines of the proposal that it stands on."""
    from mssante_audit.findings.sarif import LEVELS, log_of

    results: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    for row, findings in _parts(edit):
        for finding in findings:
            lines = finding.lines or ((row.line,) if row and row.line else (1,))
            file = {"artifactLocation": {"uri": quote(edit.source)}}
            places = [{"physicalLocation": {**file, "region": {"startLine": line}}} for line in lines[:10]]
            text = " — ".join(filter(None, (finding.title, finding.observed, finding.remedy)))
            results.append({
                "ruleId": finding.rule, "level": LEVELS[finding.severity], "message": {"text": text},
                "locations": places,
            })  # fmt: skip
            titles[finding.rule] = finding.title
    rules = [{"id": code, "shortDescription": {"text": title}} for code, title in titles.items()]
    log = log_of(rules, {"results": results, "properties": {"verdict": edit.verdict}})
    return json.dumps(log, ensure_ascii=False, indent=1)


_WRITERS = {Format.text: _text, Format.json: _json, Format.markdown: _markdown, Format.sarif: _sarif}

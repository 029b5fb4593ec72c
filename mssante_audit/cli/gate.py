"""The command ``gate``: an edit of the list, or a declaration, judged before it is signed or sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum
from itertools import accumulate, chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from typer import Argument, Context, Exit, Option

from mssante_audit.base.errors import ParameterError, WhiteListError
from mssante_audit.base.language import colon, gettext, using_language
from mssante_audit.cli import options
from mssante_audit.cli.console import filled, parameters_of, settings_of, space_of, write, write_json

if TYPE_CHECKING:
    from mssante_audit.declarations.register import Register
    from mssante_audit.space.trust import TrustSpace
    from mssante_audit.verdicts.gate import Edit, EditFinding

EXIT = {"not-ready": 1, "unknown": 4, "ready": 0}  # verdicts, those that stop an edit first
Format = StrEnum("Format", "text json markdown sarif")
MOST = 60_000  # characters of a comment: GitHub takes 65,536
_READ: dict[str, Any] = {"recover": True, "any_namespace": True}  # a list that may be in any state


def gate(
    context: Context,
    before: Annotated[Path | None, Argument(help="The published list.", show_default=False)] = None,
    after: Annotated[Path | None, Argument(help="The proposal.", show_default=False)] = None,
    *,
    declaration: Annotated[Path | None, Option(help="Annexe 1 to judge instead of an edit.")] = None,
    observe: Annotated[bool, Option("--observe", help="Ask the servers that it declares.")] = False,
    format: Annotated[Format, Option(help="Format to write.")] = Format.text,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Judge an edit of the list before it is signed, or a declaration before it is sent.

    Only what the edit changes is judged. With --observe the name servers that a declaration names are asked
    as if the parent zone pointed to them already, or its mail server, and the certificate presented is held
    against the declared one. Exit status: 0 ready, 1 not ready, 4 unknown.
    """
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.space.trust import list_of
    from mssante_audit.verdicts.gate import Edit, judge_declaration, judge_edit
    from mssante_audit.whitelist.load import load_whitelist

    parameters = parameters_of(context)
    with using_language(lang.value):
        if declaration and not (before or after):
            space, declared = space_of(parameters), load_declarations(declaration)
            edit = judge_declaration(space, declared, _answers(context, space, declared) if observe else {})
        elif before and after and not (declaration or observe):
            proposal = load_whitelist(after, **_READ, max_field=2**16)
            try:
                published = space_of({"data": str(before)} | parameters | _READ)
                if "data" in parameters:  # what lies in that folder is beside the published list
                    trusted = published.as_of, published.whitelist.anchors, published.whitelist.signer
                    listed, _ = list_of(before, *trusted, **_READ)
                    folders = (*listed.beside, *published.whitelist.beside)
                    published = published.with_list(replace(listed, beside=folders))
                edit = judge_edit(published, proposal)
            except WhiteListError as error:
                load_whitelist(before, **_READ, max_field=2**16)  # what is no list at all is refused
                error.language = lang.value
                edit = Edit("unknown", [], [], 0, 0, 0, proposal.source, [str(error)])
        else:
            remedy = "Give BEFORE and AFTER, or --declaration FILE, whose servers --observe asks"
            raise ParameterError("either an edit or a declaration is judged", remedy=remedy)
        if format in (Format.json, Format.sarif):
            write_json(_record(edit) if format is Format.json else _sarif(edit))
        else:
            write(_text(edit) if format is Format.text else _markdown(edit), safe=True)
    raise Exit(EXIT[edit.verdict])


def _answers(context: Context, space: TrustSpace, declared: Register) -> dict[int, list[EditFinding]]:
    """Ask the servers of a declaration, as the command's options say."""
    from mssante_audit.base.settings import Observe, ObserveTls
    from mssante_audit.verdicts.undelegated import ask_declared
    from mssante_audit.whitelist.signature import trust

    trusted = trust(space.whitelist.anchors, *space.whitelist.beside)
    arguments = settings_of(context, Observe), filled(context, ObserveTls), trusted
    return {row["row"]: [*ask_declared(row, *arguments)] for row in declared.declarations.to_dict("records")}


def _record(edit: Edit) -> dict[str, Any]:
    def without(record: Any, *names: str) -> dict[str, Any]:
        return {name: value for name, value in record._asdict().items() if name not in names}

    def findings_of(findings: Iterable[EditFinding]) -> list[dict[str, Any]]:
        return [without(finding, "title", "lines") for finding in findings]

    rows = [without(row, "" if row.before else "before") for row in edit.rows]
    rows = [row | {"findings": findings_of(row["findings"])} for row in rows]
    return without(edit, "source") | {"rows": rows, "list": findings_of(edit.list)}


def _text(edit: Edit, code: Callable[[str], str] = str) -> str:
    """Return what is found, of the whole list and then row by row; `code` writes what the lists say."""
    from mssante_audit.report.html import environment

    templates = environment().overlay(autoescape=False)
    templates.filters = {**templates.filters, "code": code}
    rows = sorted(edit.rows, key=lambda row: ([*EXIT].index(row.verdict), not row.findings))
    text = templates.get_template("gate.md.j2").render(
        edit=edit, rows=rows, colon=colon(), markdown=code is _code
    )
    return f"{text.rstrip()}\n"


def _markdown(edit: Edit) -> str:
    """Return the comment of a pull request; whatever the lists say stands in code, and is no Markdown."""
    lines = _text(edit, _code)[:-1].split("\n")
    fitting = sum(size <= MOST for size in accumulate(len(line) + 1 for line in lines))
    notice = [gettext("La suite ne tient pas dans un commentaire : voyez le format json.")]
    return "\n".join(lines[:fitting] + notice * (fitting < len(lines))) + "\n"


def _code(text: str) -> str:
    plain = " ".join(text.split()).replace("`", "ˋ")
    return f"`` {plain} ``"


def _sarif(edit: Edit) -> dict[str, Any]:
    """Return annotations: each finding on the lines of the proposal that it stands on."""
    from mssante_audit.findings.sarif import LEVELS, log_of

    results: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    file = {"artifactLocation": {"uri": quote(edit.source)}}
    for finding in chain(edit.list, *(row.findings for row in edit.rows)):
        lines = [{"startLine": line} for line in finding.lines[:10] or (1,)]
        text = " — ".join(filter(None, (finding.title, finding.observed, finding.remedy)))
        results.append({
            "ruleId": finding.rule, "level": LEVELS[finding.severity], "message": {"text": text},
            "locations": [{"physicalLocation": {**file, "region": line}} for line in lines],
        })  # fmt: skip
        titles[finding.rule] = finding.title
    rules = [{"id": code, "shortDescription": {"text": title}} for code, title in titles.items()]
    return log_of(rules, {"results": results, "properties": {"verdict": edit.verdict}})

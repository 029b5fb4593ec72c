"""The command line: ``mssante-audit``. Each command says one clear line when it cannot go on.

Exit status: 0 done; 1 findings at or above ``--fail-on``, or the answer is no (``verify``, ``check``); 2 bad
usage or input; 3 a report or a rule failed, or the program did; 4 an input is not as it should be;
130 interrupted.
"""

import os
import resource
import signal
import sys
from enum import StrEnum
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from shutil import copytree
from typing import Annotated, Any, NoReturn

from typer import Argument, Context, Exit, Option, Typer

from mssante_audit.base.errors import AuditError, InputError, ResourceError
from mssante_audit.base.groups import absent
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import real_path, sample_folder
from mssante_audit.cli import archive, check, console, declarations, gate, observe, options, reports, run
from mssante_audit.cli.console import note, say
from mssante_audit.cli.options import LIMITS, OPENED, Layout, but, offer, taking

LOOK, OBSERVE, DECLARE = "Look", "Observe the network", "Declarations and edits"
KEEP, NIGHT, PROGRAMS = "Archive", "Every night", "For programs"
# Bytes of addresses below which few commands read a list: pandas, pyarrow and their threads take them.
LEAST = 512 << 20
FIRST = """Type first: mssante-audit report --open
It makes the reports of a made-up example, and shows them. Your own list: mssante-audit report --data FOLDER
All commands: mssante-audit --help"""
EXAMPLES = """Examples:

mssante-audit report --open

mssante-audit check ch-xyz.mssante.fr --data FOLDER

mssante-audit findings all --data FOLDER --format xlsx --out findings.xlsx

mssante-audit observe dns --data FOLDER

mssante-audit gate BEFORE.xml AFTER.xml

Options may stand in the environment: MSSANTE_AUDIT_REPORT_AS_OF is --as-of of report, MSSANTE_AUDIT_DATA
every --data.
"""

app = Typer(
    context_settings={"auto_envvar_prefix": options.VARIABLES},
    help="Audit the MSSanté trust space: reports, findings and checks of a white list.",
    epilog=EXAMPLES,
    pretty_exceptions_enable=False,
)
app.add_typer(declarations.app, name="declarations", rich_help_panel=DECLARE)
app.add_typer(observe.app, name="observe", rich_help_panel=OBSERVE)
app.add_typer(archive.app, name="archive", rich_help_panel=KEEP)
app.add_typer(run.letters, name="letters", rich_help_panel=NIGHT)
Schema = StrEnum("Schema", "results findings domains changes events settings register")


def schema(
    name: Annotated[Schema, Argument(help="results.json, a JSON list of rows, audit.toml, or a register.")],
) -> None:
    """Print the JSON Schema (2020-12) of what this program writes, or of its settings.

    Of a register it is the Table Schema (Frictionless) of the template, for forms that check one.
    """
    if name is Schema.results:
        from mssante_audit.report.results import schema as content
    elif name is Schema.settings:
        from mssante_audit.nightly.config import schema as content
    elif name is Schema.register:
        from mssante_audit.snapshot.dictionary import register_schema as content
    else:
        from mssante_audit.snapshot.dictionary import schema as of_frame

        content = partial(of_frame, name)
    console.write_json(content(), indent=2)


for panel, command, kind in (
    (LOOK, reports.report, taking(*OPENED)),
    (LOOK, check.check, taking(*but("parameter", "recover", *LIMITS))),
    (LOOK, check.verify, None),
    (LOOK, reports.dossiers, taking(*but("operator"))),
    (OBSERVE, observe.receive, taking("anchors", asks=True)),
    (DECLARE, gate.gate, taking("data", "as_of", "anchors", "signer", asks=True)),
    (KEEP, archive.fetch, None),
    (KEEP, archive.changes, taking("anchors", "signer", "recover", "any_namespace", "contacts")),
    (NIGHT, run.init, None),
    (NIGHT, run.doctor, None),
    (NIGHT, run.run, None),
    (PROGRAMS, schema, None),
):
    app.command(cls=kind, rich_help_panel=panel)(command)


_CODE = Argument(help="Code of one rule.", show_default="all", autocompletion=lambda: offer("code"))
Format = StrEnum("Format", "csv json xlsx parquet sarif")
CertificateFormat = StrEnum("CertificateFormat", "csv json xlsx parquet ics")


class NamingAudits(taking(*OPENED)):  # type: ignore[misc]
    """A command whose first argument is an audit. Its help names them, which takes a while to know."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Name the audits, of packages too."""
        from mssante_audit.audits import audits

        named: Any = self.params[0]
        named.help = f"Name of an audit, or all. There are: {', '.join(audits())}."
        super().format_help(ctx, formatter)


@app.callback(invoke_without_command=True)
def _common(
    context: Context,
    version: Annotated[bool, Option("--version", help="Show the version and exit.")] = False,
    debug: options.Debug = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        say(f"mssante-audit {installed('mssante-audit')}")
        raise Exit
    if context.invoked_subcommand is None:
        say(FIRST)
        raise Exit(2)
    # Below it libraries in C end the process, with lines and a status of theirs.
    if 0 <= resource.getrlimit(resource.RLIMIT_AS)[0] < LEAST:
        raise ResourceError("takes more memory than ulimit -v allows: at least {} MB", LEAST >> 20)


@app.command(cls=NamingAudits, rich_help_panel=LOOK)
def findings(
    context: Context,
    audit: Annotated[str, Argument(help="Name of an audit, or all.", autocompletion=lambda: offer("audit"))],
    format: Annotated[Format, Option(help="Format to write.")] = Format.csv,
    out: options.OutFile = None,
    everything: Annotated[
        bool, Option("--all", help="Information and hints too, as sarif always has them.")
    ] = False,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Write the findings of an audit, without a report."""
    from mssante_audit import audits
    from mssante_audit.findings.causes import actionable
    from mssante_audit.findings.sarif import sarif
    from mssante_audit.report.results import touching

    space, chosen = console.limited_space(context)
    names = [name for name in audits.audits() if audit in ("all", name)]
    with using_language(lang.value):
        frame = audits.audit_all(space) if audit == "all" else audits.audit(audit, space)
        frame = written = touching(frame, space, chosen)
        if format is Format.sarif:  # a finding that is left out of it would be taken for fixed
            accepted = touching(audits.waived(space, *names), space, chosen)
            unsure = {name: inputs for name, inputs in audits.unsure(space).items() if name in names}
            rules = [rule for rule in audits.catalogue().values() if rule.audit in names]
            source = Path(space.whitelist.source).name
            console.write_json(sarif(frame, accepted, unsure, rules, source=source, as_of=space.as_of), out)
        else:
            written = frame if everything else actionable(frame)
            console.write_frame(written, format, out)
    failed = console.say_failed(frame)
    console.say_lacking(space, names)
    if omitted := len(frame) - len(written):
        note(f"{omitted} findings left out, information and hints: --all has them")
    if failed:
        raise Exit(3)


@app.command(rich_help_panel=LOOK)
def rules(code: Annotated[str | None, _CODE] = None, format: options.TextFormat = Layout.text) -> None:
    """Show the rule catalogue, or one rule in full."""
    from mssante_audit.audits import catalogue, rule, unusable

    for fault in unusable():
        note(str(fault))
    if format is Layout.json:
        console.write_json(
            rule(code).model_dump() if code else [r.model_dump() for r in catalogue().values()]
        )
    elif code:
        fields = rule(code).model_dump() | {"words": ""}  # macros are for those who write templates
        say("\n".join(f"{name}: {value}" for name, value in fields.items() if value not in ("", ())))
    else:
        say("\n".join(f"{r.code:30} {r.severity:9} {r.title_en}" for r in catalogue().values()))


@app.command(rich_help_panel=LOOK)
def sample(out: Annotated[Path, Argument(help="Folder to write.")], force: options.Force = False) -> None:
    """Copy the demonstration that ships, a made-up trust space."""
    from mssante_audit.base.staging import put_folder

    shipped = sample_folder()
    names = {entry.name for entry in shipped.iterdir()}
    folder = put_folder(real_path(out), lambda to: copytree(shipped, to), names=names, force=force)
    say(f"sample: {folder}")


@app.command(cls=taking(*but("contacts")), rich_help_panel=LOOK)
def domains(
    context: Context,
    format: options.TableFormat = options.Table.csv,
    out: options.OutFile = None,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Write what is known of each domain, one row each: whether its mail arrives, its order, and why."""
    from mssante_audit.audits import audit_all
    from mssante_audit.values.person import unnamed
    from mssante_audit.verdicts.domains import domains as verdicts

    space, chosen = console.limited_space(context)
    rows = console.of_domains(verdicts(space, language=lang), space, chosen)
    masked = {name: list(map(unnamed, rows[name])) for name in ("domain", "operator")}
    console.write_frame(rows.assign(**masked), format, out, "domains")
    if console.say_failed(audit_all(space)):
        raise Exit(3)


@app.command(cls=taking("data", "as_of", "recover", "any_namespace"), rich_help_panel=OBSERVE)
def methods(
    context: Context,
    format: options.TableFormat = options.Table.csv,
    out: options.OutFile = None,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Write the method in use for each domain: delegated, redirected, wildcard, none, unknown."""
    from mssante_audit.verdicts.domains import method_records

    space = console.space_of(console.parameters_of(context))
    if space.observation is None:
        remedy = "`mssante-audit observe dns --data DIR` makes one"
        raise InputError("the data folder holds no observation", remedy=remedy)
    with using_language(lang):
        console.write_frame(method_records(space), format, out)


@app.command(cls=taking(*but("contacts")), rich_help_panel=OBSERVE)
def certificates(
    context: Context,
    format: Annotated[
        CertificateFormat, Option(help="Format to write; ics is a calendar of their ends.")
    ] = CertificateFormat.csv,
    out: options.OutFile = None,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Write the certificates that mail servers present, the nearest end first, and what falls silent then."""
    from mssante_audit.report.certificates import calendar
    from mssante_audit.verdicts import presented

    space, chosen = console.limited_space(context)
    if space.tls is None:
        remedy = "`mssante-audit observe tls --data DIR` makes one"
        raise InputError("the data folder holds no observation of TLS", remedy=remedy)
    frame = presented.certificates(console.of_domains(presented.expiries(space), space, chosen))
    if format is CertificateFormat.ics:
        console.write(calendar(frame, space.as_of, lang), out)
    else:
        console.write_frame(frame, format, out, "certificates")


@app.command(cls=taking(*but(*LIMITS, "contacts")), rich_help_panel=PROGRAMS)
def snapshot(
    context: Context,
    out: Annotated[Path, Argument(help="Folder to write: a new one, or an earlier snapshot.")],
    shareable: Annotated[
        bool, Option("--shareable", help="Leave out what names persons: to hand on.")
    ] = False,
) -> None:
    """Work everything out once and keep it: for reports, JupyterLab, DuckDB. What is there already stays."""
    from mssante_audit.snapshot import made_as_of, make_snapshot
    from mssante_audit.snapshot.make import bound_to, fresh

    parameters = console.parameters_of(context)
    at = parameters.get("as_of") or made_as_of(parameters.get("data"))
    parameters["as_of"] = parse_instant(at).replace(microsecond=0).isoformat()
    bound = bound_to(parameters.get("data"), parameters)
    if fresh(out, bound, shareable=shareable):
        say(f"snapshot: {out} is up to date")
        return
    head = make_snapshot(
        console.space_of(parameters), out, bound=bound, data=parameters.get("data"), shareable=shareable
    )
    say(f"snapshot: {out} ({len(head['files'])} files, as of {head['as_of']})")


def main() -> NoReturn:
    """Run the command line on this process's arguments and exit."""
    # The pools of Arrow's own keep some 45 MB more in each process of a night.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Like Ctrl-C, so that kernels are stopped and half-made files removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # helps hold signs that not every locale has
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="mssante-audit")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # whatever it is: one line, that names no person
        if "--debug" in sys.argv:
            raise
        if isinstance(error, ModuleNotFoundError):
            error = absent(error) or error
        error = console.shut_out(error)
        if isinstance(error, AuditError):
            error.language = vars(error).get("language") or console.readers_language() or "en"
            note(str(error))
            sys.exit(3 if isinstance(error, ResourceError) else 2)
        note(f"{_failure_line(error)}. --debug before the command shows where")
        sys.exit(3)
    sys.exit(0)


def _failure_line(error: Exception) -> str:
    """Return in a line what went wrong, naming no person; where memory ran out there may be none for more."""
    no_memory = "takes more memory than there is"
    if isinstance(error, MemoryError | SystemError) or "failed to map segment" in str(error):
        sys.unraisablehook = lambda _: None  # what cannot even be torn down is not reported
        return no_memory
    try:
        from mssante_audit.values.person import describe_error

        return describe_error(error)
    except (MemoryError, ImportError):
        return no_memory

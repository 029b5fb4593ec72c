"""The commands that use the network, ``mssante-audit observe``, and what compares what they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Exit, Option, Typer

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.instants import asked_instant
from mssante_audit.base.language import use_language
from mssante_audit.base.resources import sample_folder
from mssante_audit.cli import options
from mssante_audit.cli.console import filled, say, settings_of, write, write_frame, write_json

if TYPE_CHECKING:
    from mssante_audit.observe.dns.run import Progress

RECEIVES = {"yes": 0, "degraded": 1, "no": 1, "unknown": 4}  # exit status of `receive`
Written = StrEnum("Written", "text csv json")
Resume = Annotated[
    bool, Option("--resume", help="Go on with --out, or with the last observation if it was stopped.")
]

app = Typer(help="Observe the network and write down what it says.", no_args_is_help=True)


@app.command(cls=options.taking(asks=True))
def dns(
    context: Context,
    data: options.OwnData,
    *,
    out: Annotated[
        Path | None, Option(help="File to write.", show_default="observations/dns-<date>.jsonl.gz in --data")
    ] = None,
    resume: Resume = False,
    in_flight: options.InFlight = 64,
    per_server: Annotated[float, Option(help="Questions a second to one address.")] = 20.0,
    only: options.Only = "",
) -> None:
    """Ask the DNS about every domain of the list, gently, and write a dated observation file."""
    from mssante_audit.archive.store import listed_rows
    from mssante_audit.cli.progress import counting
    from mssante_audit.observe.dns.run import ObserveSettings, observe

    if data is None:
        raise ParameterError("no list to observe", remedy="Name its folder with --data")
    settings = ObserveSettings(**settings_of(context, ObserveSettings))
    path = out or _path(data, resume=resume)
    domains = [domain for domain in listed_rows(data)["domain"].unique().tolist() if domain]

    def state(progress: Progress) -> str:
        rate = progress.sent / max(progress.seconds, 0.001)
        silent = f" · silent: {', '.join(progress.silent[:3])}" if progress.silent else ""
        rest = f" and {len(progress.silent) - 3} more" if len(progress.silent) > 3 else ""
        return f"{rate:.0f} queries/s{silent}{rest}"

    with counting(state) as show:
        summary = observe(domains, path, settings, resume=resume, progress=show)
    counts = f"{summary.domains} domains, {summary.queries} queries in {summary.seconds:.0f} s"
    say(f"{path}: {counts} ({_counted(summary.outcomes)})")
    for domain in summary.not_names:
        say(f"not asked, no name the DNS can carry: {domain!r}")
    if summary.ignored:
        say(f"{summary.ignored} messages thrown away: they answered nothing that was asked")


@app.command(cls=options.taking("anchors"))
def tls(
    context: Context,
    data: options.OwnData,
    *,
    host: Annotated[
        str | None, Option(help="One server to look at, name or address; nothing is kept.")
    ] = None,
    out: Annotated[
        Path | None, Option(help="File to write.", show_default="observations/tls-<date>.jsonl.gz in --data")
    ] = None,
    resume: Resume = False,
    port: Annotated[int, Option(min=1, max=65_535, help="Port of every server.")] = 25,
    timeout: Annotated[float, Option(help="Seconds before a server counts as silent.")] = 15.0,
    pause: Annotated[float, Option(min=0, help="Seconds between two connections to one address.")] = 60.0,
    in_flight: options.InFlight = 50,
    helo: Annotated[str, Option(metavar="NAME", help="Name to give oneself in EHLO.")] = "localhost",
    source_address: Annotated[
        str, Option(metavar="ADDRESS", help="Address to connect from.", show_default="any")
    ] = "",
    client_certificate: Annotated[
        str, Option(help="Certificate to show to servers that demand one, with its chain (PEM).")
    ] = "",
    client_key: Annotated[str, Option(help="Its key (PEM), which is never written anywhere.")] = "",
    only: options.Only = "",
) -> None:
    """Ask each mail server that the newest DNS observation names which certificate it presents.

    No mail is sent: EHLO, STARTTLS, EHLO, QUIT. With --host the exit status is 0 if the certificate is in
    time and leads to an anchor, 1 if not, 4 if that is not known.
    """
    from mssante_audit.base.settings import ObserveTls

    settings = filled(context, ObserveTls)
    if host is not None:
        from mssante_audit.cli.observe_tls import look_at

        raise Exit(look_at(host, settings, data, context.params["anchors"] or ()))
    if data is None:
        raise ParameterError("neither --data nor --host", remedy="Say whom to look at")
    from mssante_audit.archive.store import listed_rows
    from mssante_audit.cli.progress import counting
    from mssante_audit.network import mail_hosts
    from mssante_audit.observe.tls.run import observe_tls, servers_of

    hosts, listed, source = mail_hosts(data, listed_rows(data), settings.only)
    servers = servers_of(hosts, settings.port, listed)
    path = out or _path(data, resume=resume, kind="tls")
    with counting(lambda progress: _counted(progress.outcomes)) as show:
        summary = observe_tls(servers, path, settings, dns=source, resume=resume, progress=show)
    before = f", {summary.known} known already" if summary.known else ""
    counts = f"{summary.visits} visits in {summary.seconds:.0f} s"
    outcomes = _counted(summary.outcomes) or "nothing to do"
    say(f"{path}: {summary.servers} servers{before}, {counts} ({outcomes})")
    if without_address := sorted(host for host, addresses in hosts.items() if not addresses):
        say(f"not visited, without a known address: {', '.join(without_address)}")


@app.command()
def diff(
    before: Annotated[str, Argument(metavar="FROM", help="Observation file, or date of one.")],
    after: Annotated[str, Argument(metavar="TO", help="Observation file, or date of one.")],
    data: options.Data,
    format: Annotated[Written, Option(help="Format to write.")] = Written.text,
    out: options.OutFile = None,
) -> None:
    """Say what changed between two observations of the DNS, or two of TLS: of two hours, or from two places.

    A date means the last whole observation of the DNS of that day or instant, or before, in --data.
    """
    from mssante_audit.observe.file import is_of
    from mssante_audit.observe.observation import load_observation
    from mssante_audit.observe.tls import observation as history
    from mssante_audit.verdicts import differences as answers

    files = [_observation(text, data) for text in (before, after)]
    module: Any = history if all(is_of(file, "tls") for file in files) else answers
    # One after the other: each may be large.
    read = history.load_tls if module is history else lambda file: answers.answers_of(load_observation(file))
    was, now = map(read, files)
    changes = module.differences(was, now)
    lines = module.sentences(was, now, changes)
    if format is Written.text:
        write("\n".join(lines) + "\n", out, safe=True)
    else:
        write_frame(changes, format, out)


def receive(
    context: Context,
    domain: Annotated[str, Argument(help="The domain, listed or not.")],
    data: options.OwnData,
    *,
    format: options.TextFormat = options.Layout.text,
    lang: options.Lang = options.Language.fr,
) -> None:
    """Ask the DNS now whether mail to one domain arrives, and show each question, server and answer.

    With --data, also what its mail servers presented when they were last visited (`observe tls`). Nothing is
    kept. Exit status: 0 yes, 1 degraded or no, 4 unknown.
    """
    from mssante_audit.base.settings import Observe
    from mssante_audit.cli.receive import answer_lines, certificates, judged, record_of

    use_language(lang)
    anchors = context.params["anchors"] or ()
    mail, wire = judged(domain, data, anchors, settings_of(context, Observe))
    if format == options.Layout.json:
        write_json(record_of(mail, wire))
    else:
        say("\n".join([*answer_lines(mail), *(certificates(wire) if data or anchors else ())]))
    raise Exit(RECEIVES[mail.receives])


def _observation(text: str, data: Path | None) -> Path:
    from mssante_audit.observe.file import find_observations, is_whole

    path = Path(text)
    if path.exists():
        return path
    try:
        at = asked_instant(text)
    except InputError:
        raise InputError("no such observation, nor a date", file=text) from None
    last = at + timedelta(days=1) if len(text) == len("2026-03-02") else at + timedelta(seconds=1)
    folder = data or sample_folder()
    for file in find_observations(folder):
        if file.begun < last and is_whole(file.path):
            return file.path
    raise InputError("no whole observation of {} or before", text, file=str(folder))


def _path(data: Path, *, resume: bool, kind: str = "dns") -> Path:
    from mssante_audit.observe.file import FORMS, default_path, observation_files, read_file

    folder = data if data.is_dir() else data.parent
    if not resume:
        return default_path(folder, datetime.now(UTC), kind)
    files = observation_files(folder, kind)
    if not files:
        raise InputError("no observation to go on with", file=str(folder), remedy="Leave --resume out")
    _, about = read_file(files[-1], FORMS[kind], lambda *_: None)
    if about["complete"]:
        remedy = "Leave --resume out to make a new one"
        raise InputError("complete already", file=str(files[-1]), remedy=remedy)
    return files[-1]


def _counted(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))

"""The command ``receive``: can one domain receive mail, asked now, whatever was observed before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.settings import Observe
from mssante_audit.cli.console import say
from mssante_audit.cli.options import Lang, Language, Layout, TextFormat, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mssante_audit.verdicts.mail import Mail, Step

app = typer.Typer()

EXIT = {"yes": 0, "degraded": 1, "no": 1, "unknown": 4}
PACE = {"retry_delay": 1.0, "per_server": 200.0, "services": False}
"""Somebody is waiting, and it is one domain: some ten questions to each server, that decide."""


@app.command()
@options_of(
    Observe, "parent_zone", "port", "timeout", "retries", "ipv4_only",
    parent_servers="--parent-server", resolvers="--resolver",
    metavars={"parent_servers": "NAME=ADDRESS", "resolvers": "ADDRESS"},
)  # fmt: skip
def receive(
    domain: Annotated[str, typer.Argument(help="The domain, listed or not.")],
    format: TextFormat = Layout.text,  # noqa: A002 - the option's name
    lang: Lang = Language.fr,
    **options: Any,
) -> None:
    """Ask the DNS now whether mail to one domain arrives, and show each question, server and answer.

    Nothing is kept. Exit status: 0 yes, 1 degraded or no, 4 unknown.
    """
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items() if v is not None}
    mail = asked(domain, **given)
    say(_json(mail, lang) if format == Layout.json else "\n".join(told(mail, lang)))
    raise typer.Exit(EXIT[mail.receives])


def asked(domain: str, **given: Any) -> Mail:
    """Observe one domain, into a file that is thrown away, and judge it as of now.

    Raises
    ------
    ParameterError
        If the DNS can carry no such name, or a setting makes no sense.
    NetworkError
        If there is no network, or no server of the parent zone answers.
    """
    from datetime import UTC, datetime
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from mssante_audit.observe.dns.names import canonical
    from mssante_audit.observe.dns.run import ObserveSettings, observe
    from mssante_audit.observe.observation import load_observation
    from mssante_audit.verdicts.mail import mails

    if not canonical(domain):
        raise ParameterError(f"{domain!r} is no name the DNS can carry")
    with TemporaryDirectory(prefix="mssante-audit-") as folder:
        file = Path(folder, "dns.jsonl.gz")
        observe([domain], file, ObserveSettings(**(PACE | given)))
        return mails(load_observation(file), [domain], datetime.now(UTC), 1, steps=True)[domain]


def told(mail: Mail, language: str) -> Iterator[str]:
    """Yield the lines that say what was asked, what came of it, and what to do."""
    from mssante_audit.verdicts.words import RECEIVING, about, causes

    cause = f" ({mail.cause})" if mail.cause else ""
    yield f"{mail.domain}: {mail.receives}{cause}"
    yield RECEIVING[language][mail.receives] + (f" {about(mail, language)}" if mail.cause else "")
    if mail.cause and (remedy := causes()[mail.cause][f"do_{language}"]):
        yield remedy
    yield ""
    yield from _tree(mail.walk, language)


def _tree(steps: Sequence[Step], language: str, before: str = "") -> Iterator[str]:
    from mssante_audit.verdicts.words import SAID

    for number, step in enumerate(steps, 1):
        last = number == len(steps)
        where = " ".join(text for text in (step.server, step.address) if text)
        said = SAID[language].get(step.said, step.said)
        data = f": {', '.join(step.data)}" if step.data else ""
        asked_of = f" @ {where}" if where else ""
        yield f"{before}{'└─' if last else '├─'} {step.qtype} {step.name}{asked_of} → {said}{data}"
        yield from _tree(step.below, language, before + ("   " if last else "│  "))


def _json(mail: Mail, language: str) -> str:
    import json

    from mssante_audit.verdicts.words import about, causes

    words = causes()[mail.cause] if mail.cause else {}
    return json.dumps(
        {
            "domain": mail.domain,
            "receives": mail.receives,
            "cause": mail.cause,
            "facts": dict(mail.facts),
            "why": about(mail, language) if mail.cause else "",
            "remedy": words.get(f"do_{language}", ""),
            "dns": mail.grades["dns"],
            "mail": mail.grades["mail"],
            "observed_at": mail.observed_at and mail.observed_at.isoformat(),
            "walk": [_nested(step) for step in mail.walk],
        },
        ensure_ascii=False,
        indent=1,
        default=str,
    )


def _nested(step: Step) -> dict[str, Any]:
    return step._asdict() | {"data": list(step.data), "below": [_nested(one) for one in step.below]}

"""Who is notified at the end of a night: the user's own programs, a mail server, a web address.

Sent over verified TLS, within a time; no secret is shown. No failure of theirs changes the run.
"""

import io
import json
import os
import smtplib
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from typing import Any

from mssante_audit.base.errors import AuditError, ParameterError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.secret import masked_url, read_secret, without
from mssante_audit.base.settings import LOOPBACK
from mssante_audit.nightly.config import Mail, Webhook
from mssante_audit.nightly.mail import message, record_of
from mssante_audit.nightly.night import FAILED, SITE, Night, Result, note
from mssante_audit.nightly.supervise import run_program
from mssante_audit.space.states import as_json
from mssante_audit.whitelist.certificates import tls_context

PREFIX = "MSSANTE_"  # of the variables that tell a program what happened
_MOST = 300  # characters of an answer, or bytes of what a program that failed printed last, that are shown


def run_hooks(night: Night) -> None:
    """Run the hooks whose time has come, then send mail and webhook; none stops the others."""
    config, variables, seconds = night.config, variables_of(night), night.config.hooks.seconds
    due = ["failure" if night.exit_status >= FAILED else "success"]
    due += ["new_findings"] if variables.get("count_new") else []
    night.results["hooks"], faults = Result(step="hooks", outcome="off"), list[str]()

    def keep(event: str, name: str, fault: str) -> None:
        faults.extend([f"{name} ({event}): {fault}"] if fault else [])
        outcome: Any = "failed" if faults else "done"
        night.results["hooks"] = Result(step="hooks", outcome=outcome, message="; ".join(faults))
        note(night.folder, "hook", f"{event}: {name} {fault or 'done'}", program=name, fault=fault)

    for event in due:
        environment = {f"{PREFIX}{n.upper()}": str(v) for n, v in (variables | {"event": event}).items()}
        for command in getattr(config.hooks, event):
            keep(event, command[0], run_hook(command, config.environment | environment, seconds))
    if config.mail.server and (event := next((e for e in due if e in config.mail.events), "")):
        keep(event, "mail", send_mail(message(night), config.mail, seconds))
    if config.webhook.url and (event := next((e for e in due if e in config.webhook.events), "")):
        keep(event, "webhook", send_json(record_of(night), config.webhook, seconds))


def variables_of(night: Night) -> dict[str, Any]:
    """Return what is handed to a program, by the name of the variable without `PREFIX`, in small letters."""
    counts = night.audited.get("counts", {}) | night.audited.get("by_severity", {})
    return {
        "run": night.folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "output": night.output,
        "run_folder": night.folder,
        "site": night.output / SITE / "index.html",
        "failed_steps": " ".join(r.step for r in night.results.values() if r.outcome == "failed"),
        "inputs": json.dumps([as_json(state, night.lang) for state in night.inputs]),
        **{f"count_{name}": number for name, number in counts.items()},
    }


def run_hook(command: Sequence[str], environment: dict[str, str], seconds: float) -> str:
    """Run a program; return why it failed, or ""."""
    with tempfile.TemporaryFile() as output:
        try:
            status = run_program(command, seconds, output, environment)
        except (OSError, ValueError) as error:
            return f"cannot be started ({getattr(error, 'strerror', None) or error})"
        if status == 0:
            return ""
        if status is None:
            return f"not done after {seconds:g} s, and ended"
        output.seek(max(0, output.seek(0, os.SEEK_END) - _MOST))
        last = masked_url(" ".join(output.read().decode("utf-8", "replace").split()))
        ending = f"exit status {status}" if status > 0 else f"ended by signal {-status}"
        return f"{ending}: {last}" if last else ending


def send_mail(mail: EmailMessage, settings: Mail, seconds: float) -> str:
    """Send a mail; return why it failed, or ""."""

    def send(secrets: list[str]) -> None:
        context = None if settings.tls == "none" else tls_context(settings.ca_bundle)
        if settings.password:
            secrets[:] = [settings.user, read_secret(settings.password)]
        implicit: dict[str, Any] = {"context": context} if settings.tls == "implicit" else {}
        connect = _BoundedTLS if implicit else _Bounded
        with connect(settings.server, settings.port, timeout=seconds, **implicit) as server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if secrets:
                server.login(*secrets)
            if refused := server.send_message(mail):
                raise smtplib.SMTPRecipientsRefused(refused)

    return _within(seconds, send)


class _Replies(io.BufferedReader):
    """What a mail server says: it may not go on for ever, since all of it is kept."""

    left = 1000  # lines

    def readline(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("the server does not stop replying")
        return super().readline(size)


class _Bounded(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        self.file = self.file or _Replies(self.sock.makefile("rb", 0))  # type: ignore[union-attr]
        return super().getreply()


class _BoundedTLS(_Bounded, smtplib.SMTP_SSL):
    """The same, over TLS from the beginning."""


def send_json(content: Mapping[str, Any], settings: Webhook, seconds: float) -> str:
    """Post a night as JSON; return why it failed, or ""."""

    def send(secrets: list[str]) -> None:
        import httpx

        secrets[:] = [address, token] = [read_secret(settings.url), read_secret(settings.token)]
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        try:
            url = httpx.URL(address)
            is_remote = url.host not in LOOPBACK
            if not url.host or (url.scheme != "https" and is_remote):
                raise ParameterError("the address is not an https one")
            context = tls_context(settings.ca_bundle)
            with (
                httpx.Client(timeout=seconds, headers=headers, verify=context, trust_env=is_remote) as client,
                # Only the status is looked at: an answer without end is not waited for.
                client.stream("POST", url, content=json_bytes(dict(content))) as answer,
            ):
                if not answer.is_success:
                    raise ParameterError(f"the server answers {answer.status_code}")
        except httpx.HTTPError as error:
            raise ParameterError(f"{type(error).__name__}: {error}") from error
        except httpx.InvalidURL:  # its text has the address
            raise UnicodeError from None

    return _within(seconds, send)


def _within(seconds: float, send: Callable[[list[str]], None]) -> str:
    """Send in a thread of its own, given up after a while: a server that drips resets all other clocks."""
    faults, secrets = list[str](), list[str]()

    def run() -> None:
        try:
            send(secrets)
        except Exception as error:  # whatever it is, it was not sent
            faults.append(_fault(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"not done after {seconds:g} s, and given up"
    return masked_url(without(" ".join(" ".join(faults).split()), *secrets))[:_MOST]


def _fault(error: Exception) -> str:
    """Return why something was not sent; the text of an error that nobody foresaw may be anything."""
    match error:
        case AuditError():
            return str(error)
        case smtplib.SMTPResponseException(smtp_code=code, smtp_error=bytes(text)):
            return f"{code} {text.decode('utf-8', 'replace')}"
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            codes = sorted({str(code) for code, _ in refused.values()})
            return f"{len(refused)} of the recipients refused ({', '.join(codes)})"
        case UnicodeError():  # its text has parts of what is sent
            return "user, password or address hold characters that cannot be sent"
        case OSError() | smtplib.SMTPException():
            return f"{type(error).__name__}: {error}"
    return type(error).__name__

"""Sending a night by SMTP or to a web address, over verified TLS, within a time; no secret is told."""

from __future__ import annotations

import smtplib
import ssl
import threading
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import AuditError, ParameterError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.groups import absent
from mssante_audit.base.secret import masked_url, read_secret, without
from mssante_audit.nightly.settings import Mail, Webhook

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST = 300
"""Characters of an answer that are told."""


def fault_of(mail_to: Mail, webhook: Webhook) -> ParameterError | None:
    """Return what is missing or makes no sense in how a night is sent, ``None`` if nothing is."""
    if mail_to.server and not (mail_to.sender and mail_to.recipients):
        return ParameterError("[mail] names a server, but no sender or no recipients")
    if mail_to.server and mail_to.tls == "none" and mail_to.server not in LOOPBACK:
        remedy = 'tls = "none" is for a server on this machine: localhost'
        return ParameterError(f"[mail] would go to {mail_to.server} without TLS", remedy=remedy)
    if mail_to.server and bool(mail_to.user) != bool(mail_to.password):
        return ParameterError("[mail] names a user without a password, or the other way round")
    if webhook.token and not webhook.url:
        return ParameterError("[webhook] names a token, but no address")
    return None


def mail(message: EmailMessage, settings: Mail, seconds: float) -> str:
    """Send a mail; return why it failed, or ""."""
    secrets: list[str] = []

    def send() -> None:
        context = None if settings.tls == "none" else _verified(settings.ca_bundle)
        if settings.password:
            secrets[:] = [settings.user, read_secret(settings.password)]
        implicit: dict[str, Any] = {"context": context} if settings.tls == "implicit" else {}
        connect = smtplib.SMTP_SSL if implicit else smtplib.SMTP
        with connect(settings.server, settings.port, timeout=seconds, **implicit) as server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if secrets:
                server.login(*secrets)
            if refused := server.send_message(message):
                raise smtplib.SMTPRecipientsRefused(refused)

    return _within(seconds, send, secrets)


def json(content: Mapping[str, Any], settings: Webhook, seconds: float) -> str:
    """Post a night as JSON; return why it failed, or ""."""
    secrets: list[str] = []

    def send() -> None:
        import httpx

        secrets[:] = [address, token] = [read_secret(settings.url), read_secret(settings.token)]
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        headers = {"Content-Type": "application/json", **bearer}
        try:
            url = httpx.URL(address)
            away = url.host not in LOOPBACK
            if not url.host or (url.scheme != "https" and away):
                raise ParameterError("the address is not an https one")
            how: dict[str, Any] = {"verify": _verified(settings.ca_bundle), "trust_env": away}
            with (
                httpx.Client(timeout=seconds, headers=headers, **how) as client,
                # Only the status is looked at: an answer without end is not waited for.
                client.stream("POST", url, content=json_bytes(dict(content))) as answer,
            ):
                if not answer.is_success:
                    raise ParameterError(f"the server answers {answer.status_code}")
        except httpx.HTTPError as error:
            raise ParameterError(f"{type(error).__name__}: {error}") from error
        except httpx.InvalidURL:  # its text has the address
            raise UnicodeError from None

    return _within(seconds, send, secrets)


def _verified(bundle: Path | None) -> ssl.SSLContext:
    """Return how a server is verified: by certificates in a file or folder, or by the system's."""
    from mssante_audit.archive.fetch import tls_context

    return tls_context(bundle) if bundle else ssl.create_default_context()


def _within(seconds: float, send: Callable[[], None], secrets: list[str]) -> str:
    """Send in a thread of its own, given up after a while: a server that drips resets all other clocks."""
    faults: list[str] = []

    def run() -> None:
        try:
            send()
        except Exception as error:  # whatever it is, it was not sent
            faults.append(_fault(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"not done after {seconds:g} s, and given up"
    return masked_url(without(" ".join(" ".join(faults).split()), *secrets))[:_LONGEST]


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
        case ModuleNotFoundError() if lacking := absent(error):
            return str(lacking)
        case OSError() | smtplib.SMTPException():
            return f"{type(error).__name__}: {error}"
    return type(error).__name__

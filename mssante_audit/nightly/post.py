"""Sending a night: its mail by SMTP, its JSON to a web address, over verified TLS and within a time.

Secrets are read when they are used, and stand in nothing that is told.
"""

from __future__ import annotations

import smtplib
import threading
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any

import httpx

from mssante_audit.archive.fetch import LOOPBACK, tls_context
from mssante_audit.base.errors import AuditError, ParameterError
from mssante_audit.base.export import json_bytes
from mssante_audit.base.secret import masked_url, read_secret, without
from mssante_audit.nightly.settings import Mail, Webhook

_TOLD = 300
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

    def go() -> None:
        context = None if settings.tls == "none" else tls_context(settings.ca_bundle)
        if settings.password:
            secrets[:] = [settings.user, read_secret(settings.password)]
        if settings.tls == "implicit":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.server, settings.port, timeout=seconds, context=context
            )
        else:
            server = smtplib.SMTP(settings.server, settings.port, timeout=seconds)
        with server:
            if settings.tls == "starttls":
                server.starttls(context=context)
            if secrets:
                server.login(*secrets)
            if refused := server.send_message(message):
                raise smtplib.SMTPRecipientsRefused(refused)

    return _tried(go, seconds, secrets)


def json(told: Mapping[str, Any], settings: Webhook, seconds: float) -> str:
    """Post a night as JSON; return why it failed, or ""."""
    secrets: list[str] = []

    def go() -> None:
        secrets[:] = [address, token] = [read_secret(settings.url), read_secret(settings.token)]
        url = httpx.URL(address)
        if not url.host or (url.scheme != "https" and url.host not in LOOPBACK):
            raise ParameterError("the address is not an https one")
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        away = url.host not in LOOPBACK
        verified = tls_context(settings.ca_bundle)
        with (
            httpx.Client(verify=verified, timeout=seconds, trust_env=away, headers=headers) as client,
            # Only the status is looked at: an answer without end is not waited for.
            client.stream("POST", url, content=json_bytes(dict(told))) as answer,
        ):
            if not answer.is_success:
                raise ParameterError(f"the server answers {answer.status_code}")

    return _tried(go, seconds, secrets)


def _tried(go: Callable[[], None], seconds: float, secrets: list[str]) -> str:
    """Do it in a thread of its own, given up after a while: a server that drips resets all other clocks."""
    faults: list[str] = []

    def tried() -> None:
        try:
            go()
        except AuditError as error:
            faults.append(str(error))
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            text = said if isinstance(said, str) else said.decode("utf-8", "replace")
            faults.append(f"{error.smtp_code} {text}")
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({str(code) for code, _ in error.recipients.values()})
            faults.append(f"{len(error.recipients)} of the recipients refused ({', '.join(codes)})")
        except (UnicodeError, httpx.InvalidURL):  # their texts have parts of what is sent
            faults.append("user, password or address hold characters that cannot be sent")
        except (OSError, httpx.HTTPError, smtplib.SMTPException) as error:
            faults.append(f"{type(error).__name__}: {error}")
        except Exception as error:  # whatever it is, it was not sent; its text may be anything
            faults.append(type(error).__name__)

    thread = threading.Thread(target=tried, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"not done after {seconds:g} s, and given up"
    told = " ".join(" ".join(faults).split())
    return masked_url(without(told, *secrets))[:_TOLD]

"""The message that goes to an operator: what to correct, as plain text and as an e-mail ready to send.

An e-mail client opens the ``.eml`` as a draft. It goes to the project contact of the operator's rows; sender
and signature are the settings', or left to fill in. The same input gives the same bytes: date, identifier
and boundaries follow from it.
"""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from html import escape

from jinja2 import Environment

from mssante_audit.base import language
from mssante_audit.base.digest import digest
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import NARROW, NBSP, format_text, gettext
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.dossiers.forms import forms
from mssante_audit.dossiers.points import one_line
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import environment

MOST_POINTS = 12  # corrections asked for one by one; the others are counted
MOST_CASES = 3  # ways in which each of them shows
MOST_DOMAINS = 5  # domains named for each of those
WIDTH = 76

SENDER = "expediteur@a-completer.invalid"
ADDRESSEE = "destinataire@a-completer.invalid"
# Rules that say that a contact of the list does not reach the operator.
_WRONG_CONTACT = ("CONTACT_EMAIL_", "CONTACT_OTHER_", "CONTACT_FORMER_", "CONTACT_FOREIGN_")


def letter_files(dossier: Dossier, on: Stationery | None = None) -> dict[str, bytes]:
    """Return the message to an operator by suffix, ``.txt`` and ``.eml``; none if there is nothing to say."""
    on = on or Stationery()
    if not dossier.points and not on.to_all:
        return {}
    attached = forms(dossier, (on.contacts_to, on.form_to))
    text = letter_text(dossier, attached, on)
    head = format_text("Objet : {subject}", subject=subject(dossier))
    return {".txt": f"{head}\n\n{text}".encode(), ".eml": _message(dossier, text, attached, on)}


def subject(dossier: Dossier) -> str:
    """Return the message's subject: one line, whatever the operator is called."""
    some = "MSSanté : {n:point} à corriger sur vos domaines – {who}"
    none = "MSSanté : rien à corriger sur vos domaines – {who}"
    points = len(dossier.points)
    return format_text(some if points else none, n=points, who=one_line(dossier.label, 80))


def letter_text(dossier: Dossier, attached: Mapping[str, bytes], on: Stationery) -> str:
    """Return the message's text, in lines of at most `WIDTH` characters but for names that are longer."""
    seen, as_of = dossier.presented, dossier.space.as_of
    text = _environment().get_template("letter.txt.j2").render(
        dossier=dossier, again=reminder(dossier, on), attached=attached, on=on,
        most={"points": MOST_POINTS, "cases": MOST_CASES, "domains": MOST_DOMAINS},
        until=as_of + timedelta(on.deadline_days) if on.deadline_days else None,
        ends=[] if seen is None else seen.to_dict("records"),
    )  # fmt: skip
    return text.replace(NARROW, NBSP) + "\n"


@cache
def _environment() -> Environment:
    made = environment().overlay(autoescape=False)
    made.filters = {**made.filters, "wrapped": _filled, "line": one_line, "some": _some}
    return made


def reminder(dossier: Dossier, on: Stationery) -> str:
    """Return the sentence that says of which letter this is a reminder, and of what; "" if it is none."""
    sent_on, before = on.reminders.get(dossier.operator_id, ("", {}))
    unknown = [key for key, state in before.items() if state == "unknown"]
    left = [f["rule"] for f in dossier.todo if f["fingerprint"] in before.keys() - unknown]
    if not left:
        return ""
    words = "Rappel de notre lettre du {day} : {k:constat} sur {n} {k:~reste|restent} à corriger ({what})."
    what = _some([title_of(code) for code in dict.fromkeys(left)], MOST_CASES, 90)
    if unknown:
        others = "{n:autre n’a pas pu être vérifié|autres n’ont pas pu être vérifiés}"
        what += f" ; {format_text(others, n=len(unknown))}"
    sent = language.day(parse_instant(sent_on))
    return format_text(words, day=sent, k=len(left), n=len(before), what=what)


def _filled(text: str, first: str = "", following: str = "") -> str:
    filler = textwrap.TextWrapper(WIDTH, first, following, break_long_words=False, break_on_hyphens=False)
    return filler.fill(text)


def _some(names: Sequence[str], most: int, length: int) -> str:
    shown = [one_line(name, length) for name in names]
    if len(shown) <= most:
        return language.listing(shown)
    return format_text("{names} et {n:autre}", names=", ".join(shown[:most]), n=len(shown) - most)


# -- the e-mail ---------------------------------------------------------------------------------------------


def _message(dossier: Dossier, text: str, attached: Mapping[str, bytes], on: Stationery) -> bytes:
    about, as_of = subject(dossier), dossier.space.as_of
    texts = (as_of.isoformat(), dossier.operator_id, about, text, repr(on))
    parts = [part.encode("utf-8", "backslashreplace") + b"\0" for part in texts]
    parts += [name.encode() + b"\0" + content for name, content in attached.items()]
    identity = digest(b"".join(parts))
    message = EmailMessage(policy=SMTP)
    message["Subject"] = about
    message["From"] = on.sender or Address(gettext("Expéditeur à compléter"), addr_spec=SENDER)
    if on.reply_to:
        message["Reply-To"] = on.reply_to
    message["To"] = _addressees(dossier)
    message["Date"] = format_datetime(as_of)
    message["Message-ID"] = f"<dossier.{identity[:32]}@mssante-audit.invalid>"
    message["X-Unsent"] = "1"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    if kind := on.picture:  # the same words, in the same lines, below the logo
        whole = (
            f'<!DOCTYPE html><html lang="{language.current_language()}"><body>'
            '<p><img src="cid:logo" alt="" style="max-height:80px"></p>'
            f'<pre style="font:inherit;white-space:pre-wrap">{escape(text)}</pre></body></html>\n'
        )
        message.add_alternative(whole, subtype="html", charset="utf-8", cte="quoted-printable")
        *_, html = message.iter_parts()
        html.add_related(on.logo, "image", kind, cid="<logo>", filename=f"logo.{kind}", disposition="inline")
    for name, content in attached.items():
        if name.endswith(".pdf"):
            message.add_attachment(content, maintype="application", subtype="pdf", filename=name)
        else:
            message.add_attachment(content.decode(), cte="base64", filename=name)
    for number, several in enumerate(part for part in message.walk() if part.is_multipart()):
        several.set_boundary(f"=_dossier_{number}_{identity[32:]}")
    return message.as_bytes()


def _addressees(dossier: Dossier) -> tuple[Address, ...]:
    """Return the project contacts that the list has for the operator, most rows first.

    Those that the audit reports as wrong are left out; where none is left, the support contacts are asked.
    A placeholder stands where contacts are masked, or there is none.
    """
    who, both, entries = one_line(dossier.label, 80), ("project", "support"), dossier.entries
    wrong = {
        (row, kind)
        for finding in dossier.records
        if finding["rule"].startswith(_WRONG_CONTACT)
        for kind in dossier.common.kinds.get(finding["fingerprint"], both)
        for row in finding["rows"]
    }
    for kind in both if not dossier.masked else ():
        listed = zip(entries["row"].tolist(), entries[f"{kind}_email"].tolist(), strict=True)
        emails = Counter(email for row, email in listed if email and (row, kind) not in wrong)
        addresses: list[Address] = []
        for email, _ in emails.most_common(4):
            if email.isascii() and not dossier.foreign(email):
                with suppress(ValueError, IndexError):  # valid by syntax, and nothing a header can carry
                    addresses.append(Address(who, addr_spec=email))
        if addresses:
            return tuple(addresses)
    return (Address(who, addr_spec=ADDRESSEE),)

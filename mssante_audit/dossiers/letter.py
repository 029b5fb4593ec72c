"""The message that goes to an operator: what to correct, as plain text and as an e-mail ready to send.

An e-mail client opens the ``.eml`` as a draft. It goes to the project contact of the operator's rows; sender
and signature are the settings', or left to fill in. The same input gives the same bytes: date, identifier
and boundaries follow from it.
"""

import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from itertools import chain
from typing import Any

import pandas as pd
from jinja2 import Environment

from mssante_audit.base import language
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import NARROW, NBSP, format_text, gettext
from mssante_audit.declarations.form import EMPTIED, SIGNED, write_form
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import records
from mssante_audit.dossiers.belongings import dossier_words
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.dossiers.points import one_line
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.report.findings import title_of
from mssante_audit.report.html import environment, template
from mssante_audit.values.contacts import national
from mssante_audit.values.hosts import domain_key

MOST_POINTS = 12  # corrections asked for one by one; the others are counted
MOST_FORMS = 3  # pre-filled forms attached
MOST_CASES = 3  # ways in which each of them shows
MOST_DOMAINS = 5  # domains named for each of those
WIDTH = 76

SENDER = "expediteur@a-completer.invalid"
ADDRESSEE = "destinataire@a-completer.invalid"
# Rules that say that a contact of the list does not reach the operator.
_WRONG_CONTACT = ("CONTACT_EMAIL_", "CONTACT_OTHER_", "CONTACT_FORMER_", "CONTACT_FOREIGN_")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
# How the fields of the form begin that hold a contact, by its kind.
_CONTACTS = {"project": "public_project", "support": "public_technical"}


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
    todo = "MSSanté : {n:point} à corriger sur vos domaines – {who}"
    none = "MSSanté : rien à corriger sur vos domaines – {who}"
    points = len(dossier.points)
    return format_text(todo if points else none, n=points, who=one_line(dossier.label, 80))


def letter_text(dossier: Dossier, attached: Mapping[str, bytes], on: Stationery) -> str:
    """Return the message's text, in lines of at most `WIDTH` characters but for names that are longer."""
    presented, as_of = dossier.presented, dossier.space.as_of
    text = _environment().get_template("letter.txt.j2").render(
        dossier=dossier, again=reminder(dossier, on), attached=attached, on=on,
        most={"points": MOST_POINTS, "cases": MOST_CASES, "domains": MOST_DOMAINS},
        until=as_of + timedelta(on.deadline_days) if on.deadline_days else None,
        ends=[] if presented is None else presented.to_dict("records"),
    )  # fmt: skip
    return text.replace(NARROW, NBSP) + "\n"


@cache
def _environment() -> Environment:
    jinja = environment().overlay(autoescape=False)
    jinja.filters = {**jinja.filters, "wrapped": _filled, "line": one_line, "some": _shortened}
    return jinja


def reminder(dossier: Dossier, on: Stationery) -> str:
    """Return the sentence that says of which letter this is a reminder, and of what; "" if it is none."""
    sent_on, before = on.reminders.get(dossier.operator_id, ("", {}))
    unknown = [key for key, state in before.items() if state == "unknown"]
    remaining = [f["rule"] for f in dossier.todo if f["fingerprint"] in before.keys() - unknown]
    if not remaining:
        return ""
    words = "Rappel de notre lettre du {day} : {k:constat} sur {n} {k:~reste|restent} à corriger ({what})."
    titles = _shortened([title_of(code) for code in dict.fromkeys(remaining)], MOST_CASES, 90)
    if unknown:
        others = "{n:autre n’a pas pu être vérifié|autres n’ont pas pu être vérifiés}"
        titles += f" ; {format_text(others, n=len(unknown))}"
    sent = language.day(parse_instant(sent_on))
    return format_text(words, day=sent, k=len(remaining), n=len(before), what=titles)


def _filled(text: str, first: str = "", following: str = "") -> str:
    filler = textwrap.TextWrapper(WIDTH, first, following, break_long_words=False, break_on_hyphens=False)
    return filler.fill(text)


def _shortened(names: Sequence[str], limit: int, length: int) -> str:
    lines = [one_line(name, length) for name in names]
    if len(lines) <= limit:
        return language.listing(lines)
    return format_text("{names} et {n:autre}", names=", ".join(lines[:limit]), n=len(lines) - limit)


# -- the e-mail ---------------------------------------------------------------------------------------------


def _message(dossier: Dossier, text: str, attached: Mapping[str, bytes], on: Stationery) -> bytes:
    about, as_of = subject(dossier), dossier.space.as_of
    texts = (as_of.isoformat(), dossier.operator_id, about, text, repr(on))
    parts = [part.encode("utf-8", "backslashreplace") + b"\0" for part in texts]
    parts += [name.encode() + b"\0" + content for name, content in attached.items()]
    identity = digest(b"".join(parts))
    message = EmailMessage(policy=SMTP)
    message["Subject"] = about
    message["From"] = _address(on.sender) or Address(gettext("Expéditeur à compléter"), addr_spec=SENDER)
    if reply_to := _address(on.reply_to):
        message["Reply-To"] = reply_to
    message["To"] = _addressees(dossier)
    message["Date"] = format_datetime(as_of)
    message["Message-ID"] = f"<dossier.{identity[:32]}@mssante-audit.invalid>"
    message["X-Unsent"] = "1"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    if kind := on.picture:  # the same words, in the same lines, below the logo
        page = f"{template('letter.html.j2').render(text=text)}\n"
        message.add_alternative(page, subtype="html", charset="utf-8", cte="quoted-printable")
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


def _address(mailbox: str) -> Address | None:
    name, spec = parseaddr(mailbox)
    return Address(name, addr_spec=spec) if spec else None


def _addressees(dossier: Dossier) -> tuple[Address, ...]:
    """Return the project contacts that the list has for the operator, most rows first.

    Those that the audit reports as wrong are left out; where none is left, the support contacts are asked.
    A placeholder stands where contacts are masked, or there is none.
    """
    name, kinds, entries = one_line(dossier.label, 80), ("project", "support"), dossier.entries
    wrong = {
        (row, kind)
        for finding in dossier.records
        if finding["rule"].startswith(_WRONG_CONTACT)
        for kind in dossier.common.kinds.get(finding["fingerprint"], kinds)
        for row in finding["rows"]
    }
    for kind in kinds if not dossier.masked else ():
        listed = zip(entries["row"].tolist(), entries[f"{kind}_email"].tolist(), strict=True)
        emails = Counter(email for row, email in listed if email and (row, kind) not in wrong)
        addresses: list[Address] = []
        for email, _ in emails.most_common(4):
            if email.isascii() and not dossier.foreign(email):
                with suppress(ValueError, IndexError):  # valid by syntax, and nothing a header can carry
                    addresses.append(Address(name, addr_spec=email))
        if addresses:
            return tuple(addresses)
    return (Address(name, addr_spec=ADDRESSEE),)


# -- Annexe 1 filled ----------------------------------------------------------------------------------------
# What is not known is empty. So is what the audit reports as wrong, which is marked. No box is ticked that
# the operator did not tick itself, and nothing of a signature is carried over.


def forms(dossier: Dossier, addresses: tuple[str, str]) -> dict[str, bytes]:
    """Return files of Annexe 1 for domains whose points ask for one, those the operator declared first.

    Printed are the manager's `addresses`, for changes of contacts and for the form.
    """
    declared, asking = dict[str, dict[Any, str]](), tuple(dossier_words()["forms"])
    if (register := dossier.space.register) is not None:  # the latest declaration of each domain counts
        current = register.at(dossier.space.as_of)
        rows = current[(current["operator_id"] == dossier.operator_id) & (current["domain_key"] != "")]
        rows = rows.sort_values("date", na_position="first", kind="stable")
        declared = dict(zip(rows["domain_key"], records(rows).to_dict("records"), strict=True))
    points = (point for point in dossier.points if any(code.startswith(asking) for code in point.rules))
    keys = dict.fromkeys(domain_key(domain) for point in points for domain in point.domains)
    possible = declared.keys() | set(map(domain_key, dossier.entries["domain"]))
    chosen = sorted((key for key in keys if key in possible), key=lambda key: key not in declared)
    written = {}
    for number, key in enumerate(chosen[:MOST_FORMS], 1):
        doubtful, record = reported(dossier, key), _record(dossier, key, declared.get(key, {}))
        filled = {name: "" if name in doubtful else text for name, text in record.items()}
        name = f"annexe1-{key if _NAME.fullmatch(key) else number}"
        try:
            written[f"{name}.pdf"] = write_form(filled, doubtful, addresses)
        except InputError:  # the extra ``pdf`` is not installed
            written[f"{name}.txt"] = _plain(filled, doubtful)
    return written


def reported(dossier: Dossier, key: str) -> frozenset[str]:
    """Return the fields of the form that the audit reports as wrong for a domain."""
    wrong = set[str]()
    for finding in dossier.records:
        touched = [dossier.domain_of.get(row, "") for row in finding["rows"]] or [finding["domain"]]
        if finding["severity"] != "info" and key in map(domain_key, touched):
            kinds = tuple(map(_CONTACTS.get, dossier.common.kinds.get(finding["fingerprint"], ())))
            names = (n for begin, n in dossier_words()["fields"].items() if finding["rule"].startswith(begin))
            named = chain.from_iterable(names)
            wrong |= {n for n in named if not (kinds and n.startswith("public_")) or n.startswith(kinds)}
    return frozenset(wrong)


def _record(dossier: Dossier, key: str, declared: dict[Any, str]) -> dict[str, str]:
    """Return the form's fields: what was declared, else where all of the operator's rows say the same."""
    values: dict[str, str] = dict.fromkeys(fields(), "") | declared
    rows = dossier.entries.loc[[domain_key(domain) == key for domain in dossier.entries["domain"]]]
    methods = dict(zip(map(domain_key, dossier.domains["domain"]), dossier.domains["method"], strict=True))
    servers, exchangers = (dossier.common.hosts.get((kind, key), []) for kind in ("NS", "MX"))
    listed = {
        "structure_name": dossier.name,
        "structure_id": dossier.operator_id if dossier.kind else "",
        "domain": _only(rows["domain"]),
        "description": _only(rows["description"]),
        "dn_igc_sante": _only(rows.loc[rows["igc"] == "IGC-Santé", "dn"]),
        "dn_igc_cps": _only(rows.loc[rows["igc"] == "IGC-CPS", "dn"]),
    }
    if methods.get(key) == "delegated" and 1 <= len(servers) <= 2:  # as many as the form has lines for
        listed |= zip(("primary_server", "secondary_server"), servers, strict=False)
    elif methods.get(key) == "redirected" and len(exchangers) == 1:
        listed["mail_server"] = exchangers[0]
    for kind, part in _CONTACTS.items():
        phone, email = (_only(rows[f"{kind}_{column}"]) for column in ("phone", "email"))
        listed |= {f"{part}_phone": national(phone) if phone else "", f"{part}_email": email}
    values |= {name: text for name, text in listed.items() if not values[name]}
    if values["dn_igc_sante"] and values["dn_igc_cps"] and not declared:
        values |= {"dn_igc_sante": "", "dn_igc_cps": ""}  # which of the two is asked for is not known
    hidden = {n for n in values if n in SIGNED or (fields()[n].personal and dossier.masked)}
    return {n: "" if n in hidden else dossier.safe(text, "") for n, text in values.items()}


def _only(values: pd.Series) -> str:
    return str(values.iloc[0]) if values.nunique(dropna=False) == 1 else ""


def _plain(record: Mapping[str, str], doubtful: frozenset[str]) -> bytes:
    """Return the form as plain text."""
    lines = ""
    for key, text in record.items():
        filled = ("[X]" if text else "[ ]") if fields()[key].kind == "box" else one_line(text, 400)
        lines += f"{'* ' if key in doubtful else ''}{fields()[key].label} : {filled}\n"
    return (f"{lines}\n* {EMPTIED}\n" if doubtful else lines).encode()

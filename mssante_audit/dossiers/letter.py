"""The message that goes to an operator: what to correct, as plain text and as an e-mail ready to send.

An e-mail client opens the ``.eml`` as a draft; sender and addressee are left to fill in, unless the space
shows contacts. The same input gives the same bytes: date, identifier and boundaries follow from it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.french import NARROW, NBSP, count, day, listing, severity_name, typeset
from mssante_audit.declarations.form_write import write_form
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import records
from mssante_audit.dossiers.belongings import ELSEWHERE
from mssante_audit.dossiers.facts import Dossier, survey
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.findings.registry import rule
from mssante_audit.report.tables import visible

MOST_POINTS = 12
"""Corrections asked for one by one; the others are counted."""
MOST_DOMAINS = 5
"""Domains named for each of them."""
MOST_TEXT = 200
"""Characters of what was observed."""
MOST_ENDS = 8
"""Certificates whose end is told."""
MOST_FORMS = 3
"""Pre-filled forms attached."""
WIDTH = 76

SENDER = Address("Expéditeur à compléter", addr_spec="expediteur@a-completer.invalid")
ADDRESSEE = "destinataire@a-completer.invalid"

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_SIGNED = ("date", "signature_present", "signatory_last_name", "signatory_first_name")
"""Fields that are filled in when the form is signed again."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to correct: the findings of one rule."""

    rule: str
    severity: str
    domains: tuple[str, ...]
    observed: tuple[str, ...]
    """What was found, each text once."""
    expected: str
    """What would be right in the first place, or ""."""


@dataclass(frozen=True, slots=True)
class Form:
    """A pre-filled Annexe 1."""

    name: str
    """Of the attached file."""
    content: bytes


def letter_files(told: Dossier) -> dict[str, bytes]:
    """Return the message to an operator by file suffix: ``.txt`` and ``.eml``."""
    points = points_of(told)
    attached = forms(told, points)
    text = letter_text(told, points, attached)
    return {
        ".txt": f"Objet{NBSP}: {subject(told, points)}\n\n{text}".encode(),
        ".eml": _message(told, subject(told, points), text, attached),
    }


def points_of(told: Dossier) -> tuple[Point, ...]:
    """Return what the operator has to correct, worst first."""
    domain = dict(zip(told.entries["row"].tolist(), told.entries["domain"].tolist(), strict=True))
    points = []
    for code, own in theirs(told.findings).groupby("rule", sort=False):
        named = [
            name
            for rows, first in zip(own["rows"], own["domain"], strict=True)
            for name in ([domain[row] for row in rows if row in domain] or [first])
            if name
        ]
        observed = tuple(dict.fromkeys(text for text in own["observed"] if text))
        domains, expected = tuple(dict.fromkeys(named)), str(own["expected"].iloc[0])
        expected = "" if expected == ELSEWHERE else expected
        points.append(Point(str(code), rule(str(code)).severity, domains, observed, expected))
    return tuple(points)


def subject(told: Dossier, points: Sequence[Point]) -> str:
    """Return the message's subject: one line, whatever the operator is called."""
    what = f"{count(len(points), 'point')} à corriger" if points else "rien à corriger"
    return f"MSSanté{NBSP}: {what} sur vos domaines – {_line(told.label, 80)}"


def letter_text(told: Dossier, points: Sequence[Point], attached: Sequence[Form]) -> str:
    """Return the message's text, in lines of at most `WIDTH` characters but for names that are longer."""
    parts = ["Madame, Monsieur,", _opening(told, points)]
    parts += [_point(number, point) for number, point in enumerate(points[:MOST_POINTS], 1)]
    if len(points) > MOST_POINTS:
        others = count(len(points) - MOST_POINTS, "autre point", "autres points")
        parts.append(_filled(f"Votre dossier en compte {others}, de même gravité ou de moindre."))
    if points:
        parts.append(_how(attached, shown=told.space.show_contacts))
    if ends := _ends(told):
        parts.append(ends)
    rest = (
        "Nous tenons à votre disposition votre dossier complet : vos domaines, vos certificats, tous les "
        "constats et leur explication. Ni ce message ni ce dossier ne nomment d'autre opérateur."
    )
    parts.append(_filled(typeset(rest)))
    parts.append("Cordialement,\n\n[Nom, fonction et coordonnées de l’expéditeur]")
    return "\n\n".join(parts).replace(NARROW, NBSP) + "\n"


def _opening(told: Dossier, points: Sequence[Point]) -> str:
    made = told.space.whitelist.generated_at
    of = f" du {day(made)}" if made else ""
    held = count(len(told.domains), "domaine")
    head = (
        f"La liste blanche MSSanté{of} inscrit {held} au nom de {_line(told.label, 120)} (identifiant "
        f"{_line(told.operator_id, 40)}). Nous l’avons examinée au {day(told.space.as_of)}."
    )
    if not points:
        return _filled(f"{head} Aucun constat n’appelle de correction de votre part.")
    grave = sum(point.severity in ("critical", "error") for point in points)
    does = count(grave, "qui fait ou fera", "qui font ou feront")
    worst = f" ({does} échouer des messages)" if grave else ""
    todo = f"{count(len(points), 'point')} à corriger{worst}, les plus graves d’abord{NBSP}:"
    return _filled(f"{head} {todo}")


def _point(number: int, point: Point) -> str:
    lines = [f"{number}. [{severity_name(point.severity)}] {typeset(rule(point.rule).title_fr)}"]
    if point.domains:
        noun = "Domaine" if len(point.domains) == 1 else "Domaines"
        lines.append(f"{noun}{NBSP}: {_some(point.domains, MOST_DOMAINS, 90)}")
    if point.observed:
        more = len(point.observed) - 1
        also = f" (et {count(more, 'autre cas', 'autres cas')})" if more else ""
        lines.append(f"Constaté{NBSP}: {_line(point.observed[0], MOST_TEXT)}{also}")
    if point.expected:
        lines.append(f"Attendu{NBSP}: {_line(point.expected, MOST_TEXT)}")
    lines.append(typeset(f"À faire : {remedy(point.rule)}"))
    return "\n".join([_filled(lines[0], "", "   "), *(_filled(line, "   ", "     ") for line in lines[1:])])


def _ends(told: Dossier) -> str:
    """Return when the operator's own certificates end, as far as they were seen; "" if none was."""
    seen = told.presented
    if seen is None or seen.empty:
        return ""
    head = "Fin de vos certificats que présentent vos serveurs de messagerie :"
    lines = [_filled(typeset(head))]
    for end in seen.head(MOST_ENDS).to_dict("records"):
        when = f"le {day(end['until'])}"
        when += f" (il y a {count(-end['days'], 'jour')})" if end["days"] < 0 else ""
        others = f", {count(end['alone'], 'domaine')} sans autre certificat" if end["alone"] else ""
        lines.append(_filled(f"{_line(end['cn'], 90)}{NBSP}: {when}{others}.", " - ", "   "))
    if (more := len(seen) - MOST_ENDS) > 0:
        others = count(more, "autre certificat", "autres certificats")
        lines.append(_filled(f"et {others}, plus tard.", "   "))
    return "\n".join(lines)


def _how(attached: Sequence[Form], *, shown: bool) -> str:
    how = "Les corrections se déclarent à l'ANS par le formulaire « annexe 1 » du contrat opérateur."
    if attached:
        these = count(len(attached), "exemplaire pré-rempli", "exemplaires pré-remplis")
        names = listing([form.name for form in attached])
        contacts = "" if shown else ", à compléter des contacts (laissés vides)"
        how += (
            f" Nous en joignons {these} d'après vos dernières déclarations ({names}) : à relire, à "
            f"corriger{contacts}, à dater et à signer."
        )
    return _filled(typeset(how))


def _filled(text: str, first: str = "", following: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=following, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _line(text: str, most: int) -> str:
    """Return a text of the data on one line, nothing invisible in it, cut at `most` characters."""
    shown = " ".join(visible(text).split())
    return shown if len(shown) <= most else f"{shown[:most].rstrip()}…"


def _some(names: Sequence[str], most: int, length: int) -> str:
    shown = [_line(name, length) for name in names]
    if len(shown) <= most:
        return listing(shown)
    return f"{', '.join(shown[:most])} et {count(len(shown) - most, 'autre')}"


# -- the form -----------------------------------------------------------------------------------------------


def forms(told: Dossier, points: Sequence[Point]) -> tuple[Form, ...]:
    """Return Annexe 1, filled from the register, for domains to correct that the operator declared itself.

    Left empty are what is signed anew, contacts unless the space shows them, and what names another operator.
    """
    register = told.space.declarations
    if register is None:
        return ()
    current = register.at(told.space.as_of)
    own = current[(current["operator_id"] == told.operator_id) & (current["domain_key"] != "")]
    own = own.sort_values("date", na_position="first", kind="stable").drop_duplicates(
        "domain_key", keep="last"
    )
    wanted = dict.fromkeys(d.strip().lower().rstrip(".") for point in points for d in point.domains)
    declared = set(own["domain_key"])
    chosen = [key for key in wanted if key in declared][:MOST_FORMS]
    written = []
    for number, key in enumerate(chosen, 1):
        record = _record(told, own[own["domain_key"] == key])
        written.append(_form(record, key if _NAME.fullmatch(key) else str(number)))
    return tuple(written)


def _record(told: Dossier, declaration: pd.DataFrame) -> dict[str, str]:
    whose, known = survey(told.space).belongings, fields()
    values = {str(name): str(text) for name, text in records(declaration).iloc[0].items()}
    hidden = {n for n in values if n in _SIGNED or (known[n].personal and not told.space.show_contacts)}
    return {n: "" if n in hidden else whose.safe(text, told.operator_id, "") for n, text in values.items()}


def _form(record: Mapping[str, str], name: str) -> Form:
    """Return the form as PDF; as plain text where the extra ``pdf`` is not installed."""
    try:
        return Form(f"annexe1-{name}.pdf", write_form(record))
    except InputError:
        lines = [f"{fields()[n].label} : {_line(text, 400)}" for n, text in record.items()]
        return Form(f"annexe1-{name}.txt", ("\n".join(lines) + "\n").encode())


# -- the e-mail ---------------------------------------------------------------------------------------------


def _message(told: Dossier, about: str, text: str, attached: Sequence[Form]) -> bytes:
    digest = sha256()
    for part in (told.space.as_of.isoformat(), told.operator_id, about, text):
        digest.update(part.encode("utf-8", "backslashreplace") + b"\0")
    for form in attached:
        digest.update(form.name.encode() + b"\0" + form.content)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = about
    message["From"] = SENDER
    message["To"] = _addressees(told)
    message["Date"] = format_datetime(told.space.as_of)
    message["Message-ID"] = f"<dossier.{digest.hexdigest()[:32]}@mssante-audit.invalid>"
    message["X-Unsent"] = "1"
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    for form in attached:
        if form.name.endswith(".pdf"):
            message.add_attachment(form.content, maintype="application", subtype="pdf", filename=form.name)
        else:
            message.add_attachment(form.content.decode(), cte="base64", filename=form.name)
    if attached:
        message.set_boundary(f"=_dossier_{digest.hexdigest()[32:]}")
    return message.as_bytes()


def _addressees(told: Dossier) -> tuple[Address, ...]:
    """Return the operator's published addresses if the space shows contacts, or else a placeholder."""
    who = _line(told.label, 80)
    found = []
    if told.space.show_contacts:
        whose = survey(told.space).belongings
        both = pd.concat([told.entries["project_email"], told.entries["support_email"]])
        for email in both.value_counts().index[:4]:
            if email.isascii() and not whose.foreign(email, told.operator_id):
                try:
                    found.append(Address(who, addr_spec=email))
                except (ValueError, IndexError):  # valid by syntax, and still nothing a header can carry
                    continue
    return tuple(found) or (Address(who, addr_spec=ADDRESSEE),)

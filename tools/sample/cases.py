"""Cases for which the main list has no room, each with what resembles it and is none: a list of their own.

As in `tools.sample.defects`, the truth is written down as a case is made, and no audit has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from tools.sample.operators import finess, national, shifted
from tools.sample.space import GENERATED_AT, ZONE, Space, stamp

LARGEST, REGION, LABORATORY, HOSPITAL = range(4)
"""Positions of operators in `Space.operators`."""
SAME_DESCRIPTION = 10
"""As many domains as a description must have to tell nothing of any (LIST_DESCRIPTION_PLACEHOLDER)."""


def add_cases(space: Space) -> None:
    """Put every case into a clean list, and record what must be found."""
    for case in CASES:
        case(space)


# -- contacts -------------------------------------------------------------------------------------------


def _two_contacts_on_one_domain(space: Space) -> None:
    """List a domain with a second certificate of its operator, and another contact."""
    operator = space.operators[LARGEST]
    other = f"{national(shifted(operator.phone, 7))}, accueil@{operator.mail}"
    row = space.add(space.take(LARGEST), operator.certificate("mss-second"), support=other)
    row.stamp = stamp(GENERATED_AT - timedelta(days=726, hours=23))  # older than all others
    space.record("CONTACT_DISAGREEMENT", [row])


def _newer_minority(space: Space) -> None:
    """Let most rows name a person, under the tool's date, and a newer one a service: persons are wrong."""
    operator, rows = space.operators[LABORATORY], space.rows_of(LABORATORY)
    for entry in rows:
        entry.project = f"M. FICTIF Paul, {national(operator.phone)}, paul.fictif@{operator.mail}"
        entry.stamp = "2025-06-02T12:34:56Z"
    space.add(
        rows[0],
        operator.certificate("mss-recent"),
        domain=f"labo-recent-fictif.{ZONE}",
        description="Domaine de messagerie MSSanté pour le laboratoire Récent",
        project=f"{national(shifted(operator.phone, 20))}, astreinte@{operator.mail}",
        stamp=stamp(GENERATED_AT - timedelta(days=20)),
    )
    space.record("CONTACT_PERSONAL", rows)
    space.record("CONTACT_DISAGREEMENT", rows)


def _copied_contacts(space: Space) -> None:
    """Copy a region's contacts onto a hospital's domain: that they lack a number is the region's matter."""
    region = space.operators[REGION]
    rows = space.rows_of(REGION)
    for entry in rows:
        entry.project = f"projet-mssante@{region.mail}"
    space.record("CONTACT_NO_PHONE", rows)
    listed = space.rows_of(HOSPITAL)[0]
    certificate = space.operators[HOSPITAL].certificate("mss-copie")
    copied = space.add(listed, certificate, project=rows[0].project, support=rows[0].support)
    space.record("CONTACT_OTHER_OPERATOR", [copied])


def _rewritten_contact(space: Space) -> None:
    """Give a contact an impossible address and a doubled blank: it is written anew once, for both."""
    operator = space.operators[LARGEST]
    rows = space.same_domain(space.take(LARGEST))
    for entry in rows:
        entry.support = f"{national(shifted(operator.phone, 1))},  support-mssante@@{operator.mail}"
    space.record("CONTACT_EMAIL_MALFORMED", rows)


def _contacts_elsewhere(space: Space) -> None:
    """List hospitals with a certificate of their own and contacts of others: of a supplier, of a hospital."""
    like, vendor, hospital = space.take(LARGEST), space.operators[LARGEST], space.operators[HOSPITAL]
    for serial, (town, mails, rule) in enumerate((
        ("Rochelune", (vendor.mail, vendor.mail), "CONTACT_SUPPLIER"),
        ("Valbrume", ("ch-valbrume.example", vendor.mail), ""),  # one contact is its own
        ("Montlune", (hospital.mail, "ch-montlune.example"), "CONTACT_OTHER_ESTABLISHMENT"),
    )):  # fmt: skip
        name = f"ch-{town.lower()}"
        certificate = replace(
            hospital.certificate("mss"), cn=f"mss.{name}.example", ou=f"1{finess('67', 40 + serial)}",
            o=f"CH DE {town.upper()}", st="Bas-Rhin (67)",
        )  # fmt: skip
        project, support = (
            f"{national(shifted(hospital.phone, 300 + 20 * serial + at))}, {service}-{town.lower()}@{mail}"
            for at, (service, mail) in enumerate(zip(("accueil", "support"), mails, strict=True))
        )
        row = space.add(
            like, certificate, domain=f"{name}.{ZONE}", project=project, support=support,
            description=f"Domaine de messagerie MSSanté du CH de {town}",
        )  # fmt: skip
        if rule:
            space.record(rule, [row])


# -- operators ------------------------------------------------------------------------------------------


def _two_identifiers(space: Space) -> None:
    """List a domain under an operator's SIRET and under its SIREN: one operator, whatever its number."""
    operator = space.operators[LARGEST]
    every = space.rows_of(LARGEST)
    certificate = operator.certificate("mss-siren").but(ou=f"2{operator.id[1:10]}")
    space.record("DN_NAME_OPERATORS", [*every, space.add(space.take(LARGEST), certificate)])


def _two_structures(space: Space) -> None:
    """List a domain under two hospitals of one name and département, whose contacts differ: two operators."""
    operator = space.operators[HOSPITAL]
    entries = space.rows_of(HOSPITAL)
    certificate = operator.certificate("mss-autre").but(ou=f"1{finess('95', 7)}")
    contact = f"{national(shifted(operator.phone, 40))}, accueil.si@{operator.mail}"
    second = space.add(entries[0], certificate, project=contact, support=contact)
    space.record("DN_NAME_OPERATORS", [*entries, second])
    space.record("LIST_DOMAIN_OPERATORS", [*entries, second])


# -- descriptions ---------------------------------------------------------------------------------------


def _one_description_for_many(space: Space) -> None:
    """Give ten domains one description, and nine another, which still may tell something."""
    like = space.take(LARGEST)
    for label, text, number in (("antenne", "Landeneuve", SAME_DESCRIPTION), ("relais", "Portneuf", 9)):
        rows = [
            space.add(
                like, domain=f"{label}-{i + 1}.{ZONE}", description=f"Domaine de messagerie MSSanté de {text}"
            )
            for i in range(number)
        ]
        if number >= SAME_DESCRIPTION:
            space.record("LIST_DESCRIPTION_PLACEHOLDER", rows)


def _quotes(space: Space) -> None:
    """Double the quotation marks of a description, as a table's file does; those of another are right."""
    like = space.take(LARGEST)
    for label, text, wrong in (
        ("infirmiers-fictifs", 'réservé aux ""Infirmiers fictifs""', True),
        ("ssiad-inventes", 'du SSIAD "Les Inventés"', False),
    ):
        row = space.add(like, domain=f"{label}.{ZONE}", description=f"Domaine de messagerie MSSanté {text}")
        if wrong:
            space.record("LIST_DESCRIPTION_CUT", [row])


def _by_hand(space: Space) -> None:
    """Add rows by hand: a copy under another name, another number, a foreign letter, after the list."""
    like = space.take(LARGEST)
    text = "Domaine de messagerie MSSanté"
    for rule, changes in (
        ("LIST_ROW_COPIED", {"domain": f"nouveaudomaine2.{ZONE}"}),
        ("LIST_DESCRIPTION_NUMBER", {"domain": f"cabinet12.{ZONE}", "description": f"{text} du Cabinet 13"}),
        ("LIST_LETTER_FOREIGN", {
            "domain": f"ssiad-songe.{ZONE}", "description": f"{text} du SSI\u0410D Songe",
        }),
        ("LIST_ROW_ADDED_AFTER", {
            "domain": f"usld-tardive.{ZONE}", "description": f"{text} de l'USLD tardive",
            "stamp": stamp(GENERATED_AT + timedelta(hours=4, seconds=7)),
        }),
    ):  # fmt: skip
        space.record(rule, [space.add(like, **changes)])


CASES: tuple[Callable[[Space], None], ...] = (
    _copied_contacts, _two_contacts_on_one_domain, _newer_minority, _rewritten_contact, _two_structures,
    _one_description_for_many, _quotes, _by_hand, _contacts_elsewhere, _two_identifiers,
)  # fmt: skip
"""The identifiers come last, after all that adds rows of the largest operator."""

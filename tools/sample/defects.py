"""Defects put into the made-up white list, each with the truth: which rules must fire, on which rows.

The truth is written down as a defect is made, from the definition of the rules; no audit has a part in it.
A defect is made on domains that no other defect has touched, so that what it causes can be told in advance;
what follows from it by another rule (a certificate misspelt wherever it is listed) is written down beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tools.sample.operators import Certificate, national, shifted
from tools.sample.space import GENERATED_AT, ZONE, Entry, Space, stamp

LARGEST, REGION, LABORATORY, HOSPITAL, OVERSEAS, CORSICA, CLINIC, CPS, SMALL, OLD_CPS = range(10)
"""Positions of operators in `Space.operators`. The last two of all are the homonyms."""

CONCENTRATION = 50
"""As many domains as DN_CONCENTRATION asks for."""

MIN_DOMAINS, MIN_OPERATORS = 90, 12
"""What the defects need to have room each."""


def inject(space: Space) -> None:
    """Put every defect into `space` and record what must be found."""
    for defect in DEFECTS:
        defect(space)


# -- rows and dates -------------------------------------------------------------------------------------


def _stamps(space: Space) -> None:
    after = _rows(space, LARGEST, 2)
    for entry in after:
        entry.stamp = stamp(GENERATED_AT + timedelta(seconds=1))
    space.record("LIST_STAMPED_AFTER", after)
    unreadable = space.take(LARGEST)
    unreadable.stamp = "28/02/2026 12:34"
    space.record("LIST_DATE_UNREADABLE", [unreadable])
    for operator, count in ((LARGEST, 2), (HOSPITAL, 1)):
        old = _rows(space, operator, count)
        for entry in old:
            entry.stamp = stamp(GENERATED_AT - timedelta(days=731 + space.random.randrange(1500)))
        if operator != LARGEST:  # `_contacts_of_few` adds to those
            space.record("CONTACT_STAMP_OLD", old)


def _repetitions(space: Space) -> None:
    """Repeat a row twice as it is, another also with another date, another with another description."""
    entry = space.take(LARGEST)
    space.record("LIST_ROW_DUPLICATE", [entry, space.add(entry), space.add(entry)])
    entry = space.take(LARGEST)
    again, dated = space.add(entry), space.add(entry, stamp=stamp(GENERATED_AT - timedelta(days=3)))
    space.record("LIST_ROW_DUPLICATE", [entry, again])
    space.record("LIST_PAIR_REPEATED", [entry, again, dated])
    entry = space.take(LARGEST)
    other = space.add(entry, description=f"{entry.description} (site de Valfictif)")
    space.record("LIST_PAIR_REPEATED", [entry, other])


# -- domains and descriptions ---------------------------------------------------------------------------


def _domains(space: Space) -> None:
    names = ["CH-Valfictif", "secretariat@ch-valfictif", "groupement-fictif-" * 4 + "nord", "ch_valfictif"]
    names.append(".".join(letter * 60 for letter in "abcd"))
    for name in names:
        space.record("LIST_DOMAIN_INVALID", _renamed(space, space.take(LARGEST), f"{name}.{ZONE}"))
    for name in ("messagerie.valfictif.example", f"ch-valfictif.{ZONE}.example"):
        space.record("LIST_DOMAIN_OUTSIDE", _renamed(space, space.take(LARGEST), name))


def _several_operators(space: Space) -> None:
    """Two domains shared by the same two operators are one finding; one shared with a third is another.

    The third bears the contacts of the operator that it serves the domain with, which is right.
    """
    for operator, count in ((REGION, 2), (HOSPITAL, 1)):
        second = space.operators[operator]
        shared = []
        for _ in range(count):
            entry = space.take(LARGEST)
            contacts = second if operator == REGION else space.operators[LARGEST]
            space.add(
                entry,
                second.certificate("mss-1"),
                description=f"Domaine de messagerie MSSanté de {entry.domain} chez {second.name}",
                project=contacts.project,
                support=contacts.support,
            )
            shared += space.same_domain(entry)
        space.record("LIST_DOMAIN_OPERATORS", shared)


def _subdomains(space: Space) -> None:
    """Put two sub-domains under another operator's domain, and one more under its own operator's."""
    parent = space.take(LARGEST).domain
    first = _renamed(space, space.take(REGION), f"unite-a.{parent}")
    second = _renamed(space, space.take(REGION), f"unite-b.{parent}")
    _renamed(space, space.take(REGION), f"accueil.unite-a.{parent}")
    space.record("LIST_SUBDOMAIN_OPERATOR", first + second)


def _names_that_mislead(space: Space) -> None:
    """Add domains a letter or a dot apart or with an ending; descriptions exchanged, of elsewhere or cut."""
    like = space.take(LARGEST)

    def domain(label: str, owner: str) -> Entry:
        described = f"Domaine de messagerie MSSanté pour {owner}"
        return space.add(like, domain=f"{label}.{ZONE}", description=described)

    for rule, *made_up in (
        ("DOMAIN_NEAR", ("labo-fictif", "le labo"), ("labos-fictif", "le labo")),
        ("DOMAIN_NEAR", ("ehpad-boisfictif", "Boisfictif"), ("ehpad.boisfictif", "Boisfictif")),
        ("DOMAIN_SUFFIX", ("ehpad-etangfictif.fr", "Etangfictif")),
        ("DESCRIPTION_SWAPPED", ("ch-rivefictive", "Pontmythique"), ("ehpad-pontmythique", "Rivefictive")),
        ("DESCRIPTION_ELSEWHERE", ("ch-buttefictive", "le centre hospitalier de Prefictif")),
        (
            "DESCRIPTION_CUT",
            ("had-lacfictif", "l'HAD \"LACFICTIF"),
            ("had-colfictif", "l'HAD Colfictif, site de"),
        ),
        ("", ("ch-prefictif", "le CH Prefictif")),
        ("", ("had-baiefictive", "l'HAD Baiefictive, bâtiment XX")),
        ("", ("labo-1", "le Labo 1")),
        ("", ("labo-2", "le Labo 2")),
    ):
        rows = [domain(label, owner) for label, owner in made_up]
        if rule:
            space.record(f"LIST_{rule}", rows)


def _descriptions(space: Space) -> None:
    garbled = "Domaine de messagerie MSSanté de l'Hôpital rêvé".encode().decode("cp1252")
    for rule, text, count in (
        ("LIST_DESCRIPTION_PLACEHOLDER", "À compléter", 2),
        ("LIST_DESCRIPTION_PLACEHOLDER", "xxx", 1),
        ("LIST_DESCRIPTION_MOJIBAKE", garbled, 1),
    ):
        rows = _rows(space, LARGEST, count)
        for entry in rows:
            entry.description = text
        space.record(rule, rows)
    entry = space.take(LARGEST)
    certificate = space.operators[LARGEST].certificate("mss-secours")
    space.add(entry, certificate, description="Domaine de messagerie MSSanté de la Clinique inventée")
    space.record("LIST_DESCRIPTION_SEVERAL", space.same_domain(entry))


def _controls(space: Space) -> None:
    """Characters that turn the text round or take no room: in two descriptions, a domain and a contact."""
    described = _rows(space, LARGEST, 2)
    for entry in described:
        character = "\u202e" if entry.domain == described[0].domain else "\u200b"
        entry.description = entry.description.replace("MSSanté", f"MSS{character}anté")
    space.record("LIST_TEXT_CONTROL", described)
    rows = _renamed(space, space.take(LARGEST), f"ch-val\u200bfictif.{ZONE}")
    space.record("LIST_DOMAIN_INVALID", rows)
    rows = space.rows_of(OLD_CPS)
    _contact(rows, "support", space.operators[OLD_CPS].support.replace(", ", ", \u200b"))
    space.record("LIST_TEXT_CONTROL", rows)


# -- certificates' DNs ----------------------------------------------------------------------------------


def _spellings(space: Space) -> None:
    """Spell DNs of some operators otherwise than certificates do: one finding an operator.

    The largest has one in quotes beside the right one on one domain, and another only wrongly on the next;
    the region, a département without its blank beside the right one, and quotes inside a name; overseas, one
    in another order with a non-breaking space.
    """
    operator = space.operators[LARGEST]
    certificate, entry = operator.certificate("mss-espaces"), space.take(LARGEST)
    space.add(entry, certificate)
    space.add(entry, certificate, certificate.dn.replace(",O=", " , O="))
    certificate = operator.certificate("mss-guillemets")
    space.add(space.take(LARGEST), certificate)
    quoted = certificate.dn.replace(operator.name, f'"{operator.name}"')
    space.record("DN_NOT_CANONICAL", [_only(space, LARGEST, certificate, quoted)])

    certificate, entry = space.operators[REGION].certificate("mss-blanc"), space.take(REGION)
    space.add(entry, certificate)
    bare = space.add(entry, certificate, certificate.dn.replace(" (", "("))
    named = space.operators[REGION].certificate("mss-nom")
    inside = space.add(entry, named, named.dn.replace("E-SANTE", '"E-SANTE"'))
    space.record("DN_SPELLINGS", [bare, inside])

    certificate = space.operators[OVERSEAS].certificate("mss-ordre")
    turned = ",".join(reversed(certificate.dn.split(","))).replace("-SANTE DE ", "-SANTE DE\u00a0")
    space.record("DN_NOT_CANONICAL", [_only(space, OVERSEAS, certificate, turned)])


def _shapes(space: Space) -> None:
    """List a DN without its département, and a text that is no DN: its row has no operator."""
    certificate = space.operators[REGION].certificate("mss-forme")
    entry = space.add(space.take(REGION), certificate, certificate.dn.replace(f",ST={certificate.st}", ""))
    space.record("DN_SHAPE", [entry])
    entry = space.add(space.rows_of(HOSPITAL)[0], dn="certificat du serveur", domain=f"had-valfictif.{ZONE}")
    entry.operator = ""
    space.record("DN_UNREADABLE", [entry])


def _certificates(space: Space) -> None:
    """List certificates with a wrong field, each beside a right one; one CN under two operators."""
    for rule, operator, fields in (
        ("DN_DEPARTMENT_FORM", LABORATORY, {"st": "Paris"}),
        ("DN_DEPARTMENT_UNKNOWN", LABORATORY, {"st": "Atlantide (75)"}),
        ("DN_DEPARTMENT_MISMATCH", LABORATORY, {"st": "Paris (59)"}),
        ("DN_FINESS_DEPARTMENT", HOSPITAL, {"st": "Nord (59)"}),
        ("DN_COUNTRY", LARGEST, {"country": "BE"}),
        ("DN_CN_NOT_FQDN", LARGEST, {"cn": "serveur-mss"}),
    ):
        host = f"mss-{rule.rpartition('_')[2].lower()}"
        certificate = space.operators[operator].certificate(host).but(**fields)
        space.record(rule, [space.add(space.take(operator), certificate)])
    shared = []
    for operator in (HOSPITAL, OVERSEAS):
        certificate = space.operators[operator].certificate("mss").but(cn="mss.partage-fictif.example")
        shared.append(space.add(space.take(operator), certificate))
    space.record("DN_CN_OPERATORS", shared)


def _names(space: Space) -> None:
    """One operator under two names, one name under two operators, a name cut at 40 characters."""
    certificate = space.operators[LABORATORY].certificate("mss-ancien")
    space.add(space.take(LABORATORY), certificate.but(o="LABORATOIRE CENTRAL VALFICTIF"))
    space.record("DN_OPERATOR_NAMES", space.rows_of(LABORATORY))
    cut = "HOPITAUX INTERCOMMUNAUX DE L'ILE FICTIVE ET DE SES ENVIRONS"[:40]
    last = len(space.operators) - 1
    for rule, rows, name in (
        ("DN_NAME_OPERATORS", space.rows_of(last) + space.rows_of(last - 1), "CENTRE HOSPITALIER HOMONYME"),
        ("DN_O_TRUNCATED", space.rows_of(CORSICA), cut),
    ):
        for entry in rows:
            _certify(entry, o=name)
        space.record(rule, rows)


def _identifiers(space: Space) -> None:
    """Operators whose identifier has a wrong check digit, a digit too few, or an unknown kind."""
    checked, short, kind = (space.operators[operator].id for operator in (CLINIC, CPS, SMALL))
    for rule, operator, wrong in (
        ("DN_ID_LUHN", CLINIC, f"{checked[:-1]}{(int(checked[-1]) + 5) % 10}"),
        ("DN_ID_SHAPE", CPS, short[:-1]),
        ("DN_ID_SHAPE", SMALL, f"7{kind[1:]}"),
    ):
        rows = space.rows_of(operator)
        for entry in rows:
            _certify(entry, ou=wrong)
        space.record(rule, rows)


def _concentration(space: Space) -> None:
    """Fifty domains of the largest operator on one certificate and no other; some have another beside it."""
    operator = space.operators[LARGEST]
    numbered = {operator.certificate(f"mss-{host}").cn for host in range(1, len(space.entries))}
    for entry in space.rows_of(LARGEST):
        if entry.certificate.cn in numbered:
            _certify(entry, cn=operator.certificate("mss-1").cn)
    certificate = operator.certificate("mss-1")
    lone = [entry for entry in space.rows_of(LARGEST) if len(_dns(space, entry)) == 1]
    rows = [entry for entry in lone if entry.certificate == certificate]
    for number in range(CONCENTRATION - len({entry.domain for entry in rows})):
        label, place = f"poste-{number + 1}", f"le poste n° {number + 1}"
        rows.append(
            space.add(
                rows[0],
                certificate,
                domain=f"{label}.{ZONE}",
                description=f"Domaine de messagerie MSSanté pour {place}",
                stamp=stamp(GENERATED_AT - timedelta(days=9)),
            )
        )
    space.record("DN_CONCENTRATION", rows)


def _dns(space: Space, entry: Entry) -> set[str]:
    return {other.certificate.dn for other in space.same_domain(entry)}


# -- contacts -------------------------------------------------------------------------------------------


def _contacts_of_all(space: Space) -> None:
    """Contacts that all rows of an operator share: no row disagrees with another."""
    for rule, operator, kind, text in (
        ("CONTACT_NO_PHONE", CORSICA, "project", "projet-mssante@{mail}"),
        ("CONTACT_NO_EMAIL", CORSICA, "support", "Service informatique, {phone}"),
        ("CONTACT_SEVERAL_EMAILS", CLINIC, "project", "{phone}, projet-mssante@{mail}, direction@{mail}"),
        ("CONTACT_PHONE_MALFORMED", CLINIC, "support", "01 99 00 12, support-mssante@{mail}"),
        ("CONTACT_EMAIL_MALFORMED", CPS, "project", "{phone}, projet-mssante@@{mail}"),
        ("CONTACT_MARKUP", CPS, "support", "SupportContact>{phone}, support-mssante@{mail}"),
        # Three letters are fewer than that provider allows: nobody has this address.
        ("CONTACT_CONSUMER", SMALL, "project", "{phone}, mss@gmail.com"),
        ("CONTACT_NAME_ADDRESS", SMALL, "support", "Mme SPECIMEN Zoé, {phone}, paul.fictif@{mail}"),
        # The address of the one whom the contact names, by initial and name.
        ("CONTACT_PERSONAL", OVERSEAS, "support", "M. EXEMPLE Luc, {phone}, l.exemple@{mail}"),
        ("CONTACT_SPACING", OLD_CPS, "project", "{phone},\u00a0projet-mssante@{mail}"),
    ):
        made_up = space.operators[operator]
        rows = space.rows_of(operator)
        _contact(rows, kind, text.format(phone=national(made_up.phone), mail=made_up.mail))
        space.record(rule, rows)
        if rule == "CONTACT_NAME_ADDRESS":
            space.record("CONTACT_PERSONAL", rows)


def _contacts_of_few(space: Space) -> None:
    """Change contacts of few domains of the largest operator, so that they disagree with the others.

    One cause is one finding: what only lacks its number, or is a slip of the pen, is reported as that alone,
    and all that disagrees is told together.
    """
    operator = space.operators[LARGEST]
    phone, mail = national(operator.phone), operator.mail
    name, support = mail.removesuffix(".example"), operator.support.split(", ")[1].partition("@")[0]
    typo = f"{name[:-2]}{name[-1]}{name[-2]}.example" if name[-1] != name[-2] else f"{name}s.example"
    usual = shifted(operator.phone, 1)
    misdialled = national(f"{usual[:6]}{(int(usual[6]) + 5) % 10}{usual[7:]}")
    disagree: list[Entry] = []
    for text, count, *rules in (
        (f"{phone}, ancien-contact-mssante@{mail}", 2, "CONTACT_DISAGREEMENT"),
        (f"{support}@{mail}", 1, "CONTACT_NO_PHONE"),
        (f"{national(usual)}, {support}@{typo}", 1, "CONTACT_EMAIL_TYPO"),
        (f"{phone}, {support}@autre-valfictif.example", 1, "CONTACT_DISAGREEMENT", "CONTACT_FOREIGN_DOMAIN"),
        (operator.support.replace(", ", ",  "), 1, "CONTACT_SPACING"),
        (f"{national(usual)}, {support}{support[-1]}@{mail}", 1, "CONTACT_NEAR"),
        (f"{misdialled}, {support}@{mail}", 1, "CONTACT_NEAR"),
    ):
        rows = _rows(space, LARGEST, count)
        _contact(rows, "support", text)
        for rule in rules:
            if rule == "CONTACT_DISAGREEMENT":
                disagree += rows
                for number, entry in enumerate(rows):  # older than all others: these are to be corrected
                    entry.stamp = stamp(GENERATED_AT - timedelta(days=2500, hours=7 * count + number))
            else:
                space.record(rule, rows)
    space.record("CONTACT_DISAGREEMENT", disagree)
    ago = stamp(GENERATED_AT - timedelta(days=730))
    space.record("CONTACT_STAMP_OLD", [entry for entry in space.rows_of(LARGEST) if entry.stamp < ago])


def _contacts_of_two_halves(space: Space) -> None:
    """Give a small operator as many rows with another contact as it has: no side is the usual one."""
    operator = space.operators[-1]
    rows = space.rows_of(len(space.operators) - 1)
    other = f"{national(shifted(operator.phone, 2))}, accueil@{operator.mail}"
    halves = [
        space.add(
            rows[0],
            operator.certificate(f"mss-antenne-{number}"),
            domain=f"antenne-valfictif.{ZONE}",
            project=other,
        )
        for number in range(len(rows))
    ]
    space.record("CONTACT_DISAGREEMENT", rows + halves)


def _contacts_of_others(space: Space) -> None:
    """List a domain once more, with the contacts of an operator that has no domain in common with its own."""
    theirs = space.operators[REGION]
    certificate = space.operators[OVERSEAS].certificate("mss-copie")
    entry = space.rows_of(OVERSEAS)[0]
    copied = space.add(entry, certificate, project=theirs.project, support=theirs.support)
    space.record("CONTACT_OTHER_OPERATOR", [copied])


def _autofill(space: Space) -> None:
    """Count the project contact's number up from one domain to the next, as a spreadsheet does."""
    operator = space.operators[LARGEST]
    mailbox = operator.project.split(", ")[1]
    run: list[Entry] = []
    for step in range(1, 5):
        rows = _rows(space, LARGEST, 1)
        _contact(rows, "project", f"{national(shifted(operator.phone, step))}, {mailbox}")
        run += rows
    space.record("CONTACT_AUTOFILL", run)


# -- making them ----------------------------------------------------------------------------------------


def _rows(space: Space, operator: int, count: int) -> list[Entry]:
    """Take domains and return all their rows."""
    return [entry for _ in range(count) for entry in space.same_domain(space.take(operator))]


def _only(space: Space, operator: int, certificate: Certificate, dn: str) -> Entry:
    """Take a domain and leave it one row, with another certificate and its name as told."""
    entry, *others = space.same_domain(space.take(operator))
    for other in others:
        space.entries.remove(other)
    entry.certificate, entry.dn = certificate, dn
    return entry


def _renamed(space: Space, like: Entry, domain: str) -> list[Entry]:
    """Give all rows of a domain another name; return them."""
    rows = space.same_domain(like)
    for entry in rows:
        entry.domain = domain
    return rows


def _certify(entry: Entry, **changes: str) -> None:
    """Give a row another certificate, like its own but for `changes`."""
    entry.certificate = entry.certificate.but(**changes)
    entry.dn, entry.operator = entry.certificate.dn, entry.certificate.ou


def _contact(rows: list[Entry], kind: str, text: str) -> None:
    for entry in rows:
        setattr(entry, kind, text)


DEFECTS: tuple[Callable[[Space], None], ...] = (
    _stamps, _repetitions, _domains, _several_operators, _subdomains, _descriptions, _controls,
    _names_that_mislead, _spellings, _shapes, _certificates, _contacts_of_all, _contacts_of_few,
    _contacts_of_two_halves, _contacts_of_others, _autofill,
    _names, _concentration, _identifiers,
)  # fmt: skip
"""Identifiers change last, after all that goes by them; concentration comes after all that adds rows."""

"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from in_clear import finders, told_in_clear
from made_up import ALPHA, BETA_DN, archived, make_space

from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits import findings_of
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.verdicts.domains import domains

DN = ALPHA["dn"]
USUAL = "01 99 00 00 01, projet@alpha.example"
found, texts = finders("stale_contacts")


def rows(*contacts: str, kind: str = "project", **fields: str) -> list[dict[str, str]]:
    """Return a row of its own domain for each contact."""
    return [
        {"domain": f"d{i:03}.mssante.fr", f"{kind}_contact": text, **fields}
        for i, text in enumerate(contacts)
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("projet@alpha.example", ["CONTACT_NO_PHONE"]),
        ("Service informatique, 01 99 00 00 01", ["CONTACT_NO_EMAIL"]),
        ("_", ["CONTACT_NO_EMAIL"]),  # nor a number, which is said there
        (f"{USUAL}, accueil@alpha.example", ["CONTACT_SEVERAL_EMAILS"]),
        ("01 99 00 00 001 2, projet@alpha.example", ["CONTACT_PHONE_MALFORMED"]),
        ("01 99 00 00 01, projet@@alpha.example", ["CONTACT_EMAIL_MALFORMED"]),
        # Two contacts glued into one make neither an address nor a number: one thing to write anew.
        ("01 99 00 00 01 99, projet@alpha.example01 99 00", ["CONTACT_EMAIL_MALFORMED"]),
        (f"ResponsableContact>{USUAL}", ["CONTACT_MARKUP"]),
        (USUAL.replace(", ", ",\u00a0 "), ["CONTACT_SPACING"]),
        (USUAL.replace(", ", ","), []),
        ("01 99 00 00  01, projet@@alpha.example", ["CONTACT_EMAIL_MALFORMED"]),  # written anew as a whole
        (f"{USUAL}\n", ["CONTACT_SPACING"]),
        ("01 99 00 00 01, mss@gmail.com", ["CONTACT_CONSUMER"]),
        ("01 99 00 00 01, zoe.fictive@alpha.example", ["CONTACT_PERSONAL"]),
        ("+33 1 99 00 00 01, projet@alpha.example", []),
        ("0199000001, PROJET@ALPHA.EXAMPLE", []),
    ],
)
def test_flags(text: str, rules: list[str]) -> None:
    assert found(make_space(*rows(text, text))) == [(rule, (1, 2)) for rule in rules]


def test_both_kinds_of_an_operator_are_one_finding() -> None:
    text = "projet@alpha.example"
    space = make_space(
        {"project_contact": text, "support_contact": text},
        {"domain": "b.mssante.fr", "support_contact": text},
        {"domain": "c.mssante.fr", "dn": BETA_DN, "project_contact": text},
    )
    assert found(space, "CONTACT_NO_PHONE") == [("CONTACT_NO_PHONE", (1, 2)), ("CONTACT_NO_PHONE", (3,))]
    assert texts(space, "CONTACT_NO_PHONE")[0][0] == f"2 × contact support : {text} | contact projet : {text}"


def test_a_contact_that_reaches_nobody_is_told_once_and_says_so() -> None:
    text = "01 99 00 00 01"
    space = make_space(*rows("www.alpha.example", text))
    reached = found(space, "CONTACT_NO_PHONE", "CONTACT_NO_EMAIL")
    assert reached == [("CONTACT_NO_EMAIL", (1,)), ("CONTACT_NO_EMAIL", (2,))]
    assert [observed for observed, _ in texts(space, "CONTACT_NO_EMAIL")] == [
        "contact projet : www.alpha.example ; pas de téléphone non plus",
        f"contact projet : {text}",
    ]


def test_what_a_contact_lacks_is_told_once_whomever_it_names() -> None:
    mail = "projet@alpha.example"
    space = make_space(
        *rows(mail, f"Mme FICTIVE Zoé, {mail}", f"M. EXEMPLE Luc, {mail}", "accueil@alpha.example")
    )
    assert found(space, "CONTACT_NO_PHONE") == [("CONTACT_NO_PHONE", (1, 2, 3)), ("CONTACT_NO_PHONE", (4,))]
    blanks = make_space(*rows(f"Mme FICTIVE Zoé,  {USUAL}", f"M. EXEMPLE Luc,  {USUAL}"))
    assert found(blanks, "CONTACT_SPACING") == [("CONTACT_SPACING", (1,)), ("CONTACT_SPACING", (2,))]


def test_spellings_of_a_contact_are_one_finding() -> None:
    space = make_space(*rows(USUAL, USUAL.replace(" 01,", "  01,"), USUAL.replace(", ", " ,\u00a0")))
    assert found(space) == [("CONTACT_SPACING", (2, 3))]
    assert texts(space, "CONTACT_SPACING")[0][1] == f"contact projet : {USUAL}"


def test_blanks_are_corrected_in_both_kinds_of_contact() -> None:
    wide = USUAL.replace(" 01,", "  01,")
    space = make_space({"project_contact": wide, "support_contact": wide})
    assert texts(space, "CONTACT_SPACING")[0][1] == f"contact projet : {USUAL} | contact support : {USUAL}"


# -- within an operator -------------------------------------------------------------------------------------

OTHER = "01 99 00 00 77, ancien-projet@alpha.example"


NEWER, OLDER = "2026-02-01T10:00:00Z", "2025-03-01T10:00:00Z"


def dated(*contacts: tuple[str, str]) -> TrustSpace:
    """Make a list of (contact, date) rows."""
    made = rows(*(text for text, _ in contacts))
    return make_space(
        *(row | {"updated_at_text": date} for row, (_, date) in zip(made, contacts, strict=True))
    )


def told(space: TrustSpace, code: str = "CONTACT_DISAGREEMENT") -> dict[str, Any]:
    """Return the one finding of a rule."""
    findings = told_in_clear("stale_contacts", space)
    (one,) = findings[findings["rule"] == code].to_dict("records")
    return {str(name): value for name, value in one.items()}


def test_a_disagreement_names_all_contacts_on_how_many_rows_and_since_when() -> None:
    third = "01 99 00 00 55, direction@alpha.example"
    spaced = OTHER.replace(" 77", "  77")
    space = dated(*[(USUAL, NEWER)] * 4, (OTHER, OLDER), (OTHER, OLDER), (spaced, NEWER), (third, OLDER))
    one = told(space)
    assert one["rows"] == (1, 2, 3, 4, 5, 6, 7, 8), "which is right is open"
    assert one["observed"].replace("\xa0", " ") == (
        f"4 × contact projet : {USUAL} – service, du 1er février 2026 | "
        f"3 × contact projet : {OTHER} – service, du 1er mars 2025 au 1er février 2026 | "
        f"contact projet : {third} – service, du 1er mars 2025"
    )


PERSONS = "01 99 00 00 33, zoe.fictive@alpha.example"
IDA = PERSONS.replace("zoe", "ida")
THIRD = "01 99 00 00 55, direction@alpha.example"
BULK = "2026-02-01T12:34:56Z"


@pytest.mark.parametrize(
    ("contacts", "expected", "wrong"),
    [
        # The older is wrong, and a person's beside a service's, whichever is the more frequent.
        ([(USUAL, NEWER)] * 3 + [(PERSONS, OLDER)], USUAL, (4,)),
        ([(USUAL, NEWER)] * 3 + [(OTHER, OLDER)], USUAL, (4,)),
        ([(USUAL, OLDER), (OTHER, NEWER)], OTHER, (1,)),
        ([(USUAL, OLDER)] * 3 + [(OTHER, NEWER)], OTHER, (1, 2, 3)),
        ([(PERSONS, OLDER)] * 3 + [(USUAL, NEWER)], USUAL, (1, 2, 3)),
        ([(PERSONS, NEWER)] * 3 + [(USUAL, NEWER)], USUAL, (1, 2, 3)),
        ([(PERSONS, OLDER)] * 3 + [(IDA, NEWER)], IDA, (1, 2, 3)),
        # What is proposed is written as it should be.
        ([(USUAL.replace(", ", ",  "), NEWER)] * 3 + [(PERSONS, OLDER)], USUAL, (4,)),
        # Two services that follow an older one: that is wrong, and which of them is right is open.
        ([(OTHER, OLDER), (USUAL, NEWER), (THIRD, NEWER)], "", (1,)),
        # A person's newer than a service's contradicts itself; so do dates that overlap.
        ([(USUAL, OLDER)] * 3 + [(PERSONS, NEWER)], "", ()),
        ([(PERSONS, NEWER)] * 3 + [(USUAL, OLDER)], "", ()),
        ([(USUAL, OLDER), (OTHER, "2025-06-01T10:00:00Z"), (USUAL, NEWER)], "", ()),
        # One date on all, and dates that say nothing.
        ([(USUAL, NEWER), (OTHER, NEWER)], "", ()),
        ([(USUAL, NEWER)] * 2 + [(OTHER, NEWER)], "", ()),
        ([(USUAL, NEWER)] * 3 + [(OTHER, NEWER)] * 3, "", ()),
        ([(USUAL, BULK)] * 3 + [(OTHER, BULK)], "", ()),
        ([(USUAL, "2026-03-02T05:30:01Z")] * 3 + [(OTHER, BULK)], "", ()),
        ([(USUAL, "2026-03-02T05:30:00Z"), (OTHER, OLDER)], "", ()),
        ([(USUAL, "hier")] * 3 + [(OTHER, OLDER)], "", ()),
        # A person's beside a service's is wrong all the same.
        ([(PERSONS, BULK)] * 3 + [(USUAL, "hier")], USUAL, (1, 2, 3)),
        # A bulk stamp still says that the row was not declared later.
        ([(USUAL, NEWER)] * 3 + [(OTHER, "2025-12-27T12:34:56Z")], USUAL, (4,)),
        # One whole minute on a third of an operator's rows is a stamp: that date contradicts nothing.
        ([(PERSONS, "2026-02-01T12:40:00Z")] * 10 + [(USUAL, OLDER)] * 20, USUAL, tuple(range(1, 11))),
        ([(PERSONS, "2026-02-01T12:40:07Z")] * 10 + [(USUAL, OLDER)] * 20, "", ()),
        ([(PERSONS, "2026-02-01T12:40:00Z")] * 10 + [(USUAL, OLDER)] * 21, "", ()),
    ],
)
def test_which_contact_is_to_be_corrected(
    contacts: list[tuple[str, str]], expected: str, wrong: tuple[int, ...]
) -> None:
    space = dated(*contacts)
    one = told(space)
    assert one["expected"] == (expected and f"contact projet : {expected}")
    assert one["rows"] == (wrong or tuple(range(1, len(contacts) + 1)))
    assert one["confidence"] == ("likely" if wrong else "hint")
    found = findings_of("stale_contacts", space)
    assert set(domains(space, found)["contacts"]) == {"ok"}, "somebody is reached all the same"


def test_one_date_on_the_rows_of_many_operators_says_nothing() -> None:
    dns = [DN.replace("1759900004", f"17599001{i:02}") for i in range(9)]
    others = [{"domain": f"o{i}.mssante.fr", "dn": dn, "updated_at_text": NEWER} for i, dn in enumerate(dns)]
    contacts = [row | {"updated_at_text": NEWER} for row in rows(USUAL, OTHER)]
    assert "sans date" not in told(make_space(*contacts, *others[:8]))["observed"]
    assert told(make_space(*contacts, *others))["observed"].count("sans date") == 2


def test_two_contacts_on_one_domain_are_told() -> None:
    again = {"dn": DN.replace("mss.", "smtp."), "project_contact": OTHER, "domain": "d000.mssante.fr"}
    one = told(make_space(*rows(USUAL, USUAL), again))
    assert (one["confidence"], one["rows"], one["expected"]) == ("hint", (1, 2, 3), "")
    assert "un même domaine en porte deux" in one["observed"]


def test_a_disagreement_is_known_by_its_operator_and_kind() -> None:
    before, after = rows(USUAL, USUAL, OTHER), rows(OTHER, "01 99 00 00 55, dpo@alpha.example", USUAL)
    assert told(make_space(*before))["fingerprint"] == told(make_space(*after))["fingerprint"]


def test_a_contact_for_each_domain_takes_no_quadratic_time() -> None:
    contacts = [f"01 99 {i // 100:02} {i % 100:02} 01, client-{i}@alpha.example" for i in range(0, 4500, 3)]
    contacts += [f"01 99 00 00 01, site-{chr(97 + i % 26)}{i}@alpha.example" for i in range(1500)]
    start = time.process_time()
    one = told(make_space(*rows(*contacts)))
    assert time.process_time() - start < 10
    assert len(one["rows"]) == 3000
    assert one["confidence"] == "hint"


def test_the_two_kinds_are_compared_apart_and_told_once_where_the_rows_are_the_same() -> None:
    usual = [{"domain": f"{name}.mssante.fr"} for name in "abc"]
    swapped = {"project_contact": "01 99 00 00 02, support@alpha.example", "support_contact": USUAL}
    space = make_space(*usual, swapped)
    assert found(space) == [("CONTACT_DISAGREEMENT", (1, 2, 3, 4))]
    assert [told(space)["observed"].count(f"contact {kind}") for kind in ("projet", "support")] == [2, 2]
    older = [row | {"updated_at_text": OLDER} for row in rows(OTHER)]
    assert found(make_space(*usual, *older)) == [("CONTACT_DISAGREEMENT", (4,))]


# -- another operator's contacts ----------------------------------------------------------------------------

THEIRS = "03 53 01 00 01, projet@beta.example"
SUPPLIER = "CN=mss.vendeur.example,OU=399900000000015,O=VENDEUR,ST=Bas-Rhin (67),C=FR"


def beta(*domains: str, dn: str = BETA_DN, contact: str = THEIRS) -> list[dict[str, str]]:
    """Return rows of another operator."""
    both = {"project_contact": contact, "support_contact": contact}
    return [{"domain": f"{name}.mssante.fr", "dn": dn, **both} for name in domains]


def test_rows_with_the_contacts_of_an_operator_elsewhere() -> None:
    space = make_space(*rows(*[USUAL] * 3, THEIRS), *beta("a", "b", "c"))
    assert found(space) == [("CONTACT_OTHER_OPERATOR", (4,))], "and no disagreement"
    one = told(space, "CONTACT_OTHER_OPERATOR")
    assert (str(one["severity"]), one["confidence"]) == ("error", "hint"), "one row of four may have a reason"
    assert one["observed"] == f"contact projet : {THEIRS}, de CH BETA (1679900001)"
    assert one["expected"] == f"contact projet : {USUAL}"


def test_what_is_wrong_with_a_copied_contact_is_its_owner_s_matter() -> None:
    theirs = "M. BETA Paul, paul.beta@beta.example"
    space = make_space(*rows(*[USUAL] * 3, theirs), *beta("a", "b", "c", contact=theirs))
    assert found(space) == [
        ("CONTACT_NO_PHONE", (5, 6, 7)),
        ("CONTACT_OTHER_OPERATOR", (4,)),
        ("CONTACT_PERSONAL", (5, 6, 7)),
    ]


OWN = "CN=mss.gamma.example,OU=1679900019,O=CH GAMMA,ST=Bas-Rhin (67),C=FR"
VENDOR = "CN=mss.vendeur.example,OU=399900000300015,O=VENDEUR,ST=Paris (75),C=FR"


@pytest.mark.parametrize(
    ("whose", "project", "support", "rule"),
    [
        (VENDOR, "gamma@vendeur.example", "aide@vendeur.example", "CONTACT_SUPPLIER"),
        (VENDOR, "projet@gamma.example", "aide@vendeur.example", ""),  # one of its own
        (VENDOR, "gamma@vendeur.example", "aide@agence.example", ""),  # of two others, one nobody's
        (BETA_DN, "gamma@beta.example", "aide@beta.example", "CONTACT_OTHER_ESTABLISHMENT"),
        (BETA_DN, "projet@gamma.example", "aide@beta.example", "CONTACT_OTHER_ESTABLISHMENT"),
        (BETA_DN, "projet@gamma.example", "aide@gamma.example", ""),
        (BETA_DN.replace("mss.beta", "mss.gamma"), "a.b@gamma.example", "aide@gamma.example", ""),
    ],
)
def test_contacts_at_another_operator_s(whose: str, project: str, support: str, rule: str) -> None:
    both = {"project_contact": f"01 99 00 00 31, {project}", "support_contact": f"01 99 00 00 32, {support}"}
    domain = parse_dn(whose).get("CN").removeprefix("mss.")
    theirs = {
        "dn": whose,
        "project_contact": f"01 99 00 00 41, projet@{domain}",
        "support_contact": f"01 99 00 00 42, support@{domain}",
    }
    space = make_space({"dn": OWN, **both}, *(theirs | {"domain": f"{name}.mssante.fr"} for name in "ab"))
    elsewhere = found(space, "CONTACT_SUPPLIER", "CONTACT_OTHER_ESTABLISHMENT")
    assert elsewhere == ([(rule, (1,))] if rule else [])


def test_what_one_row_lacks_in_both_contacts_is_told_once() -> None:
    mails = {"project_contact": "projet@alpha.example", "support_contact": "support@alpha.example"}
    space = make_space(mails, {"domain": "b.mssante.fr", "project_contact": mails["project_contact"]})
    assert found(space, "CONTACT_NO_PHONE") == [("CONTACT_NO_PHONE", (1, 2))]


def test_it_is_likely_where_most_rows_or_the_same_domain_say_otherwise() -> None:
    many = make_space(*rows(*[USUAL] * 9, THEIRS), *beta("a", "b", "c"))
    assert told(many, "CONTACT_OTHER_OPERATOR")["confidence"] == "likely"
    again = {"dn": DN.replace("mss.", "smtp."), "project_contact": THEIRS, "domain": "d000.mssante.fr"}
    twice = told(make_space(*rows(USUAL, USUAL), again, *beta("a", "b", "c")), "CONTACT_OTHER_OPERATOR")
    assert (twice["confidence"], twice["rows"]) == ("likely", (3,))
    assert "les mêmes domaines portent aussi les siens" in twice["observed"]


def test_an_identifier_whose_rows_all_have_them_beside_the_other_identifier() -> None:
    other = DN.replace("1759900004", "399900000130016")
    copied = [row | {"dn": other, "project_contact": THEIRS} for row in rows(*[USUAL] * 3)]
    space = make_space(*rows(*[USUAL] * 3), *copied, *beta("a", "b", "c", "d"))
    assert found(space) == [("CONTACT_OTHER_OPERATOR", (4, 5, 6))]
    assert told(space, "CONTACT_OTHER_OPERATOR")["expected"] == f"contact projet : {USUAL}"


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ([USUAL, USUAL, USUAL, THEIRS], beta("a", "b", "d000")),  # they serve a domain side by side
        ([USUAL, USUAL, USUAL, THEIRS], beta("a", "b")),  # too few rows to be at home there
        ([THEIRS, THEIRS, THEIRS], beta("a", "b", "c", "d")),  # a supplier's, on all rows
        ([USUAL, "03 53 01 00 01, projet@alpha.example"], beta("a", "b", "c")),  # only the number
        ([USUAL, USUAL, USUAL, THEIRS], beta("a", "b", "c", dn=SUPPLIER)),  # which runs that row
        (  # other numbers of one structure
            [USUAL, USUAL, USUAL, THEIRS],
            beta("a", "b", "c", dn="CN=mss.alpha.example,OU=1759900012,O=CH ALPHA,ST=Paris (75),C=FR"),
        ),
    ],
)
def test_contacts_that_are_rightly_shared(mine: list[str], theirs: list[dict[str, str]]) -> None:
    assert found(make_space(*rows(*mine), *theirs), "CONTACT_OTHER_OPERATOR") == []


def test_a_contact_of_an_operator_that_serves_the_same_domain_disagrees_with_none() -> None:
    foreign = rows(*[USUAL] * 5, THEIRS)
    assert found(make_space(*foreign, *beta("a", "b", "d005"))) == []
    other = make_space(*foreign, *beta("a"), *beta("d005", contact=USUAL))
    assert found(other)[0][0] == "CONTACT_DISAGREEMENT"


ELSEWHERE = {"domain": "b.mssante.fr", "dn": BETA_DN}
ALPHO = {
    f"{k}_contact": f"01 99 00 00 01, {name}@alpho.example"
    for k, name in (("project", "projet"), ("support", "support"))
}


@pytest.mark.parametrize(
    "listed",
    [
        [],
        rows(USUAL, USUAL, USUAL, USUAL),
        [rows(USUAL)[0] | {"updated_at_text": date} for date in (NEWER, OLDER)],  # dates alone
        # Another operator's majority, and its domain that is only near.
        [
            *rows(USUAL, USUAL, USUAL),
            ELSEWHERE | {"project_contact": OTHER.replace("alpha", "beta"), "support_contact": THEIRS},
        ],
        [*rows(*[USUAL] * 10), ELSEWHERE | ALPHO],
    ],
)
def test_right_contacts_get_nothing(listed: list[dict[str, str]]) -> None:
    assert found(make_space(*listed)) == []


def test_a_vendor_s_contacts_at_its_customer_are_no_supplier_s() -> None:
    row = {"dn": VENDOR, "project_contact": USUAL, "support_contact": USUAL}
    assert found(make_space(row, {"domain": "b.mssante.fr"}), "CONTACT_SUPPLIER") == []


# -- nearly the same ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "near",
    [
        "01 99 00 40 01, projet@alpha.example",
        "01 99 00 00 01, projett@alpha.example",
        "01 99 00 00 01, porjet@alpha.example",
    ],
)
def test_a_digit_or_a_letter_away(near: str) -> None:
    space = make_space(*rows(*[USUAL] * 3, near))
    assert found(space) == [("CONTACT_NEAR", (4,))], "and no disagreement"
    one = told(space, "CONTACT_NEAR")
    assert one["observed"] == f"3 × contact projet : {USUAL} | contact projet : {near}"
    assert one["expected"] == ""
    rare = told(make_space(*rows(*[USUAL] * 10, near)), "CONTACT_NEAR")
    assert rare["expected"] == f"contact projet : {USUAL}"
    assert told(make_space(*rows(near, USUAL)), "CONTACT_NEAR")["rows"] == (1, 2)
    assert told(make_space(*rows(near, USUAL, USUAL)), "CONTACT_NEAR")["fingerprint"] == one["fingerprint"]


HOUSE = "04 89 00 12 01, projet@alpha.example"


@pytest.mark.parametrize(
    ("colleagues", "odd"),
    [
        (["04 89 00 12 07, ida@alpha.example"], "05 89 00 12 19, luc@alpha.example"),  # but for an extension
        (["04 89 00 12 07, ida@alpha.example"], "04 89 70 12 19, luc@alpha.example"),
        (  # whatever follows, where several have that prefix
            ["04 89 00 47 33, ida@alpha.example", "04 89 00 68 50, leo@alpha.example"],
            "04 88 00 31 44, luc@alpha.example",
        ),
    ],
)
def test_a_digit_away_from_the_prefix_of_colleagues(colleagues: list[str], odd: str) -> None:
    space = make_space(*rows(HOUSE, HOUSE, *colleagues, odd))
    assert found(space, "CONTACT_NEAR") == [("CONTACT_NEAR", (3 + len(colleagues),))]


@pytest.mark.parametrize(
    "others",
    [
        ["05 89 00 31 44, luc@alpha.example"],  # two numbers, and all that follows differs
        ["05 89 00 12 19, luc@beta.example"],  # no colleague
        ["04 87 01 12 19, luc@alpha.example"],  # two digits
        ["04 89 00 31 07, ida@alpha.example"],  # another extension
        ["07 89 00 12 19, luc@alpha.example"],  # a mobile
        ["04 89 10 47 33, ida@alpha.example", "04 89 10 68 50, leo@alpha.example"],  # two exchanges
    ],
)
def test_numbers_of_one_house(others: list[str]) -> None:
    assert found(make_space(*rows(HOUSE, HOUSE, *others)), "CONTACT_NEAR") == []


def test_all_rows_that_bear_a_number_count() -> None:
    elsewhere, near = USUAL.replace("projet", "accueil"), "01 99 00 40 01, projet@alpha.example"
    one = told(make_space(*rows(USUAL, near, near, *[elsewhere] * 3)), "CONTACT_NEAR")
    assert (one["rows"], one["expected"]) == ((2, 3), "")


def test_a_name_and_the_address_of_another() -> None:
    text = "Mme SPECIMEN Zoé, 01 99 00 00 01, paul.fictif@alpha.example"
    space = make_space(*rows(text, text))
    assert found(space) == [("CONTACT_NAME_ADDRESS", (1, 2)), ("CONTACT_PERSONAL", (1, 2))]
    assert found(make_space(*rows(text.replace("paul.fictif", "z.specimen"))), "CONTACT_NAME_ADDRESS") == []


def test_persons_addresses_are_one_finding_an_operator() -> None:
    first, second = PERSONS, PERSONS.replace("zoe", "ida")
    made = rows(first, second, USUAL, USUAL)
    made[0] |= {"support_contact": first, "updated_at_text": OLDER}
    one = told(make_space(*made), "CONTACT_PERSONAL")
    assert one["rows"] == (1, 2)
    seen = one["observed"].replace("\xa0", " ")
    assert seen.startswith("2 lignes sur 4 (50\u202f%), depuis le 1er mars 2025 : ")
    made[2]["updated_at_text"] = "2021-05-04T10:00:07Z"
    aged = make_space(*made)
    assert found(aged, "CONTACT_PERSONAL", "CONTACT_STAMP_OLD") == [("CONTACT_PERSONAL", (1, 2, 3))]
    assert "la plus ancienne ligne est du 4 mai 2021" in told(aged, "CONTACT_PERSONAL")["observed"].replace(
        "\xa0", " "
    )


# -- numbers that count up ----------------------------------------------------------------------------------


def run(*numbers: int, mail: str = "projet@alpha.example") -> list[str]:
    return [f"01 99 00 00 {number:02}, {mail}" for number in numbers]


GROUPED = "08 99 00 00 01, projet@alpha.example"


@pytest.mark.parametrize(
    ("usual", "filled", "right"),
    [
        ([USUAL] * 20, run(*range(2, 19)), USUAL),
        ([], [*run(98, 99), "01 99 00 01 00, projet@alpha.example", "0199000101, projet@alpha.example"], ""),
        # As a real list has it: numbers of nine digits, or that begin with 10 or 17.
        ([GROUPED] * 5, [GROUPED.replace("08 ", f"{first} ") for first in (9, 10, 10, 17)], GROUPED),
    ],
)
def test_a_run_of_numbers_is_one_finding_and_nothing_else(
    usual: list[str], filled: list[str], right: str
) -> None:
    space = make_space(*rows(*usual, *filled))
    assert found(space) == [("CONTACT_AUTOFILL", tuple(range(len(usual) + 1, len(usual + filled) + 1)))]
    observed, expected = texts(space, "CONTACT_AUTOFILL")[0]
    assert observed == f"contact projet : {filled[0]} | contact projet : {filled[-1]}"
    assert expected == (right and f"contact projet : {right}")


def test_a_run_in_both_kinds_of_contact_is_one_finding() -> None:
    filled = [
        {"domain": f"f{i}.mssante.fr", "project_contact": p, "support_contact": s}
        for i, (p, s) in enumerate(
            zip(run(10, 11, 12), run(11, 12, 13, mail="support@alpha.example"), strict=True)
        )
    ]
    assert found(make_space(*filled)) == [("CONTACT_AUTOFILL", (1, 2, 3))]


def test_a_run_over_two_operators_is_none() -> None:
    first, second, third = run(2, 3, 4)
    space = make_space(
        *rows(first, second), {"domain": "b.mssante.fr", "dn": BETA_DN, "project_contact": third}
    )
    assert found(space, "CONTACT_AUTOFILL") == []


# -- domains of addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["alhpa.example", "alpa.example", "alphaa.example", "alpho.example"])
def test_slip_in_a_domain(wrong: str) -> None:
    space = make_space(*rows(*[USUAL] * 10, f"01 99 00 00 01, projet@{wrong}"))
    assert found(space, "CONTACT_EMAIL_TYPO", "CONTACT_FOREIGN_DOMAIN") == [("CONTACT_EMAIL_TYPO", (11,))]
    assert told(space, "CONTACT_EMAIL_TYPO")["confidence"] == "likely"
    assert texts(space, "CONTACT_EMAIL_TYPO")[0][1] == f"contact projet : {USUAL}"


def test_slip_in_an_ending_nobody_else_has() -> None:
    contact = "01 99 00 00 01, Projet@Beta-Sante.examples"
    space = make_space(
        *rows(*[USUAL] * 10), {"domain": "b.mssante.fr", "dn": BETA_DN, "project_contact": contact}
    )
    assert found(space, "CONTACT_EMAIL_TYPO", "CONTACT_FOREIGN_DOMAIN") == [("CONTACT_EMAIL_TYPO", (11,))]
    right = "contact projet : 01 99 00 00 01, Projet@beta-sante.example"
    assert texts(space, "CONTACT_EMAIL_TYPO")[0][1] == right
    # Nobody else has that ending, and there is one a letter away in the world: only a hint ...
    assert told(space, "CONTACT_EMAIL_TYPO")["confidence"] == "hint"
    # ... unless the operator itself writes the other.
    both = make_space(*rows(*[USUAL] * 11, "01 99 00 00 01, projet@alpha.examplee"))
    assert told(both, "CONTACT_EMAIL_TYPO")["confidence"] == "likely"


@pytest.mark.parametrize(
    ("count", "near", "own"),
    [
        (8, "alpho.example", "alpha"),  # not ten times more frequent
        (10, "alpho.example", "alpho"),  # its servers lie there
        (10, "alpha2.example", "alpha"),  # a digit is no slip
        (10, "alphabeta.example", "alpha"),
    ],
)
def test_domains_that_are_only_near(count: int, near: str, own: str) -> None:
    dn = f"CN=mss.{own}.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
    space = make_space(*rows(*[USUAL] * count, f"01 99 00 00 01, projet@{near}", dn=dn))
    assert found(space, "CONTACT_EMAIL_TYPO") == []


FOREIGN = "01 99 00 00 01, projet@vendeur.example"


def test_address_outside_the_operator_s_usual_domains() -> None:
    space = make_space(*rows(*[USUAL] * 5, FOREIGN))
    assert found(space, "CONTACT_FOREIGN_DOMAIN") == [("CONTACT_FOREIGN_DOMAIN", (6,))]


@pytest.mark.parametrize(
    ("rule", "contacts"),
    [
        # More or less of the same contact.
        ("CONTACT_DISAGREEMENT", [USUAL] * 3 + ["Mme SPECIMEN Zoé, 01 99 00 00 01, projet@alpha.example"]),
        ("CONTACT_DISAGREEMENT", [USUAL] * 3 + ["projet@alpha.example"]),
        ("CONTACT_DISAGREEMENT", [USUAL] * 3 + ["service informatique"]),
        ("CONTACT_DISAGREEMENT", [USUAL] * 3 + [f"{USUAL}, accueil@alpha.example"]),
        ("CONTACT_DISAGREEMENT", [USUAL] * 3 + ["0199000001,PROJET@alpha.example"]),
        # Two persons, or two lines, or a series.
        ("CONTACT_NEAR", [USUAL, USUAL.replace("00 01", "00 02")]),
        ("CONTACT_NEAR", [USUAL, "01 99 00 40 01, accueil@alpha.example"]),
        (
            "CONTACT_NEAR",
            [f"M. FICTIF Paul, {USUAL}", f"Mme SPECIMEN Zoé, {USUAL.replace('00 01', '40 01')}"],
        ),
        ("CONTACT_NEAR", [f"01 99 00 00 01, {name}.fictif@alpha.example" for name in ("zoe", "noe")]),
        ("CONTACT_NEAR", [f"01 99 00 00 01, {name}.fictif@alpha.example" for name in "ab"]),
        ("CONTACT_NEAR", [f"01 99 00 00 01, site{number}@alpha.example" for number in (1, 2)]),
        ("CONTACT_NEAR", [USUAL, "01 99 00 00 77, projett@alpha.example"]),
        ("CONTACT_NEAR", [f"01 99 {number} 00 01, projet@alpha.example" for number in range(10, 20)]),
        # Right numbers that are near.
        ("CONTACT_AUTOFILL", run(2, 3)),
        ("CONTACT_AUTOFILL", run(2, 3, 5, 6)),
        ("CONTACT_AUTOFILL", run(10, 20, 30)),
        (
            "CONTACT_AUTOFILL",
            [
                f"01 99 00 00 0{i}, {name}@alpha.example"
                for i, name in enumerate(("projet", "support", "accueil"))
            ],
        ),
        (
            "CONTACT_AUTOFILL",
            [f"{name}, 01 99 00 00 0{i}, dsi@a.example" for i, name in enumerate(("M. A", "M. B", "M. C"))],
        ),
        # Names too short for a slip; few rows, kin and consumers' providers.
        ("CONTACT_EMAIL_TYPO", ["01 99 00 00 01, a@cgm.example"] * 10 + ["01 99 00 00 01, a@cgi.example"]),
        ("CONTACT_FOREIGN_DOMAIN", [USUAL] * 3 + [FOREIGN]),
        ("CONTACT_FOREIGN_DOMAIN", [USUAL] * 5 + ["01 99 00 00 01, mss@unite.alpha.example"]),
        ("CONTACT_FOREIGN_DOMAIN", [USUAL] * 5 + ["01 99 00 00 01, mss@gmail.com"]),
    ],
)
def test_what_only_looks_like_it(rule: str, contacts: list[str]) -> None:
    assert found(make_space(*rows(*contacts)), rule) == []


# -- age ----------------------------------------------------------------------------------------------------


def test_old_stamps_are_one_finding_an_operator() -> None:
    old = {"updated_at_text": "2024-03-02T23:59:59Z"}
    space = make_space(
        old,
        old | {"domain": "b.mssante.fr"},
        {"domain": "c.mssante.fr", "updated_at_text": "2024-03-03T00:00:00Z"},
        old | {"domain": "d.mssante.fr", "dn": BETA_DN},
        {"domain": "e.mssante.fr", "updated_at_text": "hier"},
    )
    assert found(space, "CONTACT_STAMP_OLD") == [("CONTACT_STAMP_OLD", (1, 2)), ("CONTACT_STAMP_OLD", (4,))]
    seen = "2\u00a0lignes sur 4 (50\u202f%), la plus ancienne du 2\u00a0mars\u00a02024"
    assert texts(space, "CONTACT_STAMP_OLD")[0][0] == seen
    young = replace(space, thresholds=Thresholds(stale_after_days=9999))
    assert found(young, "CONTACT_STAMP_OLD") == []


# -- persons ------------------------------------------------------------------------------------------------

PERSON = "Mme SPECIMENNE Zoé, 06 39 98 12 34, zoe.specimenne@alpha.example"


def test_findings_are_masked_unless_contacts_are_asked_for() -> None:
    space = make_space(*rows(*[USUAL] * 4, PERSON, f"{PERSON}, x@alhpa.example", PERSON.replace(", ", ",  ")))
    # A fingerprint is hexadecimal: it may hold any two digits.
    masked = masked_audit("stale_contacts", space).drop(columns="fingerprint").to_csv()
    for secret in ("SPECIMENNE", "specimenne", "Zoé", "zoe", "98", "12 3"):
        assert secret in told_in_clear("stale_contacts", space).to_csv()
        assert secret not in masked
    assert "06 •• •• •• 34" in masked
    assert masked_audit("stale_contacts", replace(space, contacts="all")).equals(
        told_in_clear("stale_contacts", space)
    )


def test_two_contacts_that_look_alike_masked_are_numbered_and_one_is_not() -> None:
    contacts = ["06 39 98 00 01, zoe@alpha.example"] * 3 + ["06 39 98 11 01, zac@alpha.example"]
    rows = [{"domain": f"d{i}.mssante.fr", "project_contact": text} for i, text in enumerate(contacts)]
    frame = masked_audit("stale_contacts", make_space(*rows))
    (one,) = frame[frame["rule"] == "CONTACT_DISAGREEMENT"].to_dict("records")
    assert one["observed"] == (
        "3 × contact projet : 06 •• •• •• 01, z•••@alpha.example (1) – du 5\u00a0janvier\u00a02026 | "
        "contact projet : 06 •• •• •• 01, z•••@alpha.example (2) – du 5\u00a0janvier\u00a02026"
    )
    (alone,) = masked_audit("stale_contacts", make_space({"project_contact": "zoe@alpha.example"})).to_dict(
        "records"
    )
    assert alone["observed"] == "contact projet : z•••@alpha.example"


# -- staleness by evidence ----------------------------------------------------------------------------------

BY_HISTORY = ("CONTACT_UNCHANGED", "CONTACT_PARTLY_CHANGED", "CONTACT_FORMER_OPERATOR")


def test_contacts_unchanged_since_first_seen_with_the_censoring_said(tmp_path: Path) -> None:
    old, new = rows(USUAL, USUAL), rows(USUAL, USUAL, USUAL)
    space = archived(tmp_path, on_2024_01_01=old, on_2025_12_01=new, on_2026_03_01=new)
    assert found(space, *BY_HISTORY) == [("CONTACT_UNCHANGED", (1, 2))]
    ((observed, expected),) = texts(space, "CONTACT_UNCHANGED")
    assert "2 lignes sur 3" in observed.replace("\xa0", " ")
    assert "depuis le 1er janvier 2024 au moins" in observed.replace("\xa0", " ")
    assert "3 mars 2025" in expected.replace("\xa0", " ")


def test_a_date_of_update_does_not_make_a_contact_new_nor_old(tmp_path: Path) -> None:
    stamped = rows(USUAL, updated_at_text="2026-02-28T10:00:00Z")
    space = archived(tmp_path, on_2024_01_01=rows(USUAL), on_2026_03_01=stamped)
    assert found(space, *BY_HISTORY) == [("CONTACT_UNCHANGED", (1,))]


@pytest.mark.parametrize(
    ("before", "lists"),
    [
        (rows(USUAL), rows("01 99 00 00 09, projet@alpha.example", updated_at_text="2019-01-01T10:00:00Z")),
        (None, rows(USUAL, USUAL)),  # an archive that does not reach back far enough
    ],
)
def test_what_the_archive_does_not_show_unchanged(tmp_path: Path, before: Any, lists: Any) -> None:
    first = {"on_2024_01_01": before} if before else {"on_2025_12_01": rows(USUAL)}
    assert found(archived(tmp_path, **first, on_2026_03_01=lists), *BY_HISTORY) == []


def test_a_contact_changed_on_some_domains_only_with_the_date(tmp_path: Path) -> None:
    new = "01 99 00 00 07, accueil@alpha.example"
    space = archived(
        tmp_path, on_2025_11_01=rows(USUAL, USUAL, USUAL), on_2025_12_01=rows(new, USUAL, USUAL),
        on_2026_03_01=rows(new, USUAL, USUAL),
    )  # fmt: skip
    assert found(space, *BY_HISTORY) == [("CONTACT_PARTLY_CHANGED", (2, 3))]
    told = texts(space, "CONTACT_PARTLY_CHANGED")
    assert told == [(f"contact projet : {USUAL}", f"contact projet : {new}")]
    evidence = (
        told_in_clear("stale_contacts", space).set_index("rule").loc["CONTACT_PARTLY_CHANGED"]["evidence"]
    )
    assert "dans la liste du 1er décembre 2025" in evidence.replace("\xa0", " ")
    masked = masked_audit("stale_contacts", replace(space, contacts="none")).set_index("rule")
    assert "projet@" not in masked.loc["CONTACT_PARTLY_CHANGED", "observed"]


def test_what_the_archive_shows_replaced_is_no_disagreement_too(tmp_path: Path) -> None:
    new, third = "01 99 00 00 07, accueil@alpha.example", "01 99 00 00 31, astreinte@alpha.example"
    both = ("CONTACT_PARTLY_CHANGED", "CONTACT_DISAGREEMENT")
    before = rows(USUAL, USUAL, USUAL, third, third)
    (tmp_path / "one").mkdir()
    space = archived(tmp_path / "one", on_2025_12_01=before[:3], on_2026_03_01=rows(new, USUAL, USUAL))
    assert found(space, *both) == [("CONTACT_PARTLY_CHANGED", (2, 3))]
    # From the list alone it is a disagreement, and the contact that is left of a third party still is one.
    assert found(make_space(*rows(new, USUAL, USUAL)), *both) == [("CONTACT_DISAGREEMENT", (1, 2, 3))]
    (tmp_path / "two").mkdir()
    after = rows(new, USUAL, USUAL, third, third)
    space = archived(tmp_path / "two", on_2025_12_01=before, on_2026_03_01=after)
    assert [rule for rule, _ in found(space, *both)] == [*both][::-1]
    # Spelt otherwise it stands on rows that the archive does not tell of.
    (tmp_path / "three").mkdir()
    spelt = rows(new, USUAL, USUAL.replace(" 01,", "01,"))
    space = archived(tmp_path / "three", on_2025_12_01=before[:3], on_2026_03_01=spelt)
    assert [rule for rule, _ in found(space, *both)] == [*both][::-1]


def test_what_the_archive_shows_replaced_is_never_expected(tmp_path: Path) -> None:
    new, third = "01 99 00 00 07, accueil@alpha.example", "01 99 00 00 31, astreinte@alpha.example"
    many = [USUAL] * 9
    dates = {"updated_at_text": NEWER}
    after = [row | dates if row["project_contact"] == USUAL else row for row in rows(new, *many, third)]
    alone = make_space(*after)
    assert texts(alone, "CONTACT_DISAGREEMENT")[0][1] == f"contact projet : {USUAL}"
    space = archived(tmp_path, on_2025_12_01=rows(USUAL, *many, third), on_2026_03_01=after)
    assert texts(space, "CONTACT_DISAGREEMENT")[0][1] == ""


@pytest.mark.parametrize(
    "after",
    [
        ["01 99 00 00 07, accueil@alpha.example"] * 3,  # changed everywhere
        [f"M. FICTIF Paul, {USUAL}", USUAL, USUAL],  # same number, same address
        [USUAL, USUAL],  # one domain less
    ],
)
def test_what_is_no_change_in_part(tmp_path: Path, after: list[str]) -> None:
    space = archived(tmp_path, on_2025_12_01=rows(USUAL, USUAL, USUAL), on_2026_03_01=rows(*after))
    assert found(space, *BY_HISTORY) == []


def test_a_contact_of_the_operator_before(tmp_path: Path) -> None:
    theirs = "03 53 01 00 01, projet@beta.example"
    before = rows(USUAL, USUAL, USUAL)
    after = [
        before[0],
        {**before[1], "dn": BETA_DN, "project_contact": theirs, "support_contact": theirs},
        {**before[2], "dn": BETA_DN, "project_contact": theirs},  # its support contact is still ALPHA's
    ]
    space = archived(tmp_path, on_2025_12_01=before, on_2026_03_01=after)
    assert found(space, *BY_HISTORY) == [("CONTACT_FORMER_OPERATOR", (3,))]
    ((observed, _),) = texts(space, "CONTACT_FORMER_OPERATOR")
    assert observed == f"contact support : {ALPHA['support_contact']}"
    evidence = (
        told_in_clear("stale_contacts", space).set_index("rule").loc["CONTACT_FORMER_OPERATOR"]["evidence"]
    )
    assert "CH ALPHA" in evidence


def test_what_the_operator_before_left_is_not_told_again_as_another_s(tmp_path: Path) -> None:
    before = [*rows(*[USUAL] * 2), *beta("a", "b", "c", "d")]
    after = [*before[:5], {**before[5], "dn": DN}]
    space = archived(tmp_path, on_2025_12_01=before, on_2026_03_01=after)
    assert found(space, "CONTACT_FORMER_OPERATOR", "CONTACT_OTHER_OPERATOR") == [
        ("CONTACT_FORMER_OPERATOR", (6,))
    ]


def test_a_list_that_the_archive_does_not_hold(tmp_path: Path) -> None:
    space = archived(tmp_path, on_2024_01_01=rows(USUAL), on_2026_03_01=rows(USUAL))
    other = replace(make_space(*rows(USUAL)), thresholds=space.thresholds, archive=space.archive)
    assert found(other, *BY_HISTORY) == []


# -- since when ---------------------------------------------------------------------------------------------


def first_seen(space: TrustSpace, audited: str, code: str) -> list[str]:
    findings = masked_audit(audited, space)
    return [seen[:10] for seen in findings.loc[findings["rule"] == code, "first_seen"]]


def test_the_archive_tells_since_when_a_finding_is_there(tmp_path: Path) -> None:
    alone, bad = "01 99 00 00 01", {"dn": DN.replace("ST=Paris", "ST=Pariss")}
    space = archived(
        tmp_path,
        on_2024_01_01=rows(USUAL, USUAL),
        on_2025_01_01=rows(USUAL, alone),
        on_2025_12_01=rows(alone, alone, updated_at_text="2025-11-30T10:00:00Z"),
        on_2026_03_01=rows(alone, alone, **bad),
    )
    assert first_seen(space, "stale_contacts", "CONTACT_NO_EMAIL") == ["2025-01-01"], "of its oldest row"
    assert first_seen(space, "dn_consistency", "DN_DEPARTMENT_UNKNOWN") == ["2026-03-01"]


def test_what_it_takes_several_rows_for_is_there_since_the_last_of_them(tmp_path: Path) -> None:
    before, after = (
        rows(USUAL),
        [*rows(USUAL), {"domain": "b.mssante.fr", "dn": DN.replace("Paris (75)", "Paris(75)")}],
    )
    space = archived(tmp_path, on_2024_01_01=before, on_2025_01_01=after, on_2026_03_01=after)
    assert first_seen(space, "dn_consistency", "DN_SPELLINGS") == ["2025-01-01"]


def test_what_other_rows_or_dates_make_is_not_dated_by_its_texts(tmp_path: Path) -> None:
    old = {"updated_at_text": "2019-01-01T10:00:00Z"}
    before = rows("01 99 00 00 01, a@alpha.example", **old)
    after = before + rows(*[USUAL] * 5)[1:]
    space = archived(tmp_path, on_2024_01_01=before, on_2026_03_01=after)
    assert first_seen(space, "stale_contacts", "CONTACT_DISAGREEMENT") == [""]
    assert first_seen(space, "stale_contacts", "CONTACT_UNCHANGED") == [""]
    assert first_seen(space, "whitelist_integrity", "LIST_UNSIGNED") == [""]


def test_changes_are_dated_by_the_list_that_shows_them(tmp_path: Path) -> None:
    new = "01 99 00 00 07, accueil@alpha.example"
    space = archived(
        tmp_path, on_2024_01_01=rows(USUAL, USUAL), on_2025_12_01=rows(new, USUAL),
        on_2026_03_01=rows(new, USUAL),
    )  # fmt: skip
    assert first_seen(space, "stale_contacts", "CONTACT_PARTLY_CHANGED") == ["2025-12-01"]
    moved = [*rows(USUAL)[:1], {"domain": "d001.mssante.fr", "dn": BETA_DN, "project_contact": USUAL}]
    (tmp_path / "moved").mkdir()
    space = archived(
        tmp_path / "moved", on_2024_01_01=rows(USUAL, USUAL), on_2025_06_01=moved, on_2026_03_01=moved
    )
    assert first_seen(space, "stale_contacts", "CONTACT_FORMER_OPERATOR") == ["2025-06-01"]


def test_a_list_that_is_not_in_the_archive_is_not_dated(tmp_path: Path) -> None:
    alone = rows("01 99 00 00 01")
    space = archived(tmp_path, on_2024_01_01=alone, on_2026_03_01=alone)
    assert first_seen(space, "stale_contacts", "CONTACT_NO_EMAIL") == ["2024-01-01"]
    other = replace(make_space(*alone), archive=space.archive)
    assert first_seen(other, "stale_contacts", "CONTACT_NO_EMAIL") == [""]


def test_an_archive_with_a_damaged_list_leaves_findings_undated(tmp_path: Path) -> None:
    alone = rows("01 99 00 00 01")
    space = archived(tmp_path, on_2024_01_01=alone, on_2025_01_01=alone, on_2026_03_01=alone)
    first = min(tmp_path.glob("*.gz"))
    first.write_bytes(first.read_bytes()[:-60])
    space = replace(space, archive=open_archive(tmp_path))
    assert first_seen(space, "stale_contacts", "CONTACT_NO_EMAIL") == [""]
    assert found(space, *BY_HISTORY) == []


def _many_operators(number: int) -> dict[str, str]:
    return {
        "domain": f"ehpad-n{number:05}.mssante.fr",
        "dn": DN.replace("1759900004", f"17599{number:05}"),
        "updated_at_text": "2021-05-04T10:00:07Z",
    }


def _at_the_next(number: int) -> dict[str, str]:
    dn = DN.replace("1759900004", f"17599{number:05}").replace("mss.alpha", f"mss.h{number}")
    contact = f"01 99 00 00 31, accueil@h{number + 1}.example"
    return {"domain": f"ch-n{number:05}.mssante.fr", "dn": dn, "project_contact": contact}


def _one_operator(number: int) -> dict[str, str]:
    phone = f"01 99 {number // 10000:02} {number // 100 % 100:02} {number % 100:02}"
    return {
        "domain": f"ehpad-n{number:05}.mssante.fr",
        "project_contact": f"{phone}, zoe{number}@alpha.example",
    }


def _all_copies(number: int) -> dict[str, str]:
    name = "clinique-mirage" if number % 2 else "ehpad-songe"
    return {"domain": f"{name}{number // 2}.mssante.fr", "description": f"EHPAD Songe{number // 2}"}


def _near_names(number: int) -> dict[str, str]:
    return {"domain": f"etablissement-{number:05}-fictif.mssante.fr"}


@pytest.mark.parametrize("row", [_many_operators, _at_the_next, _one_operator, _all_copies, _near_names])
def test_a_list_of_one_kind_of_row_takes_linear_time(row: Any) -> None:
    def seconds(count: int) -> float:
        space = make_space(*map(row, range(count)))
        start = time.process_time()
        for name in ("whitelist_integrity", "stale_contacts"):
            findings_of(name, space)
        return time.process_time() - start

    seconds(10)
    few, many = seconds(200), seconds(800)
    assert many < 12 * max(few, 0.05), "four times the rows"

"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from in_clear import Case, Row, finders, seen_in, told_in_clear
from made_up import ALPHA, BETA_DN, archived, make_space

from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits import findings_of
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.verdicts.domains import domains

DN = ALPHA["dn"]
USUAL, OTHER = "01 99 00 00 01, projet@alpha.example", "01 99 00 00 77, ancien-projet@alpha.example"
PERSONS, THIRD = "01 99 00 00 33, zoe.fictive@alpha.example", "01 99 00 00 55, direction@alpha.example"
IDA = PERSONS.replace("zoe", "ida")
MAIL, NUMBER = "projet@alpha.example", "01 99 00 00 01"
NEW, CALL = "01 99 00 00 07, accueil@alpha.example", "01 99 00 00 31, astreinte@alpha.example"
NEWER, OLDER = "2026-02-01T10:00:00Z", "2025-03-01T10:00:00Z"
found, texts = finders("stale_contacts")


def rows(*contacts: str, kind: str = "project", **fields: str) -> list[Row]:
    """Return a row of its own domain for each contact."""
    return [
        {"domain": f"d{i:03}.mssante.fr", f"{kind}_contact": text, **fields}
        for i, text in enumerate(contacts)
    ]


def dated(*contacts: tuple[str, str]) -> list[Row]:
    """Return rows of (contact, date)."""
    made = rows(*(text for text, _ in contacts))
    return [row | {"updated_at_text": date} for row, (_, date) in zip(made, contacts, strict=True)]


THEIRS = "03 53 01 00 01, projet@beta.example"


def beta(*names: str, dn: str = BETA_DN, contact: str = THEIRS) -> list[Row]:
    """Return rows of another operator."""
    both = {"project_contact": contact, "support_contact": contact}
    return [{"domain": f"{name}.mssante.fr", "dn": dn, **both} for name in names]


def of(space: TrustSpace, rule: str) -> list[dict[str, Any]]:
    """Return the findings of a rule, without hard blanks."""
    findings = told_in_clear("stale_contacts", space)
    for column in ("observed", "expected", "evidence"):
        findings[column] = findings[column].str.replace("\xa0", " ")
    return findings[findings["rule"] == rule].to_dict("records")  # type: ignore[return-value]


def told(space: TrustSpace, rule: str = "CONTACT_DISAGREEMENT") -> dict[str, Any]:
    """Return the one finding of a rule."""
    (finding,) = of(space, rule)
    return finding


@pytest.mark.parametrize(
    ("text", "rules"),
    [  # beside those of the catalogue (`tools.sample.defects`)
        ("_", ["CONTACT_NO_EMAIL"]),  # nor a number, which is said there
        ("01 99 00 00 001 2, projet@alpha.example", ["CONTACT_PHONE_MALFORMED"]),
        # Two contacts glued into one make neither an address nor a number: one thing to write anew.
        ("01 99 00 00 01 99, projet@alpha.example01 99 00", ["CONTACT_EMAIL_MALFORMED"]),
        (USUAL.replace(", ", ","), []),
        (f"{USUAL}\n", ["CONTACT_SPACING"]),
        ("+33 1 99 00 00 01, projet@alpha.example", []),
        ("0199000001, PROJET@ALPHA.EXAMPLE", []),
    ],
)
def test_flags(text: str, rules: list[str]) -> None:
    assert found(make_space(*rows(text, text))) == [(rule, (1, 2)) for rule in rules]


BY_HISTORY = ("CONTACT_UNCHANGED", "CONTACT_PARTLY_CHANGED", "CONTACT_FORMER_OPERATOR")
WIDE = USUAL.replace(" 01,", "  01,")
AGAIN = {"dn": DN.replace("mss.", "smtp."), "domain": "d000.mssante.fr"}
MAILS = {"project_contact": MAIL, "support_contact": "support@alpha.example"}
COPIED = [row | {"dn": DN.replace("1759900004", "399900000130016"), "project_contact": THEIRS}
          for row in rows(*[USUAL] * 3)]  # fmt: skip
USUAL_BETA = {"domain": "b.mssante.fr", "dn": BETA_DN}
NO_PHONE, NO_EMAIL, SPACING = "CONTACT_NO_PHONE", "CONTACT_NO_EMAIL", "CONTACT_SPACING"
DISAGREE, LENT, NEAR, RUN = (
    "CONTACT_DISAGREEMENT", "CONTACT_OTHER_OPERATOR", "CONTACT_NEAR", "CONTACT_AUTOFILL",
)  # fmt: skip
TYPO, FOREIGN, OLD = "CONTACT_EMAIL_TYPO", "CONTACT_FOREIGN_DOMAIN", "CONTACT_STAMP_OLD"
UNCHANGED, CHANGED, FORMER = BY_HISTORY
THEM = "support@alpha.example"
GLUED = "M. BETA Paul, paul.beta@beta.example"


def project(text: str) -> str:
    return f"contact projet : {text}"


def run(*numbers: int, mail: str = MAIL) -> list[str]:
    return [f"01 99 00 00 {number:02}, {mail}" for number in numbers]


GROUPED = "08 99 00 00 01, projet@alpha.example"
FILLED: dict[str, tuple[list[str], list[str], str]] = {
    "a run beside the usual": ([USUAL] * 20, run(*range(2, 19)), USUAL),
    "a run over the hundred": (
        [], [*run(98, 99), "01 99 00 01 00, projet@alpha.example", "0199000101, projet@alpha.example"], "",
    ),
    # As a real list has it: numbers of nine digits, or that begin with 10 or 17.
    "a run of first groups": (
        [GROUPED] * 5, [GROUPED.replace("08 ", f"{first} ") for first in (9, 10, 10, 17)], GROUPED,
    ),
}  # fmt: skip
CASES: dict[str, Case] = {
    "both kinds of an operator are one finding": Case(
        [{"project_contact": MAIL, "support_contact": MAIL},
         {"domain": "b.mssante.fr", "support_contact": MAIL}, USUAL_BETA | {"project_contact": MAIL}],
        [(NO_PHONE, (1, 2)), (NO_PHONE, (3,))], [NO_PHONE],
        {NO_PHONE: {"observed": [f"2 × contact support : {MAIL} | {project(MAIL)}"]}},
    ),
    "a contact that reaches nobody is told once and says so": Case(
        rows("www.alpha.example", NUMBER), [(NO_EMAIL, (1,)), (NO_EMAIL, (2,))], [NO_PHONE, NO_EMAIL],
        {NO_EMAIL: {"observed": [
            f"{project('www.alpha.example')} ; pas de téléphone non plus", project(NUMBER),
        ]}},
    ),
    "what a contact lacks is told once whomever it names": Case(
        rows(MAIL, f"Mme FICTIVE Zoé, {MAIL}", f"M. EXEMPLE Luc, {MAIL}", "accueil@alpha.example"),
        [(NO_PHONE, (1, 2, 3)), (NO_PHONE, (4,))], [NO_PHONE],
    ),
    "blanks beside names are not": Case(
        rows(f"Mme FICTIVE Zoé,  {USUAL}", f"M. EXEMPLE Luc,  {USUAL}"),
        [(SPACING, (1,)), (SPACING, (2,))], [SPACING],
    ),
    "what one row lacks in both contacts is told once": Case(
        [MAILS, {"domain": "b.mssante.fr", "project_contact": MAIL}], [(NO_PHONE, (1, 2))], [NO_PHONE],
    ),
    "spellings of a contact are one finding": Case(
        rows(USUAL, WIDE, USUAL.replace(", ", " ,\u00a0")), [(SPACING, (2, 3))], (),
        {SPACING: {"expected": [project(USUAL)]}},
    ),
    "blanks are corrected in both kinds of contact": Case(
        [{"project_contact": WIDE, "support_contact": WIDE}], [(SPACING, (1,))], [SPACING],
        {SPACING: {"expected": [f"{project(USUAL)} | contact support : {USUAL}"]}},
    ),
    # Contacts of one operator that disagree.
    "a disagreement names all contacts, on how many rows and since when": Case(
        dated(*[(USUAL, NEWER)] * 4, (OTHER, OLDER), (OTHER, OLDER), (OTHER.replace(" 77", "  77"), NEWER),
              (THIRD, OLDER)),
        [(DISAGREE, (1, 2, 3, 4, 5, 6, 7, 8))], [DISAGREE],  # which is right is open
        {DISAGREE: {"observed": [
            f"4 × {project(USUAL)} – service, du 1er février 2026 | "
            f"3 × {project(OTHER)} – service, du 1er mars 2025 au 1er février 2026 | "
            f"{project(THIRD)} – service, du 1er mars 2025"
        ]}},
    ),
    "the two kinds are compared apart, and told once where the rows are the same": Case(
        [*({"domain": f"{name}.mssante.fr"} for name in "abc"),
         {"project_contact": "01 99 00 00 02, support@alpha.example", "support_contact": USUAL}],
        [(DISAGREE, (1, 2, 3, 4))],
    ),
    "an older contact on its own": Case(
        [*({"domain": f"{name}.mssante.fr"} for name in "abc"), *dated((OTHER, OLDER))], [(DISAGREE, (4,))],
    ),
    # Another operator's contacts.
    "rows with the contacts of an operator elsewhere": Case(
        [*rows(*[USUAL] * 3, THEIRS), *beta("a", "b", "c")], [(LENT, (4,))], (),  # and no disagreement
        # One row of four may have a reason.
        {LENT: {"severity": ["error"], "confidence": ["hint"], "expected": [project(USUAL)],
                "observed": [f"{project(THEIRS)}, de CH BETA (1679900001)"]}},
    ),
    "what is wrong with a copied contact is its owner's matter": Case(
        [*rows(*[USUAL] * 3, GLUED), *beta("a", "b", "c", contact=GLUED)],
        [(NO_PHONE, (5, 6, 7)), (LENT, (4,)), ("CONTACT_PERSONAL", (5, 6, 7))],
    ),
    "likely where most rows say otherwise": Case(
        [*rows(*[USUAL] * 9, THEIRS), *beta("a", "b", "c")], [(LENT, (10,))], [LENT],
        {LENT: {"confidence": ["likely"]}},
    ),
    "likely where the same domain says otherwise": Case(
        [*rows(USUAL, USUAL), AGAIN | {"project_contact": THEIRS}, *beta("a", "b", "c")],
        [(LENT, (3,))], [LENT], {LENT: {"confidence": ["likely"]}},
    ),
    "an identifier whose rows all have them beside the other identifier": Case(
        [*rows(*[USUAL] * 3), *COPIED, *beta("a", "b", "c", "d")], [(LENT, (4, 5, 6))], (),
        {LENT: {"expected": [project(USUAL)]}},
    ),
    "shared with an operator that serves a domain side by side": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "d000")], [], [LENT],
    ),
    "too few rows to be at home there": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b")], [], [LENT],
    ),
    "a supplier's, on all rows": Case(
        [*rows(THEIRS, THEIRS, THEIRS), *beta("a", "b", "c", "d")], [], [LENT],
    ),
    "only the number": Case(
        [*rows(USUAL, "03 53 01 00 01, projet@alpha.example"), *beta("a", "b", "c")], [], [LENT],
    ),
    "a supplier's, which runs that row": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "c", dn=(
            "CN=mss.vendeur.example,OU=399900000000015,O=VENDEUR,ST=Bas-Rhin (67),C=FR"
        ))], [], [LENT],
    ),
    "other numbers of one structure": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "c", dn=(
            "CN=mss.alpha.example,OU=1759900012,O=CH ALPHA,ST=Paris (75),C=FR"
        ))], [], [LENT],
    ),
    "of an operator that serves the same domain it disagrees with none": Case(
        [*rows(*[USUAL] * 5, THEIRS), *beta("a", "b", "d005")], [],
    ),
    # Right contacts get nothing.
    "no row": Case([], []),
    "one contact": Case(rows(USUAL, USUAL, USUAL, USUAL), []),
    "dates alone": Case([rows(USUAL)[0] | {"updated_at_text": date} for date in (NEWER, OLDER)], []),
    "another operator's majority": Case(
        [*rows(USUAL, USUAL, USUAL),
         USUAL_BETA | {"project_contact": OTHER.replace("alpha", "beta"), "support_contact": THEIRS}], [],
    ),
    "another operator's domain that is only near": Case(
        [*rows(*[USUAL] * 10), USUAL_BETA | {
            f"{kind}_contact": f"01 99 00 00 01, {name}@alpho.example"
            for kind, name in (("project", "projet"), ("support", "support"))
        }], [],
    ),
    # Nearly the same.
    "all rows that bear a number count": Case(
        rows(USUAL, *["01 99 00 40 01, projet@alpha.example"] * 2, *[USUAL.replace("projet", "accueil")] * 3),
        [(NEAR, (2, 3))], [NEAR], {NEAR: {"expected": [""]}},
    ),
    "a name and the address of another": Case(
        rows(*["Mme SPECIMEN Zoé, 01 99 00 00 01, paul.fictif@alpha.example"] * 2),
        [("CONTACT_NAME_ADDRESS", (1, 2)), ("CONTACT_PERSONAL", (1, 2))],
    ),
    "a name and its own address": Case(
        rows("Mme SPECIMEN Zoé, 01 99 00 00 01, z.specimen@alpha.example"), [], ["CONTACT_NAME_ADDRESS"],
    ),
    # Numbers that count up.
    **{
        name: Case(
            rows(*usual, *filled), [(RUN, tuple(range(len(usual) + 1, len(usual + filled) + 1)))], (),
            {RUN: {"observed": [f"{project(filled[0])} | {project(filled[-1])}"],
                   "expected": [right and project(right)]}},
        )
        for name, (usual, filled, right) in FILLED.items()
    },
    "a run in both kinds of contact is one finding": Case(
        [{"domain": f"f{i}.mssante.fr", "project_contact": text, "support_contact": run(i + 11, mail=THEM)[0]}
         for i, text in enumerate(run(10, 11, 12))], [(RUN, (1, 2, 3))],
    ),
    "a run over two operators is none": Case(
        [*rows(*run(2, 3)), USUAL_BETA | {"project_contact": run(4)[0]}], [], [RUN],
    ),
    # Domains of addresses.
    **{
        f"a slip in a domain: {wrong}": Case(
            rows(*[USUAL] * 10, f"01 99 00 00 01, projet@{wrong}"), [(TYPO, (11,))], [TYPO, FOREIGN],
            {TYPO: {"confidence": ["likely"], "expected": [project(USUAL)]}},
        )
        for wrong in ("alhpa.example", "alpa.example", "alphaa.example", "alpho.example")
    },
    # Nobody else has that ending, and there is one a letter away in the world: only a hint …
    "a slip in an ending nobody else has": Case(
        [*rows(*[USUAL] * 10), USUAL_BETA | {"project_contact": f"{NUMBER}, Projet@Beta-Sante.examples"}],
        [(TYPO, (11,))], [TYPO, FOREIGN], {TYPO: {
            "expected": [project("01 99 00 00 01, Projet@beta-sante.example")], "confidence": ["hint"],
        }},
    ),
    # … unless the operator itself writes the other.
    "a slip in an ending that the operator itself writes": Case(
        rows(*[USUAL] * 11, "01 99 00 00 01, projet@alpha.examplee"), [(TYPO, (12,))], [TYPO],
        {TYPO: {"confidence": ["likely"]}},
    ),
    "an address outside the operator's usual domains": Case(
        rows(*[USUAL] * 5, "01 99 00 00 01, projet@vendeur.example"), [(FOREIGN, (6,))], [FOREIGN],
    ),
    # What earlier lists say.
    "a date of update does not make a contact new nor old": Case(
        {"on_2024_01_01": rows(USUAL), "on_2026_03_01": rows(USUAL, updated_at_text="2026-02-28T10:00:00Z")},
        [(UNCHANGED, (1,))], BY_HISTORY,
    ),
    "a contact that is new, whatever its date": Case(
        {"on_2024_01_01": rows(USUAL), "on_2026_03_01": rows(
            "01 99 00 00 09, projet@alpha.example", updated_at_text="2019-01-01T10:00:00Z"
        )}, [], BY_HISTORY,
    ),
    "an archive that does not reach back far enough": Case(
        {"on_2025_12_01": rows(USUAL), "on_2026_03_01": rows(USUAL, USUAL)}, [], BY_HISTORY,
    ),
    **{
        f"no change in part: {name}": Case(
            {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": rows(*after)}, [], BY_HISTORY
        )
        for name, after in {
            "changed everywhere": [NEW] * 3,
            "same number, same address": [f"M. FICTIF Paul, {USUAL}", USUAL, USUAL],
            "one domain less": [USUAL, USUAL],
        }.items()
    },
    "a contact of the operator before": Case(
        {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": [
            rows(USUAL)[0], *beta("d001"),
            {"domain": "d002.mssante.fr", "dn": BETA_DN, "project_contact": THEIRS},  # ALPHA's support still
        ]},
        [(FORMER, (3,))], BY_HISTORY,
        {FORMER: {"observed": [f"contact support : {ALPHA['support_contact']}"]}},
    ),
    "what the operator before left is not told again as another's": Case(
        {"on_2025_12_01": [*rows(*[USUAL] * 2), *beta("a", "b", "c", "d")], "on_2026_03_01": [
            *rows(*[USUAL] * 2), *beta("a", "b", "c"), *beta("d", dn=DN),
        ]}, [(FORMER, (6,))], [FORMER, LENT],
    ),
    "what the archive shows replaced is no disagreement too": Case(
        {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": rows(NEW, USUAL, USUAL)},
        [(CHANGED, (2, 3))], [CHANGED, DISAGREE],
    ),
    "from the list alone it is one": Case(
        rows(NEW, USUAL, USUAL), [(DISAGREE, (1, 2, 3))], [CHANGED, DISAGREE],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_list(tmp_path: Path, case: str) -> None:
    assert seen_in("stale_contacts", CASES[case], tmp_path) == (CASES[case].found, CASES[case].said)


# -- within an operator -------------------------------------------------------------------------------------

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
    space = make_space(*dated(*contacts))
    finding = told(space)
    assert finding["expected"] == (expected and project(expected))
    assert finding["rows"] == (wrong or tuple(range(1, len(contacts) + 1)))
    assert finding["confidence"] == ("likely" if wrong else "hint")
    contacts_of = domains(space, findings_of("stale_contacts", space))["contacts"]
    assert set(contacts_of) == {"ok"}, "somebody is reached all the same"


def test_one_date_on_the_rows_of_many_operators_says_nothing() -> None:
    dns = [DN.replace("1759900004", f"17599001{i:02}") for i in range(9)]
    others = [{"domain": f"o{i}.mssante.fr", "dn": dn, "updated_at_text": NEWER} for i, dn in enumerate(dns)]
    contacts = [row | {"updated_at_text": NEWER} for row in rows(USUAL, OTHER)]
    assert "sans date" not in told(make_space(*contacts, *others[:8]))["observed"]
    assert told(make_space(*contacts, *others))["observed"].count("sans date") == 2


def test_two_contacts_on_one_domain_are_told() -> None:
    finding = told(make_space(*rows(USUAL, USUAL), AGAIN | {"project_contact": OTHER}))
    assert (finding["confidence"], finding["rows"], finding["expected"]) == ("hint", (1, 2, 3), "")
    assert "un même domaine en porte deux" in finding["observed"]
    twice = make_space(*rows(USUAL, USUAL), AGAIN | {"project_contact": THEIRS}, *beta("a", "b", "c"))
    assert "les mêmes domaines portent aussi les siens" in told(twice, LENT)["observed"]


def test_both_kinds_are_in_one_disagreement() -> None:
    seen = told(
        make_space(*CASES["the two kinds are compared apart, and told once where the rows are the same"].rows)
    )
    assert [seen["observed"].count(f"contact {kind}") for kind in ("projet", "support")] == [2, 2]


def test_a_disagreement_is_known_by_its_operator_and_kind() -> None:
    before, after = rows(USUAL, USUAL, OTHER), rows(OTHER, "01 99 00 00 55, dpo@alpha.example", USUAL)
    assert told(make_space(*before))["fingerprint"] == told(make_space(*after))["fingerprint"]


def test_a_contact_for_each_domain_takes_no_quadratic_time() -> None:
    contacts = [f"01 99 {i // 100:02} {i % 100:02} 01, client-{i}@alpha.example" for i in range(0, 4500, 3)]
    contacts += [f"01 99 00 00 01, site-{chr(97 + i % 26)}{i}@alpha.example" for i in range(1500)]
    start = time.process_time()
    finding = told(make_space(*rows(*contacts)))
    assert time.process_time() - start < 10
    assert len(finding["rows"]) == 3000
    assert finding["confidence"] == "hint"


# -- another operator's contacts ----------------------------------------------------------------------------

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


def test_contacts_of_an_operator_that_serves_no_domain_of_it_disagree() -> None:
    space = make_space(*rows(*[USUAL] * 5, THEIRS), *beta("a"), *beta("d005", contact=USUAL))
    assert found(space)[0][0] == DISAGREE


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
    finding = told(space, "CONTACT_NEAR")
    assert finding["observed"] == f"3 × contact projet : {USUAL} | contact projet : {near}"
    assert finding["expected"] == ""
    rare = told(make_space(*rows(*[USUAL] * 10, near)), "CONTACT_NEAR")
    assert rare["expected"] == f"contact projet : {USUAL}"
    assert told(make_space(*rows(near, USUAL)), "CONTACT_NEAR")["rows"] == (1, 2)
    assert (
        told(make_space(*rows(near, USUAL, USUAL)), "CONTACT_NEAR")["fingerprint"] == finding["fingerprint"]
    )


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


def test_persons_addresses_are_one_finding_an_operator() -> None:
    made = rows(PERSONS, IDA, USUAL, USUAL)
    made[0] |= {"support_contact": PERSONS, "updated_at_text": OLDER}
    finding = told(make_space(*made), "CONTACT_PERSONAL")
    assert finding["rows"] == (1, 2)
    assert finding["observed"].startswith("2 lignes sur 4 (50\u202f%), depuis le 1er mars 2025 : ")
    made[2]["updated_at_text"] = "2021-05-04T10:00:07Z"
    aged = make_space(*made)
    assert found(aged, "CONTACT_PERSONAL", "CONTACT_STAMP_OLD") == [("CONTACT_PERSONAL", (1, 2, 3))]
    assert "la plus ancienne ligne est du 4 mai 2021" in told(aged, "CONTACT_PERSONAL")["observed"]


# -- domains of addresses, and what only looks like a fault -------------------------------------------------


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
        ("CONTACT_FOREIGN_DOMAIN", [USUAL] * 3 + ["01 99 00 00 01, projet@vendeur.example"]),
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
    seen = "2 lignes sur 4 (50\u202f%), la plus ancienne du 2 mars 2024"
    assert of(space, "CONTACT_STAMP_OLD")[0]["observed"] == seen
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
    (finding,) = frame[frame["rule"] == "CONTACT_DISAGREEMENT"].to_dict("records")
    assert finding["observed"] == (
        "3 × contact projet : 06 •• •• •• 01, z•••@alpha.example (1) – du 5\u00a0janvier\u00a02026 | "
        "contact projet : 06 •• •• •• 01, z•••@alpha.example (2) – du 5\u00a0janvier\u00a02026"
    )
    lonely = make_space({"project_contact": "zoe@alpha.example"})
    (alone,) = masked_audit("stale_contacts", lonely).to_dict("records")
    assert alone["observed"] == "contact projet : z•••@alpha.example"


# -- staleness by evidence ----------------------------------------------------------------------------------


def test_contacts_unchanged_since_first_seen_with_the_censoring_said(tmp_path: Path) -> None:
    old, new = rows(USUAL, USUAL), rows(USUAL, USUAL, USUAL)
    space = archived(tmp_path, on_2024_01_01=old, on_2025_12_01=new, on_2026_03_01=new)
    assert found(space, *BY_HISTORY) == [("CONTACT_UNCHANGED", (1, 2))]
    finding = told(space, "CONTACT_UNCHANGED")
    assert "2 lignes sur 3" in finding["observed"]
    assert "depuis le 1er janvier 2024 au moins" in finding["observed"]
    assert "3 mars 2025" in finding["expected"]


def test_a_contact_changed_on_some_domains_only_with_the_date(tmp_path: Path) -> None:
    changed = rows(NEW, USUAL, USUAL)
    space = archived(
        tmp_path, on_2025_11_01=rows(USUAL, USUAL, USUAL), on_2025_12_01=changed, on_2026_03_01=changed
    )
    assert found(space, *BY_HISTORY) == [("CONTACT_PARTLY_CHANGED", (2, 3))]
    finding = told(space, "CONTACT_PARTLY_CHANGED")
    assert (finding["observed"], finding["expected"]) == (project(USUAL), project(NEW))
    assert "dans la liste du 1er décembre 2025" in finding["evidence"]
    masked = masked_audit("stale_contacts", replace(space, contacts="none")).set_index("rule")
    assert "projet@" not in masked.loc["CONTACT_PARTLY_CHANGED", "observed"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The contact that is left of a third party still is a disagreement.
        (rows(USUAL, USUAL, USUAL, CALL, CALL), rows(NEW, USUAL, USUAL, CALL, CALL)),
        # Spelt otherwise it stands on rows that the archive does not tell of.
        (rows(USUAL, USUAL, USUAL), rows(NEW, USUAL, USUAL.replace(" 01,", "01,"))),
    ],
)
def test_what_the_archive_does_not_explain_is_a_disagreement(
    tmp_path: Path, before: list[Row], after: list[Row]
) -> None:
    both = (CHANGED, DISAGREE)
    space = archived(tmp_path, on_2025_12_01=before, on_2026_03_01=after)
    assert [rule for rule, _ in found(space, *both)] == [*both][::-1]


def test_what_the_archive_shows_replaced_is_never_expected(tmp_path: Path) -> None:
    many, dates = [USUAL] * 9, {"updated_at_text": NEWER}
    after = [row | dates if row["project_contact"] == USUAL else row for row in rows(NEW, *many, CALL)]
    assert told(make_space(*after))["expected"] == project(USUAL)
    space = archived(tmp_path, on_2025_12_01=rows(USUAL, *many, CALL), on_2026_03_01=after)
    assert told(space)["expected"] == ""


def test_the_operator_before_is_named(tmp_path: Path) -> None:
    lists = CASES["a contact of the operator before"].rows
    assert isinstance(lists, dict)
    assert "CH ALPHA" in told(archived(tmp_path, **lists), FORMER)["evidence"]


def test_a_list_that_the_archive_does_not_hold(tmp_path: Path) -> None:
    space = archived(tmp_path, on_2024_01_01=rows(USUAL), on_2026_03_01=rows(USUAL))
    other = replace(make_space(*rows(USUAL)), thresholds=space.thresholds, archive=space.archive)
    assert found(other, *BY_HISTORY) == []


# -- since when ---------------------------------------------------------------------------------------------


def first_seen(space: TrustSpace, audited: str, code: str) -> list[str]:
    findings = masked_audit(audited, space)
    return [seen[:10] for seen in findings.loc[findings["rule"] == code, "first_seen"]]


def test_the_archive_tells_since_when_a_finding_is_there(tmp_path: Path) -> None:
    alone, bad = NUMBER, {"dn": DN.replace("ST=Paris", "ST=Pariss")}
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
    before, bare = rows(USUAL), {"domain": "b.mssante.fr", "dn": DN.replace("Paris (75)", "Paris(75)")}
    after = [*before, bare]
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
    before, after = rows(USUAL, USUAL), rows(NEW, USUAL)
    space = archived(tmp_path, on_2024_01_01=before, on_2025_12_01=after, on_2026_03_01=after)
    assert first_seen(space, "stale_contacts", "CONTACT_PARTLY_CHANGED") == ["2025-12-01"]
    moved = [*rows(USUAL)[:1], {"domain": "d001.mssante.fr", "dn": BETA_DN, "project_contact": USUAL}]
    (tmp_path / "moved").mkdir()
    space = archived(tmp_path / "moved", on_2024_01_01=before, on_2025_06_01=moved, on_2026_03_01=moved)
    assert first_seen(space, "stale_contacts", "CONTACT_FORMER_OPERATOR") == ["2025-06-01"]


def test_a_list_that_is_not_in_the_archive_is_not_dated(tmp_path: Path) -> None:
    alone = rows(NUMBER)
    space = archived(tmp_path, on_2024_01_01=alone, on_2026_03_01=alone)
    assert first_seen(space, "stale_contacts", "CONTACT_NO_EMAIL") == ["2024-01-01"]
    other = replace(make_space(*alone), archive=space.archive)
    assert first_seen(other, "stale_contacts", "CONTACT_NO_EMAIL") == [""]


def test_an_archive_with_a_damaged_list_leaves_findings_undated(tmp_path: Path) -> None:
    alone = rows(NUMBER)
    space = archived(tmp_path, on_2024_01_01=alone, on_2025_01_01=alone, on_2026_03_01=alone)
    first = min(tmp_path.glob("*.gz"))
    first.write_bytes(first.read_bytes()[:-60])
    space = replace(space, archive=open_archive(tmp_path))
    assert first_seen(space, "stale_contacts", "CONTACT_NO_EMAIL") == [""]
    assert found(space, *BY_HISTORY) == []


def phone(number: int) -> str:
    return f"01 99 {number // 10000:02} {number // 100 % 100:02} {number % 100:02}"


def of_operator(number: int) -> str:
    return DN.replace("1759900004", f"17599{number:05}")


ALIKE: dict[str, Callable[[int], Row]] = {
    "many operators": lambda n: {
        "domain": f"ehpad-n{n:05}.mssante.fr", "dn": of_operator(n),
        "updated_at_text": "2021-05-04T10:00:07Z",
    },
    "each with the next one's contact": lambda n: {
        "domain": f"ch-n{n:05}.mssante.fr", "dn": of_operator(n).replace("mss.alpha", f"mss.h{n}"),
        "project_contact": f"01 99 00 00 31, accueil@h{n + 1}.example",
    },
    "one operator": lambda n: {
        "domain": f"ehpad-n{n:05}.mssante.fr", "project_contact": f"{phone(n)}, zoe{n}@alpha.example",
    },
    "all copies": lambda n: {
        "domain": f"{'clinique-mirage' if n % 2 else 'ehpad-songe'}{n // 2}.mssante.fr",
        "description": f"EHPAD Songe{n // 2}",
    },
    "near names": lambda n: {"domain": f"etablissement-{n:05}-fictif.mssante.fr"},
}  # fmt: skip


@pytest.mark.parametrize("kind", ALIKE)
def test_a_list_of_one_kind_of_row_takes_linear_time(kind: str) -> None:
    def seconds(count: int) -> float:
        space = make_space(*map(ALIKE[kind], range(count)))
        start = time.process_time()
        for name in ("whitelist_integrity", "stale_contacts"):
            findings_of(name, space)
        return time.process_time() - start

    seconds(10)
    few, many = seconds(200), seconds(800)
    assert many < 12 * max(few, 0.05), "four times the rows"

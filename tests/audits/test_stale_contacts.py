"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import toml
from in_clear import Case, Row, alone, finders, fires, seen_in, silent, told_in_clear
from made_up import ALPHA, BETA_DN, archived, make_space

from mssante_audit.archive.store import open_archive
from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits import findings_of
from mssante_audit.findings.registry import catalogue
from mssante_audit.space.trust import Thresholds, TrustSpace
from mssante_audit.verdicts.domains import domains

DN = ALPHA["dn"]
USUAL, OTHER = "01 99 00 00 01, projet@alpha.example", "01 99 00 00 77, ancien-projet@alpha.example"
PERSONS, THIRD = "01 99 00 00 33, zoe.fictive@alpha.example", "01 99 00 00 55, direction@alpha.example"
IDA = PERSONS.replace("zoe", "ida")
MAIL, NUMBER = "projet@alpha.example", "01 99 00 00 01"
NEW, CALL = "01 99 00 00 07, accueil@alpha.example", "01 99 00 00 31, astreinte@alpha.example"
NEWER, OLDER = "2026-02-01T10:00:00Z", "2025-03-01T10:00:00Z"
found, _ = finders("stale_contacts")


def rows(*contacts: str, kind: str = "project", **fields: str) -> list[Row]:
    names = (f"d{i:03}.mssante.fr" for i in range(len(contacts)))
    return [{"domain": n, f"{kind}_contact": c, **fields} for n, c in zip(names, contacts, strict=True)]


def dated(*contacts: tuple[str, str]) -> list[Row]:
    undated = rows(*(text for text, _ in contacts))
    return [row | {"updated_at_text": date} for row, (_, date) in zip(undated, contacts, strict=True)]


THEIRS = "03 53 01 00 01, projet@beta.example"


def beta(*names: str, dn: str = BETA_DN, contact: str = THEIRS) -> list[Row]:
    both = {"project_contact": contact, "support_contact": contact}
    return [{"domain": f"{name}.mssante.fr", "dn": dn, **both} for name in names]


def told(space: TrustSpace, rule: str = "CONTACT_DISAGREEMENT") -> dict[str, Any]:
    findings = told_in_clear("stale_contacts", space)
    (finding,) = findings[findings["rule"] == rule].to_dict("records")
    return {name: t.replace("\xa0", " ") if isinstance(t, str) else t for name, t in finding.items()}


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
VENDOR = "CN=mss.vendeur.example,OU=399900000300015,O=VENDEUR,ST=Paris (75),C=FR"
OWN = "CN=mss.gamma.example,OU=1679900019,O=CH GAMMA,ST=Bas-Rhin (67),C=FR"
OTHERS = "CONTACT_OTHER_ESTABLISHMENT"
ISLAND = "05 90 38 12 01, projet@alpha.example"
OLD_ROW = {"updated_at_text": "2024-03-02T23:59:59Z"}


def both_at(project: str, support: str) -> Row:
    return {"project_contact": f"01 99 00 00 31, {project}", "support_contact": f"01 99 00 00 32, {support}"}


def project(text: str) -> str:
    return f"contact projet : {text}"


def run(*numbers: int, mail: str = MAIL) -> list[str]:
    return [f"01 99 00 00 {number:02}, {mail}" for number in numbers]


FEWER = [row | ({"updated_at_text": NEWER} if row["project_contact"] == USUAL else {})
         for row in rows(NEW, *[USUAL] * 9, CALL)]  # fmt: skip


GIVEN = toml("audits/contacts")
HOUSE = "04 89 00 12 01, projet@alpha.example"
ONLY_LIKE_IT = [(rule, [usual] * times + others) for rule, times, usual, others in GIVEN["only_like_it"]]
GROUPED = "08 99 00 00 01, projet@alpha.example"
FILLED: dict[str, tuple[list[str], list[str], str]] = {
    "a run beside the usual": ([USUAL] * 20, run(*range(2, 19)), USUAL),
    "a run over the hundred": (
        [], [*run(98, 99), "01 99 00 01 00, projet@alpha.example", "0199000101, projet@alpha.example"], ""),
    # As a real list has it: numbers of nine digits, or that begin with 10 or 17.
    "a run of first groups": (
        [GROUPED] * 5, [GROUPED.replace("08 ", f"{first} ") for first in (9, 10, 10, 17)], GROUPED),
}  # fmt: skip
CASES: dict[str, Case] = {
    **{repr(text): Case(rows(text, text), [(rule, (1, 2)) for rule in its]) for text, its in GIVEN["flags"]},
    **{f"no {rule}: {contacts[-1]}": silent(rule, rows(*contacts)) for rule, contacts in ONLY_LIKE_IT},
    "both kinds of an operator are one finding": Case(
        [{"project_contact": MAIL, "support_contact": MAIL},
         {"domain": "b.mssante.fr", "support_contact": MAIL}, USUAL_BETA | {"project_contact": MAIL}],
        [(NO_PHONE, (1, 2)), (NO_PHONE, (3,))], [NO_PHONE],
        {NO_PHONE: {"observed": [f"2 × contact support : {MAIL} | {project(MAIL)}"]}}),
    "a contact that reaches nobody is told once and says so": Case(
        rows("www.alpha.example", NUMBER), [(NO_EMAIL, (1,)), (NO_EMAIL, (2,))], [NO_PHONE, NO_EMAIL],
        {NO_EMAIL: {"observed": [
            f"{project('www.alpha.example')} ; pas de téléphone non plus", project(NUMBER)]}}),
    "what a contact lacks is told once whomever it names": Case(
        rows(MAIL, f"Mme FICTIVE Zoé, {MAIL}", f"M. EXEMPLE Luc, {MAIL}", "accueil@alpha.example"),
        [(NO_PHONE, (1, 2, 3)), (NO_PHONE, (4,))], [NO_PHONE]),
    "blanks beside names are not": Case(
        rows(f"Mme FICTIVE Zoé,  {USUAL}", f"M. EXEMPLE Luc,  {USUAL}"),
        [(SPACING, (1,)), (SPACING, (2,))], [SPACING]),
    "what one row lacks in both contacts is told once": fires(
        NO_PHONE, (1, 2), [MAILS, {"domain": "b.mssante.fr", "project_contact": MAIL}]),
    "spellings of a contact are one finding": alone(
        SPACING, (2, 3), rows(USUAL, WIDE, USUAL.replace(", ", " ,\u00a0")), expected=project(USUAL)),
    "blanks are corrected in both kinds of contact": fires(
        SPACING, (1,), [{"project_contact": WIDE, "support_contact": WIDE}],
        expected=f"{project(USUAL)} | contact support : {USUAL}"),
    # Contacts of one operator that disagree.
    "a disagreement names all contacts, on how many rows and since when": Case(
        dated(*[(USUAL, NEWER)] * 4, (OTHER, OLDER), (OTHER, OLDER), (OTHER.replace(" 77", "  77"), NEWER),
              (THIRD, OLDER)),
        [(DISAGREE, (1, 2, 3, 4, 5, 6, 7, 8))], [DISAGREE],  # which is right is open
        {DISAGREE: {"observed": [
            f"4 × {project(USUAL)} – service, du 1er février 2026 | "
            f"3 × {project(OTHER)} – service, du 1er mars 2025 au 1er février 2026 | "
            f"{project(THIRD)} – service, du 1er mars 2025"]}}),
    "the two kinds are compared apart, and told once where the rows are the same": Case(
        [*({"domain": f"{name}.mssante.fr"} for name in "abc"),
         {"project_contact": "01 99 00 00 02, support@alpha.example", "support_contact": USUAL}],
        [(DISAGREE, (1, 2, 3, 4))], (),
        {DISAGREE: {"observed": ["…contact projet…contact projet…contact support…contact support…"]}}),
    "two contacts on one domain": fires(
        DISAGREE, (1, 2, 3), [*rows(USUAL, USUAL), AGAIN | {"project_contact": OTHER}],
        confidence="hint", expected="", observed="…un même domaine en porte deux…"),
    # Another operator's contacts.
    "rows with the contacts of an operator elsewhere": Case(
        [*rows(*[USUAL] * 3, THEIRS), *beta("a", "b", "c")], [(LENT, (4,))], (),  # and no disagreement
        # One row of four may have a reason.
        {LENT: {"severity": ["error"], "confidence": ["hint"], "expected": [project(USUAL)],
                "observed": [f"{project(THEIRS)}, de CH BETA (1679900001)"]}}),
    "likely where most rows say otherwise": fires(
        LENT, (10,), [*rows(*[USUAL] * 9, THEIRS), *beta("a", "b", "c")], confidence="likely"),
    "likely where the same domain says otherwise": fires(
        LENT, (3,), [*rows(USUAL, USUAL), AGAIN | {"project_contact": THEIRS}, *beta("a", "b", "c")],
        confidence="likely", observed="…les mêmes domaines portent aussi les siens…"),
    "an identifier whose rows all have them beside the other identifier": alone(
        LENT, (4, 5, 6), [*rows(*[USUAL] * 3), *COPIED, *beta("a", "b", "c", "d")], expected=project(USUAL)),
    "shared with an operator that serves a domain side by side": silent(
        LENT, [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "d000")]),
    "too few rows to be at home there": silent(LENT, [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b")]),
    "a supplier's, on all rows": silent(LENT, [*rows(THEIRS, THEIRS, THEIRS), *beta("a", "b", "c", "d")]),
    "only the number": silent(
        LENT, [*rows(USUAL, "03 53 01 00 01, projet@alpha.example"), *beta("a", "b", "c")]),
    "a supplier's, which runs that row": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "c", dn=(
            "CN=mss.vendeur.example,OU=399900000000015,O=VENDEUR,ST=Bas-Rhin (67),C=FR"
        ))], [], [LENT]),
    "other numbers of one structure": Case(
        [*rows(USUAL, USUAL, USUAL, THEIRS), *beta("a", "b", "c", dn=(
            "CN=mss.alpha.example,OU=1759900012,O=CH ALPHA,ST=Paris (75),C=FR"
        ))], [], [LENT]),
    "of an operator that serves the same domain it disagrees with none": Case(
        [*rows(*[USUAL] * 5, THEIRS), *beta("a", "b", "d005")], []),
    "of an operator that serves no domain of it it disagrees": fires(DISAGREE, (1, 2, 3, 4, 5, 6),
        [*rows(*[USUAL] * 5, THEIRS), *beta("a"), *beta("d005", contact=USUAL)]),
    **{
        f"contacts elsewhere, {texts[0]}, {texts[1]}": Case(
            [{"dn": OWN} | both_at(*texts), *(
                {"dn": dn, "domain": f"{name}.mssante.fr"} | both_at(f"projet@{domain}", f"support@{domain}")
                for name in "ab"
            )], [(OTHERS, (1,))] if wrong else [], [OTHERS, "CONTACT_SUPPLIER"])
        for dn, domain, wrong, *texts in (
            # Of two others, one nobody's.
            (VENDOR, "vendeur.example", False, "gamma@vendeur.example", "aide@agence.example"),
            (BETA_DN, "beta.example", True, "gamma@beta.example", "aide@beta.example"),
            (BETA_DN, "beta.example", False, "projet@gamma.example", "aide@gamma.example"),
            (BETA_DN.replace("mss.beta", "mss.gamma"), "gamma.example", False, "a.b@gamma.example",
             "aide@gamma.example"))},
    "a vendor's contacts at its customer are no supplier's": silent("CONTACT_SUPPLIER",
        [{"dn": VENDOR, "project_contact": USUAL, "support_contact": USUAL}, {"domain": "b.mssante.fr"}]),
    # Right contacts get nothing.
    "no row": Case([], []),
    "dates alone": Case([rows(USUAL)[0] | {"updated_at_text": date} for date in (NEWER, OLDER)], []),
    "another operator's majority": Case(
        [*rows(USUAL, USUAL, USUAL),
         USUAL_BETA | {"project_contact": OTHER.replace("alpha", "beta"), "support_contact": THEIRS}], []),
    "another operator's domain that is only near": Case(
        [*rows(*[USUAL] * 10), USUAL_BETA | {
            f"{kind}_contact": f"01 99 00 00 01, {name}@alpho.example"
            for kind, name in (("project", "projet"), ("support", "support"))
        }], []),
    "the addresses of a supplier are in two domains": fires("CONTACT_SUPPLIER", (1,), [
        {"domain": f"{n}.mssante.fr", "dn": VENDOR if n else OWN}
        | both_at("projet@vendeur.example", "aide@vendeur-sante.example") for n in range(6)]),
    "at a consumer's provider nobody is at home": silent(OTHERS, [
        {"domain": f"{n}.mssante.fr", "dn": BETA_DN if n else OWN}
        | both_at(f"ch{n}@orange.fr", "aide@orange.fr") for n in range(6)]),
    **{
        f"a newer contact with a fault is no model: {newer}": fires(
            DISAGREE, (1, 2, 3), dated((USUAL, OLDER), (USUAL, OLDER), (newer, NEWER)),
            confidence="hint", expected="")
        for newer in (
            "01 99 00 00, accueil@alpha.example", "01 99 00 00 44", "accueil@alpha.example",
            "01 99 00 00 44, ch.alpha@gmail.com")},
    "where both have it, it says nothing": fires(
        DISAGREE, (1,), dated(("zoe.fictive@alpha.example", OLDER), ("accueil@alpha.example", NEWER)),
        confidence="likely", expected=project("accueil@alpha.example")),
    # Nearly the same.
    **{
        f"near in the two kinds of contact: {support}": fires(
            NEAR, (1,), [{"project_contact": USUAL, "support_contact": support}])
        for support in ("01 99 00 40 01, projet@alpha.example", "01 99 00 00 01, porjet@alpha.example")},
    **{
        f"a digit away overseas: {near}": fires(
            NEAR, (4,), rows(*[ISLAND] * 3, near))
        for near in (
            "05 90 88 12 01, projet@alpha.example", "04 90 38 12 01, projet@alpha.example",
            "05 90 68 12 19, luc@alpha.example")},
    "mobiles overseas are nobody's colleagues": silent(
        NEAR, rows(*["06 90 38 12 01, projet@alpha.example"] * 3, "06 90 68 12 19, luc@alpha.example")),
    "all rows that bear a number count": fires(NEAR, (2, 3),
        rows(USUAL, *["01 99 00 40 01, projet@alpha.example"] * 2, *[USUAL.replace("projet", "accueil")] * 3),
        expected=""),
    **{
        f"a digit or a letter away, of {usual}: {near}": Case(
            rows(*[USUAL] * usual, near), [(NEAR, (usual + 1,))], (),  # and no disagreement
            {NEAR: {"observed": [f"{usual} × {project(USUAL)} | {project(near)}"], "expected": [right]}})
        for usual, right in ((3, ""), (10, project(USUAL)))
        for near in (
            "01 99 00 40 01, projet@alpha.example", "01 99 00 00 01, projett@alpha.example",
            "01 99 00 00 01, porjet@alpha.example")},
    "of two that are near nobody knows which is wrong": fires(
        NEAR, (1, 2), rows("01 99 00 40 01, projet@alpha.example", USUAL)),
    **{f"two digits in the other order: {texts[1]}": fires(NEAR, (1, 2), rows(*texts))
       for texts in GIVEN["swapped"]},
    **{
        f"a digit away from the prefix of colleagues: {texts[-1]}": fires(
            NEAR, (2 + len(texts),), rows(HOUSE, HOUSE, *texts))
        for texts in GIVEN["colleagues"]},
    # Numbers that count up.
    **{
        name: alone(
            RUN, tuple(range(len(usual) + 1, len(usual + filled) + 1)), rows(*usual, *filled),
            observed=f"{project(filled[0])} | {project(filled[-1])}", expected=right and project(right))
        for name, (usual, filled, right) in FILLED.items()},
    "a run in both kinds of contact is one finding": Case(
        [{"domain": f"f{i}.mssante.fr", "project_contact": text, "support_contact": run(i + 11, mail=THEM)[0]}
         for i, text in enumerate(run(10, 11, 12))], [(RUN, (1, 2, 3))]),
    "a run over two operators is none": silent(
        RUN, [*rows(*run(2, 3)), USUAL_BETA | {"project_contact": run(4)[0]}]),
    # Domains of addresses.
    **{
        f"a slip in a domain: {wrong}": Case(
            rows(*[USUAL] * 10, f"01 99 00 00 01, projet@{wrong}"), [(TYPO, (11,))], [TYPO, FOREIGN],
            {TYPO: {"confidence": ["likely"], "expected": [project(USUAL)]}})
        for wrong in ("alhpa.example", "alpa.example", "alphaa.example", "alpho.example")},
    # Nobody else has that ending, and there is one a letter away in the world: only a hint …
    "a slip in an ending nobody else has": Case(
        [*rows(*[USUAL] * 10), USUAL_BETA | {"project_contact": f"{NUMBER}, Projet@Beta-Sante.examples"}],
        [(TYPO, (11,))], [TYPO, FOREIGN], {TYPO: {
            "expected": [project("01 99 00 00 01, Projet@beta-sante.example")], "confidence": ["hint"]}}),
    # … unless the operator itself writes the other.
    "a slip in an ending that the operator itself writes": fires(
        TYPO, (12,), rows(*[USUAL] * 11, "01 99 00 00 01, projet@alpha.examplee"), confidence="likely"),
    **{
        f"a domain that is only near: {near}, {usual}": silent(
            TYPO, rows(*[USUAL] * usual, f"{NUMBER}, projet@{near}", dn=dn))
        for usual, near, dn in (
            (8, "alpho.example", DN),  # not ten times more frequent
            (10, "alpho.example", DN.replace("mss.alpha", "mss.alpho")),  # its servers lie there
            (10, "alpha2.example", DN),  # a digit is no slip
            (10, "alphabeta.example", DN))},
    # What earlier lists say.
    "a date of update does not make a contact new nor old": Case(
        {"on_2024_01_01": rows(USUAL), "on_2026_03_01": rows(USUAL, updated_at_text="2026-02-28T10:00:00Z")},
        [(UNCHANGED, (1,))], BY_HISTORY),
    "a contact that is new, whatever its date": Case(
        {"on_2024_01_01": rows(USUAL), "on_2026_03_01": rows(
            "01 99 00 00 09, projet@alpha.example", updated_at_text="2019-01-01T10:00:00Z"
        )}, [], BY_HISTORY),
    "an archive that does not reach back far enough": Case(
        {"on_2025_12_01": rows(USUAL), "on_2026_03_01": rows(USUAL, USUAL)}, [], BY_HISTORY),
    **{
        f"no change in part: {name}": Case(
            {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": rows(*after)}, [], BY_HISTORY)
        for name, after in {
            "changed everywhere": [NEW] * 3,
            "same number, same address": [f"M. FICTIF Paul, {USUAL}", USUAL, USUAL],
            "one domain less": [USUAL, USUAL],
        }.items()},
    "a contact of the operator before": Case(
        {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": [
            rows(USUAL)[0], *beta("d001"),
            {"domain": "d002.mssante.fr", "dn": BETA_DN, "project_contact": THEIRS},  # ALPHA's support still
        ]},
        [(FORMER, (3,))], BY_HISTORY, {FORMER: {
            "observed": [f"contact support : {ALPHA['support_contact']}"], "evidence": ["…CH ALPHA…"]}}),
    "what the operator before left is not told again as another's": Case(
        {"on_2025_12_01": [*rows(*[USUAL] * 2), *beta("a", "b", "c", "d")], "on_2026_03_01": [
            *rows(*[USUAL] * 2), *beta("a", "b", "c"), *beta("d", dn=DN),
        ]}, [(FORMER, (6,))], [FORMER, LENT]),
    "what the archive shows replaced is no disagreement too": Case(
        {"on_2025_12_01": rows(USUAL, USUAL, USUAL), "on_2026_03_01": rows(NEW, USUAL, USUAL)},
        [(CHANGED, (2, 3))], [CHANGED, DISAGREE]),
    "two that were exchanged": silent(
        CHANGED, {"on_2025_12_01": rows(USUAL, NEW), "on_2026_03_01": rows(NEW, USUAL)}),
    "a change for a number that is none": silent(CHANGED, {
        "on_2025_12_01": rows(USUAL, USUAL), "on_2026_03_01": rows("01 99 00, aide@alpha.example", USUAL)}),
    "from the list alone it is one": Case(
        rows(NEW, USUAL, USUAL), [(DISAGREE, (1, 2, 3))], [CHANGED, DISAGREE]),
    **{
        f"what the archive does not explain is a disagreement: {name}": Case(
            {"on_2025_12_01": rows(*before), "on_2026_03_01": rows(NEW, USUAL, *left)},
            [(DISAGREE, (1, *range(2, len(before) + 1))), (CHANGED, changed)], [CHANGED, DISAGREE])
        for name, before, left, changed in (
            ("the contact that is left of a third party", [USUAL, USUAL, USUAL, CALL, CALL],
             [USUAL, CALL, CALL], (2, 3)),
            # It stands on rows that the archive does not tell of.
            ("spelt otherwise", [USUAL] * 3, [USUAL.replace(" 01,", "01,")], (2,)))},
    "what the rows say is right": fires(DISAGREE, (1, 11), FEWER, expected=project(USUAL)),
    "what the archive shows replaced is never right": fires(
        DISAGREE, (1, 11), {"on_2025_12_01": rows(USUAL, *[USUAL] * 9, CALL), "on_2026_03_01": FEWER},
        expected=""),
    "unchanged since first seen, before which nobody looked": Case(
        {"on_2024_01_01": rows(USUAL, USUAL), "on_2025_12_01": rows(*[USUAL] * 3),
         "on_2026_03_01": rows(*[USUAL] * 3)},
        [(UNCHANGED, (1, 2))], BY_HISTORY, {UNCHANGED: {
            "observed": ["…2 lignes sur 3…depuis le 1er janvier 2024 au moins…"],
            "expected": ["…3 mars 2025…"]}}),
    "changed on some domains only, with the date": Case(
        {"on_2025_11_01": rows(*[USUAL] * 3), "on_2025_12_01": rows(NEW, USUAL, USUAL),
         "on_2026_03_01": rows(NEW, USUAL, USUAL)},
        [(CHANGED, (2, 3))], BY_HISTORY, {CHANGED: {
            "observed": [project(USUAL)], "expected": [project(NEW)],
            "evidence": ["…dans la liste du 1er décembre 2025…"]}}),
    # Age.
    "old stamps are one finding an operator": Case(
        [OLD_ROW, OLD_ROW | {"domain": "b.mssante.fr"},
         {"domain": "c.mssante.fr", "updated_at_text": "2024-03-03T00:00:00Z"},
         OLD_ROW | {"domain": "d.mssante.fr", "dn": BETA_DN},
         {"domain": "e.mssante.fr", "updated_at_text": "hier"}],
        [(OLD, (1, 2)), (OLD, (4,))], [OLD],
        {OLD: {"observed": ["2 lignes sur 4 (50\u202f%), la plus ancienne du 2 mars 2024"]}}),
    **{
        f"persons' addresses are one finding an operator, {updated}": Case(
            [row | more for row, more in zip(rows(PERSONS, IDA, USUAL, USUAL), (
                {"support_contact": PERSONS, "updated_at_text": OLDER}, {}, {"updated_at_text": updated}, {},
            ), strict=True)],
            [("CONTACT_PERSONAL", where)], ["CONTACT_PERSONAL", OLD], {"CONTACT_PERSONAL": {
                "observed": [words]}})
        for updated, where, words in (
            (NEWER, (1, 2), "2 lignes sur 4 (50\u202f%), depuis le 1er mars 2025 : …"),
            ("2024-01-02T10:00:07Z", (1, 2, 3), "…la plus ancienne ligne est du 2 janvier 2024…"),
            ("2021-05-04T10:00:07Z", (1, 2, 3), "…la plus ancienne ligne est du 4 mai 2021…"))},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_list(tmp_path: Path, case: str) -> None:
    assert seen_in("stale_contacts", CASES[case], tmp_path) == (CASES[case].fired, CASES[case].words)


BULK = "2026-02-01T12:34:56Z"
Dated = list[tuple[str, str]]


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
def test_which_contact_is_wrong(contacts: Dated, expected: str, wrong: tuple[int, ...]) -> None:
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


def test_a_finding_is_known_by_its_operator_and_what_differs() -> None:
    before, after = rows(USUAL, USUAL, OTHER), rows(OTHER, "01 99 00 00 55, dpo@alpha.example", USUAL)
    assert told(make_space(*before))["fingerprint"] == told(make_space(*after))["fingerprint"]
    near = "01 99 00 40 01, projet@alpha.example"
    three, two = (told(make_space(*rows(*[USUAL] * count, near)), NEAR) for count in (3, 2))
    assert three["fingerprint"] == two["fingerprint"]


def test_how_old_is_too_old_is_a_setting() -> None:
    space = replace(make_space(OLD_ROW), thresholds=Thresholds(stale_after_days=9999))
    assert found(space, OLD) == []


PERSON = "Mme SPECIMENNE Zoé, 06 39 98 12 34, zoe.specimenne@alpha.example"


def test_findings_are_masked_unless_contacts_are_asked_for() -> None:
    space = make_space(*rows(*[USUAL] * 4, PERSON, f"{PERSON}, x@alhpa.example", PERSON.replace(", ", ",  ")))
    # A fingerprint is hexadecimal: it may hold any two digits.
    masked = masked_audit("stale_contacts", space).drop(columns="fingerprint").to_csv()
    for secret in ("SPECIMENNE", "specimenne", "Zoé", "zoe", "98", "12 3"):
        assert secret in told_in_clear("stale_contacts", space).to_csv()
        assert secret not in masked
    assert "06 •• •• •• 34" in masked
    shown = masked_audit("stale_contacts", replace(space, contacts="all"))
    assert shown.equals(told_in_clear("stale_contacts", space))


def test_a_list_that_the_archive_does_not_hold_has_no_past(tmp_path: Path) -> None:
    space = archived(tmp_path, on_2024_01_01=rows(NUMBER), on_2026_03_01=rows(NUMBER))
    other = replace(make_space(*rows(NUMBER)), thresholds=space.thresholds, archive=space.archive)
    assert (found(space, UNCHANGED), found(other, *BY_HISTORY)) == ([(UNCHANGED, (1,))], [])
    assert first_seen(space, NO_EMAIL) == ["2024-01-01"]
    assert first_seen(other, NO_EMAIL) == [""]


def first_seen(space: TrustSpace, code: str) -> list[str]:
    findings = masked_audit(catalogue()[code].audit, space)
    return [seen[:10] for seen in findings.loc[findings["rule"] == code, "first_seen"]]


BARE = {"domain": "b.mssante.fr", "dn": DN.replace("Paris (75)", "Paris(75)")}
OLDEST = rows(f"{NUMBER}, a@alpha.example", updated_at_text="2019-01-01T10:00:00Z")
MOVED = [*rows(USUAL), {"domain": "d001.mssante.fr", "dn": BETA_DN, "project_contact": USUAL}]
SINCE: list[tuple[str, dict[str, list[Row]], str]] = [
    # The oldest row has it since then.
    (NO_EMAIL, {"on_2024_01_01": rows(USUAL, USUAL), "on_2025_01_01": rows(USUAL, NUMBER),
                "on_2025_12_01": rows(NUMBER, NUMBER, updated_at_text="2025-11-30T10:00:00Z"),
                "on_2026_03_01": rows(NUMBER, NUMBER)}, "2025-01-01"),
    ("DN_DEPARTMENT_UNKNOWN", {"on_2025_12_01": rows(USUAL), "on_2026_03_01": rows(
        USUAL, dn=DN.replace("ST=Paris", "ST=Pariss"))}, "2026-03-01"),
    # What it takes several rows for is there since the last of them.
    ("DN_SPELLINGS", {"on_2024_01_01": rows(USUAL), "on_2025_01_01": [*rows(USUAL), BARE],
                      "on_2026_03_01": [*rows(USUAL), BARE]}, "2025-01-01"),
    # What other rows or dates make is not dated by its texts.
    *((code, {"on_2024_01_01": OLDEST, "on_2026_03_01": [*OLDEST, *rows(*[USUAL] * 5)[1:]]}, "")
      for code in (DISAGREE, UNCHANGED, "LIST_UNSIGNED")),
    # Changes are dated by the list that shows them.
    (CHANGED, {"on_2024_01_01": rows(USUAL, USUAL), "on_2025_12_01": rows(NEW, USUAL),
               "on_2026_03_01": rows(NEW, USUAL)}, "2025-12-01"),
    (FORMER, {"on_2024_01_01": rows(USUAL, USUAL), "on_2025_06_01": MOVED, "on_2026_03_01": MOVED},
     "2025-06-01"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "lists", "since"), SINCE)
def test_the_archive_tells_since_when_a_finding_is_there(
    tmp_path: Path, code: str, lists: dict[str, list[Row]], since: str
) -> None:
    assert first_seen(archived(tmp_path, **lists), code) == [since]


def test_an_archive_with_a_damaged_list_leaves_findings_undated(tmp_path: Path) -> None:
    alone = rows(NUMBER)
    space = archived(tmp_path, on_2024_01_01=alone, on_2025_01_01=alone, on_2026_03_01=alone)
    first = min(tmp_path.glob("*.gz"))
    first.write_bytes(first.read_bytes()[:-60])
    space = replace(space, archive=open_archive(tmp_path))
    assert first_seen(space, NO_EMAIL) == [""]
    assert found(space, *BY_HISTORY) == []


def phone(number: int) -> str:
    return f"01 99 {number // 10000:02} {number // 100 % 100:02} {number % 100:02}"


def of_operator(number: int) -> str:
    return DN.replace("1759900004", f"17599{number:05}")


ALIKE: dict[str, Callable[[int], Row]] = {
    "many operators": lambda n: {
        "domain": f"ehpad-n{n:05}.mssante.fr", "dn": of_operator(n),
        "updated_at_text": "2021-05-04T10:00:07Z"},
    "each with the next one's contact": lambda n: {
        "domain": f"ch-n{n:05}.mssante.fr", "dn": of_operator(n).replace("mss.alpha", f"mss.h{n}"),
        "project_contact": f"01 99 00 00 31, accueil@h{n + 1}.example"},
    "one operator": lambda n: {
        "domain": f"ehpad-n{n:05}.mssante.fr", "project_contact": f"{phone(n)}, zoe{n}@alpha.example"},
    "a series of addresses": lambda n: {
        "domain": f"d{n:05}.mssante.fr",
        "project_contact": f"{NUMBER}, site-{chr(97 + n % 26)}{n}@alpha.example"},
    "all copies": lambda n: {
        "domain": f"{'clinique-mirage' if n % 2 else 'ehpad-songe'}{n // 2}.mssante.fr",
        "description": f"EHPAD Songe{n // 2}"},
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

"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import toml
from in_clear import INVISIBLE, Case, Row, alone, finders, fires, seen_in, silent, told_in_clear
from made_up import ALPHA, AS_OF, BETA_DN, archived, make_space, xml_of

from mssante_audit.archive.store import LogLine, append
from mssante_audit.audits import findings_of
from mssante_audit.findings.frame import worded
from mssante_audit.whitelist.signature import Verdict

SIGNATURE = "LIST_UNSIGNED"  # made-up lists are not signed: what they all get
found, texts = finders("whitelist_integrity", but=SIGNATURE)
TAIL = ".mssante.fr"
DN = ALPHA["dn"]
DN_2, BETA_2 = DN.replace("mss.", "mss2."), BETA_DN.replace("mss.", "b.")
GAMMA_DN = BETA_DN.replace("BETA", "GAMMA").replace("679900001", "139900005")
THEIRS = {"project_contact": "01 99 00 00 08, projet@beta.example"}
SIRET = DN.replace("1759900004", "399900001100018")
FORMER = BETA_DN.replace("mss.beta", "MSS.alpha")
OPERATORS, REPEATED, UNREADABLE = "LIST_DOMAIN_OPERATORS", "LIST_PAIR_REPEATED", "LIST_UNREADABLE_ROW"
SEVERAL, CUT, PLACEHOLDER = "LIST_DESCRIPTION_SEVERAL", "LIST_DESCRIPTION_CUT", "LIST_DESCRIPTION_PLACEHOLDER"
ELSEWHERE, GARBLED, CONTROL = "LIST_DESCRIPTION_ELSEWHERE", "LIST_DESCRIPTION_MOJIBAKE", "LIST_TEXT_CONTROL"
COPIED, INVALID_NAME, NEAR = "LIST_ROW_COPIED", "LIST_DOMAIN_INVALID", "LIST_DOMAIN_NEAR"
SUFFIX = "LIST_DOMAIN_SUFFIX"


def described(*, dn: str = DN, **texts: str) -> list[Row]:
    """Return rows of domains (``ch_a`` for ch-a.mssante.fr) with their descriptions."""
    return [
        {"domain": f"{name.replace('_', '-')}{TAIL}", "dn": dn, "description": text}
        for name, text in texts.items()
    ]


GIVEN = toml("audits/descriptions")
INVALID = [
    *GIVEN["invalid"], ["a" * 64 + TAIL, "64 caractères entre deux points", ""],
    [".".join(["a" * 60] * 4) + TAIL, "254 caractères", ""],
]  # fmt: skip
NEAR_NAMES = [
    ("labo-alpha", "labos-alpha"), ("ch-alpha", "chalpha"), ("ehpad-alpha", "ehpad.alpha"),
]  # fmt: skip
UNLIKE_NAMES = [("labo-alpha1", "labo-alpha2"), ("zyxa", "zyxo"), ("labo-alpha.a", "labos-alpha.b")]
SLIP = ("ehpad-alpah", "ehpad-alpha")  # near, unless each is described so


def two(names: tuple[str, ...], dn: str = BETA_DN, **same: str) -> list[Row]:
    """Return rows of two domains, each described by its name or both the same."""
    first, second = ({"domain": name + TAIL, "description": f"Site {name}"} | same for name in names)
    return [first, second | {"dn": dn}]


RENAMED = [
    row
    for name in ("infirmier", "pharmacien")
    for row in (
        *described(**{name: f'Agence, ""{name}""'}), *described(dn=DN_2, **{name: f"Nouveau nom, {name}"}))
]  # fmt: skip
# Beside those of the catalogue (`tools.sample.defects`, `.cases`), which tests/test_sample.py holds.
CASES: dict[str, Case] = {
    "no row": Case([], []),
    "a clean list": Case([{}, {"domain": "ch-beta.mssante.fr", "dn": BETA_DN, "description": "CH Beta"}], []),
    "incomplete rows are one finding a kind and element": Case(
        [{"description": ""}, *described(ch_beta=" "),
         {"domain": "ch-gamma.mssante.fr", "support_contact": "", "description": "CH Gamma"}],
        [(UNREADABLE, (1, 2)), (UNREADABLE, (3,))], (),
        {UNREADABLE: {"observed": ["Description : champ vide (2 fois)"]}}),
    "a row stamped again": alone(
        REPEATED, (1, 2), [{}, {"updated_at_text": "2026-02-01T00:00:00Z"}],
        observed="2 lignes\u202f; seule la date diffère", expected=""),
    "a contact that is only spelt otherwise is the same": alone(
        REPEATED, (1, 2), [{}, {"project_contact": ALPHA["project_contact"].replace(" ", "")}],
        observed="2 lignes\u202f; diffèrent par l’écriture du contact projet"),
    "a second certificate": Case([{}, {"dn": DN_2}], []),
    **{f"a valid domain: {name[:9]}": Case([{"domain": name + TAIL}], [])
       for name in ("a" * 63, "15-20", "xn--bta-fma")},
    **{
        f"an invalid domain: {domain}": alone(
            INVALID_NAME, (1,), [{"domain": domain}], observed=f"…{why}…", expected=meant)
        for domain, why, meant in INVALID},
    **{
        f"names that may be confused, of {script}: {names[0]}": fires(
            NEAR, (1, 2), two(names, dn, **same), observed=words)
        for names in NEAR_NAMES
        for script, dn, same, words in (
            ("two operators", BETA_DN, {}, f"…{names[0]}…CH ALPHA…{names[1]}…CH BETA…"),
            ("one", DN, {}, "…(même opérateur)"),
            ("two that are described alike", BETA_DN, {"description": "Site"}, "…CH BETA…"))},
    **{f"names that are only near: {names[0]}": Case(two(names), []) for names in [*UNLIKE_NAMES, SLIP]},
    **{
        f"nor are they if described alike: {names[0]}": silent(NEAR, two(names, description="Site"))
        for names in UNLIKE_NAMES},
    "a slip in a name": fires(NEAR, (1, 2), two(SLIP, description="Site")),
    **{
        f"an ending of another zone: {name}": fires(
            SUFFIX, (1,), [{"domain": f"ehpad-alpha.{name}{TAIL}"}, {"domain": f"ehpad-alpha{TAIL}"}],
            observed=f"…ehpad-alpha{TAIL} est aussi inscrit")
        for name in ("fr", "mssante")},
    **{f"no ending of another zone: {name}": Case([{"domain": name + TAIL}], [])
       for name in ("ehpad-alpha.asso", "fr")},
    # In names they are other rules' matter.
    **{f"{odd!r} in a domain": alone(
        INVALID_NAME, (1,), [{"domain": f"ch-al{odd}pha.mssante.fr"}], expected="ch-alpha.mssante.fr")
       for odd in INVISIBLE},
    **{f"{odd!r} in a certificate's name": Case([{"dn": DN.replace("ALPHA", f"AL{odd}PHA")}], [])
       for odd in INVISIBLE},
    # A contact names a person, and this rule is not masked.
    "invisible characters are one finding a field, and shown escaped": Case(
        [{"description": "CH \u202eahplA"},
         {"domain": "b.mssante.fr", "description": "CH\u200bBeta",
          "project_contact": "M. \u2066X\u2069, 01 99 00 00 01"}],
        [(CONTROL, (1, 2)), (CONTROL, (2,))], (), {CONTROL: {"observed": [
            "description : \\u202e \\u200b ; CH \\u202eahplA", "contact projet : \\u2066 \\u2069"]}}),
    # One structure is one operator.
    "one certificate's name but for the identifier": Case([{}, {"dn": SIRET} | THEIRS], []),
    "same name, same contacts on all they share": Case([{}, {"dn": SIRET.replace("mss.", "mss2.")}], []),
    "no operator known: not another one": Case([{}, {"dn": "certificat"}], []),
    "two SIRET of one SIREN": Case(
        [{"dn": f"CN=mss.alpha.example,OU={ou},O={o},ST=Paris (75),C=FR"}
         for ou, o in (("399900001100018", "ALPHA"), ("399900001100026", "ALPHA SANTE"))], []),
    # Two structures are two operators.
    "the same contacts on one shared domain, others on the next": Case(
        [{}, {"dn": SIRET.replace("mss.", "mss2.")}, {"domain": "b.mssante.fr"},
         {"domain": "b.mssante.fr", "dn": SIRET.replace("mss.", "mss2.")} | THEIRS],
        [(OPERATORS, (1, 2, 3, 4))], [OPERATORS]),
    # A server that went to another operator, say: nobody has to ask each establishment who serves it.
    "one server of all operators of a domain is told among the names": silent(
        OPERATORS, [{}, {"dn": DN_2}, {"dn": FORMER}]),
    "one server on one domain of two": fires(OPERATORS, (3, 4),
        [{}, {"dn": FORMER}, {"domain": "b.mssante.fr"}, {"domain": "b.mssante.fr", "dn": BETA_DN}]),
    "one server of two of three operators": fires(
        OPERATORS, (1, 2, 3), [{}, {"dn": FORMER}, {"dn": GAMMA_DN.replace("beta", "gamma")}]),
    **{
        f"one stray row joins nothing: {stray['dn'][:20]}": Case(
            [stray, *({"domain": f"{n}.mssante.fr", "dn": dn} | both for n in "abc"
                      for dn, both in ((DN, {}), (BETA_DN, THEIRS)))],
            [(OPERATORS, (1, *range(2, 8)))], [OPERATORS],
            {OPERATORS: {"observed": ["3 domaines : CH BETA (1679900001) | CH ALPHA (1759900004)"]}})
        for stray in (
            {"domain": "a.mssante.fr", "dn": BETA_DN.replace("CH BETA", "CH ALPHA")},
            {"domain": "a.mssante.fr", "dn": DN_2.replace("1759900004", "1679900001")})},
    "a domain without a name is nobody's parent": Case(
        [{}, {"domain": "", "dn": BETA_DN}], [], ["LIST_SUBDOMAIN_OPERATOR", OPERATORS]),
    # Copies.
    "a copy whose own description is listed too": Case(
        [*described(ehpad_songe="EHPAD du Songe", clinique_mirage="EHPAD du Songe"),
         *described(clinique_mirage="Clinique du Mirage")], [(REPEATED, (2, 3))], [COPIED, REPEATED]),
    "one of two descriptions fits": fires(
        REPEATED, (1, 2), [*described(ch_songe="CH de Songe"), *described(ch_songe="EHPAD Mirage")],
        expected="« CH de Songe »"),
    "first letters fit": fires(
        REPEATED, (1, 2), [*described(chmbe="CH Mirage Bel-Étang"), *described(chmbe="EHPAD CHMBE")],
        expected=""),
    "two descriptions fit": fires(
        REPEATED, (1, 2), [*described(ch_songe="CH de Songe"), *described(ch_songe="CH Songe (site nord)")],
        expected=""),
    # Descriptions.
    **{
        f"a placeholder: {text}": alone(PLACEHOLDER, (1, 2),
            [{"description": text}, {"domain": "b.mssante.fr", "description": text.upper()}])
        for text in GIVEN["placeholders"]},
    **{
        f"a cut description: {text[:20]}": alone(CUT, (1,), [{"description": text}])
        for text in (*GIVEN["cut"], "CH Alpha " + "a" * 246)},
    **{f"a right description: {text}": Case([{"description": text}], []) for text in GIVEN["right"]},
    **{
        f"not another town's: {text}": Case(described(ch_valfictif=text, ch_bourgmythe="CH Bourgmythe"), [])
        for text in GIVEN["not_elsewhere"]},
    **{
        f"another town's: {text}": fires(
            ELSEWHERE, (1,), described(ch_valfictif=text, ch_bourgmythe="CH Bourgmythe"))
        for text in GIVEN["elsewhere"]},
    "another town's, in one word": fires(
        ELSEWHERE, (1,), described(chvalfictif="CH de Bourgmythe", ch_bourgmythe="CH Bourgmythe")),
    "a saint's name": Case(described(ch_st_fictif="CH Saint-Fictif", ch_fictif="CH Fictif"), []),
    "one description in other words": Case(
        [{}, {"dn": DN_2, "description": "domaine de messagerie MSSante pour le CH ALPHA."}], []),
    "descriptions of two operators": alone(
        OPERATORS, (1, 2), [{}, {"dn": BETA_DN, "description": "EHPAD Alpha"}]),
    "several descriptions are one finding an operator": Case(
        [*RENAMED, {"dn": BETA_DN}, {"dn": BETA_2, "description": "Beta"}],
        [(SEVERAL, (1, 2, 3, 4)), (SEVERAL, (5, 6))], (),
        {SEVERAL: {"observed": ['…pharmacien.mssante.fr : « Agence, ""pharmacien"" » / …']}}),
    "descriptions of a repeated row are told with it": alone(
        REPEATED, (1, 2), [{}, {"description": "EHPAD Alpha"}, {"dn": DN_2, "description": "EHPAD Alpha"}],
        observed=f"…par la description : « {ALPHA['description']} » | « EHPAD Alpha »"),
    "a third description beside a repeated row": Case(
        [{}, {"description": "EHPAD Alpha"}, {"dn": DN_2, "description": "Clinique Alpha"}],
        [(SEVERAL, (1, 2, 3)), (REPEATED, (1, 2))]),
    "cut descriptions are one finding an operator": Case(
        [*described(x0="EHPAD Alpha (site", x1="EHPAD Beta de la", x2="EHPAD Gamma"),
         *described(dn=BETA_DN, d="EHPAD Alpha (site")],
        [(CUT, (1, 2)), (CUT, (4,))], (), {CUT: {"observed": ["…Beta de la » : fin manquante…"]}}),
    **{
        f"garbled accents: {text}": alone(
            GARBLED, (1,), [{"description": text}], observed=text, expected=meant)
        for text, meant in GIVEN["garbled"]},
    "a garbled description is not another one": alone(
        GARBLED, (2,), [{"description": "Hôpital Alpha"}, {"dn": DN_2, "description": "HÃ´pital Alpha"}]),
    "line breaks in a contact are not hidden text": Case(
        [{"support_contact": "01 99 00 00 01,\na@b.example"}], []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_list(tmp_path: Path, case: str) -> None:
    seen = seen_in("whitelist_integrity", CASES[case], tmp_path, but=SIGNATURE)
    assert seen == (CASES[case].fired, CASES[case].words)


VALID = Verdict("valid", "", signer="CN=x", not_after=AS_OF + timedelta(days=1), valid_at_generation=True)


@pytest.mark.parametrize(
    ("status", "earlier", "rule", "since"),
    [
        ("valid", ["old", "new"], "LIST_SIGNER_NEW", "2026-01-02"),
        ("valid", ["new", "old"], "LIST_SIGNER_NEW", "2026-01-03"),
        ("valid-untrusted", ["new", "old"], "LIST_SIGNER_CHANGED", "2026-01-03"),
        ("valid", ["new", "new"], "", ""),
        ("absent", ["old", "old"], "", ""),
    ],
)
def test_a_change_of_signer(tmp_path: Path, status, earlier: list[str], rule: str, since: str) -> None:
    days = {f"on_2026_01_0{day}": [{}] for day in (1, 2, 3)}
    space = archived(tmp_path, **days)
    for snapshot, signer in zip(space.archive.snapshots, earlier, strict=False):
        append(tmp_path, LogLine("", "import", "kept", snapshot.name, signer=signer))
    expected, reason = "new" if status == "valid" else "old", "signer" if "-" in status else "content"
    verdict = replace(VALID, status=status, reason=reason, signer="CN=new", expected=expected)
    space.whitelist.__dict__["signature"] = verdict
    findings = told_in_clear("whitelist_integrity", space)[["rule", "facts"]].values
    changes = [(code, facts) for code, facts in findings if "since" in facts]
    seen = [(code, facts["before"], facts["after"], facts["since"][:10]) for code, facts in changes]
    assert seen == ([(rule, "old", "new", since)] if rule else [])


def test_age_is_counted_at_the_date_of_the_audit() -> None:
    generated = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
    assert found(make_space({}, as_of=generated + timedelta(days=7))) == []
    old = make_space({}, as_of=generated + timedelta(days=7, seconds=1))
    assert found(old) == [("LIST_OLD", ())]
    assert texts(old, "LIST_OLD")[0][1] == "7\u00a0jours au plus"


def test_a_list_without_a_date_is_unreadable_not_old() -> None:
    assert found(make_space({}, generated="hier")) == [("LIST_UNREADABLE_ROW", ())]


@pytest.mark.parametrize(("description", "domain", "other"), GIVEN["copies"])
def test_a_row_that_is_a_copy(description: str, domain: str, other: str) -> None:
    row = {"description": description}
    space = make_space(
        row | {"domain": domain + TAIL}, row | {"domain": other + TAIL}, {"domain": "ch-loin" + TAIL}
    )
    assert found(space, COPIED) == [(COPIED, (2,))]
    assert texts(space, COPIED)[0][0].endswith(f"comme {domain}{TAIL}, de CH ALPHA (1759900004)")
    assert found(space, ELSEWHERE) == [], "told once"
    elsewhere = row | {"domain": other + TAIL, "support_contact": "01 99 00 00 09, autre@alpha.example"}
    assert found(make_space(row | {"domain": domain + TAIL}, elsewhere), COPIED) == []


@pytest.mark.parametrize(("description", "domains"), GIVEN["no_copies"])
def test_what_is_no_copy(description: str, domains: list[str]) -> None:
    rows = [{"domain": name + TAIL, "description": description} for name in domains]
    assert found(make_space(*rows), COPIED) == []


@pytest.mark.parametrize(("domain", "description", "wrong"), GIVEN["numbers"])
def test_a_description_that_gives_another_number(domain: str, description: str, wrong: bool) -> None:
    space = make_space({"domain": domain + TAIL, "description": description})
    assert bool(found(space, "LIST_DESCRIPTION_NUMBER")) == wrong


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("sessad@alpha.mssante.fr", "sessad@alpha.mssante.fr"),  # an establishment's kind is the defect
        ("ehpad.alpha@alpha.mssante.fr", "ehpad.alpha@alpha.mssante.fr"),
        ("zoe.fictive@alpha.mssante.fr", "z•••@alpha.mssante.fr"),
        ("ehpad.fictive@alpha.mssante.fr", "e•••@alpha.mssante.fr"),
    ],
)
def test_what_masks_persons_does_not_mask_a_domain_s_own_name(domain: str, shown: str) -> None:
    findings = worded(findings_of("whitelist_integrity", make_space({"domain": domain})))
    (finding,) = findings[findings["rule"] == "LIST_DOMAIN_INVALID"].to_dict("records")
    assert finding["domain"] == shown
    assert finding["observed"].startswith(shown)


@pytest.mark.parametrize(
    ("field", "text", "right"),
    [
        ("description", "Clinique \u0410lpha", "Clinique Alpha"),
        ("description", "Clinique \u0416", ""),
        ("project_contact", "01 99 00 00 01, \u0435t@alpha.example", "01 99 00 00 01, et@alpha.example"),
    ],
)
def test_a_letter_of_another_alphabet(field: str, text: str, right: str) -> None:
    ((observed, expected),) = texts(make_space({field: text}), "LIST_LETTER_FOREIGN")
    assert (expected, "U+04" in observed) == (right, True)
    assert texts(make_space({field: "Hôpital n° 2, œdème, Ægir, µ, 1ª"}), "LIST_LETTER_FOREIGN") == []


def test_a_row_added_after_the_list() -> None:
    late = {"domain": "ch-tard" + TAIL, "updated_at_text": "2026-03-02T09:12:44Z"}
    space = make_space({"domain": "ch-songe" + TAIL}, late)
    assert found(space) == [("LIST_ROW_ADDED_AFTER", (2,))]
    assert found(make_space(late, late | {"description": "CH de Tard"}), "LIST_ROW_ADDED_AFTER") == []
    tool = late | {"updated_at_text": "2026-03-02T05:30:01Z"}
    assert found(make_space(tool)) == [("LIST_STAMPED_AFTER", (1,))]


def test_a_cut_list_is_judged_row_by_row_and_says_so() -> None:
    other = {"domain": "ch-songe" + TAIL, "project_contact": "01 99 00 00 77, zoe.fictive@alpha.example"}
    xml = xml_of({}, other, {"domain": "ch-fin" + TAIL})
    assert "CONTACT_DISAGREEMENT" in set(findings_of("stale_contacts", make_space(xml=xml))["rule"])
    cut = make_space(xml=xml[: xml.rindex(b"<Domaine>") + 40])
    assert set(findings_of("stale_contacts", cut)["rule"]) == {"CONTACT_PERSONAL"}
    assert "n’ont pas été appliquées" in texts(cut, "LIST_DAMAGED")[0][0]


def test_one_row_s_description_does_not_set_a_domain_aside() -> None:
    space = make_space({"description": "Domaine de test"}, {"dn": BETA_DN})
    assert not space.entries["is_audit_entry"].any()

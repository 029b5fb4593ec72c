"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from in_clear import finders, told_in_clear
from made_up import ALPHA, AS_OF, BETA_DN, archived, make_space, xml_of

from mssante_audit.archive.store import Record, append
from mssante_audit.audits import findings_of
from mssante_audit.findings.frame import COLUMNS
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.signature import Verdict

SIGNATURE = "LIST_UNSIGNED"
"""Made-up lists are not signed: what they all get."""
found, texts = finders("whitelist_integrity", but=SIGNATURE)


def test_a_clean_list_gets_nothing() -> None:
    beta = {"domain": "ch-beta.mssante.fr", "dn": BETA_DN, "description": "CH Beta"}
    assert found(make_space({}, beta)) == []


def test_an_empty_list_gets_a_typed_frame() -> None:
    findings = told_in_clear("whitelist_integrity", make_space())
    assert list(findings.columns) == list(COLUMNS)
    assert found(make_space()) == []


# -- the file -----------------------------------------------------------------------------------------------

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
    assert space.archive is not None
    for snapshot, signer in zip(space.archive.snapshots, earlier, strict=False):
        append(tmp_path, Record("", "import", "kept", snapshot.name, signer=signer))
    expected, reason = "new" if status == "valid" else "old", "signer" if "-" in status else "content"
    verdict = replace(VALID, status=status, reason=reason, signer="CN=new", expected=expected)
    space.whitelist.__dict__["signature"] = verdict
    findings = told_in_clear("whitelist_integrity", space)
    told = findings[findings["rule"].str.fullmatch("LIST_SIGNER_(CHANGED|NEW)")]
    assert told["rule"].tolist() == ([rule] if rule else [])
    for facts in told["facts"]:
        assert (facts["before"], facts["after"], facts["since"][:10]) == ("old", "new", since)


def test_age_is_counted_at_the_date_of_the_audit() -> None:
    generated = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
    assert found(make_space({}, as_of=generated + timedelta(days=7))) == []
    old = make_space({}, as_of=generated + timedelta(days=7, seconds=1))
    assert found(old) == [("LIST_OLD", ())]
    assert texts(old, "LIST_OLD")[0][1] == "7\u00a0jours au plus"


def test_a_list_without_a_date_is_unreadable_not_old() -> None:
    assert found(make_space({}, generated="hier")) == [("LIST_UNREADABLE_ROW", ())]


def test_incomplete_rows_are_one_finding_a_kind_and_element() -> None:
    space = make_space(
        {"description": ""},
        {"domain": "ch-beta.mssante.fr", "description": " "},
        {"domain": "ch-gamma.mssante.fr", "support_contact": "", "description": "CH Gamma"},
    )
    assert found(space) == [("LIST_UNREADABLE_ROW", (1, 2)), ("LIST_UNREADABLE_ROW", (3,))]
    assert texts(space, "LIST_UNREADABLE_ROW")[0][0] == "Description : champ vide (2 fois)"


# -- rows and dates -----------------------------------------------------------------------------------------


def test_repetitions() -> None:
    assert found(make_space({}, {})) == [("LIST_ROW_DUPLICATE", (1, 2))]
    restamped = make_space({}, {"updated_at_text": "2026-02-01T00:00:00Z"})
    assert found(restamped) == [("LIST_PAIR_REPEATED", (1, 2))]
    assert texts(restamped, "LIST_PAIR_REPEATED") == [("2 lignes\u202f; seule la date diffère", "")]
    assert found(make_space({}, {"dn": ALPHA["dn"].replace("mss.", "mss2.")})) == []


# -- domains ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "why", "meant"),
    [
        ("CH-Alpha.mssante.fr", "majuscules", "ch-alpha.mssante.fr"),
        ("projet@ch-alpha.mssante.fr", "caractère interdit : @", "ch-alpha.mssante.fr"),
        (" ch-alpha.mssante.fr", "caractère interdit : espace", "ch-alpha.mssante.fr"),
        ("ch_alpha.mssante.fr", "caractère interdit : _", ""),
        ("chât-alpha.mssanté.fr", "caractères interdits : âé", "chat-alpha.mssante.fr"),
        ("\uff43h-alpha.mssante.fr", "caractère interdit", "ch-alpha.mssante.fr"),
        ("ch-alpha.msanté.fr", "caractère interdit : é", "ch-alpha.mssante.fr"),
        ("ch-alpha.mssante.fr.fr", "hors de mssante.fr", "ch-alpha.mssante.fr"),
        ("a" * 64 + ".mssante.fr", "64 caractères entre deux points", ""),
        (".".join(["a" * 60] * 4) + ".mssante.fr", "254 caractères", ""),
        ("ch-alpha-.mssante.fr", "trait d’union", ""),
        ("ch-alpha.mssante.fr.", "point au bord", "ch-alpha.mssante.fr"),
        ("alpha", "pas de point", ""),
        ("192.0.2.1", "nombre", ""),
    ],
)
def test_invalid_domain(domain: str, why: str, meant: str) -> None:
    space = make_space({"domain": domain})
    assert found(space) == [("LIST_DOMAIN_INVALID", (1,))]
    observed, expected = texts(space, "LIST_DOMAIN_INVALID")[0]
    assert why in observed
    assert expected == meant


@pytest.mark.parametrize("domain", ["a" * 63 + ".mssante.fr", "15-20.mssante.fr", "xn--bta-fma.mssante.fr"])
def test_valid_domain(domain: str) -> None:
    assert found(make_space({"domain": domain})) == []


def test_domains_of_the_same_operators_are_one_finding() -> None:
    gamma = (
        BETA_DN.replace("BETA", "GAMMA")
        .replace("679900001", "139900005")
        .replace("Bas-Rhin (67)", "Bouches-du-Rhône (13)")
    )
    space = make_space(
        *({"domain": f"{name}.mssante.fr", "dn": dn} for name in "ab" for dn in (ALPHA["dn"], BETA_DN)),
        *({"domain": "c.mssante.fr", "dn": dn} for dn in (ALPHA["dn"], BETA_DN, gamma)),
        {"domain": "d.mssante.fr", "dn": BETA_DN},
    )
    assert found(space) == [("LIST_DOMAIN_OPERATORS", (1, 2, 3, 4)), ("LIST_DOMAIN_OPERATORS", (5, 6, 7))]
    observed = {text for text, _ in texts(space, "LIST_DOMAIN_OPERATORS")}
    assert "2\u00a0domaines : CH BETA (1679900001) | CH ALPHA (1759900004)" in observed


OTHER = {"project_contact": "01 99 00 00 08, projet@beta.example"}
SIRET = ALPHA["dn"].replace("1759900004", "399900001100018")


@pytest.mark.parametrize(
    "row",
    [
        {"dn": SIRET} | OTHER,  # one certificate's name but for the identifier
        {"dn": SIRET.replace("mss.", "mss2.")},  # same name, same contacts on all they share
        {"dn": "certificat"},  # no operator known: not another one
    ],
)
def test_one_structure_is_one_operator(row: dict[str, str]) -> None:
    assert found(make_space({}, row)) == []


@pytest.mark.parametrize(
    "rows",
    [
        # Same name, same département: homonyms, or who knows.
        [{}, {"dn": SIRET.replace("mss.", "mss2.")} | OTHER],
        # The same contacts on one shared domain, others on the next.
        [
            {},
            {"dn": SIRET.replace("mss.", "mss2.")},
            {"domain": "b.mssante.fr"},
            {"domain": "b.mssante.fr", "dn": SIRET.replace("mss.", "mss2.")} | OTHER,
        ],
        # A supplier gives its customer's contacts.
        [{}, {"dn": BETA_DN}],
    ],
)
def test_two_structures_are_two_operators(rows: list[dict[str, str]]) -> None:
    (told,) = found(make_space(*rows), "LIST_DOMAIN_OPERATORS")
    assert told == ("LIST_DOMAIN_OPERATORS", tuple(range(1, len(rows) + 1)))


def test_one_server_of_all_operators_of_a_domain_is_told_among_the_names() -> None:
    """A server that went to another operator, say: nobody has to ask each establishment who serves it."""
    former = BETA_DN.replace("mss.beta", "MSS.alpha")
    second = ALPHA["dn"].replace("mss.", "mss2.")
    assert found(make_space({}, {"dn": second}, {"dn": former}), "LIST_DOMAIN_OPERATORS") == []
    apart = make_space(
        {}, {"dn": former}, {"domain": "b.mssante.fr"}, {"domain": "b.mssante.fr", "dn": BETA_DN}
    )
    assert found(apart, "LIST_DOMAIN_OPERATORS") == [("LIST_DOMAIN_OPERATORS", (3, 4))]
    third = BETA_DN.replace("BETA", "GAMMA").replace("beta", "gamma").replace("679900001", "139900005")
    three = make_space({}, {"dn": former}, {"dn": third})
    assert found(three, "LIST_DOMAIN_OPERATORS") == [("LIST_DOMAIN_OPERATORS", (1, 2, 3))]


def test_two_sirets_of_one_siren_are_one_operator() -> None:
    dns = [
        f"CN=mss.alpha.example,OU={ou},O={o},ST=Paris (75),C=FR"
        for ou, o in (("399900001100018", "ALPHA"), ("399900001100026", "ALPHA SANTE"))
    ]
    assert found(make_space(*({"dn": dn} for dn in dns))) == []


def test_sub_domains_of_another_operator() -> None:
    space = make_space(
        {},
        {"domain": "urgences.ch-alpha.mssante.fr", "dn": BETA_DN},
        {"domain": "a.b.ch-alpha.mssante.fr", "dn": BETA_DN},
        {"domain": "own.ch-alpha.mssante.fr"},
        # The nearest listed parent is its own operator's.
        {"domain": "lits.urgences.ch-alpha.mssante.fr", "dn": BETA_DN},
        {"domain": "mssante.fr", "dn": BETA_DN},
    )
    assert found(space) == [("LIST_SUBDOMAIN_OPERATOR", (2, 3))]


@pytest.mark.parametrize(
    ("names", "near"),
    [
        (("labo-alpha", "labos-alpha"), True),
        (("ehpad-alpah", "ehpad-alpha"), False),  # each is described so
        (("ch-alpha", "chalpha"), True),
        (("ehpad-alpha", "ehpad.alpha"), True),
        (("labo-alpha1", "labo-alpha2"), False),
        (("zyxa", "zyxo"), False),
        (("labo-alpha.a", "labos-alpha.b"), False),
    ],
)
def test_domains_that_may_be_confused(names: tuple[str, str], near: bool) -> None:
    one, other = ({"domain": f"{name}.mssante.fr", "description": f"Site {name}"} for name in names)
    space = make_space(one, other | {"dn": BETA_DN})
    assert found(space) == ([("LIST_DOMAIN_NEAR", (1, 2))] if near else [])
    alike = make_space(one, other | {"description": "Site"})
    slip = near or "ehpad-alpah" in names
    assert found(alike, "LIST_DOMAIN_NEAR") == ([("LIST_DOMAIN_NEAR", (1, 2))] if slip else [])
    if near:
        text = texts(space, "LIST_DOMAIN_NEAR")[0][0]
        assert all(told in text for told in (*names, "CH ALPHA", "CH BETA"))
        assert "même opérateur" not in text
        assert "(même opérateur)" in texts(make_space(one, other), "LIST_DOMAIN_NEAR")[0][0]


@pytest.mark.parametrize(
    ("domain", "odd"),
    [
        ("ehpad-alpha.fr.mssante.fr", True),
        ("ehpad-alpha.mssante.mssante.fr", True),
        ("ehpad-alpha.asso.mssante.fr", False),
        ("fr.mssante.fr", False),
    ],
)
def test_an_ending_of_another_zone(domain: str, odd: bool) -> None:
    space = make_space({"domain": domain})
    assert found(space) == ([("LIST_DOMAIN_SUFFIX", (1,))] if odd else [])
    if odd:
        both = make_space({"domain": domain}, {"domain": "ehpad-alpha.mssante.fr"})
        assert "ehpad-alpha.mssante.fr est aussi inscrit" in texts(both, "LIST_DOMAIN_SUFFIX")[0][0]


# -- copies and contradictions ------------------------------------------------------------------------------

TAIL = ".mssante.fr"


@pytest.mark.parametrize(
    ("description", "domain", "other"),
    [
        ("SSIAD Fictif", "ssiadfictif", "ssiad-montreve"),
        ("CH de Rêve par le prestataire", "ch-reve", "ch-sud-songe"),
        ("Messagerie du GH70", "gh70", "cpts.mirage-morvan"),
        ("Cabinet 12", "cabinet12", "cabinet13"),
        ("CH de Rêve", "ch-reve", "nddxyz"),
        ("CH de Rêve", "ch-reve", "nouveaudomaine2"),
        ("CH de Rêve", "chdr", "essai"),
        ("CH de Rêve", "ch-reve", "ch-reve2"),
    ],
)
def test_a_row_that_is_a_copy(description: str, domain: str, other: str) -> None:
    row = {"description": description}
    space = make_space(
        row | {"domain": domain + TAIL}, row | {"domain": other + TAIL}, {"domain": "ch-loin" + TAIL}
    )
    assert found(space, "LIST_ROW_COPIED") == [("LIST_ROW_COPIED", (2,))]
    assert texts(space, "LIST_ROW_COPIED")[0][0].endswith(f"comme {domain}{TAIL}, de CH ALPHA (1759900004)")
    assert found(space, "LIST_DESCRIPTION_ELSEWHERE") == [], "told once"
    elsewhere = row | {"domain": other + TAIL, "support_contact": "01 99 00 00 09, autre@alpha.example"}
    assert found(make_space(row | {"domain": domain + TAIL}, elsewhere), "LIST_ROW_COPIED") == []


@pytest.mark.parametrize(
    ("description", "domains"),
    [
        ("Groupe Rêve", ["groupe-reve", "clinique-mirage", "clinique-songe"]),  # a group
        ("Groupe Rêve", ["groupe-reve", "clinique-mirage"]),
        ("Emirage", ["emirage", "adhip", "domidim"]),  # brands
        ("CH Rives de Rêve", ["ch-rivesdereve", "chrdr"]),  # an acronym
        ("Laboratoire Rêve", ["labo-reve", "tetrabio"]),  # an alias
        ("EHPAD Aulagnier", ["ehpad-aulagnier", "ehpad-aulanier"]),  # a slip
        ("Conseil départemental", ["cd12", "cd13"]),  # a series that the description does not number
        ("CH de Rêve", ["ch-reve", "ch-reve.sud"]),
        ("CH de Rêve 2", ["ch-reve", "ch-reve2"]),
    ],
)
def test_what_is_no_copy(description: str, domains: list[str]) -> None:
    rows = [{"domain": name + TAIL, "description": description} for name in domains]
    assert found(make_space(*rows), "LIST_ROW_COPIED") == []


@pytest.mark.parametrize(
    ("domain", "description", "wrong"),
    [
        ("apajh86", "APAJH 68", True),
        ("cabinet12", "Cabinet 13", True),
        ("adapei49", "ADAPEI de la Sarthe", True),
        ("adapei49", "ADAPEI (72)", True),
        ("adapei49", "ADAPEI du Maine-et-Loire", False),
        ("adapei49", "ADAPEI", False),
        ("adapei49", "ADAPEI 49, antenne de la Sarthe", False),
        ("mrp92", "Maison de retraite 92000 Nanterre", False),
        ("dac75est", "DAC M2A Paris Est", False),
        ("millepatte83", "1 jour = une solution", False),
        ("cd09", "Conseil départemental 9", False),
        ("dac59", "Dispositif d’appui du Pas-de-Calais", True),
        ("dac62", "Dispositif d’appui du Pas-de-Calais", False),
        ("cpam94", "CPAM du Val-d’Oise", True),
        ("cdom2a", "Ordre des médecins de Haute-Corse (2B)", True),
        ("cdom2a", "Ordre des médecins de Corse-du-Sud", False),
    ],
)
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
    (one,) = findings[findings["rule"] == "LIST_DOMAIN_INVALID"].to_dict("records")
    assert one["domain"] == shown
    assert one["observed"].startswith(shown)


def test_a_copy_whose_own_description_is_listed_too_is_told_once() -> None:
    copied = {"domain": "clinique-mirage" + TAIL, "description": "EHPAD du Songe"}
    rows = [{"domain": "ehpad-songe" + TAIL, "description": "EHPAD du Songe"}, copied]
    assert found(make_space(*rows), "LIST_ROW_COPIED") == [("LIST_ROW_COPIED", (2,))]
    rows.append(copied | {"description": "Clinique du Mirage"})
    repeated = found(make_space(*rows), "LIST_ROW_COPIED", "LIST_PAIR_REPEATED")
    assert repeated == [("LIST_PAIR_REPEATED", (2, 3))]


def test_which_of_two_descriptions_fits() -> None:
    row = {"domain": "ch-songe" + TAIL}
    space = make_space(row | {"description": "CH de Songe"}, row | {"description": "EHPAD Mirage"})
    assert texts(space, "LIST_PAIR_REPEATED")[0][1] == "« CH de Songe »"
    both = make_space(row | {"description": "CH de Songe"}, row | {"description": "CH Songe (site nord)"})
    assert texts(both, "LIST_PAIR_REPEATED")[0][1] == ""


@pytest.mark.parametrize(
    ("field", "text", "right"),
    [
        ("description", "Clinique \u0410lpha", "Clinique Alpha"),
        ("description", "Clinique \u0416", ""),
        (
            "project_contact",
            "01 99 00 00 01, proj\u0435t@alpha.example",
            "01 99 00 00 01, projet@alpha.example",
        ),
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


# -- descriptions and texts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "_",
        "?",
        "À compléter",
        "xxx",
        "Domaine de messagerie du CH xyz",
        "Domaine de MSSanté de la",
        "N/A",
        "TEST",
    ],
)
def test_placeholder(text: str) -> None:
    other = {"domain": "b.mssante.fr", "description": text.upper()}
    assert found(make_space({"description": text}, other)) == [("LIST_DESCRIPTION_PLACEHOLDER", (1, 2))]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        # What names an establishment is no placeholder.
        ("EHPAD Alpha, bâtiment XX", ""),
        ("Résidence xx Alpha", ""),
        ("Domaine de messagerie du CH Alpha (site de", "LIST_DESCRIPTION_CUT"),
        ("Domaine de messagerie du CH Alpha de l'", "LIST_DESCRIPTION_CUT"),
        ('EHPAD "ALPHA', "LIST_DESCRIPTION_CUT"),
        ('EHPAD ""ALPHA""', "LIST_DESCRIPTION_CUT"),
        ("EHPAD Alpha)", "LIST_DESCRIPTION_CUT"),
        ("CH Alpha " + "a" * 246, "LIST_DESCRIPTION_CUT"),
        ("MAISON D'A", ""),
        ("Val'Aux", ""),
        ('EHPAD "ALPHA" (site nord)', ""),
        ("CHU", ""),
        # Right accents.
        ("Hôpital « QUALITÉ»", ""),
        ("Œuvre de l’Île", ""),
        ("SSIAD Âge & Vie", ""),
        ("Qui est là ?", ""),
        ("Château", ""),
    ],
)
def test_a_description(text: str, rule: str) -> None:
    assert found(make_space({"description": text})) == ([(rule, (1,))] if rule else [])


def described(**texts: str) -> TrustSpace:
    """Return a list of domains (``ch_a`` for ch-a.mssante.fr) with their descriptions."""
    return make_space(
        *(
            {"domain": f"{name.replace('_', '-')}.mssante.fr", "description": text}
            for name, text in texts.items()
        )
    )


def test_another_town_s_description() -> None:
    space = described(
        ch_valfictif="Domaine du centre hospitalier de Bourgmythe", ch_bourgmythe="CH Bourgmythe"
    )
    assert found(space) == [("LIST_DESCRIPTION_ELSEWHERE", (1,))]
    assert texts(space, "LIST_DESCRIPTION_ELSEWHERE")[0][0].endswith("voir ch-bourgmythe.mssante.fr")
    for text in (
        "CH de Bourgmythe et Valfictif",  # both
        "Hôpital Rêvé",  # nothing the list knows
        "EHPAD de Bourgmythe",  # the list knows no such home
    ):
        assert found(described(ch_valfictif=text, ch_bourgmythe="CH Bourgmythe")) == []
    saint = described(ch_st_fictif="CH Saint-Fictif", ch_fictif="CH Fictif")
    assert found(saint) == []


def test_one_description_for_ten_domains() -> None:
    rows = [
        {"domain": f"a{i}.mssante.fr", "description": f"Domaine de l{'’' if i else chr(39)}Éditeur"}
        for i in range(10)
    ]
    assert found(make_space(*rows[:9])) == []
    assert found(make_space(*rows)) == [("LIST_DESCRIPTION_PLACEHOLDER", tuple(range(1, 11)))]


def test_several_descriptions_of_one_operator() -> None:
    dn = ALPHA["dn"].replace("mss.", "mss2.")
    another = make_space({}, {"dn": dn, "description": "EHPAD Alpha"})
    assert found(another) == [("LIST_DESCRIPTION_SEVERAL", (1, 2))]
    same = make_space({}, {"dn": dn, "description": "domaine de messagerie MSSante pour le CH ALPHA."})
    assert found(same) == []
    other = make_space({}, {"dn": BETA_DN, "description": "EHPAD Alpha"})
    assert found(other) == [("LIST_DOMAIN_OPERATORS", (1, 2))]


def test_several_descriptions_are_one_finding_an_operator() -> None:
    dn = ALPHA["dn"].replace("mss.", "mss2.")
    renamed = [
        {"domain": f"{name}.mssante.fr", "dn": own, "description": text}
        for name in ("infirmier", "pharmacien")
        for own, text in ((ALPHA["dn"], f'Agence, ""{name}""'), (dn, f"Nouveau nom, {name}"))
    ]
    space = make_space(
        *renamed, {"dn": BETA_DN}, {"dn": BETA_DN.replace("mss.", "b."), "description": "Beta"}
    )
    assert found(space) == [("LIST_DESCRIPTION_SEVERAL", (1, 2, 3, 4)), ("LIST_DESCRIPTION_SEVERAL", (5, 6))]
    observed = texts(space, "LIST_DESCRIPTION_SEVERAL")[0][0]
    assert 'pharmacien.mssante.fr : «\u00a0Agence, ""pharmacien""\u00a0» / ' in observed
    nobody = [
        {"dn": text, "description": told} for text, told in (("certificat", "CH Alpha"), ("autre", "Beta"))
    ]
    both = [row | {"domain": f"{name}.mssante.fr"} for name in ("aa", "zz") for row in nobody]
    assert found(make_space(*both), "LIST_DESCRIPTION_SEVERAL") == [
        ("LIST_DESCRIPTION_SEVERAL", (1, 2)),
        ("LIST_DESCRIPTION_SEVERAL", (3, 4)),
    ]


def test_descriptions_of_a_repeated_row_are_told_with_it() -> None:
    dn = ALPHA["dn"].replace("mss.", "mss2.")
    other = {"description": "EHPAD Alpha"}
    space = make_space({}, other, {"dn": dn} | other)
    assert found(space) == [("LIST_PAIR_REPEATED", (1, 2))]
    assert texts(space, "LIST_PAIR_REPEATED")[0][0].endswith(
        f"par la description : «\u00a0{ALPHA['description']}\u00a0» | «\u00a0EHPAD Alpha\u00a0»"
    )
    third = make_space({}, other, {"dn": dn, "description": "Clinique Alpha"})
    assert found(third) == [("LIST_DESCRIPTION_SEVERAL", (1, 2, 3)), ("LIST_PAIR_REPEATED", (1, 2))]


def test_cut_descriptions_are_one_finding_an_operator() -> None:
    texts_of = ["EHPAD Alpha (site", "EHPAD Beta de la", "EHPAD Gamma"]
    rows = [{"domain": f"{i}x.mssante.fr", "description": text} for i, text in enumerate(texts_of)]
    space = make_space(*rows, {"domain": "d.mssante.fr", "dn": BETA_DN, "description": texts_of[0]})
    assert found(space) == [("LIST_DESCRIPTION_CUT", (1, 2)), ("LIST_DESCRIPTION_CUT", (4,))]
    assert "Beta de la\u00a0» : fin manquante" in texts(space, "LIST_DESCRIPTION_CUT")[0][0]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("HÃ´pital rÃªvÃ©", "Hôpital rêvé"),
        ("Cure dâ€™Alpha", "Cure d’Alpha"),
        ("Bo￮te et Belved￨re", "Boîte et Belvedère"),
        ("R&eacute;gion A &amp; B", "Région A & B"),
        ("H?pital", ""),
        ("H\ufffdpital", ""),
    ],
)
def test_garbled_accents(text: str, meant: str) -> None:
    space = make_space({"description": text})
    assert found(space) == [("LIST_DESCRIPTION_MOJIBAKE", (1,))]
    assert texts(space, "LIST_DESCRIPTION_MOJIBAKE") == [(text, meant)]


def test_a_garbled_description_is_not_another_one() -> None:
    dn = ALPHA["dn"].replace("mss.", "mss2.")
    space = make_space({"description": "Hôpital Alpha"}, {"dn": dn, "description": "HÃ´pital Alpha"})
    assert found(space) == [("LIST_DESCRIPTION_MOJIBAKE", (2,))]


def test_invisible_characters_are_one_finding_a_field_and_shown_escaped() -> None:
    space = make_space(
        {"description": "CH \u202eahplA"},
        {
            "domain": "b.mssante.fr",
            "description": "CH\u200bBeta",
            "project_contact": "M. \u2066X\u2069, 01 99 00 00 01",
        },
    )
    assert found(space) == [("LIST_TEXT_CONTROL", (1, 2)), ("LIST_TEXT_CONTROL", (2,))]
    observed = [text for text, _ in texts(space, "LIST_TEXT_CONTROL")]
    assert "description : \\u202e \\u200b ; CH \\u202eahplA" in observed
    # A contact names a person, and this rule is not masked.
    assert "contact projet : \\u2066 \\u2069" in observed
    assert all(text.replace("\u00a0", "").isprintable() for text in observed)


@pytest.mark.parametrize("odd", ["\u200b", "\u202e", "\u3164", "\ue000", "\ufe0f"])
def test_invisible_characters_in_names_are_other_rules_matter(odd: str) -> None:
    space = make_space({"domain": f"ch-al{odd}pha.mssante.fr"})
    assert found(space) == [("LIST_DOMAIN_INVALID", (1,))]
    assert texts(space, "LIST_DOMAIN_INVALID")[0][1] == "ch-alpha.mssante.fr"
    name = make_space({"dn": ALPHA["dn"].replace("ALPHA", f"AL{odd}PHA")})
    assert found(name) == []
    (told,) = told_in_clear("dn_consistency", name).to_dict("records")
    assert (told["rule"], told["expected"]) == ("DN_NOT_CANONICAL", ALPHA["dn"])
    assert told_in_clear("dn_consistency", make_space({})).empty


def test_line_breaks_in_free_text_are_not_hidden_text() -> None:
    free = {"description": "CH\tAlpha\n", "support_contact": "01 99 00 00 01,\na@b.example"}
    assert found(make_space(free)) == []


def test_one_row_s_description_does_not_set_a_domain_aside() -> None:
    space = make_space({"description": "Domaine de test"}, {"dn": BETA_DN})
    assert not space.entries["is_audit_entry"].any()

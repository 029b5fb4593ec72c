"""The report on certificates, of the sample with mail servers that were visited: what it says is so."""

from pages import page_of

from mssante_audit.audits import audit
from mssante_audit.base.markup import visible
from mssante_audit.findings.causes import actionable
from mssante_audit.report.run import run_reports
from mssante_audit.space.trust import load_space
from mssante_audit.verdicts.presented import expiries, revocations, servers_shown


def space_of(run):
    return load_space(run.out.parent / "data", as_of="2026-03-03T06:00:00Z")


def text_of(run):
    page = page_of(run, "certificates")
    return " ".join(page.find(".//main").text_content().split())


def test_hostile_servers_fail_nothing_and_stay_text(certificates_run):
    """Its numbers are those of `test_numbers`, of servers that are not hostile."""
    assert certificates_run.outcomes[0].failure is None
    text, served = text_of(certificates_run), servers_shown(space_of(certificates_run))
    assert "<script>window.pwned = 1</script>" in text
    assert "Serveurs dont rien n’est connu" in text
    known = served.loc[served["outcome"] == "presented", "domain"].nunique()
    assert f"Domaines jamais vus{106 - known}" in text.replace("vus ", "vus")


def test_what_was_seen_too_long_ago_is_no_fact_of_today(certificates_run, tmp_path):
    given = {"data": str(certificates_run.out.parent / "data"), "as_of": "2026-04-20T06:00:00Z"}
    run = run_reports(["certificates"], out=tmp_path, parameters=given)
    space = load_space(given["data"], as_of=given["as_of"])
    found, ending = actionable(audit("certificates", space)), expiries(space)
    assert (ending["alone"] & (ending["days"] < 0)).any()  # they may have another certificate by now
    page = page_of(run, "certificates")
    (lead,) = (" ".join(one.text_content().split()) for one in page.find_class("lead"))
    assert lead == (
        f"Échéances inconnues pour {ending['domain'].nunique()} domaines, vus pour la dernière fois il y a "
        f"plus de 7 jours. {len(found)} constats restent à confirmer."
    )
    (tiles,) = (" ".join(one.text_content().split()) for one in page.find_class("figures"))
    assert tiles.startswith("Domaines bientôt sans certificatinconnusd’ici 60 jours")
    assert f"Domaines touchésinconnussur 106, {len(found)} constats à confirmer" in tiles


def test_names_that_differ_stand_side_by_side_and_the_difference_is_marked(certificates_run):
    page = page_of(certificates_run, "certificates")
    found = audit("certificates", space_of(certificates_run))
    named = found[found["rule"].str.startswith("TLS_NAME_UNLISTED") | (found["rule"] == "TLS_NAME_SPELLING")]
    rows = page.findall(".//table[@id='names']/tbody/tr")
    assert len(rows) == len(named) > 0
    for row, facts in zip(rows, named["facts"], strict=True):
        shown, listed = (cell.text_content() for cell in row.findall("td")[:2])
        assert shown == visible(facts["presented"][:400])
        assert listed in {visible(text[:400]) for text in facts.get("wanted", facts.get("listed"))}
        assert (shown != listed) == bool(row.findall(".//mark"))


def test_what_is_not_known_of_revocation_is_said_by_authority(certificates_run):
    told = revocations(space_of(certificates_run))
    assert set(told["said"]) == {"unknown"}
    assert "aucune liste de révocation dans le dossier de données" in text_of(certificates_run)

"""The report on certificates, of the sample with mail servers that were visited: what it says is so."""

from __future__ import annotations

from lxml import html

from mssante_audit.report.run import Run
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.presented import expiries, servers_shown


def space_of(run: Run) -> TrustSpace:
    return load_space(run.out.parent / "data", as_of="2026-03-03T06:00:00Z")


def text_of(run: Run) -> str:
    page = html.fromstring((run.out / "certificates.html").read_text(encoding="utf-8"))
    return " ".join(page.find(".//main").text_content().split())


def test_the_report_counts_what_its_frames_hold(certificates_run: Run) -> None:
    run, space = certificates_run, space_of(certificates_run)
    (outcome,) = run.outcomes
    assert outcome.failure is None
    text, served, ending = text_of(run), servers_shown(space), expiries(space)
    known = served[served["outcome"] == "presented"]
    alone = ending[ending["alone"]]
    assert len(known) > 5
    assert known["domain"].nunique() + (served["outcome"] == "busy").sum() > 0
    assert f"{alone['domain'].nunique()} domaines ont un certificat dont la fin est connue" in text
    soon = alone[alone["days"].between(0, 59)]
    assert f"{soon['domain'].nunique()} domaine" in text
    assert "<script>window.pwned = 1</script>" in text
    blind = space.audited["domain"].nunique() - known["domain"].nunique()
    assert f"Domaines inconnus{blind}" in text.replace("Domaines inconnus ", "Domaines inconnus")


def test_every_family_of_the_audit_has_its_section(certificates_run: Run) -> None:
    text = text_of(certificates_run)
    for family in ("Nom présenté et nom inscrit", "Chaîne et révocation", "Force et usage", "Serveurs"):
        assert family in text
    assert "Serveurs dont rien n’est connu" in text

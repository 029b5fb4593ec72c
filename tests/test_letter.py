"""The message to an operator: what it asks, in what order; that it parses, repeats, lets nothing in."""

from __future__ import annotations

import builtins
import re
from dataclasses import replace
from email import message_from_bytes, policy
from io import BytesIO

import pytest
from made_up import make_space
from pypdf import PdfReader

from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import (
    MOST_DOMAINS,
    MOST_FORMS,
    MOST_POINTS,
    WIDTH,
    letter_files,
    letter_text,
    points_of,
    subject,
)
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.space.trust import load_space

AS_OF = "2026-03-03T06:00:00Z"
GROUP, LARGE = "1679900001", "399900000300015"
HOSTILE = "CH ALPHA\r\nBcc: victime@pwned.example\r\n\r\n<script>"


@pytest.fixture(scope="module")
def space():
    return replace(load_space(as_of=AS_OF), mailboxes=None)  # which would put the most used domains first


def parsed(content):
    message = message_from_bytes(content, policy=policy.default)
    assert not message.defects
    assert not any(value.defects for value in message.values())
    return message


def body(message):
    return message.get_body(("plain",)).get_content().replace("\r\n", "\n")


def flat(text):
    return " ".join(text.replace("\xa0", " ").split())


def test_every_point_is_told_with_its_remedy_and_domains_worst_first(space):
    text = flat(letter_files(dossier(space, GROUP))[".txt"].decode())
    points = points_of(dossier(space, GROUP))
    ranks = [SEVERITIES.index(point.severity) for point in points]
    assert ranks == sorted(ranks, reverse=True)
    assert {p.rule for p in points} == set(theirs(dossier(space, GROUP).findings)["rule"])
    at = [text.index(f" {n}. [") for n in range(1, len(points) + 1)]
    assert at == sorted(at)
    for point in points:
        assert flat(remedy(point.rule)).replace(" ;", " ;") in text
        assert point.domains[0] in text
    head = f"Objet : MSSanté : {len(points)} points à corriger sur vos domaines – "
    assert text.startswith(f"{head}GROUPEMENT E-SANTE DE CHEMINSONGE")


def test_it_stays_short_however_much_there_is_to_say(space):
    files = letter_files(dossier(space, LARGE))
    text = files[".txt"].decode()
    points = points_of(dossier(space, LARGE))
    assert len(points) > MOST_POINTS
    assert text.count("\n   À faire") == MOST_POINTS
    assert f"{len(points) - MOST_POINTS}\xa0autres points" in text
    assert len(text) < 9_000
    assert max(p.domains.__len__() for p in points) > MOST_DOMAINS
    for line in text.splitlines()[1:]:
        assert len(line) <= WIDTH or " " not in line.strip()
    assert len(list(parsed(files[".eml"]).iter_attachments())) == MOST_FORMS


def test_the_message_parses_back(space):
    files = letter_files(dossier(space, GROUP))
    message = parsed(files[".eml"])
    about, _, text = files[".txt"].decode().partition("\n\n")
    assert f"Objet\xa0: {message['Subject']}" == about
    assert body(message) == text
    assert message["Date"].datetime == space.as_of
    assert re.fullmatch(r"<dossier\.[0-9a-f]{32}@mssante-audit\.invalid>", message["Message-ID"])
    assert message["X-Unsent"] == "1"
    assert all(len(line) <= 998 for line in files[".eml"].split(b"\r\n"))
    assert b"\n" not in files[".eml"].replace(b"\r\n", b"")
    files[".eml"].decode("ascii")


def test_the_same_input_gives_the_same_bytes(space):
    again = replace(load_space(as_of=AS_OF), mailboxes=None)
    for operator_id in (GROUP, "1959900002"):
        assert letter_files(dossier(again, operator_id)) == letter_files(dossier(space, operator_id))
    later = letter_files(dossier(load_space(as_of="2026-03-04T06:00:00Z"), GROUP))[".eml"]
    assert parsed(later)["Message-ID"] != parsed(letter_files(dossier(space, GROUP))[".eml"])["Message-ID"]


def test_contacts_are_left_out_unless_shown(space):
    message = parsed(letter_files(dossier(space, GROUP))[".eml"])
    assert [a.addr_spec for a in message["To"].addresses] == ["destinataire@a-completer.invalid"]
    assert "@gcs-cheminsonge" not in body(message).replace("•••@gcs-cheminsonge", "")
    shown = parsed(letter_files(dossier(load_space(as_of=AS_OF, show_contacts=True), GROUP))[".eml"])
    assert "dsi@gcs-cheminsonge.example" in [a.addr_spec for a in shown["To"].addresses]
    assert all(a.addr_spec.endswith("@gcs-cheminsonge.example") for a in shown["To"].addresses)


def test_the_forms_are_filled_from_the_register(space):
    forms = list(parsed(letter_files(dossier(space, GROUP))[".eml"]).iter_attachments())
    assert forms[0].get_filename() == "annexe1-annexe2-valfictif.mssante.fr.pdf"
    assert forms[0].get_content_type() == "application/pdf"
    values = {n: f.get("/V", "") for n, f in PdfReader(BytesIO(forms[0].get_content())).get_fields().items()}
    assert values["domain"] == "annexe2-valfictif.mssante.fr"
    assert values["structure_id"] == GROUP
    assert values["dn_igc_sante"].startswith("CN=mss-2.gcs-cheminsonge.example")
    for empty in ("date", "public_project_email", "representative_last_name", "project_manager_phone"):
        assert values[empty] == "", empty


def test_a_form_shows_contacts_where_the_space_does():
    shown = replace(load_space(as_of=AS_OF, show_contacts=True), mailboxes=None)
    form = next(parsed(letter_files(dossier(shown, GROUP))[".eml"]).iter_attachments())
    fields = PdfReader(BytesIO(form.get_content())).get_fields()
    assert fields["public_project_email"]["/V"] == "mssante@gcs-cheminsonge.example"
    assert fields["signatory_last_name"].get("/V", "") == ""


def test_without_the_extra_pdf_the_form_is_plain_text(space, monkeypatch):
    real = builtins.__import__

    def without(name, *more, **options):
        if name.partition(".")[0] == "reportlab":
            raise ModuleNotFoundError("No module named 'reportlab'", name="reportlab")
        return real(name, *more, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    form = next(parsed(letter_files(dossier(space, GROUP))[".eml"]).iter_attachments())
    assert form.get_filename() == "annexe1-annexe2-valfictif.mssante.fr.txt"
    assert "Nom du domaine de messagerie MSSanté : annexe2-valfictif.mssante.fr" in form.get_content()


def test_without_a_register_nothing_is_attached(space):
    message = parsed(letter_files(dossier(replace(space, declarations=None), GROUP))[".eml"])
    assert not message.is_multipart()
    assert "pré-rempli" not in body(message)
    assert "annexe 1" in body(message)


@pytest.mark.parametrize("show", [False, True])
def test_a_name_carries_no_header_and_no_line_in(show):
    hostile = make_space(
        {
            "dn": f'CN=mss.alpha.example,OU=1759900004,O="{HOSTILE}",ST=Paris (75),C=FR',
            "domain": "ch-alpha.mssante.fr\r\nSubject: pwned",
            "project_contact": "0199000001, alpha\r\nbcc@pwned.example",
        }
    )
    hostile = replace(hostile, show_contacts=show)
    files = letter_files(dossier(hostile, "1759900004"))
    message = parsed(files[".eml"])
    assert set(message.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "X-Unsent", "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    }  # fmt: skip
    assert "Bcc" not in message
    assert message["Subject"].count("\n") == 0
    assert files[".txt"].decode().split("\n\n")[1] == "Madame, Monsieur,"


def test_a_label_of_several_lines_stays_on_one():
    told = replace(dossier(make_space({}), "1759900004"), name=HOSTILE)
    assert subject(told, ()).endswith(
        "CH ALPHA\\u000d\\u000aBcc: victime@pwned.example\\u000d\\u000a\\u000d\\u000a<script>"
    )
    assert letter_text(told, (), ()).splitlines()[1] == ""
    assert not re.search(r"^Bcc", letter_text(told, (), ()), re.MULTILINE)


def test_a_name_of_any_letters_comes_through():
    name = "HÔPITAL ŒUVRE 漢字 \N{RIGHT-TO-LEFT OVERRIDE}X " + "É" * 100
    odd = make_space({"dn": f"CN=mss.alpha.example,OU=1759900004,O={name},ST=Paris (75),C=FR"})
    message = parsed(letter_files(dossier(odd, "1759900004"))[".eml"])
    assert "HÔPITAL ŒUVRE 漢字 \\u202eX" in message["Subject"]
    assert len(message["Subject"]) < 150
    assert message["To"].addresses[0].display_name.startswith("HÔPITAL ŒUVRE 漢字")


def test_nothing_to_correct_makes_a_short_message():
    good = make_space({})
    quiet = points_of(dossier(good, "1759900004"))
    text = letter_files(dossier(good, "1759900004"))[".txt"].decode()
    assert quiet == ()
    assert "rien à corriger" in text.splitlines()[0]
    assert "À faire" not in text

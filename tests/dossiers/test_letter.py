"""The message to an operator: what it asks, in what order; that it parses, repeats, lets nothing in."""

import re
import sys
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from io import BytesIO

import pytest
from cells import plain
from conftest import toml
from made_up import AS_OF as MADE_UP
from made_up import make_space
from pypdf import PdfReader
from test_dossier import GROUP, LARGE

from mssante_audit.base.errors import InputError
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import (
    MOST_DOMAINS,
    MOST_FORMS,
    MOST_POINTS,
    WIDTH,
    letter_files,
    letter_text,
)
from mssante_audit.dossiers.stationery import Stationery, read_stationery
from mssante_audit.dossiers.survey import theirs
from mssante_audit.findings.catalogue import SEVERITIES

CASES = toml("dossiers/letter")

AS_OF = "2026-03-03T06:00:00Z"
HOSTILE = "CH ALPHA\r\nBcc: victime@pwned.example\r\n\r\n<script>"


@pytest.fixture(scope="module")
def space(sample_space):
    return replace(sample_space, mailboxes=None)  # which would put the most used domains first


def parsed(content):
    message = message_from_bytes(content, policy=policy.default)
    assert not message.defects
    assert not any(value.defects for value in message.values())
    return message


def body(message):
    return message.get_body(("plain",)).get_content().replace("\r\n", "\n")


def test_every_point_is_told_with_its_remedy_and_domains_worst_first(space):
    group = dossier(space, GROUP)
    text, points = plain(letter_files(group)[".txt"].decode()), group.points
    ranks = [SEVERITIES.index(point.severity) for point in points]
    assert ranks == sorted(ranks, reverse=True)
    assert {code for p in points for code in p.rules} == set(theirs(group.findings)["rule"])
    at = [text.index(f" {n}. [") for n in range(1, len(points) + 1)]
    assert at == sorted(at)
    for point in points:
        assert plain(point.remedy) in text
        assert point.domains[0] in text
    head = f"Objet : MSSanté : {len(points)} points à corriger sur vos domaines – "
    assert text.startswith(f"{head}GROUPEMENT E-SANTE DE CHEMINSONGE")


def test_it_stays_short_however_much_there_is_to_say(space):
    large = dossier(space, LARGE)
    files, points = letter_files(large), large.points
    text = files[".txt"].decode()
    assert len(points) > MOST_POINTS
    assert text.count("\n   À faire") == MOST_POINTS
    assert f"{len(points) - MOST_POINTS}\xa0autres points" in text
    assert len(text) < 12_000
    assert max(len(point.domains) for point in points) > MOST_DOMAINS
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
    lines = files[".eml"].decode("ascii").split("\r\n")
    assert max(map(len, lines)) <= 998
    assert "\n" not in "".join(lines)


def test_a_letter_of_another_instant_is_another_message():
    """That the same input gives the same bytes: `test_dossiers`."""
    bad, ids = {"dn": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris(75),C=FR"}, set()
    for hour in (0, 1):
        record = dossier(make_space(bad, as_of=MADE_UP + timedelta(hours=hour)), "1759900004")
        ids.add(parsed(letter_files(record)[".eml"])["Message-ID"])
    assert len(ids) == 2


def forms_of(record):
    """The forms that a message has, by name: what they are and what their fields hold."""
    forms = {}
    for attachment in parsed(letter_files(record)[".eml"]).iter_attachments():
        pdf = PdfReader(BytesIO(attachment.get_content()))
        values = {name: field.get("/V", "") for name, field in pdf.get_fields().items()}
        forms[attachment.get_filename()] = values | {"text": pdf.pages[0].extract_text()}
    return forms


BOXES = ("signature_present", "delegation", "redirection", "withdrawal")


def test_it_goes_to_the_project_contact_of_the_list_with_forms_filled_from_the_register(space):
    record = dossier(space, GROUP)
    message = parsed(letter_files(record)[".eml"])
    listed = set(space.audited.loc[space.audited["operator_id"] == GROUP, "project_email"])
    assert {a.addr_spec for a in message["To"].addresses} == listed == {"dsi@gcs-cheminsonge.example"}
    assert {form.get_content_type() for form in message.iter_attachments()} == {"application/pdf"}
    name, values = next(iter(forms_of(record).items()))
    assert name == "annexe1-annexe2-valfictif.mssante.fr.pdf"
    assert (values["domain"], values["structure_id"]) == ("annexe2-valfictif.mssante.fr", GROUP)
    assert values["dn_igc_sante"].startswith("CN=mss-2.gcs-cheminsonge.example")
    assert values["public_project_email"] == "mssante@gcs-cheminsonge.example"
    for empty in ("date", "signatory_last_name", "signatory_first_name", "primary_server", *BOXES):
        assert values[empty] in ("", "/Off"), empty


def test_contacts_are_left_out_of_what_others_read(space):
    masked = dossier(space, GROUP, masked=True)
    message = parsed(letter_files(masked)[".eml"])
    assert [a.addr_spec for a in message["To"].addresses] == ["destinataire@a-completer.invalid"]
    assert "@gcs-cheminsonge" not in body(message).replace("•••@gcs-cheminsonge", "")
    assert {values["public_project_email"] for values in forms_of(masked).values()} == {""}


def test_without_the_extra_pdf_the_form_is_plain_text(space, monkeypatch):
    monkeypatch.setitem(sys.modules, "reportlab", None)
    form = next(parsed(letter_files(dossier(space, GROUP))[".eml"]).iter_attachments())
    assert form.get_filename() == "annexe1-annexe2-valfictif.mssante.fr.txt"
    assert "Nom du domaine de messagerie MSSanté : annexe2-valfictif.mssante.fr" in form.get_content()


def test_without_a_register_the_form_is_filled_from_the_list(space):
    forms = forms_of(dossier(replace(space, register=None), GROUP))
    values = forms["annexe1-msp-diguemirage.cheminsonge.mssante.fr.pdf"]
    entries = space.entries[space.entries["operator_id"] == GROUP]
    row = entries[entries["domain"] == "msp-diguemirage.cheminsonge.mssante.fr"].iloc[0]
    wanted = (GROUP, row["description"], row["project_email"])
    filled = ("structure_id", "description", "public_project_email")
    assert tuple(values[name] for name in filled) == wanted
    assert values["dn_igc_sante"] == ""  # reported as wrong (DN_SHAPE): for the operator
    assert "Laissé vide : l’audit y signale une erreur" in values["text"]
    for empty in ("representative_last_name", "contract_number", *BOXES):
        assert values[empty] in ("", "/Off"), empty


@pytest.mark.parametrize("show", [False, True])
def test_a_name_carries_no_header_and_no_line_in(show):
    row = {
        "dn": f'CN=mss.alpha.example,OU=1759900004,O="{HOSTILE}",ST=Paris (75),C=FR',
        "domain": "ch-alpha.mssante.fr\r\nSubject: pwned",
        "project_contact": "0199000001, alpha\r\nbcc@pwned.example",
    }
    hostile = replace(make_space(row), contacts="all" if show else "none")
    files = letter_files(dossier(hostile, "1759900004", masked=not show), Stationery(to_all=True))
    message = parsed(files[".eml"])
    headers = "Subject From To Date Message-ID X-Unsent MIME-Version Content-Type"
    assert set(message.keys()) == {*headers.split()}
    assert message["Subject"].count("\n") == 0
    assert files[".txt"].decode().split("\n\n")[1] == "Madame, Monsieur,"


@pytest.mark.parametrize(("states", "sentence"), [(["unknown"] * 3, ""), *CASES["reminders"]])
def test_a_reminder_says_how_much_is_not_known(space, states, sentence):
    record = dossier(space, GROUP)
    sent = dict(
        zip([each["fingerprint"] for each in record.todo][: states.count("open")], states, strict=False)
    )
    sent |= {f"gone {n}": state for n, state in enumerate(sorted(states)) if state != "open"}
    text = plain(letter_text(record, {}, Stationery(reminders={GROUP: ("2026-02-01", sent)})))
    assert sentence in text
    assert ("Rappel de notre lettre" in text) == bool(sentence)
    assert ("vérifié" in text) == (bool(sentence) and "unknown" in states)


def test_a_name_of_any_letters_comes_through():
    name = "HÔPITAL ŒUVRE 漢字 \N{RIGHT-TO-LEFT OVERRIDE}X " + "É" * 100
    odd = make_space({"dn": f"CN=mss.alpha.example,OU=1759900004,O={name},ST=Paris (75),C=FR"})
    message = parsed(letter_files(dossier(odd, "1759900004"), Stationery(to_all=True))[".eml"])
    assert "HÔPITAL ŒUVRE 漢字 \\u202eX" in message["Subject"]
    assert len(message["Subject"]) < 150
    assert message["To"].addresses[0].display_name.startswith("HÔPITAL ŒUVRE 漢字")


def test_nothing_to_correct_makes_no_letter_or_a_short_one_if_asked():
    good = dossier(make_space({}), "1759900004")
    assert good.points == ()
    assert letter_files(good) == {}
    text = letter_files(good, Stationery(to_all=True))[".txt"].decode()
    assert "rien à corriger" in text.splitlines()[0]
    assert "À faire" not in text


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf50"
    "0f0004850180bf36b1420000000049454e44ae426082"
)
LETTER = """
[fetch]
enabled = true
[letter]
sender = "Agence fictive <mss@agence.example>"
reply_to = "suivi@agence.example"
signature = \"\"\"
Zoé FICTIVE
Chargée de mission\"\"\"
deadline_days = 30
logo = "logo.png"
"""


def stationery_of(tmp_path, text=LETTER):
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "audit.toml").write_text(text, encoding="utf-8")
    return read_stationery(tmp_path / "audit.toml")


def test_the_settings_say_from_whom_and_until_when(space, tmp_path):
    files = letter_files(dossier(space, GROUP), stationery_of(tmp_path))
    message, text = parsed(files[".eml"]), files[".txt"].decode()
    assert str(message["From"]) == "Agence fictive <mss@agence.example>"
    assert str(message["Reply-To"]) == "suivi@agence.example"
    assert "d’ici au 2\xa0avril\xa02026" in text
    assert text.endswith("Cordialement,\n\nZoé FICTIVE\nChargée de mission\n")
    assert "[Nom, fonction" not in text
    (logo,) = [part for part in message.walk() if part.get_content_maintype() == "image"]
    assert (logo.get_content(), logo["Content-ID"]) == (PNG, "<logo>")
    html = message.get_body(("html",)).get_content()
    assert 'src="cid:logo"' in html
    assert "<script" not in html
    assert body(message) == text.partition("\n\n")[2]
    assert len(list(message.iter_attachments())) == MOST_FORMS


@pytest.mark.parametrize(("text", "why"), CASES["settings"])
def test_bad_settings_are_refused_in_one_line(tmp_path, text, why):
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        stationery_of(tmp_path, text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("odd", "marks"), CASES["marks"])
def test_a_difference_is_marked_where_it_is(odd, marks):
    right = "O=CH ALPHA,ST=Paris (75),C=FR"
    dns = [f"CN=mss.alpha.example,OU=1759900004,{end}" for end in (right, right, odd)]
    rows = [{"domain": f"ch-{n}.mssante.fr", "dn": dn} for n, dn in enumerate(dns)]
    text = letter_files(dossier(make_space(*rows), "1759900004"))[".txt"].decode()
    joined = re.sub(r"\n +", " ", text)
    assert [mark for mark in [*marks, "entre crochets\xa0: ce qui diffère"] if mark not in joined] == []
    for line in text.splitlines():  # what differs is never where a line was broken
        assert not line.endswith(("[", " "))
        assert line.count("[") == line.count("]")


def test_what_one_remedy_mends_is_one_point_and_letters_name_no_column_nor_anybody_from_outside(space):
    for operator_id in sorted(set(space.entries["operator_id"]) - {""}):
        of = dossier(space, operator_id)
        letter = plain(letter_text(of, {}, Stationery()))
        assert not re.search(r"colonne|À faire : L’opérateur|\(s\)", letter)
        remedies = [point.remedy for point in of.points]
        assert len(remedies) == len(set(remedies))
        assert set(remedies) == {of.remedies[key] for key in theirs(of.findings)["fingerprint"]}
        assert all("{" not in text for text in remedies)

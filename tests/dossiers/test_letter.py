"""The message to an operator: what it asks, in what order; that it parses, repeats, lets nothing in."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from io import BytesIO

import pytest
from made_up import AS_OF as MADE_UP
from made_up import make_space
from pypdf import PdfReader
from test_dossier import GROUP, LARGE, flat

from mssante_audit.base.errors import InputError
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.forms import MOST_FORMS
from mssante_audit.dossiers.letter import MOST_DOMAINS, MOST_POINTS, WIDTH, letter_files, letter_text, subject
from mssante_audit.dossiers.remedies import theirs
from mssante_audit.dossiers.stationery import Stationery, read_stationery
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.space.trust import load_space

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
    text, points = flat(letter_files(group)[".txt"].decode()), group.points
    ranks = [SEVERITIES.index(point.severity) for point in points]
    assert ranks == sorted(ranks, reverse=True)
    assert {code for p in points for code in p.rules} == set(theirs(group.findings)["rule"])
    at = [text.index(f" {n}. [") for n in range(1, len(points) + 1)]
    assert at == sorted(at)
    for point in points:
        assert flat(point.remedy).replace(" ;", " ;") in text
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
    assert all(len(line) <= 998 for line in files[".eml"].split(b"\r\n"))
    assert b"\n" not in files[".eml"].replace(b"\r\n", b"")
    files[".eml"].decode("ascii")


def test_the_same_input_gives_the_same_bytes(space):
    again = replace(load_space(as_of=AS_OF), mailboxes=None)
    for operator_id in (GROUP, "1959900002"):
        assert letter_files(dossier(again, operator_id)) == letter_files(dossier(space, operator_id))
    bad = {"dn": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris(75),C=FR"}
    ids = set()
    for hour in (0, 1):
        files = letter_files(dossier(make_space(bad, as_of=MADE_UP + timedelta(hours=hour)), "1759900004"))
        ids.add(parsed(files[".eml"])["Message-ID"])
    assert len(ids) == 2


def values_of(attachment):
    """What the fields of a form hold."""
    return {n: f.get("/V", "") for n, f in PdfReader(BytesIO(attachment.get_content())).get_fields().items()}


def test_contacts_are_left_out_of_what_others_read(space):
    message = parsed(letter_files(dossier(space, GROUP, masked=True))[".eml"])
    assert [a.addr_spec for a in message["To"].addresses] == ["destinataire@a-completer.invalid"]
    assert "@gcs-cheminsonge" not in body(message).replace("•••@gcs-cheminsonge", "")
    assert {values_of(form)["public_project_email"] for form in message.iter_attachments()} == {""}


def test_it_goes_to_the_project_contact_of_the_list_with_forms_filled_from_the_register(space):
    message = parsed(letter_files(dossier(space, GROUP))[".eml"])
    listed = set(space.audited.loc[space.audited["operator_id"] == GROUP, "project_email"])
    assert {a.addr_spec for a in message["To"].addresses} == listed == {"dsi@gcs-cheminsonge.example"}
    forms = list(message.iter_attachments())
    assert forms[0].get_filename() == "annexe1-annexe2-valfictif.mssante.fr.pdf"
    assert forms[0].get_content_type() == "application/pdf"
    values = values_of(forms[0])
    assert values["domain"] == "annexe2-valfictif.mssante.fr"
    assert values["structure_id"] == GROUP
    assert values["dn_igc_sante"].startswith("CN=mss-2.gcs-cheminsonge.example")
    assert values["public_project_email"] == "mssante@gcs-cheminsonge.example"
    for empty in ("date", "signatory_last_name", "signatory_first_name", "primary_server"):
        assert values[empty] == "", empty
    for box in ("signature_present", "delegation", "redirection", "withdrawal"):
        assert values[box] in ("", "/Off"), box


def test_without_the_extra_pdf_the_form_is_plain_text(space, monkeypatch):
    monkeypatch.setitem(sys.modules, "reportlab", None)
    form = next(parsed(letter_files(dossier(space, GROUP))[".eml"]).iter_attachments())
    assert form.get_filename() == "annexe1-annexe2-valfictif.mssante.fr.txt"
    assert "Nom du domaine de messagerie MSSanté : annexe2-valfictif.mssante.fr" in form.get_content()


def test_without_a_register_the_form_is_filled_from_the_list(space):
    bare = replace(space, register=None)
    forms = parsed(letter_files(dossier(bare, GROUP))[".eml"]).iter_attachments()
    name = "annexe1-msp-diguemirage.cheminsonge.mssante.fr.pdf"
    (form,) = (form for form in forms if form.get_filename() == name)
    values = values_of(form)
    own = space.entries[space.entries["operator_id"] == GROUP]
    row = own[own["domain"] == "msp-diguemirage.cheminsonge.mssante.fr"].iloc[0]
    assert values["structure_id"] == GROUP
    assert values["description"] == row["description"]
    assert values["public_project_email"] == row["project_email"]
    assert values["dn_igc_sante"] == ""  # reported as wrong (DN_SHAPE): for the operator
    shown = PdfReader(BytesIO(form.get_content())).pages[0].extract_text()
    assert "Laissé vide : l’audit y signale une erreur" in shown
    for box in ("delegation", "redirection", "withdrawal", "signature_present"):
        assert values[box] in ("", "/Off"), box
    assert values["representative_last_name"] == values["contract_number"] == ""


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
    assert set(message.keys()) == {
        "Subject", "From", "To", "Date", "Message-ID", "X-Unsent", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert "Bcc" not in message
    assert message["Subject"].count("\n") == 0
    assert files[".txt"].decode().split("\n\n")[1] == "Madame, Monsieur,"


def test_a_label_of_several_lines_stays_on_one():
    made = dossier(make_space({}), "1759900004")
    made.name = HOSTILE
    assert subject(made).endswith(
        "CH ALPHA\\u000d\\u000aBcc: victime@pwned.example\\u000d\\u000a\\u000d\\u000a<script>"
    )
    text = letter_text(made, {}, Stationery())
    assert text.splitlines()[1] == ""
    assert not re.search(r"^Bcc", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("states", "sentence"),
    [
        (["open", "open", "fixed"], "2 constats sur 3 restent à corriger"),
        (["open", "unknown", "unknown"], "; 2 autres n’ont pas pu être vérifiés)."),
        (["open", "unknown", "fixed"], "1 constat sur 3 reste à corriger"),
        (["unknown"] * 3, ""),
    ],
)
def test_a_reminder_says_how_much_is_not_known(space, states, sentence):
    made = dossier(space, GROUP)
    sent = dict(
        zip([each["fingerprint"] for each in made.todo][: states.count("open")], states, strict=False)
    )
    sent |= {f"gone {n}": state for n, state in enumerate(sorted(states)) if state != "open"}
    text = flat(letter_text(made, {}, Stationery(reminders={GROUP: ("2026-02-01", sent)})))
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


# -- what it is written on -----------------------------------------------------------------------------------

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
    message = parsed(files[".eml"])
    assert str(message["From"]) == "Agence fictive <mss@agence.example>"
    assert str(message["Reply-To"]) == "suivi@agence.example"
    text = files[".txt"].decode()
    assert "d’ici au 2\xa0avril\xa02026" in text
    assert text.endswith("Cordialement,\n\nZoé FICTIVE\nChargée de mission\n")
    assert "[Nom, fonction" not in text
    (logo,) = [part for part in message.walk() if part.get_content_maintype() == "image"]
    assert (logo.get_content(), logo["Content-ID"]) == (PNG, "<logo>")
    html = message.get_body(("html",)).get_content()
    assert 'src="cid:logo"' in html
    assert "<script" not in html
    assert body(message) == text.partition("\n\n")[2]
    names = [part.get_filename() for part in message.iter_attachments()]
    assert len(names) == MOST_FORMS
    assert all(name.endswith(".pdf") for name in names)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[data]\n", "has no section [letter]"),
        ("[letter]\nsendr = 'x'\n", "no such key: letter.sendr"),
        ("[letter]\nsender = 'nobody'\n", 'letter.sender: "nobody" is not of the right form'),
        ("[letter]\nsender = 'a@b.example\\nBcc: c@d.example'\n", "not of the right form"),
        ('[letter]\nsender = "a@b.example\\nBcc: c@d.example"\n', "not of the right form"),
        ("[letter]\nsender = 'X <a..b@@x>'\n", "not of the right form"),
        ("[letter]\nlogo = 'audit.toml'\n", "no PNG or JPEG"),
        ("[letter]\nlogo = 'none.png'\n", "cannot be read"),
        ("[letter\n", "is not TOML"),
    ],
)
def test_bad_settings_are_refused_in_one_line(tmp_path, text, why):
    with pytest.raises(InputError, match=re.escape(why)) as refused:
        stationery_of(tmp_path, text)
    assert "\n" not in str(refused.value)


# -- what differs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odd", "marks"),
    [
        ("O=CH ALPHA,ST=Paris(75),C=FR", ["ST=Paris[](75)", "ST=Paris[␣](75)"]),
        ('O="CH ALPHA",ST=Paris (75),C=FR', ['O=["]CH ALPHA["],', "O=[]CH ALPHA[],"]),
        ("O=CH ALPHA, ST=Paris (75),C=FR", [",[␣]ST=", ",[]ST="]),
        ("O=CH\xa0ALPHA,ST=Paris (75),C=FR", ["CH[⍽]ALPHA", "CH[␣]ALPHA"]),
        ("O=CH ALPHA,ST=PARIS (75),C=FR", ["ST=P[ARIS]", "ST=P[aris]"]),
    ],
)
def test_a_difference_is_marked_where_it_is(odd, marks):
    right = "O=CH ALPHA,ST=Paris (75),C=FR"
    dns = [f"CN=mss.alpha.example,OU=1759900004,{end}" for end in (right, right, odd)]
    rows = [{"domain": f"ch-{n}.mssante.fr", "dn": dn} for n, dn in enumerate(dns)]
    text = letter_files(dossier(make_space(*rows), "1759900004"))[".txt"].decode()
    joined = re.sub(r"\n +", " ", text)
    for mark in marks:
        assert mark in joined, text
    assert "entre crochets\xa0: ce qui diffère" in joined
    for line in text.splitlines():  # what differs is never where a line was broken
        assert not line.endswith(("[", " "))
        assert line.count("[") == line.count("]")


def test_what_one_remedy_mends_is_one_point_and_letters_name_no_column_nor_anybody_from_outside(space):
    for operator_id in sorted(set(space.entries["operator_id"]) - {""}):
        of = dossier(space, operator_id)
        letter = flat(letter_text(of, {}, Stationery()))
        assert not re.search(r"colonne|À faire : L’opérateur|\(s\)", letter)
        remedies = [point.remedy for point in of.points]
        assert len(remedies) == len(set(remedies))
        assert set(remedies) == {of.remedies[key] for key in theirs(of.findings)["fingerprint"]}
        assert all("{" not in text for text in remedies)


def test_own_contacts_are_in_clear_and_nobody_elses():
    ours = {"dn": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"}
    theirs_ = {"dn": "CN=mss.beta.example,OU=1759900012,O=CH BETA,ST=Paris (75),C=FR"}
    space = make_space(
        {**ours, "domain": "a.mssante.fr", "project_contact": "01 99 00 00 01, zoe.fictive@gmail.com"},
        {**theirs_, "domain": "b.mssante.fr", "project_contact": "01 99 00 00 02, ida.modele@gmail.com"},
    )
    text = letter_files(dossier(space, "1759900004"))[".txt"].decode()
    assert "zoe.fictive@gmail.com" in text
    assert "ida.modele" not in text
    masked = letter_files(dossier(space, "1759900004", masked=True))[".txt"].decode()
    assert "z•••@gmail.com" in masked
    assert "zoe.fictive" not in masked

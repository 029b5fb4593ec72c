"""The page of a report, from made-up executed notebooks: no kernel runs here.

Snapshots cover: a report with every kind of output and parameters; a partial report of a damaged list with
contacts shown; the index of a run with a complete report, a failed one whose last good one is there, and one
without results.
"""

import re
from base64 import b64encode
from dataclasses import replace
from html import escape

import pandas as pd
import pytest
from lxml import html as lxml_html
from made_findings import framed, made
from nbformat import v4

from mssante_audit.findings.ledger import FollowUp
from mssante_audit.report.execute import Failure
from mssante_audit.report.page import Outcome, index_html, lead_of, outline, policy_of, to_html
from mssante_audit.report.results import MIME, Results
from mssante_audit.report.tables import script

PROVENANCE = {
    "file": "list.xml.gz", "sha256": "0" * 64, "signature": "valid", "signer": "CN=liste.fictif.example,C=FR",
    "generated_at": "2026-03-02T05:30:00+00:00", "damaged": False, "damage": [],
    "namespace": "https://listeblanche.mssante.fr/schema", "as_of": "2026-03-03T06:00:00+00:00",
    "rows": 6494, "test_entries": 41, "contacts": "services", "observed": [], "set_aside": {}, "inputs": [],
    "versions": {"python": "3.11.0", "pandas": "3.0.0"},
}  # fmt: skip
DAMAGED = PROVENANCE | {"damaged": True, "damage": ["unclosed"], "contacts": "all"}
HOSTILE = "</pre></style></script><script>pwned()</script><img src=x onerror=pwned()>{{ 7*7 }}"
PNG = b64encode(b"\x89PNG").decode()


def code(*outputs, source="secret_code()", tags=()):
    return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)} if tags else {})


def shown(data, metadata=None):
    return v4.new_output("display_data", data, metadata=metadata or {})


def stream(name, text):
    return v4.new_output("stream", name=name, text=text)


def report(*cells):
    return v4.new_notebook(cells=[v4.new_markdown_cell("# Un titre\n\nUne phrase."), *cells])


def everything():
    return report(
        code(source="row_limit = 1", tags=["parameters"]),
        code(source="row_limit = 2", tags=["injected-parameters"]),
        v4.new_markdown_cell("## Première partie\n\n| a | b |\n|---|---|\n| 1 | *2* |\n\n### Dessous"),
        code(stream("stdout", "écrit\n"), stream("stderr", "NOISE")),
        code(shown({"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "PLAIN"})),
        code(shown({"text/html": '<table class="sortable"></table>'})),
        code(shown({"image/png": PNG}, {"image/png": {"alt": "Une barre"}}), shown({"image/png": PNG})),
        code(shown({"text/markdown": "**gras** <b>"}), shown({"text/plain": "<plain>"})),
        v4.new_markdown_cell("## Première partie"),
        code(shown({MIME: {"findings": "RECORD"}, "text/plain": "RECORD"})),
        v4.new_raw_cell("RAW"),
    )  # fmt: skip


def body(html):
    """The page without its style, which changes often and says nothing."""
    return re.sub(r"<style>.*?</style>", "<style/>", html, flags=re.DOTALL)


def test_every_kind_of_output(snapshot):
    parameters = [("Lignes", "2"), ("Opérateur", HOSTILE)]
    outcome = Outcome("report", "Un titre", None)
    assert body(to_html(everything(), outcome, PROVENANCE, parameters)) == snapshot


def test_a_partial_report_of_a_damaged_list(snapshot):
    failure = Failure("ValueError", "•••", 4, traceback="")
    outcome = Outcome("report", "Un titre", None, failure, "Dessous")
    assert body(to_html(everything(), outcome, DAMAGED)) == snapshot


AT = "2026-03-02T06:00:00+00:00"
SINCE = FollowUp(AT, (AT,) * 2, ("new", "new"), ())
FOUND = framed(
    [made("LIST_UNSIGNED"), made("DN_SPELLINGS", (1,))],
    pd.DataFrame({"row": [1], "domain": "a", "operator_id": "", "operator": ""}),
)
RECORDED = Results("overview", FOUND, PROVENANCE)


def outcomes():
    failure = Failure("ValueError", HOSTILE, 3)
    return [
        Outcome("overview", "Vue d’ensemble", RECORDED, follow_up=SINCE),
        Outcome("a b#c", HOSTILE, RECORDED, failure, "Là"),
        Outcome("own", "Le mien", None),
    ]


def test_the_index_of_a_run(snapshot):
    assert body(index_html(outcomes(), {"overview", "a b#c"}, PROVENANCE)) == snapshot


def test_the_index_says_the_answer_of_each_report():
    bundle = {"text/html": f'<p class="lead"><b>2</b> of\n {escape(HOSTILE)}</p>'}
    lead = lead_of(v4.new_notebook(cells=[code(shown(bundle))]))
    assert lead == f"2 of {' '.join(HOSTILE.split())}"
    text = index_html([replace(outcomes()[0], lead=lead)], (), PROVENANCE)
    assert HOSTILE not in text
    assert lead in " ".join(lxml_html.fromstring(text).text_content().split())


@pytest.mark.parametrize(
    "output",
    [
        stream("stdout", HOSTILE),
        shown({"text/plain": HOSTILE}),
        shown({"text/markdown": HOSTILE + " [x](javascript:pwned()) ![x](https://pwned.example/x.png)"}),
        shown({"image/png": PNG}, {"image/png": {"alt": f'">{HOSTILE}'}}),
        shown({"application/javascript": "pwned()", "text/plain": "x"}),
        shown({"image/svg+xml": "<svg onload=pwned()></svg>", "text/plain": "x"}),
        v4.new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
    ],
)
def test_no_output_but_html_can_bring_markup(output):
    tree = lxml_html.fromstring(to_html(report(code(output)), Outcome("report", "", None), {}))
    assert not tree.xpath("//script | //svg | //*[@onerror or @onload] | //a[contains(@href, 'javascript')]")
    assert not [
        src for src in tree.xpath("//img/@src") if not src.startswith(("data:", "https://pwned.example"))
    ]


def test_nothing_a_report_says_beside_its_notebook_can_bring_markup():
    origin = DAMAGED | dict.fromkeys(("file", "sha256", "signer"), HOSTILE)
    outcome = Outcome("report", HOSTILE, None, Failure(HOSTILE, HOSTILE, 0, HOSTILE), HOSTILE)
    text = to_html(report(), outcome, origin | {"signature": "invalid"}, [(HOSTILE, HOSTILE)])
    assert not lxml_html.fromstring(text).xpath("//script | //img")
    assert "{{ 7*7 }}" in text


def test_the_policy_names_no_remote_origin_and_no_script_of_its_own():
    strict = policy_of()
    assert "default-src 'none'; script-src 'none';" in strict
    for text in (strict, policy_of(script())):
        assert not re.search(r"https?:|\*|'unsafe-eval'|script-src[^;]*'unsafe-inline'|'self'", text)


def test_headings_inside_scripts_are_left_alone():
    body = "<script>'<h2>x</h2>'</script><h2 class=a>É &amp; <b>x</b></h2><h2 id='own'>y</h2>"
    anchored, headings = outline(body)
    assert headings == [("e-x", "É & x"), ("own", "y")]
    assert anchored.startswith("<script>'<h2>x</h2>'</script><h2 class=a id=\"e-x\">É &amp; <b>x</b></h2>")
    assert outline("<h2>«…»</h2>")[1] == [("section", "«…»")]
    named = '<h2>Events</h2><table id="events"></table><h2>Events</h2>'
    assert [anchor for anchor, _ in outline(named)[1]] == ["events-2", "events-3"], "a table bears it"

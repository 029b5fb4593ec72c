"""Pages of reports, as tests read them."""

import io
from base64 import b64decode

import pandas as pd
from lxml import html as lxml_html

from mssante_audit.base.language import NARROW, NBSP


def parsed(html):
    return lxml_html.fromstring(f"<main>{html}</main>")


def page_of(run, name):
    return lxml_html.fromstring((run.out / f"{name}.html").read_text(encoding="utf-8"))


def attached(href):
    kind, _, content = href.partition(",")
    assert kind == "data:text/csv;base64"
    return b64decode(content).decode("utf-8-sig")


def frame_in(href, **options):
    return pd.read_csv(io.StringIO(attached(href)), **options)


def said_in(element):
    """What an element says, with numbers in one piece."""
    return element.text_content().replace(NARROW, "").replace(NBSP, " ")

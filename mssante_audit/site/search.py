"""The site's search: an index inside the page, and its script, allowed by its hash.

The page is opened from disk, where a script may load nothing: what is searched lies in the page itself, as
data that no browser runs. Without the script every page can be read all the same.
"""

from __future__ import annotations

import json
from importlib.resources import files

from mssante_audit.report import tables
from mssante_audit.report.html import Html, trusted
from mssante_audit.report.tables import visible
from mssante_audit.site.view import View


def script() -> str:
    """Return the script of the page that searches: that of tables, and the search."""
    return tables.script((files("mssante_audit.site") / "site.js").read_text(encoding="utf-8"))


def index_json(view: View) -> Html:
    """Return what is searched, as JSON that may stand inside a ``<script>`` element.

    ``operators`` has for each its name, identifier, page, number of findings and other names; ``domains`` has
    for each its name and, for each operator that bears it, that operator's place in ``operators``, the number
    of findings (-1 for a test entry) and the anchor, "" where it follows from the name.
    """
    domains: dict[str, list[int | str]] = {}
    for place, operator in enumerate(view.operators.values()):
        for domain in operator.domains:
            found = -1 if domain.test else len(domain.findings)
            anchor = "" if domain.anchor == f"d-{domain.name}" else domain.anchor
            domains.setdefault(domain.name, []).extend([place, found, anchor])
    content = {
        "operators": [
            [visible(o.name), visible(o.id), o.page, len(o.findings), *map(visible, o.other_names)]
            for o in view.operators.values()
        ],
        "domains": [[visible(name), *bearers] for name, bearers in sorted(domains.items())],
    }
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    # Nothing in it may end the element or open a comment.
    return trusted(text.replace("<", "\\u003c").encode("utf-8", "backslashreplace").decode())

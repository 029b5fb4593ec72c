"""Controls of a notebook that somebody works in: region, operator, threshold, and what they leave of a space.

In reports, and wherever a notebook is run with nobody before it, there are none, and no trace of them.
"""

from __future__ import annotations

from typing import Any

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import AuditError
from mssante_audit.base.language import gettext
from mssante_audit.base.markup import html_of
from mssante_audit.base.settings import Thresholds
from mssante_audit.report import first
from mssante_audit.report.cards import alone
from mssante_audit.report.html import joined, paragraph
from mssante_audit.report.results import limits, touching
from mssante_audit.space.trust import TrustSpace

LATEST = 3650
"""Days at most on the slider: a row of ten years is old whatever one takes for old."""


def controls(space: TrustSpace) -> Any:
    """Show controls for region, operator and the age of an old row, and what they leave below them.

    ``None`` where nobody could move them (a report, papermill, nbconvert, a script), or without ipywidgets.
    """
    if not attended():
        return None
    try:
        import ipywidgets
    except ImportError:
        return None
    rows = space.audited
    operators = sorted({*zip(rows["operator"], rows["operator_id"], strict=True)} - {("", "")})
    names = [(gettext("Tous"), ""), *((f"{name} ({number})", number) for name, number in operators)]
    regions = [(gettext("Toutes"), ""), *((name, name) for name in sorted({*rows["region"]} - {""}))]
    wide = {"layout": {"width": "34rem"}, "style": {"description_width": "8rem"}}
    region = ipywidgets.Dropdown(options=regions, description=gettext("Région"), **wide)
    operator = ipywidgets.Dropdown(options=names, description=gettext("Opérateur"), **wide)
    stale = space.thresholds.stale_after_days
    days = ipywidgets.IntSlider(  # each position is an audit
        value=min(stale, LATEST), max=LATEST, step=5, description=gettext("Ancienne après"),
        continuous_update=False, disabled=space.kept_domains is not None, **wide,
    )  # fmt: skip
    days.tooltip = gettext(str(Thresholds.model_fields["stale_after_days"].title))
    shown, spaces = ipywidgets.HTML(value=view(space)), {stale: space}

    def show(_: Any) -> None:
        age = stale if days.disabled else days.value
        if age not in spaces:
            spaces[age] = space.with_(stale_after_days=age)
        shown.value = view(spaces[age], region.value, operator.value)

    for control in (region, operator, days):
        control.observe(show, names="value")
    return ipywidgets.VBox([region, operator, days, shown])


def view(space: TrustSpace, region: str = "", operator: str = "") -> str:
    """Return the answer, the counts and the findings of a part of a space, as HTML that stands alone."""
    try:
        chosen = limits(space, operator or None, region or None)
        verdicts, todo = first.judged(space, chosen)
        findings = touching(audit_all(space), space, chosen)
        shown = alone(first.answer(verdicts), first.counts(verdicts), first.first_cause(todo))
        return joined(shown, html_of(findings) or "")
    except AuditError as error:  # an operator that does not sit in the region, say
        return alone(paragraph("limits", str(error)))


def attended() -> bool:
    """Tell whether somebody is before the notebook: what runs one with nobody there takes no input."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))

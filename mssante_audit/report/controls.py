"""Controls of a notebook that somebody works in: region, operator, threshold, and what they leave of a space.

In reports, and wherever a notebook is run with nobody before it, there are none, and no trace of them.
"""

from __future__ import annotations

from typing import Any

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import AuditError
from mssante_audit.base.language import gettext
from mssante_audit.base.settings import Thresholds
from mssante_audit.findings.causes import causes
from mssante_audit.report.first import answer, states
from mssante_audit.report.reprs import alone
from mssante_audit.report.reprs import findings as findings_html
from mssante_audit.report.results import limited, limits, touching
from mssante_audit.report.tables import data
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains
from mssante_audit.verdicts.doubts import doubts

LATEST = 3650
"""Days at most on the slider: a row of ten years is old whatever one takes for old."""


def controls(space: TrustSpace) -> Any:
    """Show controls for region, operator and the age of an old row, and what they leave below them.

    Returns
    -------
    ipywidgets.Widget or None
        ``None`` where nobody could move them: in a report, under papermill or nbconvert, in a script; and
        where ipywidgets (extra ``lab``) is not installed.
    """
    if not attended():
        return None
    try:
        import ipywidgets
    except ImportError:
        return None
    rows = space.audited
    named = sorted({*zip(rows["operator"], rows["operator_id"], strict=True)} - {("", "")})
    names = [(gettext("Tous"), ""), *((f"{name} ({number})", number) for name, number in named)]
    regions = [(gettext("Toutes"), ""), *((name, name) for name in sorted({*rows["region"]} - {""}))]
    wide = {"layout": {"width": "34rem"}, "style": {"description_width": "8rem"}}
    region = ipywidgets.Dropdown(options=regions, description=gettext("Région"), **wide)
    operator = ipywidgets.Dropdown(options=names, description=gettext("Opérateur"), **wide)
    days = ipywidgets.IntSlider(
        value=min(space.thresholds.stale_after_days, LATEST),
        max=LATEST,
        step=5,
        description=gettext("Ancienne après"),
        continuous_update=False,  # each position is an audit
        disabled=space.kept_domains is not None,
        **wide,
    )
    days.tooltip = gettext(str(Thresholds.model_fields["stale_after_days"].title))
    shown = ipywidgets.HTML(value=view(space))
    made = {space.thresholds.stale_after_days: space}

    def show(_: Any) -> None:
        age = space.thresholds.stale_after_days if days.disabled else days.value
        if age not in made:
            made[age] = space.with_(stale_after_days=age)
        shown.value = view(made[age], region.value, operator.value)

    for control in (region, operator, days):
        control.observe(show, names="value")
    return ipywidgets.VBox([region, operator, days, shown])


def view(space: TrustSpace, region: str = "", operator: str = "") -> str:
    """Return the answer, the states and the findings of a part of a space, as HTML that stands alone."""
    try:
        chosen = limits(space, operator or None, region or None)
        every = audit_all(space)
        own, rows = touching(every, space, chosen), limited(space.audited, chosen)
        told = domains(space)
        unsure = doubts(space, own, told)
        told = told[told["domain"].isin(set(rows["domain"]))]
        head = answer(told, causes(own, rows, space.published, unsure)).text + states(told).text
        return alone(head) + findings_html(own)
    except AuditError as error:  # an operator that does not sit in the region, say
        return alone(f'<p class="limits">{data(str(error))}</p>')


def attended() -> bool:
    """Tell whether somebody is before the notebook: what runs one with nobody there takes no input."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))

"""What the columns of every frame mean: put together from the rooms that make them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mssante_audit.archive import history
from mssante_audit.base.frames import Column, json_schema
from mssante_audit.declarations import register
from mssante_audit.findings import causes
from mssante_audit.findings import frame as findings
from mssante_audit.findings.catalogue import CHECKS, SEVERITIES
from mssante_audit.mailboxes import counts
from mssante_audit.network.methods import FRAME as METHOD_FRAME
from mssante_audit.network.methods import METHODS
from mssante_audit.observe.tls import servers
from mssante_audit.observe.tls.observation import OUTCOMES
from mssante_audit.space import story
from mssante_audit.verdicts import checks, domains
from mssante_audit.whitelist import load

FRAMES: Mapping[str, tuple[str, Callable[[], tuple[Column, ...]]]] = {
    "entries": ("A row of the white list.", lambda: load.FRAME),
    "problems": ("What could not be read of the white list.", lambda: load.PROBLEMS),
    "findings": ("A cause that an audit found.", lambda: findings.FRAME),
    "causes": ("What is to be put right: findings merged by operator and remedy.", lambda: causes.FRAME),
    "domains": ("A domain of the list.", lambda: domains.FRAME),
    "mailboxes": ("Mailboxes published of one domain, kind and structure.", lambda: counts.FRAME),
    "methods": ("A domain that was observed.", lambda: METHOD_FRAME),
    "servers": ("A mail server that was visited.", lambda: servers.FRAME),
    "changes": ("A change between two lists.", lambda: story.CHANGES),
    "events": ("Changes that belong together.", lambda: story.EVENTS),
    "register": ("A declaration of Annexe 1.", register.columns),
    "history": ("A content that the list ever had.", lambda: history.FRAME),
}
"""For each frame what a row is, and its columns in order."""

_CHOICES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "domains": {
        **dict.fromkeys(CHECKS, checks.RESULTS),
        "receives": checks.RECEIVES,
        "order": checks.ORDERS,
        "severity": ("", *SEVERITIES),
        "method": METHODS,
    },
    "mailboxes": {"kind": counts.KINDS},
    "methods": {"method": METHODS},
    "servers": {"outcome": OUTCOMES},
}


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a frame of `FRAMES`, as files have its rows."""
    what, told = FRAMES[name]
    more = findings.IN_FILES if name == "findings" else ()
    return json_schema(f"{name}: {what}", told(), _CHOICES.get(name, {}), more)

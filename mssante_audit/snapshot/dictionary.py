"""What the columns of every frame mean: put together from the rooms that make them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mssante_audit.archive import history
from mssante_audit.base.frames import Column, json_schema
from mssante_audit.declarations import register
from mssante_audit.declarations.headings import fields
from mssante_audit.findings import causes
from mssante_audit.findings import frame as findings
from mssante_audit.mailboxes import extraction as counts
from mssante_audit.network.methods import FRAME as METHOD_FRAME
from mssante_audit.observe.tls import observation as servers
from mssante_audit.space import story
from mssante_audit.verdicts import domains
from mssante_audit.whitelist import load

# For each frame what a row is, and its columns in order
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


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a frame of `FRAMES`, as files have its rows."""
    meaning, columns = FRAMES[name]
    optional = findings.IN_FILES if name == "findings" else ()
    return json_schema(f"{name}: {meaning}", columns(), optional)


# Of a Table Schema, by how a dtype begins; all others are text in Parquet
_TYPES = {"int": "integer", "Int": "integer", "float": "number", "bool": "boolean", "datetime": "datetime"}
# Fields of the register's template by kind; all others are text
_OF_FORM: Mapping[str, dict[str, Any]] = {
    "box": {"type": "boolean", "trueValues": ["X", "x", "oui", "Oui"], "falseValues": ["non", "Non"]},
    "date": {"type": "date", "format": "%d/%m/%Y"},
    "email": {"type": "string", "format": "email"},
    "contract": {"type": "string", "constraints": {"pattern": "[0-9A-Za-z]{10}"}},
    "server": {"type": "string", "constraints": {"pattern": r"[A-Za-z0-9.\-]{1,63}"}},
    "domain": {"type": "string", "constraints": {"required": True, "pattern": r"[A-Za-z0-9.\-]{1,253}"}},
}


def table_schema(name: str, columns: Iterable[str]) -> dict[str, Any]:
    """Return the Table Schema (Frictionless) of a frame of `FRAMES`, of those columns that a file has."""
    meanings = {column.name: column for column in (*FRAMES[name][1](), *findings.IN_FILES)}
    described: list[dict[str, Any]] = []
    for column in columns:
        its = meanings.get(column, Column(column, "str", ""))
        kind = next((kind for start, kind in _TYPES.items() if its.dtype.startswith(start)), "string")
        described.append({"name": column, "type": kind, "description": its.meaning})
        if choices := [value for value in its.choices if value]:
            described[-1]["constraints"] = {"enum": choices}
    return {"fields": described}


def register_schema() -> dict[str, Any]:
    """Return the Table Schema of the register's template, by its headings, for a form that checks it."""
    return {
        "name": "declarations-mssante",
        "title": "Annexe 1 : déclaration d’un domaine MSSanté",
        "fields": [
            {"name": field.label, "title": name, "description": field.help, "type": "string"}
            | _OF_FORM.get(field.kind, {})
            for name, field in fields().items()
        ],
        "missingValues": [""],
    }

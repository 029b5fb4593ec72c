"""The rule catalogue: what each rule means, why it matters, what to do, and the sentences of its findings.

Rules come with their audit, as a TOML file beside it (`load_rules`) or made in Python.
"""

import tomllib
from collections.abc import Mapping
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.markup import html_of

_Severity = Literal["info", "warning", "error", "critical"]
_Confidence = Literal["hint", "likely", "certain"]
_Check = Literal["listed", "certificate", "dns", "mail", "tls", "contacts", "declaration"]
_Text = Literal["domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]

SEVERITIES: tuple[str, ...] = get_args(_Severity)  # from the mildest to the worst (`Rule.severity`)
CONFIDENCES: tuple[str, ...] = get_args(_Confidence)  # how sure a rule is of what it says, from the least
# What is checked of a domain (`mssante_audit.verdicts.domains`), in the order of tables.
CHECKS: tuple[str, ...] = get_args(_Check)
# Code of the finding that a part of an audit could not be evaluated: whoever asked gets exit status 3.
FAILED = "AUDIT_RULE_FAILED"
SOURCES = ("form", "data", "ANS", "RFC", "good practice", "none")
# Fields that the rules of a file may have together.
SHARED = ("words", "check", "added_in", "texts", "personal")
_FULL = "a text that is not empty"
Full = Annotated[str, Field(pattern=r"\S", description=_FULL)]


class Rule(BaseModel):
    """One rule of the catalogue; an `InputError` says which field holds what it may not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: str = Field(
        pattern=r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$",
        description="capitals and digits in words joined by _, such as LIST_DOMAIN_LONG",
    )
    """Stable identifier, such as ``DN_ID_LUHN``."""
    family: Full
    """The section of the audit's report it belongs to, in French."""
    severity: _Severity
    """``critical``: mail is refused or can be intercepted. ``error``: it will break or cannot be checked.
    ``warning``: drifting, against the form. ``info``."""
    source: str = Field(
        pattern=f"^({'|'.join(SOURCES)})", description=f"what begins with one of {', '.join(SOURCES)}"
    )
    """Where the rule comes from, starting with one of `SOURCES`."""
    title_fr: Full
    title_en: Full
    why_fr: str
    why_en: str
    remedy_fr: str
    """A template, as the next ones: a remedy may depend on a fact. On a rule's own page there are none."""
    remedy_en: str
    observed_fr: str = ""
    """What the file (or the network) says: a template (`mssante_audit.findings.templates`) of facts."""
    observed_en: str = ""
    expected_fr: str = ""
    """What would be right, "" where there is no single answer."""
    expected_en: str = ""
    evidence_fr: str = ""
    """Only where more than the rows (``evidence`` in the template) shows it, such as an earlier list."""
    evidence_en: str = ""
    words: str = ""
    """The package in whose ``words_LANGUAGE.j2`` lie macros that its templates may call."""
    confidence: _Confidence = "certain"
    """One of `CONFIDENCES`; a finding may have its own."""
    texts: tuple[_Text, ...] = ()
    """Columns of the list whose texts alone make the finding, so that earlier lists tell since when it is
    there; none where it also depends on dates, on other rows or on another source."""
    needs_all_rows: bool = False
    """Whether it takes all of the finding's rows to make it; otherwise each makes it by itself."""
    personal: bool = False
    """Whether findings may name persons."""
    affects_list: bool = False
    """Whether it says that the list itself is not to be relied on: it comes first, whatever the rows have."""
    check: Literal[""] | _Check = ""
    """The one of `CHECKS` that its findings decide of the domains they touch; "" for none of them."""
    compares: bool = False
    """Whether it compares rows with one another: it says nothing of a list that is cut."""
    manager: bool = False
    """Whether it is for the manager of the space to act on it, and for no operator."""
    added_in: str = ""
    """The version that came with it first."""
    audit: str = ""
    """The audit it belongs to, which sets it."""

    def __init__(self, code: str = "", **fields: Any) -> None:
        try:
            super().__init__(code=code, **fields)
        except ValidationError as error:
            raise _refused(code, fields | {"code": code}, error) from None

    def _repr_html_(self) -> str | None:
        return html_of(self)


def _refused(code: str, table: Mapping[str, Any], error: ValidationError) -> InputError:
    """Return what is wrong with a field, and what it may hold: an unknown one first, then one that lacks."""

    def choices(hint: Any) -> list[str]:
        if get_origin(hint) is Literal:
            return [str(value) or '""' for value in get_args(hint)]
        parts = get_args(hint)
        return ["true, false"] if hint is bool else [text for part in parts for text in choices(part)]

    messages = {"extra_forbidden": "it has an unknown field {!r}", "missing": "it lacks {!r}"}
    faults = [(str(fault["loc"][0]), fault["type"]) for fault in error.errors()]
    name, kind = min(faults, key=lambda fault: [*messages, fault[1]].index(fault[1]))
    message = messages[kind].format(name) if kind in messages else f"{name} is {table.get(name)!r}"
    remedy = f"There are: {', '.join(Rule.model_fields)}"
    if field := Rule.model_fields.get(name):
        remedy = f"Allowed: {', '.join(choices(field.annotation)) or field.description or 'a text'}"
    return InputError(message, file=f"rule {code}", remedy=remedy)


def load_rules(file: str | Path | Traversable) -> tuple[Rule, ...]:
    """Return the rules of a TOML file: a table a rule, named by its code, fields as in `Rule`.

    Ahead of them may stand those of `SHARED`, which all have that do not say otherwise. A text that is the
    same in every language may stand once: ``expected``. What a rule does not say it has from the one above
    that it is ``like``. What cannot be read, lacks, is unknown or holds what it may not is an `InputError`.
    """
    refused = partial(InputError, file=str(file))
    try:
        tables = tomllib.loads((Path(file) if isinstance(file, str) else file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise refused(f"cannot be read ({error})") from error
    shared: dict[str, Any] = {name: tables.pop(name) for name in SHARED if name in tables}
    by_code: dict[str, dict[str, Any]] = {}
    for code, table in tables.items():
        if not isinstance(table, dict):
            raise refused(f"{code!r} is no table", remedy="Write the rule's fields below [CODE]")
        if reserved := sorted({"code", "audit"} & table.keys()):
            remedy = "The table's name is the code, and the audit says which rules it has"
            raise refused(f"rule {code}: it has a field {reserved[0]!r}", remedy=remedy)
        if (like := table.pop("like", None)) is not None and like not in [*by_code]:
            raise refused(f"rule {code}: it is like {like!r}", remedy="Name a rule above it")
        for part in {"observed", "expected", "evidence"} & table.keys():
            table |= dict.fromkeys((f"{part}_fr", f"{part}_en"), table.pop(part))
        by_code[code] = fields = shared | by_code.get(like, {}) | table
        if isinstance(fields.get("texts"), list):
            fields["texts"] = tuple(fields["texts"])
    rules = []
    for code, fields in by_code.items():
        try:
            rule = Rule(code, **fields)
        except InputError as error:
            raise refused(f"{error.file}: {error.message}", remedy=error.remedy) from None
        for name in ("why_fr", "why_en", "remedy_fr", "remedy_en"):  # a rule of one's own need not have them
            if not fields[name].strip():
                raise refused(f"rule {code}: {name} is {fields[name]!r}", remedy=f"Allowed: {_FULL}")
        rules.append(rule)
    return tuple(rules)

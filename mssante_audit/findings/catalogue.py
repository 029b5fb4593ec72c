"""The rule catalogue: what each rule means, why it matters, what to do, and the sentences of its findings.

Rules come with their audit, as a TOML file beside it (`load_rules`) or made in Python; both are checked when
they are made. `catalogue` has those of every audit (`mssante_audit.findings.registry`).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from mssante_audit.base.errors import InputError
from mssante_audit.base.markup import html_of

SEVERITIES = ("info", "warning", "error", "critical")
"""From the mildest to the worst: what happens to mail (see `Rule.severity`)."""

CONFIDENCES = ("hint", "likely", "certain")
"""How sure a rule is of what it says, from the least."""

FAILED = "AUDIT_RULE_FAILED"
"""Code of the finding that a part of an audit could not be evaluated: whoever asked gets exit status 3."""

SOURCES = ("form", "data", "ANS", "RFC", "good practice", "none")

CHECKS = ("listed", "certificate", "dns", "mail", "tls", "contacts", "declaration")
"""What is checked of a domain (`mssante_audit.verdicts.domains`), in the order in which it is told."""

TEXTS = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")
"""Columns of the list that `Rule.texts` may name."""

SHARED = ("words", "check", "added_in", "texts", "personal")
"""Fields that the rules of a file may have together."""

Made = TypeVar("Made")

_SAID = "a text that is not empty"
_CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")


def named(made: type[Made]) -> type[Made]:
    """Let a class say which of its fields is unknown or lacking, as clearly as that a value is wrong."""
    init = made.__init__
    known = {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(made)  # type: ignore[arg-type]
    }
    what, first = made.__name__.lower(), next(iter(known))
    allowed = {"severity": SEVERITIES, "source": SOURCES}

    @wraps(init)
    def checked(self: object, *values: Any, **given: Any) -> None:
        place = f"{what} {values[0] if values else given.get(first, '')}"
        told = [*list(known)[: len(values)], *given]
        if unknown := [name for name in told if name not in known]:
            remedy = f"There are: {', '.join(known)}"
            raise InputError(f"it has an unknown field {unknown[0]!r}", file=place, remedy=remedy)
        if missing := [name for name, needed in known.items() if needed and name not in told]:
            remedy = f"Allowed: {', '.join(allowed.get(missing[0], ('a text',)))}"
            raise InputError(f"it lacks {missing[0]!r}", file=place, remedy=remedy)
        init(self, *values, **given)

    made.__init__ = checked  # type: ignore[method-assign]
    return made


@named
@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalogue.

    Raises
    ------
    InputError
        If a field holds what it may not.

    >>> Rule("MY_RULE", family="x", severity="high", source="none", title_fr="", title_en="", why_fr="",
    ...      why_en="", remedy_fr="", remedy_en="")
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    mssante_audit.base.errors.InputError: rule MY_RULE: severity is 'high'. Allowed: info, warning, ...
    """

    code: str
    """Stable identifier, such as ``DN_ID_LUHN``."""
    family: str
    """The section of the audit's report it belongs to, in French."""
    severity: str
    """``critical``: mail is refused or can be intercepted. ``error``: it will break or cannot be checked.
    ``warning``: drifting, against the form. ``info``."""
    source: str
    """Where the rule comes from, starting with one of `SOURCES`."""
    title_fr: str
    title_en: str
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
    confidence: str = "certain"
    """One of `CONFIDENCES`; a finding may have its own."""
    texts: tuple[str, ...] = ()
    """Columns of the list whose texts alone make the finding, so that earlier lists tell since when it is
    there; none where it also depends on dates, on other rows or on another source."""
    needs_all_rows: bool = False
    """Whether it takes all of the finding's rows to make it; otherwise each makes it by itself."""
    personal: bool = False
    """Whether findings may name persons."""
    affects_list: bool = False
    """Whether it says that the list itself is not to be relied on: it comes first, whatever the rows have."""
    check: str = ""
    """The one of `CHECKS` that its findings decide of the domains they touch; "" for none of them."""
    manager: bool = False
    """Whether it is for the manager of the space to act on it, and for no operator."""
    added_in: str = ""
    """The version that came with it first."""
    audit: str = ""
    """The audit it belongs to, which sets it."""

    def __post_init__(self) -> None:
        def check(field: str, good: object, allowed: str) -> None:
            if not good:
                message = f"{field} is {getattr(self, field)!r}"
                raise InputError(message, file=f"rule {self.code}", remedy=f"Allowed: {allowed}")

        check("severity", self.severity in SEVERITIES, ", ".join(SEVERITIES))
        check("confidence", self.confidence in CONFIDENCES, ", ".join(CONFIDENCES))
        for field in fields(self):
            kind = str if field.default is MISSING else type(field.default)
            allowed = {tuple: "a list of texts", bool: "true, false", str: "a text"}[kind]
            check(field.name, isinstance(getattr(self, field.name), kind), allowed)
        for name in ("family", "title_fr", "title_en"):
            check(name, getattr(self, name).strip(), _SAID)
        words = "capitals and digits in words joined by _, such as LIST_DOMAIN_LONG"
        check("code", _CODE.fullmatch(self.code), words)
        check("source", self.source.startswith(SOURCES), f"what begins with one of {', '.join(SOURCES)}")
        check("texts", set(self.texts) <= set(TEXTS), ", ".join(TEXTS))
        check("check", self.check in ("", *CHECKS), f'"", {", ".join(CHECKS)}')

    def _repr_html_(self) -> str | None:
        return html_of(self)


def load_rules(file: str | Path | Traversable) -> tuple[Rule, ...]:
    """Return the rules of a TOML file: a table a rule, named by its code, fields as in `Rule`.

    Ahead of them may stand those of `SHARED`, which all of them then have unless they say otherwise. A text
    that is the same in every language may stand once: ``expected``. What a rule does not say it has from the
    one above that it is ``like``.

    Raises
    ------
    InputError
        If it cannot be read, or a rule lacks a field, has an unknown one or one that holds what it may not.
    """
    path = Path(file) if isinstance(file, str) else file
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=str(file)) from error
    shared: dict[str, Any] = {name: tables.pop(name) for name in SHARED if name in tables}
    given: dict[str, dict[str, Any]] = {}
    for code, table in tables.items():
        given[code] = shared | _fields(code, table, given, str(file))
    return tuple(_rule(code, fields, str(file)) for code, fields in given.items())


def _fields(code: str, table: Any, above: dict[str, dict[str, Any]], file: str) -> dict[str, Any]:
    """Return the fields of a rule's table, with those of the rule that it is like."""
    if not isinstance(table, dict):
        raise InputError(f"{code!r} is no table", file=file, remedy="Write the rule's fields below [CODE]")
    if own := sorted({"code", "audit"} & table.keys()):
        remedy = "The table's name is the code, and the audit says which rules it has"
        raise InputError(f"rule {code}: it has a field {own[0]!r}", file=file, remedy=remedy)
    if (like := table.pop("like", None)) is not None and like not in [*above]:
        raise InputError(f"rule {code}: it is like {like!r}", file=file, remedy="Name a rule above it")
    for part in {"observed", "expected", "evidence"} & table.keys():
        table |= dict.fromkeys((f"{part}_fr", f"{part}_en"), table.pop(part))
    return above.get(like, {}) | table


def _rule(code: str, given: dict[str, Any], file: str) -> Rule:
    if isinstance(given.get("texts"), list):
        given["texts"] = tuple(given["texts"])
    try:
        told = Rule(code, **given)
    except InputError as error:
        raise InputError(f"{error.file}: {error.message}", file=file, remedy=error.remedy) from None
    for name in ("why_fr", "why_en", "remedy_fr", "remedy_en"):  # a rule of one's own need not have them
        if not getattr(told, name).strip():
            fault = f"rule {code}: {name} is {getattr(told, name)!r}"
            raise InputError(fault, file=file, remedy=f"Allowed: {_SAID}")
    return told

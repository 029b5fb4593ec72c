"""The audits there are: ours, those of installed packages, those registered in a notebook.

An audit says its name, titles, needs and rules in one place; command line, reports, site, mail and dossiers
derive theirs from it. A package adds one by an entry point of the group `GROUP`::

    [project.entry-points."mssante_audit.audits"]
    long_names = "my_package:AUDIT"

and a notebook by `register`. A package whose audit cannot be used stops nobody: in the audit's place stands
one that finds just this (``AUDIT_RULE_FAILED``): what it should have checked is unknown, and not well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NoReturn

from mssante_audit.base.errors import AuditError, InputError, UnknownNameError
from mssante_audit.base.language import current_language
from mssante_audit.findings.catalogue import Rule, load_rules
from mssante_audit.findings.templates import LANGUAGES, PARTS, template
from mssante_audit.observe.kinds import kinds
from mssante_audit.values.person import describe_error

if TYPE_CHECKING:
    from mssante_audit.findings.frame import Finding

GROUP = "mssante_audit.audits"
"""Of the entry points."""

OURS = (
    "whitelist_integrity", "dn_consistency", "stale_contacts", "declarations", "reconciliation",
    "delegation_vs_redirection", "certificates", "mailboxes",
)  # fmt: skip
"""Each a folder of `mssante_audit.audits` that holds its rules and an ``AUDIT``."""


def known_needs() -> dict[str, Mapping[str, str]]:
    """Return what an audit may need beside the list, and what is said where a space does not have it."""
    return {
        "declarations": {"fr": "aucun registre de déclarations", "en": "no register of declarations"},
        **{kind.need: kind.lacks for kind in kinds()},
        "mailboxes": {
            "fr": "aucune extraction publique des boîtes",
            "en": "no public extraction of mailboxes",
        },
        "archive": {"fr": "aucune liste archivée", "en": "no archived list"},
    }


def input_of(need: str) -> str:
    """Return the name of an input (`mssante_audit.space.states`) by that of the need."""
    return {"declarations": "register", **{kind.need: kind.name for kind in kinds()}}.get(need, need)


LIST = "list"
"""Name of the list itself as an input, which every audit looks at."""

Run = Callable[[Any], "Iterable[Finding]"]
"""From a `mssante_audit.space.TrustSpace` to what was found in it."""

_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit.

    Raises
    ------
    InputError
        If a field holds what it may not.
    """

    name: str
    """In small letters, digits and ``_``; of its report, pages and files too."""
    title: Mapping[str, str] | str
    """By language (``fr``, ``en``), or one for both."""
    rules: tuple[Rule, ...]
    """Those that its findings may name (`mssante_audit.findings.load_rules`)."""
    run: Run | tuple[Run, ...]
    """What finds; where there are several, each for itself: one that raises costs the others nothing."""
    needs: tuple[str, ...] = ()
    """Names of `known_needs`; where one lacks the audit is not made, and nothing is said to be checked."""
    uses: tuple[str, ...] = ()
    """Names of `known_needs` that it looks at too, where they are there."""

    def __post_init__(self) -> None:
        def wrong(message: str, remedy: str) -> InputError:
            return InputError(message, file=f"audit {self.name!r}", remedy=remedy)

        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name == "all":
            raise wrong("its name is none", "Write small letters, digits and _, such as long_names")
        told = self.title.values() if isinstance(self.title, Mapping) else (self.title,)
        if not all(isinstance(text, str) and text.strip() for text in told):
            raise wrong(f"its title is {self.title!r}", 'Give a text, or {"fr": …, "en": …}')
        if isinstance(self.title, Mapping) and not LANGUAGES.keys() <= self.title.keys():
            raise wrong("its title lacks a language", 'Give a text, or {"fr": …, "en": …}')
        for field in ("needs", "uses"):
            named = getattr(self, field)
            if not isinstance(named, tuple) or not set(named) <= known_needs().keys():
                raise wrong(f"its {field} are {named!r}", f"Allowed: a tuple of {', '.join(known_needs())}")
        if not isinstance(self.rules, tuple) or not all(isinstance(own, Rule) for own in self.rules):
            raise wrong("its rules are no rules", "Use load_rules(FILE), or a tuple of Rule(…)")
        if not self.parts or not all(callable(part) for part in self.parts):
            raise wrong("its run is no function", "Give one or a tuple, from a TrustSpace to findings")
        codes = [own.code for own in self.rules]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise wrong(f"it has the rule {twice[0]} twice", "Give each rule a code of its own")
        object.__setattr__(self, "rules", tuple(replace(own, audit=self.name) for own in self.rules))

    @property
    def parts(self) -> tuple[Run, ...]:
        """What finds, one by one."""
        return self.run if isinstance(self.run, tuple) else (self.run,)

    @property
    def rests(self) -> tuple[str, ...]:
        """The inputs that its findings rest on: as one of them is, so they are."""
        return LIST, *map(input_of, (*self.needs, *self.uses))

    def titled(self, language: str = "") -> str:
        """Return its title in a language, that spoken if ""."""
        return self.title if isinstance(self.title, str) else self.title[language or current_language()]

    def lacking(self, space: Any) -> tuple[str, ...]:
        """Return those of its needs that a space does not have."""
        return tuple(need for need in self.needs if space.given(need) is None)


_registered: dict[str, Audit] = {}


def register(audit: Audit) -> Audit:
    """Add an audit for as long as this process lives; one of the same name registered before gives way.

    Raises
    ------
    InputError
        If it is no audit, an audit of ours or of a package has its name, another audit has one of its rules,
        or a template of its rules is none.
    """
    others = {name: known for name, known in audits().items() if _registered.get(name) is not known}
    _admit(audit, others)
    _registered[audit.name] = audit
    catalogue.cache_clear()
    return audit


def audits() -> dict[str, Audit]:
    """Return every audit by its name: ours, those of packages by name, those registered."""
    return {**_installed()[0], **_registered}


def resting(inputs: Set[str]) -> list[str]:
    """Return the audits whose findings rest on one of some inputs."""
    return [name for name, told in audits().items() if not inputs.isdisjoint(told.rests)]


def theirs() -> dict[str, Audit]:
    """Return the audits that are not ours, by name: no report was written for one of them."""
    return {name: told for name, told in audits().items() if name not in OURS}


def unusable() -> tuple[str, ...]:
    """Return of each entry point whose audit cannot be used which one it is, why, and what to do."""
    return _installed()[1]


def audit_named(name: str) -> Audit:
    """Return one audit; an `UnknownNameError` if there is none of that name."""
    known = audits()
    if name not in known:
        raise UnknownNameError(f"no audit {name!r}", remedy=f"There are: {', '.join(known)}")
    return known[name]


def title_of_audit(name: str, language: str = "") -> str:
    """Return the title of an audit; its name where it is none of those there are."""
    told = audits().get(name)
    return told.titled(language) if told else name


@cache
def catalogue() -> Mapping[str, Rule]:
    """Return every rule by its code, in the order of the audits and of the rules in them; last our own."""
    own = load_rules(files("mssante_audit.findings") / "rules.toml")
    return {told.code: told for audit in audits().values() for told in audit.rules} | {
        told.code: told for told in own
    }


def rule(code: str) -> Rule:
    """Return the rule named `code`.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such rule.
    """
    try:
        return catalogue()[code]
    except KeyError:
        raise UnknownNameError(f"no rule {code!r}", remedy="`mssante-audit rules` lists them") from None


@cache
def _installed() -> tuple[dict[str, Audit], tuple[str, ...]]:
    """Return the audits of installed packages, and what is wrong with those that cannot be used."""
    known: dict[str, Audit] = {name: import_module(f"mssante_audit.audits.{name}").AUDIT for name in OURS}
    faults = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point))):
        try:
            audit = point.load()
            _admit(audit, known)
            known[audit.name] = audit
        except (Exception, SystemExit) as error:  # whatever a package of somebody else does when imported
            faults.append((point, _fault(point, error)))
    for point, fault in faults:  # last, so that they take no name from one that can be used
        audit = _standing_in(point, fault, known)
        known[audit.name] = audit
    return known, tuple(str(fault) for _, fault in faults)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "a package"


def _fault(point: EntryPoint, error: BaseException) -> InputError:
    why = str(error) if isinstance(error, AuditError) else f"it does not import: {describe_error(error)}"
    return InputError(
        f"the entry point {point.name} = {point.value!r} cannot be used: {why.rstrip('.')}",
        file=_package(point),
        remedy="Mend that package, or uninstall it",
    )


def _standing_in(point: EntryPoint, fault: InputError, known: Mapping[str, Audit]) -> Audit:
    """Return an audit that finds only that the one of an entry point cannot be used."""

    def entry_point(_: Any) -> NoReturn:
        raise fault

    plain = re.sub(r"[^a-z0-9]+", "_", f"{point.name} of {_package(point)}".lower()).strip("_")
    free = _NAME.fullmatch(point.name) and point.name not in (*known, "all")
    own = point.name if free else f"unusable_{plain}"
    return Audit(own[:41], f"{point.name} ({_package(point)})", (), entry_point)


def _admit(audit: Any, known: Mapping[str, Audit]) -> None:
    """Refuse what is no audit, or cannot stand beside those known."""
    if not isinstance(audit, Audit):
        raise InputError(f"it is of type {type(audit).__name__}, and no Audit", remedy="Name an Audit(…)")
    if audit.name in known:
        raise InputError(f"there is an audit {audit.name!r} already", remedy="Give it another name")
    taken = {told.code: other.name for other in known.values() for told in other.rules}
    if twice := [told.code for told in audit.rules if told.code in taken]:
        why = f"the rule {twice[0]} is one of the audit {taken[twice[0]]!r} already"
        raise InputError(why, remedy="Give it another code")
    for told in audit.rules:
        for part in PARTS:
            for language in LANGUAGES:
                template(told, part, language)

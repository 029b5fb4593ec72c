"""The audits there are: ours, those of installed packages, those registered in a notebook.

Command line, reports, site, mail and dossiers know an audit from here. Ours are put here by
`mssante_audit.audits` when it is imported. A package adds one by an entry point of the group `GROUP`::

    [project.entry-points."mssante_audit.audits"]
    long_names = "my_package:AUDIT"

and a notebook by `register`. A package whose audit cannot be used stops nobody: in the audit's place stands
one that finds just this (``AUDIT_RULE_FAILED``): what it should have checked is unknown, and not well.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from itertools import product
from operator import itemgetter
from typing import Annotated, Any, Literal, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from mssante_audit.base.errors import AuditError, InputError, UnknownNameError
from mssante_audit.base.inputs import LIST
from mssante_audit.base.language import LANGUAGES, current_language
from mssante_audit.findings.catalogue import Full, Rule, load_rules
from mssante_audit.findings.held import EndedError, held
from mssante_audit.findings.templates import PARTS, template
from mssante_audit.observe.kinds import KINDS
from mssante_audit.values.person import describe_error

GROUP = "mssante_audit.audits"


def known_needs() -> dict[str, Mapping[str, str]]:
    """Return what an audit may need beside the list, each with the words for its absence."""
    boxes = {"fr": "aucune extraction publique des boîtes", "en": "no public extraction of mailboxes"}
    return {
        "declarations": {"fr": "aucun registre de déclarations", "en": "no register of declarations"},
        **{kind.need: kind.lacks for kind in KINDS},
        "mailboxes": boxes,
        "archive": {"fr": "aucune liste archivée", "en": "no archived list"},
    }


def input_of(need: str) -> str:
    """Return the name of an input (`mssante_audit.space.states`) by that of the need."""
    return {"declarations": "register", **{kind.need: kind.name for kind in KINDS}}.get(need, need)


# From a `mssante_audit.space.TrustSpace` to the `mssante_audit.findings.frame.Finding` in it.
Finder = Callable[[Any], Iterable[Any]]
_Language = Literal["fr", "en"]
# By field of an audit what is wrong with it, and what to do.
_FAULTS = {
    "name": ("its name is none", "Write small letters, digits and _, such as long_names"),
    "title": ("its title is none", 'Give a text, or {"fr": …, "en": …}'),
    "rules": ("its rules are no rules", "Use load_rules(FILE), or a tuple of Rule(…)"),
    "run": ("its run is no function", "Give one or a tuple, from a TrustSpace to findings"),
}


class Audit(BaseModel):
    """One audit; an `InputError` says which field holds what it may not."""

    model_config = ConfigDict(frozen=True, strict=True, regex_engine="python-re")
    __hash__ = object.__hash__

    name: str = Field(pattern=r"^(?!all$)[a-z][a-z0-9_]{1,40}$")
    """In small letters, digits and ``_``; of its report, pages and files too."""
    title: Annotated[dict[_Language, Full], Field(min_length=2)] | Full
    """By language (``fr``, ``en``), or one for both."""
    rules: tuple[Rule, ...]
    """Those that its findings may name (`mssante_audit.findings.load_rules`)."""
    run: Finder | Annotated[tuple[Finder, ...], Field(min_length=1)]
    """What finds; where there are several, each for itself: one that raises costs the others nothing."""
    needs: tuple[str, ...] = ()
    """Names of `known_needs`; where one lacks the audit is not made, and nothing is said to be checked."""
    uses: tuple[str, ...] = ()
    """Names of `known_needs` that it looks at too, where they are there."""

    def __init__(
        self,
        name: str,
        title: Mapping[str, str] | str,
        rules: tuple[Rule, ...],
        run: Finder | tuple[Finder, ...],
        needs: tuple[str, ...] = (),
        uses: tuple[str, ...] = (),
    ) -> None:
        fields = {"name": name, "title": title, "rules": rules, "run": run, "needs": needs, "uses": uses}
        try:
            super().__init__(**fields)
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            inputs = f"its {field} are {fields[field]!r}", f"Allowed: a tuple of {', '.join(known_needs())}"
            message, remedy = _FAULTS.get(field, inputs)
            raise InputError(message, file=f"audit {name!r}", remedy=remedy) from None
        counts = Counter(rule.code for rule in self.rules)
        if twice := sorted(code for code in counts if counts[code] > 1):
            message, remedy = f"it has the rule {twice[0]} twice", "Give each rule a code of its own"
            raise InputError(message, file=f"audit {name!r}", remedy=remedy)

    @field_validator("rules")
    @classmethod
    def _named(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        return tuple(rule.model_copy(update={"audit": info.data.get("name", "")}) for rule in rules)

    @field_validator("needs", "uses")
    @classmethod
    def _there_are(cls, needs: tuple[str, ...]) -> tuple[str, ...]:
        if not set(needs) <= known_needs().keys():
            raise ValueError("unknown")
        return needs

    @property
    def parts(self) -> tuple[Finder, ...]:
        """What finds, one by one."""
        return self.run if isinstance(self.run, tuple) else (self.run,)

    @property
    def rests(self) -> tuple[str, ...]:
        """The inputs on which its findings depend."""
        return LIST, *map(input_of, (*self.needs, *self.uses))

    def titled(self, language: str = "") -> str:
        """Return its title in a language, in the current one if ""."""
        if isinstance(self.title, str):
            return self.title
        return self.title[cast(_Language, language or current_language())]

    def lacking(self, space: Any) -> tuple[str, ...]:
        """Return those of its needs that a space does not have."""
        return tuple(need for need in self.needs if space.given(need) is None)


_ours: dict[str, Audit] = {}
# Audits of somebody else's, which `register` added to this process, by name.
registered: dict[str, Audit] = {}


def provide(audits: Iterable[Audit]) -> None:
    """Put the audits of this package here, in their order (`mssante_audit.audits` does)."""
    _ours.update({audit.name: audit for audit in audits})


def ours() -> dict[str, Audit]:
    """Return the audits of this package by name."""
    if not _ours:
        raise LookupError("import mssante_audit.audits first: it brings the audits of this package")
    return _ours


def register(audit: Audit) -> Audit:
    """Add an audit for as long as this process lives; one of the same name registered before gives way.

    What is no audit, has a name or a rule of another, or a template that is none is an `InputError`.
    """
    _admit(audit, {name: other for name, other in audits().items() if registered.get(name) is not other})
    registered[audit.name] = audit
    catalogue.cache_clear()
    return audit


def audits() -> dict[str, Audit]:
    """Return every audit by its name: ours, those of packages by name, those registered."""
    return {**_installed()[0], **registered}


def resting(inputs: Set[str]) -> list[str]:
    """Return the audits whose findings rest on one of some inputs."""
    return [name for name, audit in audits().items() if not inputs.isdisjoint(audit.rests)]


def theirs() -> dict[str, Audit]:
    """Return the audits that are not ours, by name: no report was written for one of them."""
    return {name: audit for name, audit in audits().items() if name not in ours()}


def unusable() -> tuple[str, ...]:
    """Return a line for each entry point with an unusable audit: name, reason and remedy."""
    return _installed()[1]


def audit_named(name: str) -> Audit:
    """Return one audit; an `UnknownNameError` if there is none of that name."""
    if name not in audits():
        raise UnknownNameError("no audit {}", repr(name), remedy=("There are: {}", ", ".join(audits())))
    return audits()[name]


def title_of_audit(name: str) -> str:
    """Return the title of an audit; its name where it is none of those there are."""
    return audits()[name].titled() if name in audits() else name


@cache
def catalogue() -> Mapping[str, Rule]:
    """Return every rule by its code, in the order of the audits and of the rules in them; last our own."""
    rules = [rule for audit in audits().values() for rule in audit.rules]
    general = load_rules(files("mssante_audit.findings") / "rules.toml")
    return {rule.code: rule for rule in (*rules, *general)}


def rule(code: str) -> Rule:
    """Return the rule named `code`; an `UnknownNameError` if there is none."""
    if code not in catalogue():
        raise UnknownNameError("no rule {}", repr(code), remedy="`mssante-audit rules` lists them")
    return catalogue()[code]


@cache
def _installed() -> tuple[dict[str, Audit], tuple[str, ...]]:
    """Return our audits and those of installed packages, and what is wrong with those that cannot be used."""
    usable, faults = dict(ours()), list[tuple[str, InputError]]()
    points = [(p.name, p.dist.name if p.dist else "a package", p) for p in entry_points(group=GROUP)]
    for name, package, point in sorted(points, key=itemgetter(0, 1)):
        try:
            audit = _loaded(point)
            _admit(audit, usable)
            usable[audit.name] = audit
        except Exception as error:  # whatever a package of somebody else does when imported
            refused = isinstance(error, AuditError)
            reason = str(error) if refused else f"it does not import: {describe_error(error)}"
            message = f"the entry point {name} = {point.value!r} cannot be used: {reason.rstrip('.')}"
            fault = InputError(message, file=package, remedy="Mend that package, or uninstall it")
            faults.append((name, fault))
    for name, fault in faults:  # last, so that they take no name that can be used
        audit = _standing_in(name, fault, usable)
        usable[audit.name] = audit
    return usable, tuple(str(fault) for _, fault in faults)


def _loaded(point: EntryPoint) -> Any:
    """Return what an entry point names; imported in another process first, which it may end."""

    def loading() -> Iterator[None]:
        point.load()
        yield

    try:
        list(held(loading))
    except EndedError as error:
        place = f" ({error.place.replace(':', ', line ')})" if error.place else ""
        raise AuditError(f"it does not import: {error}{place}") from None
    return point.load()


def _standing_in(point: str, fault: InputError, others: Mapping[str, Audit]) -> Audit:
    """Return an audit that finds only that the one of an entry point cannot be used."""

    def entry_point(_: Any) -> NoReturn:
        raise fault

    words = re.sub(r"[^a-z0-9]+", "_", f"{point} of {fault.file}".lower()).strip("_")
    title, name = f"{point} ({fault.file})", f"unusable_{words}"[:41]
    try:
        return Audit(name if point in others else point, title, (), entry_point)
    except InputError:  # it is no name
        return Audit(name, title, (), entry_point)


def _admit(audit: Any, others: Mapping[str, Audit]) -> None:
    """Refuse what is no audit, or cannot stand beside others."""
    if not isinstance(audit, Audit):
        raise InputError(f"it is of type {type(audit).__name__}, and no Audit", remedy="Name an Audit(…)")
    if audit.name in others:
        raise InputError(f"there is an audit {audit.name!r} already", remedy="Give it another name")
    owners = {rule.code: other.name for other in others.values() for rule in other.rules}
    if twice := [rule.code for rule in audit.rules if rule.code in owners]:
        message = f"the rule {twice[0]} is one of the audit {owners[twice[0]]!r} already"
        raise InputError(message, remedy="Give it another code")
    for rule, part, language in product(audit.rules, PARTS, LANGUAGES):
        template(rule, part, language)

"""The trust space: everything an audit may look at, loaded once. Audits work on `TrustSpace.audited`."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
from pydantic import ValidationError

from mssante_audit.archive.changes import Side, side_of
from mssante_audit.archive.store import Archive, Snapshot, checked, find_archive, find_whitelist
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.inputs import State
from mssante_audit.base.instants import asked_instant
from mssante_audit.base.markup import html_of
from mssante_audit.base.resources import SAMPLE_AS_OF, is_sample, sample_folder
from mssante_audit.base.settings import Thresholds as Thresholds
from mssante_audit.base.settings import fault
from mssante_audit.base.text import visible
from mssante_audit.declarations.register import Register, find_register, load_declarations
from mssante_audit.findings.places import REGISTER, list_rows
from mssante_audit.mailboxes.extraction import Extraction, find_extractions
from mssante_audit.observe.file import Aside, File
from mssante_audit.observe.kinds import KINDS, read_observations
from mssante_audit.observe.observation import Observation
from mssante_audit.observe.tls.observation import Observed as TlsObserved
from mssante_audit.space.scope import covered
from mssante_audit.space.states import ANCHORS, states_of
from mssante_audit.values.person import CONTACTS, Person, masks, unnamed
from mssante_audit.whitelist.certificates import of_sample
from mssante_audit.whitelist.load import WhiteList, doubts, load_whitelist
from mssante_audit.whitelist.rows import grouped, operator_names, owners, structures
from mssante_audit.whitelist.search import Index, documents, search
from mssante_audit.whitelist.signature import trust

T = TypeVar("T")


@dataclass(frozen=True)
class TrustSpace:
    """A white list and what is known beside it, as of a date."""

    whitelist: WhiteList
    as_of: datetime  # the instant (UTC) against which ages are counted
    thresholds: Thresholds = field(default_factory=Thresholds)
    contacts: str = "services"  # whose are shown (`mssante_audit.values.person.CONTACTS`)
    register: Register | None = None  # ``None``, as what follows, where the data folder has none
    observation: Observation | None = None  # what the DNS was observed to say
    tls: TlsObserved | None = None  # what mail servers were observed to present
    mailboxes: Extraction | None = None  # the public extraction of the mailboxes, with its date (``made_at``)
    waivers: Path | None = None  # the file of accepted findings (`mssante_audit.findings.waivers`)
    archive: Archive | None = None  # the earlier lists, of the folder's ``archive`` or the folder itself

    aside: tuple[Aside, ...] = ()  # the observation files that are not used, and why
    # The observation files there are, begun before `as_of`, by what needs them, the newest first.
    files: Mapping[str, tuple[File, ...]] = field(default_factory=dict)
    domains: frozenset[str] | None = None  # the domains that are `audited`, if not all are (`parts`)
    # Why inputs beside the list could not be read, by name (`mssante_audit.space.states`), and `ANCHORS`.
    faults: Mapping[str, Sequence[InputError]] = field(default_factory=dict)
    # The states of its inputs, where more is known of them than the space itself shows.
    judged: tuple[State, ...] | None = field(default=None, compare=False)
    # What was worked out of it (`once`), and what the snapshot that it is loaded from has, in its place.
    cache: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    kept: dict[Hashable, Callable[[], Any]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns, worked out once for the space; no two callers share a key."""
        if key not in self.cache:
            self.cache[key] = self.kept.get(key, make)()
        return cast(T, self.cache[key])

    @property
    def entries(self) -> pd.DataFrame:
        """All rows of the white list."""
        return self.whitelist.entries

    @property
    def declarations(self) -> pd.DataFrame:
        """The rows of the register, persons masked unless the space shows them; empty without one."""
        return _call_above("report.desk.declarations", self)

    @property
    def certificates(self) -> pd.DataFrame:
        """The certificates that mail servers present, a row each: ``until`` when, on how many ``domains``."""
        return _call_above("verdicts.presented.certificates_of", self)

    @property
    def changes(self) -> pd.DataFrame:
        """What changed since the archived list before this one, persons masked; empty if there is none."""
        return _call_above("snapshot.make.changes_of", self)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """The state of each input (`mssante_audit.space.states`)."""
        return states_of(self) if self.judged is None else self.judged

    @cached_property
    def list_doubts(self) -> tuple[str, ...]:
        """Why the list is not to be relied on (`mssante_audit.whitelist.load.doubts`), if it is not."""
        return tuple(doubts(self.whitelist, self.as_of, timedelta(self.thresholds.list_max_age_days)))

    def shown(self, text: str) -> str:
        """Return a text that should name nobody; whom it names is masked unless contacts are shown."""
        return text if self.show_contacts else unnamed(text)

    @property
    def show_contacts(self) -> bool:
        """Whether persons are shown as they are."""
        return self.contacts == "all"

    def shown_contacts(self, contacts: Iterable[str]) -> dict[str, str]:
        """Return what may be shown of each contact of the list; two that differ look different."""
        return {person.text: text for person, text in masks(map(Person, contacts), self.contacts).items()}

    @cached_property
    def audited(self) -> pd.DataFrame:
        """The rows that audits look at: `entries` without the manager's and operators' test entries."""
        rows = self.entries[~self.entries["is_audit_entry"]]
        return rows if self.domains is None else rows[rows["domain"].isin(self.domains)]

    @cached_property
    def domain_rows(self) -> dict[str, list[int]]:
        """The audited rows of each domain, in list order."""
        return grouped(zip(self.audited["domain"].tolist(), self.audited["row"].tolist(), strict=True))

    @cached_property
    def alone(self) -> pd.DataFrame:
        """The audited rows of domains that have one certificate, so one server, whatever its spellings."""
        rows = self.audited
        return rows[rows.groupby("domain")["dn_key"].transform("nunique") == 1]

    @cached_property
    def structures(self) -> dict[str, str]:
        """Which operator identifiers stand for one structure, by all lists of the archive as well."""
        return structures(self.audited, self.archive.structures if self.archive else None)

    @cached_property
    def operator_names(self) -> dict[str, str]:
        """The name of each operator, by its identifier (`mssante_audit.whitelist.rows.operator_names`)."""
        return operator_names(self.audited)

    @cached_property
    def owners(self) -> dict[str, tuple[str, str, str]]:
        """The operator of each audited domain, in list order (`mssante_audit.whitelist.rows.owners`)."""
        return owners(self.audited)

    @cached_property
    def covered(self) -> frozenset[str] | None:
        """The operators that the register covers (`mssante_audit.space.scope`), ``None`` for all."""
        return covered(self)

    @cached_property
    def published(self) -> dict[str, int] | None:
        """How many mailboxes are published in each domain, letter for letter; ``None`` if that is unknown.

        It is without an extraction, and where one is damaged or of another time than the list.
        """
        of = self.mailboxes
        return None if of is None or of.fault(self.whitelist.generated_at or self.as_of) else of.by_domain

    @cached_property
    def past(self) -> tuple[pd.DataFrame, datetime, datetime] | None:
        """The history up to the list audited, and the times of its first and last list.

        ``None`` where the list is none of the archive's, or the first, or one of these cannot be read.
        """
        until = self.archive.until(self.as_of) if self.archive else ()
        same = [snapshot for snapshot in until if self.whitelist.sha256.startswith(snapshot.sha)]
        if self.archive is None or not same or same[-1] == (first := self.archive.snapshots[0]):
            return None
        last = same[-1].generated_at
        try:
            history = self.archive.history
        except InputError:
            return None
        return history[history["first_seen"] <= last], first.generated_at, last

    def given(self, need: str) -> Any:
        """Return what an audit `needs` (`mssante_audit.findings.registry`), ``None`` if it lacks."""
        return self.register if need == "declarations" else getattr(self, need)

    def parts(self) -> list[TrustSpace]:
        """Return the space once for each file of its observation of the DNS, with that file's domains."""
        observation = self.observation

        def make() -> list[TrustSpace]:
            shares = list(observation.shares(self.audited["domain"].tolist())) if observation else []
            if all(part is observation for part, _ in shares):
                return []
            return [replace(self, observation=part, domains=frozenset(names)) for part, names in shares]

        return self.once("parts", make) or [self]

    def search(self, words: str, limit: int = 10) -> pd.DataFrame:
        """Return the domains that words find (`mssante_audit.whitelist.search.search`)."""
        texts = partial(documents, self.audited, lambda text: visible(self.shown(text)))
        return search(self.audited, words, limit, self.once("search", lambda: Index(texts())))

    def join(self, theirs: pd.DataFrame | str | Path, on: str, column: str | None = None) -> pd.DataFrame:
        """Return the audited rows beside an external table or its file (`mssante_audit.join`)."""
        return _call_above("report.desk.join", self.audited, theirs, on, column)

    def explore(self, *, language: str = "") -> Any:
        """Return the domains as one page to search and filter (`mssante_audit.report.explorer.explore`)."""
        return _call_above("report.explorer.explore", self, language=language)

    def side_of(self, snapshot: Snapshot) -> Side:
        """Return a list of the archive, to compare it with another; the space's own is not read again.

        One that is gone, damaged, or another than its name says is an `InputError`.
        """
        same = self.whitelist.sha256.startswith(snapshot.sha) and not self.whitelist.damaged
        if self.archive and not same:
            return self.archive.side(snapshot)
        structures = self.archive.structures if self.archive else {}
        return replace(side_of(self.whitelist), time=snapshot.generated_at, structures=structures)

    def with_(self, **changed: int) -> TrustSpace:
        """Return the space with other thresholds (fields of `Thresholds`), its audits to be made anew.

        If there is no such threshold, or it cannot be that, it is a `ParameterError`; of a space from a
        snapshot it is an `InputError`.

        Examples
        --------
        >>> load_space(as_of="2026-03-03").with_(stale_after_days=365).thresholds.stale_after_days
        365
        """
        if self.kept:  # a snapshot does not hold all that audits look at
            remedy = "Load its data folder instead"
            raise InputError("a snapshot has the thresholds that it was made with", remedy=remedy)
        names, before = Thresholds.model_fields, self.thresholds
        if unknown := sorted(changed.keys() - names.keys()):
            raise ParameterError(f"no threshold {unknown[0]!r}", remedy=f"There are: {', '.join(names)}")
        try:
            thresholds = Thresholds.model_validate(before.model_dump() | changed)
        except ValidationError as error:
            raise fault(Thresholds, error.errors()[0]).within(ParameterError) from None
        aged = any(name.endswith("_max_age_days") for name in changed)
        space = replace(self, thresholds=thresholds, judged=None if aged else self.judged)
        other_age = thresholds.observation_max_age_days != before.observation_max_age_days
        return space.with_list(self.whitelist) if other_age else space

    def with_list(self, whitelist: WhiteList) -> TrustSpace:
        """Return the space with another list, and what was observed of that one's domains.

        The observation files are read again: other rows or another age let other files answer.
        """
        domains, since = whitelist.entries["domain"].tolist(), self.thresholds.oldest_observation(self.as_of)
        observed: dict[str, Any] = {}
        for kind in KINDS:
            if files := self.files.get(kind.need):
                observed[kind.need], _ = kind.read(files, domains, self.as_of, since)
        return replace(self, whitelist=whitelist, judged=None, **observed)

    def rows_of(self, finding: pd.Series | pd.DataFrame) -> pd.DataFrame:
        """Return the rows that a finding, or findings (a row of a findings frame, or several), rest on.

        They are of `entries`, or of the register; none where it rests on an observation or an archived list.
        """
        where = [finding["where"]] if isinstance(finding, pd.Series) else finding["where"]
        rows = list_rows(places := [place for its in where for place in its])
        if rows or self.register is None:
            return self.entries[self.entries["row"].isin(rows)]
        register = self.register.declarations
        named = {(place.file, row) for place in places if place.source == REGISTER for row in place.rows}
        return register[[place in named for place in zip(register["file"], register["row"], strict=True)]]

    def sql(self, query: str, /, **tables: pd.DataFrame) -> pd.DataFrame:
        """Return what a query of SQL finds in the space, by DuckDB (extra ``lab``), which sees nothing else.

        Tables are ``entries``, ``problems``, ``findings``, ``waived``, ``domains``, ``methods``, ``changes``,
        ``servers``, ``mailboxes`` and ``register``, those that are there, as docs/snapshot.md describes them,
        and frames of one's own, by the names given. Contacts are masked unless the space shows them. A query
        that cannot be run is a `ParameterError`.

        Examples
        --------
        >>> space = load_space(as_of="2026-03-03")
        >>> space.sql("SELECT count(DISTINCT domain) AS n FROM entries WHERE NOT is_audit_entry")["n"].item()
        106
        """
        return _call_above("report.desk.sql", self, query, **tables)

    def _repr_html_(self) -> str | None:
        return html_of(self)


def _call_above(name: str, *values: Any, **options: Any) -> pd.DataFrame:
    """Call a function of a package above this one, which this one must not import."""
    module, _, function = name.rpartition(".")
    frame: pd.DataFrame = getattr(import_module(f"mssante_audit.{module}"), function)(*values, **options)
    return frame


def list_of(
    data: Path, as_of: datetime | None, anchors: Sequence[str | Path], signer: str | None = None, **mode: bool
) -> tuple[WhiteList, Archive | None]:
    """Return the white list that `data` stands for and its archive, with what both are trusted by."""
    anchors = (*anchors, *of_sample(data))
    archive = find_archive(data, anchors, signer)
    file = find_whitelist(data, archive, as_of)
    if archive and file.parent == archive.folder:
        return checked(archive.read(file, **{"any_namespace": False, **mode}), file), archive
    return load_whitelist(file, signer=signer, anchors=anchors, beside=None, **mode), archive


def load_space(
    data: str | Path | None = None,
    *,
    as_of: str | datetime | None = None,
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    thresholds: Thresholds | None = None,
    contacts: str = "services",
    lenient: bool = False,
    **mode: bool,
) -> TrustSpace:
    """Load a trust space, as `mssante_audit.snapshot.load.load_space` does, which also reads snapshots.

    A `lenient` one goes without what it cannot read beside the list, and says so in `TrustSpace.faults`.
    """
    faults: dict[str, tuple[InputError, ...]] = {}
    if contacts not in CONTACTS:
        raise ParameterError(f"contacts: {contacts!r}", remedy=f"It is one of {', '.join(CONTACTS)}")

    def read_beside(name: str, load: Callable[[], T | None]) -> T | None:
        try:
            return load()
        except InputError as error:
            if not lenient:
                raise
            faults[name] = (*faults.get(name, ()), error)
            return None

    if lenient:
        anchors = [anchor for anchor in anchors if read_beside(ANCHORS, partial(trust, [anchor]))]
    folder = Path(data) if data is not None else sample_folder()
    instant = asked_instant(as_of or (SAMPLE_AS_OF if is_sample(folder) else None))
    whitelist, archive = list_of(folder, instant, anchors, signer, **mode)
    register, limits = find_register(folder), thresholds or Thresholds()
    domains, since = whitelist.entries["domain"].tolist(), limits.oldest_observation(instant)
    unread: dict[str, InputError] | None = {} if lenient else None
    observed, unused, files = read_observations(folder, domains, instant, since, unread)
    faults |= {name: (error,) for name, error in (unread or {}).items()}

    def mailboxes() -> Extraction | None:
        extraction = find_extractions(folder, instant)
        if lenient and extraction:
            _ = extraction.counts  # read now: what cannot be read is said here
        return extraction

    waivers = folder / "waivers.toml"
    parts = {**observed, "archive": archive, "aside": unused, "files": files, "faults": faults}
    parts["register"] = read_beside("register", lambda: load_declarations(register) if register else None)
    parts["mailboxes"] = read_beside("mailboxes", mailboxes)
    parts["waivers"] = waivers if os.path.lexists(waivers) else None
    space = TrustSpace(whitelist, instant, limits, contacts, **parts)
    _ = space.covered  # a scope that names nobody is refused at once
    return space

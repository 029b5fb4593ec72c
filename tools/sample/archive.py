"""The sample's archive: five lists that tell a story, and ``events.csv``, the truth about what happens in it.

The lists are the made-up space without defects, larger and a little earlier; each event is written down while
it is made to happen, never read off the lists by what is under test.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

from mssante_audit.base.errors import ParameterError
from mssante_audit.values.contacts import read_phone
from tools.sample.declarations import REGISTER, Cells, register_of
from tools.sample.operators import national, shifted
from tools.sample.signing import SigningChain, sign
from tools.sample.space import Entry, Space, Truth, clean_space, stamp, whitelist_chunks

TIMES = tuple(
    datetime(year, month, day, 5, 30, tzinfo=UTC)
    for year, month, day in ((2025, 9, 1), (2025, 11, 3), (2026, 1, 5), (2026, 2, 2), (2026, 3, 2))
)
"""When the five lists were generated."""
EVENT_COLUMNS = ("from", "to", "kind", "size", "domains", "changes")
UNCHANGED_DAYS = 150
"""`stale_after_days` with which the truth about contacts in ``defects.csv`` holds."""

DOMAINS, OPERATORS = 150, 12
_LARGEST, _REGIONAL, _LABORATORY, _HOME, _NEWCOMER, _LEAVER = 0, 1, 2, 3, 10, 11


@dataclass(slots=True)
class Story:
    """The space as it changes, and what has been written down."""

    space: Space
    lists: list[bytes] = field(default_factory=list)
    """Unsigned, one a date."""
    events: list[tuple[str, ...]] = field(default_factory=list)
    """Lines of ``events.csv``."""
    register: dict[str, Cells] = field(default_factory=dict)
    """What the register says otherwise than the last list, by domain."""
    stale: list[tuple[str, list[Entry]]] = field(default_factory=list)
    """Rules that must fire on the last list because of the earlier ones, with their rows."""

    def publish(self) -> None:
        """Add a list as the space is now."""
        rows = [entry.row() for entry in self.space.listed()]
        self.lists.append(b"".join(whitelist_chunks(rows, TIMES[len(self.lists)])))

    def tell(self, kind: str, domains: Iterable[str], **changes: int) -> None:
        """Write down an event that the next list will show."""
        names = sorted(set(domains))
        numbers = ", ".join(f"{name} {number}" for name, number in sorted(changes.items()))
        start, end = TIMES[len(self.lists) - 1 : len(self.lists) + 1]
        line = (f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}", kind, str(len(names)), " ".join(names), numbers)
        self.events.append(line)

    def take(self, operator: int, count: int, rows: int = 1, host: str = "-1.") -> list[Entry]:
        """Take domains that nothing has happened to, each of so many rows; return all their rows."""
        hosted = self.space.untouched[operator]
        fit = [group for group in hosted if len(group) == rows and host in group[0].dn][:count]
        if len(fit) < count:
            raise ParameterError(f"the sample's archive wants {count} domains of operator {operator}")
        for group in fit:
            hosted.remove(group)
        return [entry for group in fit for entry in group]


def tell_story(seed: int = 0) -> Story:
    """Make up the five lists and what happens between them."""
    story = Story(clean_space(Random(seed), DOMAINS, OPERATORS))  # noqa: S311 - reproducible, nothing secret
    corrected, arriving, moving = _prepare(story)
    story.publish()
    _first_autumn(story, moving)
    story.publish()
    _winter(story)
    story.publish()
    _new_year(story)
    story.publish()
    _spring(story, corrected, arriving)
    story.publish()
    _unchanged(story)
    return story


def _prepare(story: Story) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """Set the stage: descriptions that will be corrected, an operator that is not there yet, one that leaves.

    Of the domains that it will hand over one has the hotline of the heir's supplier already.
    """
    corrected = story.take(_LARGEST, 3)
    for entry in corrected:
        entry.description = entry.description.upper()
    arriving = story.space.rows_of(_NEWCOMER)
    for entry in arriving:
        story.space.entries.remove(entry)
    moving = story.take(_REGIONAL, 4)
    moving[1].support = story.space.operators[_LARGEST].support
    return corrected, arriving, moving


def _first_autumn(story: Story, moved: list[Entry]) -> None:
    """Domains of one operator go to another, which forgets to correct the contact of one; two are added.

    It only spells it otherwise. The hotline that was its supplier's before is nobody's former contact.
    """
    heir = story.space.operators[_LARGEST]
    phone, _, email = moved[0].project.rpartition(", ")
    moved[0].project = f"{read_phone(phone.rpartition(', ')[2])}; {email.upper()}"
    for entry in moved:
        entry.certificate, entry.operator = heir.certificate("mss-1"), heir.id
        entry.dn = entry.certificate.dn
    for entry in moved[1:]:
        entry.project, entry.support = heir.project, heir.support
    story.tell("migration", (e.domain for e in moved), moved=4, contact_changed=6)
    story.stale.append(("CONTACT_FORMER_OPERATOR", [moved[0]]))
    like = story.take(_LARGEST, 1)[0]
    added = [f"ch-nouveau-{name}.mssante.fr" for name in ("fable", "songe")]
    for name in added:
        story.space.add(like, domain=name, description=f"Domaine de messagerie MSSanté pour {name}")
    story.tell("added", added, added=2)


def _winter(story: Story) -> None:
    """One certificate takes the place of another everywhere; a domain gets its name right; dates move."""
    laboratory = story.space.operators[_LABORATORY]
    old, new = laboratory.certificate("mss-1").dn, laboratory.certificate("mss-neuf")
    renewed = [entry for entry in story.space.entries if entry.dn == old]
    for entry in renewed:
        entry.certificate, entry.dn = new, new.dn
    story.tell("renewal", (e.domain for e in renewed), dn_replaced=len(renewed))
    (renamed,) = story.take(_LARGEST, 1)
    renamed.domain = renamed.domain.replace(".mssante.fr", "-site.mssante.fr")
    story.tell("rename", [renamed.domain], renamed=1)
    dated = story.take(_LARGEST, 5, host="-2.")
    for entry in dated:
        entry.stamp = stamp(TIMES[2])
    story.tell("restamp", (e.domain for e in dated), restamped=5)


def _new_year(story: Story) -> None:
    """Domains and an operator leave; a contact, a description and a spelling change."""
    removed = story.take(_LARGEST, 2, host="-2.")
    leaving = story.space.rows_of(_LEAVER)
    for entry in (*removed, *leaving):
        story.space.entries.remove(entry)
    story.tell("removed", (e.domain for e in removed), removed=2)
    left = {e.domain for e in leaving}
    story.tell("removed", left, removed=len(left))
    story.tell("departure", left)
    home = story.space.operators[_HOME]
    rows = story.space.rows_of(_HOME)
    first = {entry.domain for entry in rows[:1]}
    changed = [entry for entry in rows if entry.domain in first]
    phone, email = changed[0].project.split(", ")
    story.register = {d: {"public_project_phone": phone, "public_project_email": email} for d in first}
    story.stale.append(("RECO_CONTACT_OLD", changed))
    for entry in changed:
        entry.project = f"{national(shifted(home.phone, 5))}, nouveau-projet@{home.mail}"
    story.tell("contact", first, contact_changed=1)
    story.stale.append(("CONTACT_PARTLY_CHANGED", [e for e in rows if e.domain not in first]))
    (respelt,) = story.take(_LARGEST, 1, host="-2.")
    respelt.dn = respelt.dn.replace(",", ", ")
    story.tell("respelling", [respelt.domain], dn_respelt=1)
    (described,) = story.take(_LARGEST, 1, host="-2.")
    described.description = "Domaine de messagerie MSSanté du groupement inventé"
    story.tell("description", [described.domain], description_changed=1)


def _spring(story: Story, corrected: list[Entry], arriving: list[Entry]) -> None:
    """Let an operator arrive; certificates come and go on single domains; descriptions are corrected."""
    story.space.entries.extend(arriving)
    names = {entry.domain for entry in arriving}
    story.tell("arrival", names)
    story.tell("added", names, added=len(names))
    largest = story.space.operators[_LARGEST]
    (more,) = story.take(_LARGEST, 1)
    story.space.add(more, largest.certificate("mss-plus"))
    story.tell("certificate_added", [more.domain], dn_added=1)
    less = story.take(_LARGEST, 1, rows=2)
    story.space.entries.remove(less[1])
    story.tell("certificate_retired", [less[0].domain], dn_retired=1)
    for entry in corrected:
        entry.description = entry.description.capitalize()
    story.tell("correction", (e.domain for e in corrected), description_changed=3)
    (twice,) = story.take(_LARGEST, 1)
    story.space.entries.append(replace(twice))
    story.tell("duplication", [twice.domain], duplicated=1)
    partly = story.take(_LARGEST, 2)
    for entry in partly:
        entry.certificate = largest.certificate("mss-bis-2")
        entry.dn = entry.certificate.dn
    story.tell("replacement", (e.domain for e in partly), dn_replaced=2)


def _unchanged(story: Story) -> None:
    """Write down, for each operator, the rows whose two contacts are what they were in the first list."""
    rows = story.space.listed()
    first = story.lists[0]
    for operator in story.space.operators:
        # A row counts from when its domain has had these very contacts.
        old = [
            entry
            for entry in rows
            if entry.operator == operator.id and _said(first, entry) and not _test(entry)
        ]
        if old:
            story.stale.append(("CONTACT_UNCHANGED", old))


def _said(xml: bytes, entry: Entry) -> bool:
    """Tell whether a list gives a domain these contacts."""
    from lxml import etree

    for row in etree.fromstring(xml).iter("{*}Domaine"):
        name, *_, project, support, _stamp = (child.text or "" for child in row)
        if (name, project, support) == (entry.domain, entry.project, entry.support):
            return True
    return False


def _test(entry: Entry) -> bool:
    from mssante_audit.whitelist.load import is_audit_domain

    return is_audit_domain(entry.domain) or "TEST" in entry.certificate.o.split()


def archive_files(seed: int, chain: SigningChain) -> tuple[dict[str, bytes], list[Truth]]:
    """Return the files of the sample's archive by their paths, and the lines it adds to ``defects.csv``."""
    story = tell_story(seed)
    files = {}
    for time, xml in zip(TIMES, story.lists, strict=True):
        signed = sign(xml, chain)
        name = f"{time:%Y-%m-%dT%H%M%SZ}-{hashlib.sha256(signed).hexdigest()[:8]}.xml.gz"
        files[f"archive/{name}"] = gzip.compress(signed, mtime=0)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([EVENT_COLUMNS, *sorted(story.events)])
    files["events.csv"] = text.getvalue().encode()
    rows = [entry.row() for entry in story.space.listed()]
    files[f"archive/{REGISTER}"] = register_of(rows, story.space.operators, story.register)
    story.space.truth = story.stale
    return files, list(story.space.truths("archive"))

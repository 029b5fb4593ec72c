"""Analysis and audit of the MSSanté trust space.

Start with `load_space`: a folder (or a white list) becomes a `TrustSpace`, whose ``entries`` is a frame.
`audit` and `audit_all` turn it into a frame of findings; `rule` explains each.

>>> from mssante_audit import load_space
>>> space = load_space(as_of="2026-03-03")
>>> space.whitelist.signature.status
'valid'

=================================  ==================================================================
`load_space`                       a folder or a file as a `TrustSpace`, with `Thresholds`
`load_whitelist`                   a single file as a `WhiteList`
`load_declarations`                the declarations of operators (Annexe 1) in a folder
`compare`                          what changed between two lists: files, dates of an archive, or loaded
`verify_signature`                 what the signature of a `WhiteList` is worth, and why
`audit`, `audit_all`, `lacking`    findings of one of `AUDITS`, or of all; those that lack their input
`Audit`, `register`, `Finding`     an audit of one's own, in a notebook or a package
`Rule`, `load_rules`, `Person`     its rules; a text that names a person, as a fact
`rule`, `catalogue`                what a rule means, why it matters, what to do; all rules by code
`parse_dn`, `parse_identifier`,    a certificate's name, an identifier, a département or a contact,
`parse_department`                 read from its text with what is wrong with it; these never fail
`parse_contact`
`check`                            whether a domain or an address is listed
`mask`                             a text without the persons, numbers and addresses in it
`AuditError`                       what all errors of this package are
=================================  ==================================================================

In a notebook, frames and series become charts, tables and sentences; help on each has an example:

=================================  ==================================================================
`domains`, `method_records`        a row a domain; the DNS method in use for it, and the declared one
`mail_records`                     whether mail to each domain arrives, and what decides it
`hosts`, `behind`                  the name servers or mail hosts that domains depend on; the domains behind
                                   one of them
`causes`, `actionable`, `doubts`   what to put right first, findings merged by operator and remedy; the
                                   findings that ask for something: no information, no hints; those that
                                   are not known to hold today, as what they rest on is too old or in doubt
`answer`, `counts`, `checks`,      a first screen of domains and causes: the sentence on top, how many domains
`cause_list`                       have each answer, a line a check, the first ten causes
`waived`, `touched`                accepted findings; how many domains findings touch
`bars`, `lines`, `tiles`           charts of a series or frame, of a frame over time, of départements
`by_age`                           how many ages fall into each band
`table`, `findings_table`          any frame as a table; findings, with what their rules mean
`say`, `percent`, `largest`        a sentence; a share; the longest bar's name and number
`words`                            a mapping's texts, in the reader's language
`key_figures`, `Figure`            figures as tiles
`card`, `sections`, `folds`        one row of a frame; several tables under titles, or folded behind these
`severity_bars`, `lead`, `note`    findings by severity; the answer on top; a sentence in small type
`family`, `title_of`, `titles`     the rules of a family; a rule's title, or those of findings
`why_of`, `remedy_of`              why a rule matters, and what it says to do
`lacks`, `unknown`                 what was not there to check rules with; the sentence that says so
`opening`, `enable`                what a report is about; style and script of tables, shown once
`explore`                          the domains as one page that searches, filters, counts and tells of
                                   each; ``space.explore()`` is the same
`show_frames`                      every frame as a table that sorts and filters, in JupyterLab
`within`, `join`                   rows of a frame that are of a region or département; a frame joined with an
                                   external table by FINESS, SIREN or SIRET
`controls`                         region, operator and threshold to choose, where somebody is there to choose
`moved`                            the findings in which two spaces differ: of other thresholds, say
`own_rule`                         a rule of one's own in one line, which reports of the session then show
`export`                           any frame as CSV, XLSX, JSON or Parquet
=================================  ==================================================================

What the shipped reports are made of, and a report of one's own may be:

=================================  ==================================================================
`open_report`, `Report`            what a notebook's parameters describe, its findings, and the parts that
                                   several reports have in common
`names`, `unmade`                  names of codes, in the reader's language; which audits lack their input
`by_severity`, `rest_together`     findings by a column and severity; the first of a series, the rest as one
`tile_places`                      where each département stands on a map of tiles
`status`                           how each declared or listed domain stands in the register
`observed`, `observed_on`,         when the DNS was asked, as a sentence or a column; when servers'
`observed_tls`                     certificates were looked at
`servers_shown`, `expiries`,       mail servers of domains; when their certificates end, by domain, and by
`certificates`, `revocations`      certificate; what revocation lists say of them
`names_compared`, `calendar`,      names presented beside those listed; ends of certificates as a calendar,
`calendar_link`                    and the link to take it
`worded_changes`,                  changes of lists and events made of them, in words
`worded_events`
`differences`, `newest_two`        what two observations of the DNS tell differently; the two newest ones
`dossier`                          what is told to one operator of itself
=================================  ==================================================================

``help(load_space)`` tells of one of them; the columns of ``space.entries`` and of findings are described in
``help("mssante_audit.whitelist.load")`` and ``help("mssante_audit.findings.frame")``.
"""

import ctypes
import os
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Memory that was given back goes back to the system (70 of 540 MB after an observation of 10,000 domains).
# Arrow's own pool, chosen when pyarrow is imported, keeps it; so does glibc, once a large block was freed,
# unless told from what size on (M_MMAP_THRESHOLD) a block is a map of its own.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
with suppress(OSError, AttributeError):  # elsewhere than on glibc
    ctypes.CDLL(None).mallopt(-3, 1 << 20)

if TYPE_CHECKING:
    AUDITS: tuple[str, ...]
    from mssante_audit.audits import audit, audit_all, lacking, waived
    from mssante_audit.audits.reconciliation.rules import status
    from mssante_audit.base.errors import AuditError
    from mssante_audit.base.language import percent, words
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.dossiers.facts import dossier
    from mssante_audit.findings.catalogue import Rule, load_rules
    from mssante_audit.findings.causes import actionable, causes
    from mssante_audit.findings.frame import Finding
    from mssante_audit.findings.registry import Audit, catalogue, register, rule
    from mssante_audit.report.calendar import calendar
    from mssante_audit.report.certificates import calendar_link, names_compared
    from mssante_audit.report.charts import bars, by_age, largest, lines
    from mssante_audit.report.collection import observed, observed_on, observed_tls
    from mssante_audit.report.controls import controls
    from mssante_audit.report.desk import export, join, moved, own_rule, within
    from mssante_audit.report.explorer import explore
    from mssante_audit.report.findings import (
        family,
        findings_table,
        lacks,
        opening,
        remedy_of,
        severity_bars,
        title_of,
        titles,
        touched,
        unknown,
        why_of,
    )
    from mssante_audit.report.first import answer, cause_list, checks, counts
    from mssante_audit.report.names import names
    from mssante_audit.report.notebook import Report, by_severity, open_report, rest_together, unmade
    from mssante_audit.report.pieces import Figure, card, folds, key_figures, lead, note, sections
    from mssante_audit.report.say import say
    from mssante_audit.report.tables import enable, show_frames, table
    from mssante_audit.report.tiles import tile_places, tiles
    from mssante_audit.snapshot.load import load_space
    from mssante_audit.space.story import compare, worded_changes, worded_events
    from mssante_audit.space.trust import Thresholds, TrustSpace
    from mssante_audit.values.contacts import parse_contact
    from mssante_audit.values.dn import parse_dn
    from mssante_audit.values.identifiers import parse_department, parse_identifier
    from mssante_audit.values.person import Person, mask
    from mssante_audit.verdicts.differences import differences, newest_two
    from mssante_audit.verdicts.domains import domains
    from mssante_audit.verdicts.doubts import doubts
    from mssante_audit.verdicts.methods import behind, hosts, mail_records, method_records
    from mssante_audit.verdicts.presented import certificates, expiries, revocations, servers_shown
    from mssante_audit.whitelist.check import check
    from mssante_audit.whitelist.load import WhiteList, load_whitelist
    from mssante_audit.whitelist.signature import verify_signature

_HOME = {
    "audits": "audit audit_all lacking waived",
    "audits.reconciliation.rules": "status",
    "base.errors": "AuditError",
    "declarations.register": "load_declarations",
    "dossiers.facts": "dossier",
    "findings.catalogue": "Rule load_rules",
    "findings.causes": "actionable causes",
    "findings.frame": "Finding",
    "findings.registry": "Audit catalogue register rule",
    "base.language": "percent words",
    "report.calendar": "calendar",
    "report.certificates": "calendar_link names_compared",
    "report.charts": "bars by_age largest lines",
    "report.collection": "observed observed_on observed_tls",
    "report.controls": "controls",
    "report.desk": "export join moved own_rule within",
    "report.explorer": "explore",
    "report.findings": (
        "family findings_table lacks opening remedy_of severity_bars title_of titles touched unknown why_of"
    ),
    "report.first": "answer cause_list checks counts",
    "report.names": "names",
    "report.notebook": "Report by_severity open_report rest_together unmade",
    "report.pieces": "Figure card folds key_figures lead note sections",
    "report.say": "say",
    "report.tables": "enable show_frames table",
    "report.tiles": "tile_places tiles",
    "verdicts.differences": "differences newest_two",
    "verdicts.domains": "domains",
    "verdicts.doubts": "doubts",
    "verdicts.methods": "behind hosts mail_records method_records",
    "verdicts.presented": "certificates expiries revocations servers_shown",
    "snapshot.load": "load_space",
    "space.story": "compare worded_changes worded_events",
    "space.trust": "Thresholds TrustSpace",
    "values.contacts": "parse_contact",
    "values.dn": "parse_dn",
    "values.identifiers": "parse_department parse_identifier",
    "values.person": "Person mask",
    "whitelist.check": "check",
    "whitelist.load": "WhiteList load_whitelist",
    "whitelist.signature": "verify_signature",
}
"""The names of each module."""
_MODULE = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "AUDITS", "Audit", "AuditError", "Figure", "Finding", "Person", "Report", "Rule", "Thresholds",
    "TrustSpace", "WhiteList", "actionable", "answer", "audit", "audit_all", "bars", "behind", "by_age",
    "by_severity", "calendar", "calendar_link", "card", "catalogue", "cause_list", "causes",
    "certificates", "check", "checks", "compare", "controls", "counts", "differences", "domains", "dossier",
    "doubts", "enable", "expiries", "explore", "export", "family", "findings_table", "folds", "hosts",
    "join", "key_figures", "lacking", "lacks", "largest", "lead", "lines", "load_declarations",
    "load_rules", "load_space", "load_whitelist", "mail_records", "mask", "method_records", "moved",
    "names", "names_compared", "newest_two", "note", "observed", "observed_on", "observed_tls",
    "open_report", "opening", "own_rule", "parse_contact", "parse_department", "parse_dn",
    "parse_identifier", "percent", "register", "remedy_of", "rest_together", "revocations", "rule", "say",
    "sections", "servers_shown", "severity_bars", "show_frames", "status", "table", "tile_places",
    "tiles", "title_of", "titles", "touched", "unknown", "unmade", "verify_signature", "waived", "why_of",
    "within", "worded_changes", "worded_events", "words",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the command line answers --help without loading pandas.
    if name == "AUDITS":
        from mssante_audit.findings.registry import audits

        return tuple(audits())
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(f"{__name__}.report.cards")  # how what is asked for shows itself in a notebook
    return getattr(import_module(f"{__name__}.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    # What a user may want, and not what this module is made of: completion and help() show these.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

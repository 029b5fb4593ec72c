"""French names of what frames hold as codes, in the order of the reports; what terms mean."""

from __future__ import annotations

from mssante_audit.audits.delegation_vs_redirection.observed import METHOD_NAMES
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import (
    current_language,
    gettext,
    severity_names,
    signatures,
    words,
    words_of,
)
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import DEPARTMENTS
from mssante_audit.verdicts.words import SAID


def names(kind: str) -> dict[str, str]:
    """Return the names of codes, such as ``statuses`` or ``methods``, in the reader's language.

    Raises
    ------
    UnknownNameError
        If there is no such kind of codes.

    Examples
    --------
    >>> names("contacts")
    {'project': 'projet', 'support': 'support'}
    """
    known = words_of("mssante_audit.report")["fr"] | {
        "methods": METHOD_NAMES,
        "departments": DEPARTMENTS,
        "outcomes": SAID[current_language()],
        "severities": {severity: plural for severity, (_, plural) in severity_names().items()},
        "signatures": signatures(),
    }
    if kind not in known:
        raise UnknownNameError(f"no names of {kind!r}", remedy=f"There are: {', '.join(known)}")
    return words(known[kind])


def signature_names() -> dict[str, str]:
    """Return the names of the signature's verdicts, in a sentence."""
    other = "mathématiquement juste, mais ce n’est pas celle du signataire attendu"
    return {**signatures(), "valid-untrusted": gettext(other)}


def glossary() -> list[tuple[str, str]]:
    """Return each term that readers meet and what it means, in the order of a dictionary."""
    entries = words_of("mssante_audit.report", "glossary.toml")[current_language()].values()
    return sorted(((entry["term"], entry["meaning"]) for entry in entries), key=lambda entry: fold(entry[0]))

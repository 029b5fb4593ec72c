"""The two kinds of observations, and what a data folder holds of each."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import SKEW
from mssante_audit.observe.folder import Aside, File, find_observations
from mssante_audit.observe.observation import load_merged
from mssante_audit.observe.tls.observation import load_servers

Faults = dict[str, InputError] | None


class Kind(NamedTuple):
    """One kind of observation; audits that need it say `need` (`mssante_audit.findings.registry.Audit`).

    `lacks` says, by language, that there is none; title and remedy are French. `read` takes files (newest
    first), the list's domains, the instant audited at, and the one before which what was seen says nothing
    any more; it returns what was observed, with a ``size`` and ``parts``, and what was left aside.
    """

    name: str
    need: str
    title: str
    lacks: Mapping[str, str]
    remedy: str
    read: Callable[[Sequence[File], Sequence[str], datetime, datetime], tuple[Any, list[Aside]]]


KINDS = (
    Kind(
        "dns", "observation", "Observation du DNS",
        {"fr": "aucune observation du DNS", "en": "no observation of the DNS"},
        "Lancez « mssante-audit observe », qui en dépose une dans observations/.", load_merged,
    ),
    Kind(
        "tls", "tls", "Observation de TLS",
        {"fr": "aucune observation de TLS", "en": "no observation of TLS"},
        "Lancez « mssante-audit observe tls », qui en dépose une dans observations/.", load_servers,
    ),
)  # fmt: skip


def read_observations(
    data: Path, domains: Sequence[str], as_of: datetime, since: datetime, faults: Faults = None
) -> tuple[dict[str, Any], tuple[Aside, ...], dict[str, tuple[File, ...]]]:
    """Return what a data folder holds of each kind, by what needs it; files left aside; files there are.

    What was begun after `as_of` is not used; what was seen before `since` says nothing any more. Where
    `faults` is given, a kind that cannot be read is left out, and the error is put there by the kind's name;
    elsewhere it is an `InputError`.
    """
    observed, aside, used = {}, [], {}
    for kind in KINDS:
        files = find_observations(data, kind.name)
        aside += [Aside(file.path.name, "future") for file in files if file.begun > as_of + SKEW]
        files = [file for file in files if file.begun <= as_of + SKEW]
        used[kind.need] = tuple(files)
        try:
            observed[kind.need], others = kind.read(files, domains, as_of, since) if files else (None, [])
        except InputError as error:
            if faults is None:
                raise
            faults[kind.name], observed[kind.need], others = error, None, []
        aside += others
    return observed, tuple(aside), used


def hashes(observed: Any) -> list[list[str]]:
    """Return of each file that answers its name and the hash of its bytes."""
    return [[part.source, part.sha256] for part in observed.parts]

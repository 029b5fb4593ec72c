"""A made-up trust space with known defects: for reports to try, for tests, and of any size for benchmarks.

`build` makes the list, `write_sample` the folder ``tests/catalogue``: a signed white list, its own authority,
a few damaged variants, and ``defects.csv``, the truth that the audits are held to. Nothing in it belongs to
anybody (see `tools.sample.operators`).
"""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pandas as pd
from cryptography.hazmat.primitives.serialization import Encoding

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.staging import put_folder
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.archive import UNCHANGED_DAYS, archive_files
from tools.sample.declarations import REGISTER, build_register, register_files
from tools.sample.defects import MIN_DOMAINS, MIN_OPERATORS, inject
from tools.sample.dns import OBSERVATION, build_dns
from tools.sample.mailboxes import BEFORE, EXTRACTION, build_mailboxes
from tools.sample.operators import Operator
from tools.sample.signing import sign
from tools.sample.space import GENERATED_AT, Row, Truth, clean_space, stamp, whitelist_chunks
from tools.sample.tls import CRL, ISSUING, ROOT, TLS, build_tls
from tools.sample.variants import VARIANTS, make_chains

SAMPLE_AS_OF = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
"""When the sample is audited: a day after its list was generated."""
LIST_FILE = "listeblanchemssante.xml.gz"
DEFECT_COLUMNS = ("file", "rule", "domain", "operator_id", "rows")
TOP_LEVEL = frozenset(
    {LIST_FILE, REGISTER, "anchors", "variants", "registers", "observations", "crls", "archive"}
    | {"events.csv", "defects.csv", "README.md", EXTRACTION, BEFORE, "extractions"}
)
"""What a sample's folder holds, and nothing else."""

PARTIAL = "registers/partial"
"""Where the register lies that covers some operators only."""

README = """\
# A made-up trust space

Everything here is invented by `tools/sample` from the seed {seed}, and written by
`python -m tools.sample FOLDER`: places, structures, identifiers (shape and check digit right, ranges not
attributed), e-mail domains (`.example`), phone numbers (ranges that ARCEP keeps for fiction). No list, person
or structure is real. One address is at a real provider, where nobody can have one so short: a rule is about
such providers. Audit it as of {as_of}, with `anchors/` to trust.

| file | what it is |
| --- | --- |
| `listeblanchemssante.xml.gz` | the white list, signed: odd but right rows, test entries, every defect |
| `anchors/` | the made-up authority that signs it, its keys thrown away, and that of the mail servers |
| `archive/` | five earlier and clean lists, with a story to tell, and the register of the last |
| `events.csv` | the truth about it: what happens from each list to the next |
| `declarations.csv` | the register of the operators' declarations (Annexe 1), as a French Excel writes CSV |
| `registers/` | the same register as XLSX, JSON and JSON Lines; one of its declarations as a PDF form |
| `registers/partial/` | the same, with a `scope.toml`: what others have listed is outside |
| `observations/` | what DNS and mail servers, made up, said of these domains a day before |
| `crls/` | what the mail servers' authority has revoked |
| `Extraction_Correspondance_MSSante_….txt` | the public extraction of the mailboxes, and the one before it |
| `extractions/` | one that was cut in the middle |
| `defects.csv` | the truth: which rule must fire where, for each of these files, and nothing else |
{variants}

The lines of `archive` in `defects.csv` tell what the earlier lists show about the contacts of its last list
and of its register, audited with `stale_after_days` at {unchanged}.

`defects.csv` has a line for each finding: `file`, `rule`, `domain` (the first row's), `operator_id` (of most
of the rows) and `rows` (positions in the list; none when the list as a whole is concerned). For a register
`rows` is the finding's evidence: rows of the register and, after a semicolon, of the list; the form by itself
is not compared with the list. For the observations, read together with `declarations.csv`, they are positions
in the list again. It is written while the defects are made, never by the audits. The lists in
`variants/` are small and otherwise clean; load them with `recover=True` (`--recover`) and
`any_namespace=True` (`--any-namespace`).
"""


@dataclass(frozen=True)
class Sample:
    """A made-up white list."""

    rows: list[Row]
    """Domain, description, DN, project contact, support contact, time of update; in order of domain."""
    defects: pd.DataFrame
    """The truth, columns `DEFECT_COLUMNS`, all str: what the audits must find, no more and no less. `domain`
    is that of the first row, `operator_id` that of most (or the first's), `rows` like ``"3-5, 9"``."""
    operators: tuple[Operator, ...]
    """Whose domains these are, the largest first."""
    generated_at: datetime = GENERATED_AT


def build(seed: int = 0, domains: int = 90, operators: int = 12, *, defects: bool = True) -> Sample:
    """Make up a white list; the same arguments give the same list.

    Parameters
    ----------
    seed
        Whatever number.
    domains, operators
        How many of them. Sixty-five of 90 domains are the largest operator's; the defects put them on one
        certificate name: as many as DN_CONCENTRATION asks for. Test entries come on top, and some defects add
        rows.
    defects
        Whether to put the defects in: at least one for every rule that can fire on rows.

    Raises
    ------
    ParameterError
        If the numbers leave no room for what is asked.
    """
    least_domains, least_operators = (MIN_DOMAINS, MIN_OPERATORS) if defects else (12, 2)
    if operators < least_operators or domains < max(least_domains, 2 * operators + (65 if defects else 0)):
        raise ParameterError(
            f"{domains} domains under {operators} operators cannot be made up",
            remedy=f"Take at least {least_operators} operators, {least_domains} domains and two an operator",
        )
    random = Random(seed)  # noqa: S311 - reproducible, and nothing secret
    space = clean_space(random, domains, operators)
    if defects:
        inject(space)
    truth = pd.DataFrame(sorted(space.truths(LIST_FILE)), columns=list(DEFECT_COLUMNS), dtype="str")
    return Sample([entry.row() for entry in space.listed()], truth, space.operators)


def whitelist_xml(sample: Sample) -> bytes:
    """Return the unsigned white list of `sample`."""
    return b"".join(whitelist_chunks(sample.rows, sample.generated_at))


def write_sample(out: str | Path, *, seed: int = 0, force: bool = False) -> Path:
    """Write the sample into a folder: lists, their authority's certificates, ``defects.csv``, ``README.md``.

    The folder appears whole or not at all. Keys are made anew and thrown away; all else follows from `seed`.

    Parameters
    ----------
    out
        A folder that is empty or not there yet.
    seed
        See `build`.
    force
        Replace a sample written earlier.

    Raises
    ------
    OutputError
        If the folder is not empty, holds something else than a sample, or cannot be written.
    """

    def fill(folder: Path) -> None:
        for name, content in sample_files(seed).items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    return put_folder(Path(out).resolve(), fill, names=TOP_LEVEL, force=force)


def sample_files(seed: int = 0) -> dict[str, bytes]:
    """Return the files of a sample by their paths; see `write_sample`."""
    chains = make_chains()
    sample = build(seed)
    truths: list[Truth] = list(sample.defects.itertuples(index=False, name=None))
    files = {LIST_FILE: gzip.compress(sign(whitelist_xml(sample), chains.good), mtime=0)}
    for name, certificate in (("root", chains.good.root), ("issuing", chains.good.issuing)):
        files[f"anchors/{name}.pem"] = certificate.public_bytes(Encoding.PEM)
    files["anchors/servers.pem"] = ROOT.pem + ISSUING.pem
    for variant in VARIANTS:
        files[f"variants/{variant.name}"], more = variant.file(seed, chains)
        truths += more
    kept, more = archive_files(seed, chains.good)
    files |= kept
    truths += more
    register = build_register(sample.rows, sample.operators)
    for name, content in register_files(register).items():
        file = name if name == REGISTER else f"registers/{name}"
        files[file] = content
        truths += register.truths(file, LIST_FILE)
    register, scope = register.partial()
    files[f"{PARTIAL}/scope.toml"] = scope
    files[f"{PARTIAL}/{REGISTER}"] = files[REGISTER]
    truths += register.truths(f"{PARTIAL}/{REGISTER}", LIST_FILE)
    dns = build_dns(sample.rows, sample.operators, register.rows)
    files[OBSERVATION] = dns.observation()
    truths += dns.truths(OBSERVATION)
    tls = build_tls(dns, sample.rows)
    files[TLS] = tls.observation()
    files[CRL] = tls.crl()
    truths += tls.truths(TLS)
    directory = build_mailboxes(load_whitelist(whitelist_xml(sample)).entries, sample.operators)
    files |= directory.files()
    truths += directory.truth
    files["defects.csv"] = _csv(sorted(truths))
    files["README.md"] = README.format(
        as_of=stamp(SAMPLE_AS_OF), seed=seed, unchanged=UNCHANGED_DAYS,
        variants="\n".join(f"| `variants/{v.name}` | {v.about} |" for v in VARIANTS),
    ).encode()  # fmt: skip
    return files


def _csv(truths: list[Truth]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([DEFECT_COLUMNS, *truths])
    return text.getvalue().encode()

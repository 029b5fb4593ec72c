"""The files that a trust space is loaded from: found, distinguished by hash, packed to go elsewhere."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path

from mssante_audit.archive.store import find_archive
from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import real_path, sample_folder
from mssante_audit.findings.registry import theirs, unusable
from mssante_audit.mailboxes.extraction import Extraction, is_extraction
from mssante_audit.whitelist.certificates import SUFFIXES, files_in, find_anchors
from mssante_audit.whitelist.revocation import SUFFIX, find_crls

# Folders below a data folder that are read with it; of others, what the list is trusted by.
FOLDERS = ("archive", "observations", "anchors", "crls", "declarations")


@dataclass(frozen=True)
class Bundle:
    """Input files as bytes, for a process that may be on another machine."""

    files: Mapping[str, bytes] = field(repr=False)  # by their path in the bundle
    data: str  # path of the data file or folder in it
    anchors: tuple[str, ...] = ()
    mailboxes: Extraction | None = None  # the extraction in numbers; no file has it, for it names persons

    def unpack(self, folder: Path) -> tuple[Path, list[Path]]:
        """Write the files below `folder`, never elsewhere (`InputError`); say where data and anchors are."""
        for name, content in self.files.items():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InputError("does not lie in its folder", file=name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return folder / self.data, [folder / anchor for anchor in self.anchors]


def _place(path: str | Path) -> Path:
    """Return where a folder leads, so that paths of what lies beside it begin alike; of a file its own."""
    return real_path(path) if Path(path).is_dir() else Path(path).absolute()


def _below(data: Path) -> set[Path]:
    """Return the files that `load_space` may read of data: none that is hidden or derived."""
    archive, place = find_archive(data), data if data.is_dir() else data.parent
    places = {place, archive.beside if archive else place}
    paths = [file for folder in places for file, _ in find_anchors(folder)]
    paths += [file for folder in places for file in find_crls(folder)]
    if data.is_dir():
        below = [*data.iterdir(), *(path for name in FOLDERS for path in (data / name).rglob("*"))]
        paths += [path for path in below if not path.name.startswith(".") and path.suffix != ".parquet"]
    return {path for path in (data, *paths) if path.is_file()}


def _files_of(anchor: Path) -> list[Path]:
    """Return the files of certificates and revocation lists that a user names, or whose folder he does."""
    return files_in(anchor, (*SUFFIXES, SUFFIX)) if anchor.is_dir() else [anchor]


def pack(data: str | Path, anchors: Sequence[str | Path] = (), mailboxes: Extraction | None = None) -> Bundle:
    """Return the input files as a `Bundle`, under the names that a report shows of them.

    Extractions of mailboxes stay here: of the one that a space has, `mailboxes`, the numbers go along.
    """
    files: dict[str, bytes] = {}
    places = {"data": _place(data)} | {f"anchors{i}": _place(anchor) for i, anchor in enumerate(anchors)}
    roots = {f"{place}/{root.name or 'data'}": root for place, root in places.items()}
    where, *others = roots
    for name, root in roots.items():
        for path in sorted(_below(root) if name == where else _files_of(root)):
            if not is_extraction(path):
                inside = os.path.normpath(Path(name, os.path.relpath(path, root)))
                files[Path(inside).as_posix()] = path.read_bytes()
    return Bundle(files, where, tuple(others), mailboxes and mailboxes.in_numbers())


def inputs_digest(data: str | Path | None, anchors: Sequence[str | Path] = ()) -> str:
    """Return a hash of the content of what `load_space` may read, and of where files lie to each other."""
    root = _place(sample_folder() if data is None else data)
    files = sorted(_below(root).union(*map(_files_of, map(_place, anchors))))
    return _digest((p.relative_to(root) if p.is_relative_to(root) else p.name, p) for p in files)


def _digest(files: Iterable[tuple[object, Path]]) -> str:
    return digest("".join(f"{name}\0{digest(path.read_bytes())}\0" for name, path in files if path.is_file()))


def code_digest() -> str:
    """Return a hash of code, rules and templates, of others' audits too, and of the versions it runs with."""
    parts: list[object] = [own_digest(), unusable()]
    for name, audit in theirs().items():
        modules = {getattr(part, "__module__", type(part).__module__) for part in audit.parts}
        packages = sorted({module.partition(".")[0] for module in modules})
        parts += [name, audit.rules, audit.needs, *map(_package_digest, packages)]
    return digest(repr(parts))


@cache
def own_digest() -> str:
    """Return a hash of this package's files and of what is installed for it."""
    needed = [text for text in requires("mssante-audit") or () if "extra ==" not in text]
    names = sorted(re.split(r"[^\w.-]", text)[0] for text in needed)
    return digest(repr([_package_digest("mssante_audit"), *((name, version(name)) for name in names)]))


@cache
def _package_digest(name: str) -> str:
    """Return a hash of the files of a package, or of the one of a module; a notebook has none."""
    package = sys.modules.get(name)
    places = getattr(package, "__path__", None) or filter(None, [getattr(package, "__file__", None)])
    files = [(place, path) for place in map(Path, places) for path in (place, *sorted(place.rglob("*")))]
    return _digest((path.relative_to(place), path) for place, path in files if path.suffix != ".pyc")

"""Files that ship with the package, in a checkout as in an installed wheel: where they lie, what they say."""

import os
import tomllib
from filecmp import cmp
from importlib.resources import files
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent.parent

# What the shipped sample, which is made up, is judged as of: the day after its list was made.
SAMPLE_AS_OF = "2026-03-03"

# Variable that puts another folder in the sample's place: the tests' catalogue of defects.
SAMPLE_FOLDER = "MSSANTE_AUDIT_SAMPLE"


def real_path(path: str | Path) -> Path:
    """Return the resolved path, or the path itself where its links form a circle."""
    return Path(os.path.realpath(path))


def resource(name: str) -> Path:
    """Return the path of a shipped file or folder, such as ``"notebooks"``; a `FileNotFoundError` without.

    In a wheel these folders lie inside the package; in a checkout, beside it.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} does not ship with this installation of mssante_audit")


def sample_folder() -> Path:
    """Return the folder of the made-up trust space that stands for data where none are named."""
    return Path(os.environ.get(SAMPLE_FOLDER) or resource("data/sample")).resolve()


def is_sample(data: str | Path | None) -> bool:
    """Tell whether a folder or file, or ``None``, is the shipped sample, a part of it, or a copy of it."""
    if data is None or sample_folder() in (place := real_path(data), *place.parents):
        return True
    return is_copy(place)


def is_copy(folder: Path) -> bool:
    """Tell whether a folder was copied from the shipped sample: each list there is its own, byte for byte.

    So who trusts the sample's authority there trusts nothing that is not shipped.
    """
    try:
        lists, archived = (
            [f for f in place.iterdir() if ".xml" in f.name.lower()] for place in (folder, folder / "archive")
        )
        pairs = ((file, sample_folder() / file.relative_to(folder)) for file in (*lists, *archived))
        return bool(lists) and all(cmp(file, shipped, shallow=False) for file, shipped in pairs)
    except OSError:
        return False


def table_of(package: str, name: str) -> dict[str, Any]:
    """Return what a TOML file beside the modules of a package says."""
    return tomllib.loads((files(package) / name).read_text(encoding="utf-8"))

"""Where the files that ship with the package lie, in a checkout as in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def resource(name: str) -> Path:
    """Return the path of a shipped file or folder, such as ``"notebooks"`` or ``"data/sample"``.

    In a wheel these folders lie inside the package; in a checkout, beside it. Where neither place holds it
    the installation is incomplete: a `FileNotFoundError`.
    """
    for root in (_PACKAGE, _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} does not ship with this installation of mssante_audit")

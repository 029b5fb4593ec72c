"""Analysis and audit of the MSSanté trust space.

Start with `load_space`: a folder (or a white list) becomes a `TrustSpace`, whose ``entries`` is a frame.
`audit` and `audit_all` turn it into a frame of findings; `rule` explains each.

>>> from mssante_audit import load_space
>>> space = load_space(as_of="2026-03-03")
>>> space.whitelist.signature.status
'valid'

`domains` has a row a domain: whether its mail arrives, its order, and why. `causes` says what to put right
first, `compare` what changed between two lists. In a notebook, `bars`, `lines` and `tiles` draw frames and
series, `table` and `findings_table` show them, `say` puts them in a sentence. `Audit`, `Finding` and
`register` make an audit of one's own.

``help(load_space)`` tells of one of them; the columns of ``space.entries`` and of findings are described in
``help("mssante_audit.whitelist.load")`` and ``help("mssante_audit.findings.frame")``.
"""

import sys
from typing import Any

import lazy_loader

# Imported when first asked for: the command line answers --help without loading pandas.
_imported, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["AUDITS"]


def __getattr__(name: str) -> Any:
    if name == "AUDITS":  # as they are now: an audit may be registered any time
        from mssante_audit.audits import audits

        return tuple(audits())
    if "IPython" in sys.modules:
        import mssante_audit.report.cards  # how what is asked for shows itself in a notebook  # noqa: F401
    return _imported(name)


def __dir__() -> list[str]:
    return [*__all__]

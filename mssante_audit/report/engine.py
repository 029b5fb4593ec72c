"""What stands where version 0.1 had a papermill engine of its own: papermill loads it by its old name."""

from typing import Any, NoReturn


def nb_kernel_name(*_: Any, **__: Any) -> NoReturn:
    """Say what to do instead, at the first thing that papermill asks of an engine."""
    from mssante_audit.base.errors import ParameterError

    raise ParameterError("there is no engine mssante-fork any more", remedy="Run papermill without --engine")

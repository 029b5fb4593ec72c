"""The groups of packages that some commands need, and the line that names the one that is not installed."""

from importlib.util import find_spec

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of

# By the name of an extra, the modules that its packages bring.
GROUPS = table_of("mssante_audit.base", "groups.toml")


def install(group: str) -> str:
    """Return the command that installs a group."""
    return f'pip install "mssante-audit[{group}]"'


def lacking(group: str) -> list[str]:
    """Return the modules of a group that are not installed."""
    return [module for module in GROUPS[group] if find_spec(module) is None]


def absent(error: ModuleNotFoundError) -> InputError | None:
    """Return the error for a missing module of a group; ``None`` if it is in no group."""
    module = (error.name or "").partition(".")[0]
    for group, modules in GROUPS.items():
        if module in modules:
            return InputError("{} is not installed", module, remedy=("Install it: {}", install(group)))
    return None

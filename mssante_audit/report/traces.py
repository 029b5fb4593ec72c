"""Take out of an executed notebook what tells of the machine or the moment: paths, times, random names.

What is left is the same, byte for byte, for the same input.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mssante_audit.report.results import MIME, Results, read_results

if TYPE_CHECKING:
    import nbformat

_ITABLES = re.compile(r"itables_[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12}")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_BINARY = ("image/", "application/pdf")


def take_results(notebook: nbformat.NotebookNode) -> Results | None:
    """Return what the notebook recorded, or ``None`` if it did not come to it."""
    for cell in reversed(notebook.cells):
        for output in reversed(cell.get("outputs", [])):
            if MIME in output.get("data", {}):
                return read_results(output.data[MIME])
    return None


def clean(
    notebook: nbformat.NotebookNode, roots: Iterable[Path], parameters: Mapping[str, Any], *, debug: bool
) -> nbformat.NotebookNode:
    """Return `notebook` without traces.

    Parameters
    ----------
    roots
        Folders whose paths are taken out of every text.
    parameters
        The values given, with paths as they may be shown: they replace the injected ones.
    debug
        Keep tracebacks and what was written to standard error; both may hold values.
    """
    hidden_texts = _path_texts(roots)
    hidden = _path_pattern(tuple(hidden_texts))
    names: dict[str, str] = {}

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: v if str(k).startswith(_BINARY) else scrub(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [scrub(v) for v in value]
        if not isinstance(value, str):
            return value
        if "itables_" in value:
            value = _ITABLES.sub(lambda m: names.setdefault(m[0], f"itables_{len(names) + 1}"), value)
        # Looking for the words first is what makes it fast: there are few, and megabytes of text.
        if "at 0x" in value or any(root in value for root in hidden_texts):
            value = outside_scripts(value, lambda text: _ADDRESS.sub("at 0x0", hidden.sub("", text)))
        return value

    import nbformat

    own = [cell for cell in notebook.cells if not is_tagged(cell, "papermill-error-cell-tag")]
    cells = [_clean_cell(cell, number, parameters) for number, cell in enumerate(own, 1)]
    for cell in cells:
        if cell.cell_type == "code":
            kept = [_clean_output(o, debug) for o in cell.outputs if debug or o.get("name") != "stderr"]
            cell.outputs = [nbformat.from_dict(scrub(o)) for o in kept]
    bare: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=cells)
    bare.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    bare.metadata["language_info"] = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    return bare


def is_tagged(cell: Mapping[str, Any], *tags: str) -> bool:
    """Say whether a cell bears one of the `tags`."""
    return not set(tags).isdisjoint(cell["metadata"].get("tags", []))


def outside_scripts(html: str, change: Callable[[str], str]) -> str:
    """Change a text, but not the ``<script>`` elements in it: their bytes are what allows them to run."""
    pieces, end = [], 0
    for match in _SCRIPT.finditer(html):
        pieces += [change(html[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*pieces, change(html[end:])])


def _clean_cell(cell: nbformat.NotebookNode, number: int, parameters: Mapping[str, Any]) -> Any:
    import nbformat

    kept = {k: v for k, v in cell.items() if k in ("cell_type", "source", "outputs", "execution_count")}
    tags = cell.metadata.get("tags", [])
    if "injected-parameters" in tags:
        kept["source"] = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    metadata = {"tags": list(tags)} if tags else {}
    return nbformat.from_dict({**kept, "id": f"cell-{number:03}", "metadata": metadata})


def _clean_output(output: Mapping[str, Any], debug: bool) -> dict[str, Any]:
    kept = dict(output)
    if kept["output_type"] == "error" and not debug:
        kept |= {"evalue": "", "traceback": []}
    return kept


def _path_texts(roots: Iterable[Path]) -> list[str]:
    """Return the paths to hide, as they are and as HTML has them, longest first."""
    texts = {str(path) for root in roots for path in (root, root.resolve())}
    texts |= {html.escape(text) for text in texts}
    return sorted((t for t in texts if len(t) > 1), key=lambda text: (-len(text), text))


@lru_cache(64)
def _path_pattern(texts: tuple[str, ...]) -> re.Pattern[str]:
    # Not inside a word or base64 data, where the same letters may stand by chance.
    return re.compile(rf"(?<![\w+/=.~-])(?:{'|'.join(map(re.escape, texts)) or '(?!)'})(?:/|(?![\w.~-]))")

"""The XML of a white list, read as a stream: texts of the rows, and what is wrong with them.

The file is hostile. No document type is accepted, so there is no entity and nothing external; every size is
bounded before memory is spent on it; an element's text is the one that a canonical form without comments
signs. expat and not lxml, whose pruned incremental parse is slower, and whose recovery hides what it dropped.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from datetime import UTC, datetime
from functools import lru_cache
from string import whitespace
from typing import Any, NamedTuple, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

import pyarrow as pa

from mssante_audit.base.errors import WhiteListError

NAMESPACE = "https://listeblanche.mssante.fr/schema"
# Elements of a row, in the order real lists have them, and the columns they fill.
FIELDS = {
    "Nom": "domain", "Description": "description", "DNCertificatOperateur": "dn",
    "ResponsableContact": "project_contact", "SupportContact": "support_contact",
    "DateMAJ": "updated_at_text",
}  # fmt: skip
SIGNATURE = "http://www.w3.org/2000/09/xmldsig# Signature"
MAX_DEPTH = 32
MAX_OTHERS = 100_000  # elements, attributes, namespaces beside rows and fields: expat keeps every name
MAX_PROBLEMS = 100_000  # more, and it is no white list: their frame would be the memory bomb
MAX_TOKEN = 2**16  # bytes of a tag, comment or processing instruction
MAX_TEXT = 2**16  # characters between two tags, before it is known whether they are a field
# Declared encodings accepted. Others would let the file choose which of Python's codecs to run.
ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")

_FLUSH = 1000  # rows after which their texts move to Arrow, which holds them in a quarter of the memory
_IF_MEANT = "If that is meant, load it with any_namespace=True (--any-namespace)"
_UNEXPECTED = "an element that white lists do not have here"
_GOES_ON = re.compile(rb"<Domaine>|</ListeDomaines>")
_CUT_CODES = {
    expat.errors.codes[getattr(expat.errors, f"XML_ERROR_{name}")]
    for name in ("NO_ELEMENTS", "UNCLOSED_TOKEN", "PARTIAL_CHAR", "UNCLOSED_CDATA_SECTION")
}
_INSTANT = re.compile(r"\s*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\s*\Z", re.ASCII)


class Problem(NamedTuple):
    """One thing that is not as the form of a white list has it."""

    row: int | None
    line: int
    kind: str
    """``unexpected``, ``missing``, ``repeated``, ``order``, ``misplaced`` (a row outside the list), ``text``
    (outside the fields), ``attribute``, ``cut`` (a row broken off), ``empty``, ``date``."""
    element: str
    message: str


def shown_name(name: str) -> str:
    """Return a name as messages show it: without its namespace, and not for pages."""
    return name.rpartition(" ")[2][:64]


@lru_cache(4096)  # rows share few dates, and each is asked for twice: what is wrong with it, and its column
def instant(text: str) -> datetime | None:
    """Return a time that is written with its zone, in UTC; ``None`` for any other text."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC) if _INSTANT.match(text) else None
    except (ValueError, OverflowError):
        return None


class Reading:
    """What could be read, and the state between expat's calls."""

    def __init__(self, source: str, *, any_namespace: bool = False, max_field: int = 255) -> None:
        self.source, self.any_namespace, self.max_field = source, any_namespace, max_field
        self.namespace = ""
        self.generated_at: datetime | None = None  # DateDeGeneration (UTC), None if it cannot be read
        self.lines: array[int] = array("q")  # line of each row's start tag, 1-based
        self.columns: list[list[Any]] = [[] for _ in FIELDS]  # texts in chunks, "" where one is missing
        self.problems: list[Problem] = []
        self.signed = False  # whether the root has a Signature child: says nothing of its value
        self.damage_kinds: tuple[str, ...] = ()
        """``namespace`` (an element), ``compressed`` (breaks off), ``unclosed`` (root), ``cut`` (elsewhere),
        ``trailing`` (after the list), ``signature`` (not at the end), ``broken`` (XML, elsewhere)."""
        self.damage = ""  # the same in words; "" if the file is whole
        self.damage_line: int | None = None
        self.path: list[str] = []  # names of the open elements
        self.text: list[str] = []  # character data since the last tag
        self.row: list[Any] = []  # the open row: line, then name and text of its fields
        self.others = 0
        self.texts: list[list[str]] = [[] for _ in FIELDS]  # of the rows since the last flush
        self.seen: dict[str, int] = {}  # children of the root that may be there, and their first line
        self.values: dict[str, str] = {}  # texts of the root's children that are read
        self.list_name = self.row_name = self.date_name = ""
        self.fields: dict[str, str] = {}
        self.encoding = "utf-8"
        self.over = False  # whether what follows broken XML has no row any more
        self._open_parser(1)

    def _open_parser(self, line: int, opening: bytes = b"") -> None:
        """Read from a line on with a new parser, which has parsed `opening` already."""
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        self.first_line, self.fed = line, len(opening)
        parser.buffer_text = True
        parser.buffer_size = MAX_TEXT
        parser.XmlDeclHandler = self._declared
        dtd = "a document type (DTD) is declared: white lists have none, and entities are not read"
        parser.StartDoctypeDeclHandler = lambda *_: self.refuse(dtd)
        parser.StartNamespaceDeclHandler = lambda prefix, uri: self._count_other(uri or "")
        parser.Parse(opening, False)
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self.text.append

    @property
    def _line(self) -> int:
        return self.first_line + self.parser.CurrentLineNumber - 1

    def _in_list(self) -> bool:
        return len(self.path) == 2 and self.path[1] == self.list_name

    def refuse(self, message: str, *values: object, remedy: str = "", line: int | None = None) -> NoReturn:
        """Refuse the list, saying how many of its rows are readable."""
        error = WhiteListError(message, *values, file=self.source, line=line or self._line, remedy=remedy)
        error.readable_rows = len(self.lines)
        raise error

    def refuse_damage(self) -> None:
        """Refuse the list if it is damaged."""
        if self.damage:
            message, remedy = "{}; {} rows are readable", "Load them with recover=True (--recover)"
            self.refuse(message, self.damage, len(self.lines), remedy=remedy, line=self.damage_line)

    def _problem(self, kind: str, element: str, message: str, line: int | None = None) -> None:
        """Take note of a problem, of the open row if one is, and by default here; refuse too many."""
        row, line = len(self.lines) + 1 if self.row else None, line or self._line
        if len(self.problems) >= MAX_PROBLEMS:
            self.refuse("more than {} problems: this is no white list", MAX_PROBLEMS, line=line)
        self.problems.append(Problem(row, line, kind, element, message))

    def _count_other(self, name: str, attributes: Sized = ()) -> None:
        """Count what is not rows and fields; refuse too much or too deep of it."""
        self.others += 1 + len(attributes) + len(name) // 64
        if self.others > MAX_OTHERS:
            self.refuse("more than {} elements and attributes beside the rows", MAX_OTHERS)
        if len(self.path) > MAX_DEPTH:
            self.refuse("elements nested more than {} deep", MAX_DEPTH)

    def read(self, chunks: Iterable[bytes]) -> Reading:
        """Read the list from pieces of its uncompressed XML; `EOFError` means that the rest cannot be had.

        The rows of a damaged list are read, too: `damage` says how it is damaged. What is no white list, or a
        hostile one, is a `WhiteListError`.
        """
        pieces = iter(chunks)
        try:
            for piece in pieces:
                self._feed(piece, pieces)
            if not self.over:
                if not self.fed:
                    self.refuse("the file is empty")
                self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            self._breaks(expat.ErrorString(error.code), "cut" if error.code in _CUT_CODES else "broken")
        except EOFError as error:
            self._breaks(f"the compressed file breaks off: {error}", "compressed")
        self._flush()
        self._finish()
        return self

    def _feed(self, piece: bytes, pieces: Iterator[bytes]) -> None:
        """Parse a piece; where the XML is broken inside the list, go on from the next row."""
        while piece:
            try:
                self.parser.Parse(piece, False)
            except expat.ExpatError as error:
                self._breaks(expat.ErrorString(error.code), "broken")
                piece = self._next_row(piece[max(self.parser.ErrorByteIndex - self.fed, 0) :], pieces)
                continue
            self.fed += len(piece)
            if sum(map(len, self.text)) > max(MAX_TEXT, self.max_field):
                self.refuse("a text of more than {} characters", max(MAX_TEXT, self.max_field))
            if self.fed - max(self.parser.CurrentByteIndex, 0) > MAX_TOKEN:
                self.refuse("a tag or comment of more than {} bytes", MAX_TOKEN)
            if len(self.row) > MAX_OTHERS:
                self.refuse("a row of more than {} elements", MAX_OTHERS // 2)
            return

    def _next_row(self, rest: bytes, pieces: Iterator[bytes]) -> bytes:
        """Return the XML from where the list goes on, with a parser ready for it; nothing if it does not."""
        line = self._line
        while self._in_list():
            if place := _GOES_ON.search(rest):
                opening = (
                    f'<?xml version="1.0" encoding="{self.encoding}"?>'
                    f"<ListeBlancheMSSante xmlns={quoteattr(self.namespace)}><ListeDomaines>"
                )
                self._open_parser(line + rest.count(b"\n", 0, place.start()), opening.encode())
                return rest[place.start() :]
            passed = max(len(rest) - len(b"</ListeDomaines"), 0)
            line += rest.count(b"\n", 0, passed)
            if not (piece := next(pieces, b"")):
                break
            rest = rest[passed:] + piece
        self.over = True
        deque(pieces, maxlen=0)
        return b""

    def _flush(self) -> None:
        for column, texts in zip(self.columns, self.texts, strict=True):
            column.append(pa.array(texts, pa.large_string()))
            texts.clear()

    def _breaks(self, message: str, kind: str) -> None:
        """Take note that the XML is broken here, and drop the row it is broken in."""
        if not self.list_name:
            self.refuse("no XML: {}", message)
        cut = kind == "cut"
        if cut and len(self.path) == 1:
            kind, message = "unclosed", "the end of the file is missing"
        elif cut:
            message = f"the file is cut inside <{shown_name(self.path[2 if self.row else -1])}>"
        elif not self.path and kind == "broken":
            kind, message = "trailing", f"something stands after the end of the list ({message})"
        self._spoil(kind, message)
        if not self.row and (cut or not self._in_list()):
            return
        problems, row, at = self.problems, len(self.lines) + 1, len(self.problems)
        while at and problems[at - 1].row == row:
            at -= 1
        problems[at:] = [problem._replace(row=None) for problem in problems[at:]]
        line = self.row[0] if self.row else self._line
        self.row.clear()
        self.text.clear()
        del self.path[2:]
        self._problem("cut", "Domaine", "broken off: what stands before the next row is not loaded", line)

    def _spoil(self, kind: str, message: str) -> None:
        if not self.damage:
            self.damage_kinds, self.damage, self.damage_line = (kind,), message, self._line

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        self.encoding = encoding or self.encoding
        if self.encoding.lower() not in ENCODINGS:
            self.refuse("the encoding {} is not one of {}", repr(self.encoding[:32]), ", ".join(ENCODINGS))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path, row = self.path, self.row
        depth = len(path)
        if self.text and (depth < 4 or not row):  # a field's text goes on behind what stands in it
            self._drop_text()
        path.append(name)
        if row:
            right = depth == 3 and name in self.fields
            if depth == 3:
                row.append(name)
        elif right := depth == 2 and name == self.row_name and path[1] == self.list_name:
            row.append(self._line)
        if attributes or not right:
            self._start_odd(name, attributes)

    def _start_odd(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element that is neither a row nor one of its fields, or has attributes."""
        self._count_other(name, attributes)
        depth, element, inside = len(self.path), shown_name(name), self.path[3:] if self.row else []
        if name == SIGNATURE and depth > 2 and len(inside) < 3:  # the file is at fault, and not the row
            where = shown_name(self.path[2 if self.row else -2])
            self._spoil("signature", f"a signature stands inside <{where}>, not at the end of the list")
        if depth == 1:
            self._open_root(name)
        elif self.row:
            self._start_inside(name, element, inside, attributes)
        elif name == self.row_name:
            self._problem("misplaced", "Domaine", "a row outside root/ListeDomaines: not loaded")
        elif depth == 2 and name in self.children:
            if name in self.seen:
                self._problem("repeated", element, f"more than one {element}")
            self.seen.setdefault(name, self._line)
        elif name != SIGNATURE and (depth == 2 or self.path[1:-1] in ([self.list_name], [self.date_name])):
            self._problem("unexpected", element, _UNEXPECTED)

    def _start_inside(self, name: str, element: str, inside: list[str], attributes: Sized) -> None:
        """Open an odd element `inside` a row, or the row if that has attributes."""
        if name == self.row_name and inside:
            self._problem("misplaced", "Domaine", "a row inside a row: not loaded")
        elif len(inside) == 1 and name not in (*self.fields, SIGNATURE):
            self._problem("unexpected", element, "an element that rows do not have")
        if len(inside) == 2 and inside[0] != SIGNATURE:
            message = f"an element inside {shown_name(inside[0])}; its text is kept there"
            self._problem("unexpected", element, message)
        if attributes and len(inside) < 3 and SIGNATURE not in inside:
            self._problem("attribute", element, "an attribute, which white lists do not have here")

    def _open_root(self, name: str) -> None:
        namespace, _, local = name.rpartition(" ")
        if local != "ListeBlancheMSSante":
            message = "no white list: the root element is <{}>, not <ListeBlancheMSSante>"
            self.refuse(message, shown_name(name))
        if namespace not in (NAMESPACE, "") and not self.any_namespace:
            namespaces = repr(namespace[:128]), repr(NAMESPACE)
            self.refuse("the root is in the namespace {}, not in {}", *namespaces, remedy=_IF_MEANT)
        self.namespace = namespace
        prefix = name.removesuffix(local)
        names = ("ListeDomaines", "Domaine", "DateDeGeneration")
        self.list_name, self.row_name, self.date_name = (prefix + local for local in names)
        self.fields = {prefix + local: local for local in FIELDS}
        self.right = [*self.fields]
        self.children = {self.list_name, self.date_name, SIGNATURE, *([] if namespace else ["xmlns"])}

    def _end(self, name: str) -> None:
        path, row = self.path, self.row
        if row and (depth := len(path)) > 3:
            path.pop()
            if depth == 4:
                row.append("".join(self.text))
                self.text.clear()
            return
        if self.text:
            self._drop_text()
        path.pop()
        if row:
            self._close_row()
        else:
            if len(path) == 1 and name in (self.date_name, "xmlns"):
                self.values.setdefault(name, "".join(self.text))
            self.text.clear()

    def _drop_text(self) -> None:
        """Forget the text between tags; report it where only white space may stand."""
        if self.row or len(self.path) == 1 or self._in_list():
            if not "".join(self.text).isspace():
                self._problem("text", shown_name(self.path[-1]), "text outside the fields")
            self.text.clear()

    def _close_row(self) -> None:
        """Keep the texts of the open row, and report what is wrong with it; a field too long is refused."""
        line, *elements = self.row
        texts = self._texts_of(line, elements[::2], elements[1::2])
        for element, column in zip(FIELDS, self.texts, strict=True):
            column.append(text := texts.get(element, ""))
            if len(text) > self.max_field:
                message, values = "{} characters in <{}>, more than {}", (len(text), element, self.max_field)
                self.refuse(message, *values, remedy="In Python, a larger max_field loads it", line=line)
            if element in texts and not text.strip(whitespace):
                self._problem("empty", element, f"{element} is empty", line)
            elif element == "DateMAJ" and text and not instant(text):
                message = "DateMAJ is no time with its zone, such as 2025-02-28T15:42:07Z"
                self._problem("date", element, message, line)
        self.lines.append(line)
        self.row.clear()
        if len(self.lines) % _FLUSH == 0:
            self._flush()

    def _texts_of(self, line: int, names: list[str], texts: list[str]) -> dict[str, str]:
        """Return the texts of a row by element, reporting where these are not the six expected ones."""
        if names == self.right:
            return dict(zip(FIELDS, texts, strict=True))
        by_element: dict[str, str] = {}
        for name, text in zip(names, texts, strict=True):
            if local := self.fields.get(name):
                if local in by_element:
                    self._problem("repeated", local, f"more than one {local}: the first is kept", line)
                by_element.setdefault(local, text)
        for local in FIELDS:
            if local not in by_element:
                self._problem("missing", local, f"no {local}", line)
        if list(by_element) != [local for local in FIELDS if local in by_element]:
            self._problem("order", "Domaine", "the elements of the row are in another order", line)
        return by_element

    def _finish(self) -> None:
        self.signed = SIGNATURE in self.seen
        as_child = self.seen.get("xmlns", 0)
        if as_child and self.values.get("xmlns", "").strip() == NAMESPACE:
            text = "the namespace is a child element <xmlns> of the root, not its declaration"
            self.damage = f"{text}; {self.damage}" if self.damage else text
            self.damage_kinds = ("namespace", *self.damage_kinds)
            self.damage_line, self.namespace = as_child, NAMESPACE
        elif not self.namespace and not self.any_namespace:
            self.refuse("the root is in no namespace, not in {}", repr(NAMESPACE), remedy=_IF_MEANT)
        elif as_child:
            self._problem("unexpected", "xmlns", _UNEXPECTED, as_child)
        for name in (self.date_name, self.list_name):
            if name not in self.seen:
                self._problem("missing", shown_name(name), f"no {shown_name(name)}")
        if [name for name in self.seen if name in (self.date_name, self.list_name)][1:] == [self.date_name]:
            line = self.seen[self.date_name]
            self._problem("order", "DateDeGeneration", "it stands after the rows", line)
        generated = self.values.get(self.date_name, "")
        self.generated_at = instant(generated)
        if self.generated_at is None and self.date_name in self.seen:
            kind = "date" if generated.strip() else "empty"
            self._problem(kind, "DateDeGeneration", "no readable time with its zone", 1)

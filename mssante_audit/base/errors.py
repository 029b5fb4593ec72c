"""The exceptions of this package, all under `AuditError`: one line each, fields that survive pickling."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, TypeVar

from mssante_audit.base.language import catalogue, plain

E = TypeVar("E", bound="AuditError")
Remedy = str | tuple[str, ...] | None


class AuditError(Exception):
    """Something the user can understand and act on.

    `message` is one sentence without a final period, in which ``{}`` stands for each of the `values` (of an
    error what it says); `file` and `line` (from 1) are where; `remedy` is what to do, with values a tuple of
    the sentence and these.
    """

    def __init__(
        self,
        message: str,
        *values: object,
        file: str | None = None,
        line: int | None = None,
        remedy: Remedy = None,
    ) -> None:
        self.how: tuple[Any, ...] = remedy if isinstance(remedy, tuple) else (remedy or "",)
        self.sentence: tuple[Any, ...] = (message, *values)
        self.file, self.line = file, line
        self.message, self.remedy = self._texts({})
        super().__init__(self.message)

    language = "en"  # a line that the catalogue of another does not have whole stays English

    def __str__(self) -> str:
        words = {} if self.language == "en" else catalogue(self.language)
        if not all(plain(text) in words for text in self._templates()):
            words = {}  # a line is of one language
        message, remedy = self._texts(words)
        text = self._placed(self.file, message, words.get("line", "line"), " : " if words else ": ")
        return f"{text}. {remedy}" if remedy else text

    def within(self, kind: type[E], place: str | None = None, remedy: Remedy = None) -> E:
        """Return the same as an error of another kind, at a place, perhaps with another remedy."""
        return kind(*self.sentence, file=place, line=self.line, remedy=remedy or self.how)

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows in place of a traceback."""
        line = f"{type(self).__name__}: {self._placed(self.file, self.message)}"
        return [line, self.remedy] if self.remedy else [line]

    @property
    def brief(self) -> str:
        """The message for other readers: the file's name without folders, and no remedy."""
        return self._placed(PurePath(self.file or "").name, self.message)

    def _templates(self) -> Iterator[str]:
        """Yield the sentences that have words of their own, those of errors in them too."""
        for template, *values in (self.sentence, self.how):
            yield from [template] if any(map(str.isalpha, template.replace("{}", ""))) else ()
            for value in values:
                yield from value._templates() if isinstance(value, AuditError) else ()

    def _texts(self, words: Mapping[str, str]) -> tuple[str, str | None]:
        texts = []
        for template, *values in (self.sentence, self.how):
            text = words.get(plain(str(template)), str(template))
            arguments = (v._texts(words)[0] if isinstance(v, AuditError) else str(v) for v in values)
            texts.append(text.format(*(words.get(plain(v), v) for v in arguments)) if values else text)
        return texts[0], texts[1] or None

    def _placed(self, place: str | None, message: str, line: str = "line", colon: str = ": ") -> str:
        places = [place, None if self.line is None else f"{line} {self.line}"]
        return colon.join(filter(None, [", ".join(filter(None, places)), message]))

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).__new__, (type(self), self.message), self.__dict__)


@contextmanager
def errors_in(language: str) -> Iterator[None]:
    """Say errors that leave a ``with`` block, and what is said in it as errors are, in a language."""
    before, AuditError.language = AuditError.language, language
    try:
        yield
    except AuditError as error:
        error.language = language
        raise
    finally:
        AuditError.language = before


def sentence(template: str, *values: object) -> str:
    """Return a sentence in the language of errors."""
    return str(AuditError(template, *values))


class InputError(AuditError, ValueError):
    """An input file or value that cannot be used."""


class WhiteListError(InputError):
    """A white list that is damaged, hostile or not a white list; `readable_rows` could be read of it."""

    readable_rows: int = 0


class FetchError(InputError):
    """A download that failed or was refused; `again` after a `pause` of seconds it may succeed."""

    again: bool = False
    pause: float = 0.0
    code: str = "address"  # why, for those who write it in another language


class ParameterError(AuditError, ValueError):
    """A report parameter that is unknown, ill-typed or out of range."""


class UnknownNameError(AuditError, LookupError):
    """A notebook, audit, rule or operator that does not exist."""


class OutputError(AuditError, OSError):
    """An output that cannot be written (permission, disk full, another run in the same folder)."""


class ResourceError(AuditError, OSError):
    """Too little of something on this machine (file descriptors, memory): nobody else is to blame."""


class ReportError(AuditError, RuntimeError):
    """A notebook that failed while it ran."""

"""What letters are written on: sender, signature, deadline, logo; the settings' section ``[letter]``."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_bytes, read_toml
from mssante_audit.base.resources import real_path
from mssante_audit.base.settings import Letter, Section, fault

# How a picture's file begins, and what kind it is.
PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
MOST_LOGO = 1_000_000  # bytes


class Stationery(Letter):
    """What all letters of a run have in common, the logo read."""

    logo: bytes = b""  # type: ignore[assignment] # settings name its file
    # Of each operator to remind the day of the last letter (ISO 8601), and how the findings in it stand.
    reminders: Mapping[str, tuple[str, Mapping[str, str]]] = {}

    @property
    def picture(self) -> str:
        """What kind of picture the logo is, "" if there is none."""
        return next((kind for start, kind in PICTURES.items() if self.logo.startswith(start)), "")


class _File(Section):
    letter: Letter


def stationery(settings: Letter) -> Stationery:
    """Return what letters are written on, the logo read; a bad picture is an `InputError`."""
    logo = b""
    if path := settings.logo:
        try:
            logo = read_bytes(path, MOST_LOGO)
        except InputError as error:
            raise InputError("letter.logo: {}", error.message, file=str(path)) from None
        if not logo.startswith(tuple(PICTURES)):
            raise InputError("letter.logo: no PNG or JPEG of 1 MB at most", file=str(path))
    return Stationery(**settings.model_dump(exclude={"logo"}), logo=logo)


def read_stationery(file: Path) -> Stationery:
    """Return what the section ``[letter]`` of a file says; one without, or with a bad key, is refused."""
    settings = read_toml(file)
    remedy = ("Keys: {}", ", ".join(Letter.model_fields))
    if "letter" not in settings:
        raise InputError("has no section [letter]", file=str(file), remedy=remedy)
    try:
        read = _File.model_validate({"letter": settings["letter"]}, context=real_path(file).parent)
    except ValidationError as error:
        raise fault(_File, error.errors()[0]).within(InputError, str(file), remedy) from None
    return stationery(read.letter)

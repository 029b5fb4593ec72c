"""Secrets: where settings say that one is, read only when it is used, and never shown."""

import os
import re
from base64 import b64encode

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_text

# What settings may say instead of a secret: `file:PATH` or `env:VARIABLE`.
FORM = r"^((file:|env:)[^\x00\s][^\x00]*)?$"

_USER = re.compile(r"(?<=://)[^\s\"']*@")
_QUERY = re.compile(r"(?<=[?#])[^\s\"']+")


def masked_url(text: str) -> str:
    """Return a text without what may be a credential in the addresses in it: user, password, query.

    >>> masked_url("https://zoe:secret@host.example/list.xml?key=secret: is no list")
    'https://•••@host.example/list.xml?••• is no list'
    """
    return _QUERY.sub("•••", _USER.sub("•••@", text)) if "://" in text else text


def read_secret(where: str) -> str:
    """Return the secret that settings say is in a file or a variable, without blanks around it; "" for "".

    One that is not there, is empty, or cannot be read is an `InputError`, which names the place.
    """
    kind, _, place = where.partition(":")
    if not where:
        return ""
    if kind == "env":
        content, file = os.environ.get(place, ""), f"variable {place}"
    else:
        content, file = read_text(place, 4096), place
    if not (secret := content.strip()):
        raise InputError("holds no secret", file=file)
    if not secret.isprintable():
        raise InputError("holds a secret of several lines or with control characters", file=file)
    return secret


def without(text: str, *secrets: str) -> str:
    """Return a text in which none of some secrets stands, as it is or in base64.

    >>> without("535 AHpvZQBvcGVuIHNlc2FtZQ== open sesame", "zoe", "open sesame")
    '535 ••• •••'
    """
    plain = [secret for secret in secrets if secret]
    # How SMTP hands user and password over: AUTH PLAIN and LOGIN.
    coded = [b64encode(s.encode()).decode() for s in ("\0" + "\0".join(plain), *plain)] if plain else []
    for secret in sorted((*plain, *coded), key=len, reverse=True):
        text = text.replace(secret, "•••")
    return text

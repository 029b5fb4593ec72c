"""The one hash that files, texts and certificates are known by."""

import hashlib


def digest(content: bytes | str) -> str:
    """Return the SHA-256 of bytes or of a text, in hexadecimal.

    >>> digest("MSSanté") == digest("MSSanté".encode())
    True
    """
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()

"""Distinguished names as white lists write them: exact text, values, what is odd, and a key to compare by.

RFC 4514 says how a DN is written; real lists also hold the quoted values of RFC 1779 and RFC 2253, blanks
around separators, doubled and non-breaking spaces. Some peers compare the text, so both are kept: `DN.text`,
and `DN.key`, equal for any two spellings of one name. Nothing here raises on odd input: see `DN.problems`.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from mssante_audit.base.text import normalize

# The two shapes of a certificate's DN, attributes in order. Source: form (Annexe 1).
IGC = {"IGC-Santé": ("CN", "OU", "O", "ST", "C"), "IGC-CPS": ("CN", "OU", "L", "O", "C")}
_SHAPES = {frozenset(order): name for name, order in IGC.items()}
_RANK = {kind: rank for rank, kind in enumerate(("CN", "OU", "L", "O", "ST", "C"))}
# A part of a DN up to its separator, read if it is ``TYPE=value``.
_PART = re.compile(
    r"""(?:(?P<type>\s*+[A-Za-z0-9][A-Za-z0-9.-]*+\s*+)=(?P<before>[ \t\r\n]*+)
    (?:"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<bare>(?:[^,;+\\ \t\r\n]++|[ \t\r\n]++(?![,;+]|\Z)|\\.|\\\Z)*+))
    (?P<behind>[ \t\r\n]*+)(?=[,;+]|\Z)|(?:[^,;+\\]++|\\.|\\\Z)*+)(?P<separator>[,;+]|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.?)", re.DOTALL)
_TO_ESCAPE = re.compile(r'^[# \t\r\n]|[",+;<>\\\0]|[ \t\r\n]\Z')
_BLANKS = " \t\r\n"
# What a bare value has and should not.
_BARE_SIGNS = {'"': "quotes", "<": "escape", ">": "escape", "\0": "escape"}
_CODE = re.compile(r" *\( *([^()]*?) *\)$")
# What tools and people write before a DN.
_BEFORE = re.compile(
    r"[«*\s]*(?:subject|sujet|objet|owner|propri[ée]taire|certificat|dn)"
    r"(?:\s+\(?(?:dn|ssl|du\s+certificat|igc[ -](?:sant[ée]|cps))\)?){0,2}\s*[:=]\s*(?=/|[A-Z0-9.]+\s*=)"
    r"|\s*\(?igc[ -](?:sant[ée]|cps)\)?\s*:?\s*(?=/|CN\s*=)|\s*(?:[«*–•-]|1[.)])\s*",
    re.I,
)
# Types of attributes as OpenSSL writes them if asked to, and as Windows writes one.
_TYPES = {
    "COMMONNAME": "CN", "ORGANIZATIONALUNITNAME": "OU", "ORGANIZATIONNAME": "O", "LOCALITYNAME": "L",
    "STATEORPROVINCENAME": "ST", "COUNTRYNAME": "C", "2.5.4.3": "CN", "2.5.4.11": "OU", "2.5.4.10": "O",
    "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.6": "C", "S": "ST",
}  # fmt: skip
_TYPES |= {f"OID.{kind}": name for kind, name in _TYPES.items() if kind[0].isdigit()}  # RFC 1779
_TYPE = rf"(?=(?:CN|OU|O|ST|L|C|{'|'.join(map(re.escape, _TYPES))})\s*=)"
_SLASH = re.compile(rf"(?<!\s)\s*+/\s*+{_TYPE}", re.I)
_COMMA = re.compile(rf"(?<!\s)\s*+[,;]\s*+{_TYPE}", re.I)
_LINE = re.compile(rf"(?<!\s)\s*+(?:[,;]\s*+)?{_TYPE}", re.I)
_BYTE = re.compile(r"\\x([0-9A-Fa-f]{2})")
# The end of a sentence or of a list, which a DN is not.
_DOT = re.compile(r"(?<=\bC=[A-Z]{2})\s*[.;,]\Z", re.I)
_BREAK = re.compile(r"[\r\n\t]")
_AROUND = re.compile(r"[\"“”'‘’<]\s*((?:CN|C)\s*=[^\"“”<>]*)[\"“”'’>]", re.I)


@dataclass(frozen=True, slots=True)
class DN:
    """A distinguished name, read."""

    text: str  # as the file writes it
    rdns: tuple[tuple[str, str], ...]
    """(attribute type in upper case, value unescaped and unquoted), in the order of the text."""
    problems: tuple[str, ...]
    """``empty``; ``unreadable`` (a part is not ``TYPE=value``); ``separator`` (``;``, RFC 2253);
    ``multivalued`` (``+``); ``repeated`` (a type twice); ``quotes`` (a quoted value, or a quotation mark left
    bare in one); ``escape`` (one lacks that RFC 4514 wants, or is none, or a hexadecimal value); ``spacing``
    (blanks around a separator); ``doubled`` (several spaces in a row); ``nbsp`` (a space other than U+0020);
    ``control`` (control, bidi or zero-width character)."""
    key: str
    """For comparing, the same for all spellings of one name: the form's order, values prepared as RFC 4518
    does for names; ``Paris(75)`` is ``Paris (75)`` (source: data)."""
    canonical: str
    """The text RFC 4514 gives this name in the form's order, spaces inside a value as they are; of a text
    that cannot be read, the text."""
    igc: str  # which of `IGC` has exactly these attributes, none empty, in any order; "" if neither
    order_ok: bool  # whether the attributes also stand in the form's order

    def get(self, kind: str) -> str:
        """Return the first value of an attribute type (upper case), "" if there is none."""
        return next((value for name, value in self.rdns if name == kind), "")


@lru_cache(10_000)
def parse_dn(text: str) -> DN:
    r"""Read a distinguished name.

    >>> dn = parse_dn('cn=mss.alpha.example, O="CH  ALPHA",OU=1990000018,ST=Paris (75),C=FR')
    >>> dn.canonical
    'CN=mss.alpha.example,OU=1990000018,O=CH  ALPHA,ST=Paris (75),C=FR'
    >>> dn.igc, dn.order_ok, dn.problems
    ('IGC-Santé', False, ('doubled', 'quotes', 'spacing'))
    >>> parse_dn(r"CN=a\2C b").get("CN")
    'a, b'
    """
    problems = _characters(text)
    groups = _groups(text, problems) if text.strip() else []
    rdns = tuple(rdn for group in groups for rdn in group)
    kinds = tuple(kind for kind, _ in rdns)
    if len(set(kinds)) < len(kinds):
        problems.add("repeated")
    if not problems.isdisjoint({"empty", "unreadable"}):
        return DN(text, rdns, tuple(sorted(problems)), _fold(text), text, "", False)
    plain = "multivalued" not in problems and all(value.strip() for _, value in rdns)
    igc = _SHAPES.get(frozenset(kinds), "") if plain and len(kinds) == 5 else ""
    groups = [sorted(group, key=_place) for group in groups]
    groups.sort(key=lambda group: _place(group[0]))
    canonical, key = (
        ",".join(["+".join([f"{kind}={_escape(form(kind, value))}" for kind, value in g]) for g in groups])
        for form in (lambda kind, value: value, _prepared)
    )
    return DN(text, rdns, tuple(sorted(problems)), key, canonical, igc, bool(igc) and kinds == IGC[igc])


@lru_cache(10_000)
def pasted_dn(text: str) -> str:
    r"""Return a DN that was pasted from a tool as the form writes it; any other text without outer blanks.

    Known are ``subject=`` and ``DN :`` before it, ``/C=FR/ST=…``, types at length, commas of values and the
    whole order backwards (OpenSSL), one attribute a line or column, Windows' ``S`` for ``ST``, quotes around
    it, and a dot or semicolon after it.

    >>> pasted_dn("subject=/C=FR/ST=Paris (75)/O=CH ALPHA/OU=1759900004/CN=mss.alpha.example")
    'CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR'
    """
    bare = text.strip()
    bare = _DOT.sub("", around[1].strip() if (around := _AROUND.fullmatch(bare)) else bare)
    inner = bare[before.end() :] if (before := _BEFORE.match(bare)) else bare
    inner = inner.rstrip("» \t\r\n\u00a0\u202f")
    if inner.startswith("/"):
        parts = [_BYTE.sub(r"\\\1", part) for part in _SLASH.split(inner)[1:]]
        inner = _joined([_unescape(part, set()) for part in parts])
    else:
        inner = " ".join(_LINE.sub(lambda m: "," if _BREAK.search(m[0]) else m[0], inner).splitlines())
    read = parse_dn(inner)
    if "unreadable" in read.problems:  # by a comma of a value, which OpenSSL leaves as it is
        read = parse_dn(_joined(_COMMA.split(inner)))
    renamed = not _TYPES.keys().isdisjoint(kind for kind, _ in read.rdns)
    if renamed and "multivalued" not in read.problems:
        read = parse_dn(",".join(f"{_TYPES.get(kind, kind)}={_escape(value)}" for kind, value in read.rdns))
    backwards = read.igc and [kind for kind, _ in read.rdns] == [*reversed(IGC[read.igc])]
    if inner == bare and not (backwards or renamed):
        return bare
    return bare if "unreadable" in read.problems or not read.rdns else read.canonical


def _joined(parts: list[str]) -> str:
    """Return the text of a name whose parts have nothing escaped."""
    split = (part.partition("=") for part in parts)
    return ",".join(f"{kind.strip()}={_escape(value.strip())}" for kind, _, value in split)


def _place(rdn: tuple[str, str]) -> tuple[int, str]:
    return _RANK.get(rdn[0], len(_RANK)), rdn[0]


def _groups(text: str, problems: set[str]) -> list[list[tuple[str, str]]]:
    """Split a text into RDNs, each a list of (type, value), adding what is odd to `problems`. Linear time."""
    groups: list[list[tuple[str, str]]] = []
    separator = ""
    for part in _PART.finditer(text):
        joined, separator = separator == "+", part["separator"]
        problems |= {"+": {"multivalued"}, ";": {"separator"}}.get(separator, set())
        if part["type"] is None:
            problems.add("unreadable")
        else:
            kind, raw = part["type"].strip(), part["quoted"]
            if kind != part["type"] or part["before"] or part["behind"]:
                problems.add("spacing")
            if raw is None:
                raw = part["bare"]
                problems |= {_BARE_SIGNS[sign] for sign in _BARE_SIGNS.keys() & {*_ESCAPE.sub("", raw)}}
                problems |= {"escape"} if raw.startswith("#") else set()
            else:
                problems.add("quotes")
            if not (joined and groups):
                groups.append([])
            groups[-1].append((kind.upper(), _unescape(raw, problems)))
        if not separator:
            break
    return groups


def _unescape(raw: str, problems: set[str]) -> str:
    if "\\" not in raw:
        return raw

    def read(escape: re.Match[str]) -> str:
        if escape[1]:
            try:
                return bytes.fromhex(escape[1].replace("\\", "")).decode()
            except UnicodeDecodeError:
                problems.add("escape")
                return escape[1]
        if not escape[2] or escape[2] not in ' "#+,;<=>\\':
            problems.add("escape")
        return escape[2] or "\\"

    return _ESCAPE.sub(read, raw)


def _escape(value: str) -> str:
    """Write a value as RFC 4514, section 2.4."""
    if not _TO_ESCAPE.search(value):
        return value
    escaped = re.sub(r'^#|[",+;<>\\]', r"\\\g<0>", value).replace("\0", "\\00")
    body = escaped.strip(_BLANKS)
    head, _, tail = escaped.partition(body) if body else (escaped, "", "")
    before, after = ("".join("\\ " if c == " " else f"\\{ord(c):02X}" for c in edge) for edge in (head, tail))
    return f"{before}{body}{after}"


def _prepared(kind: str, value: str) -> str:
    return _CODE.sub(r" (\1)", _fold(value)).strip() if kind in ("ST", "L") else _fold(value)


def _fold(value: str) -> str:
    """Prepare a value for comparing (RFC 4518, section 2)."""
    if value.isascii() and value.isprintable():
        return " ".join(value.casefold().split())
    folded = unicodedata.normalize("NFD", normalize(value))
    for _ in range(2):  # once is not enough: Unicode 15, section 3.13, compatibility caseless match
        folded = unicodedata.normalize("NFKC", folded.casefold())
    return " ".join(folded.split())


def _characters(text: str) -> set[str]:
    odd = not (text.isascii() and text.isprintable())
    kinds = {unicodedata.category(c) for c in set(text) - {" "}} if odd else set()
    faults = {
        "empty": not text.strip(), "doubled": "  " in text, "nbsp": "Zs" in kinds,
        "control": kinds & {"Cc", "Cf", "Zl", "Zp"},
    }  # fmt: skip
    return {problem for problem, is_there in faults.items() if is_there}

"""What hands write where a field has no value of its own: strokes, words for nothing, references to another.

The value of a reference is what it refers to, where the form makes that plain; any other is unreadable.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import WORDS, Field, fields

_LONGEST = 60  # characters; nobody refers at greater length
_STROKES = re.compile(r"[-‐-―−_/\\.…·*~\s]*")
_NOTHING = re.compile(
    r"[\W_]*(?:x|(?:n[ée]ants?|sans[ -]objet|s[./]? ?o\.?|aucune?s?(?:\(e\))?|n[/.]? ?[ac]\.?|none|null|nan"
    r"|rien|vide|ø|r\.?a\.?s\.?|(?:non|pas)[ -](?:applicable|(?:concern|renseign|utilis|communiqu)[ée]e?s?))"
    r"(?:\s*\([^()]{1,30}\))?)[\W_]*",
    re.I,
)
# Likewise where no name can stand: Pas-de-Calais is one.
_CROSSES = re.compile(r"[\W_]*(?:x+|pas d(?:e |['’])[\w '’-]{1,40})[\W_]*", re.I)
# A line of DN of which only what the form prints is there.
_UNFILLED = re.compile(r"\s*CN\s*=[\s.…_]*(?:,\s*(?:OU|O|L|ST|C)\s*=[\s.…_()]*)*", re.I)
_DITTO = re.compile(r"\s*(?:[\"″〃“”«»]+|''|(?:[\"″〃“”«»]\s*)+)\s*")
_FIRST = re.compile(
    r"\W*(?:idem|id\b|ibid|ditto|dito|identique|cf\b|voir\b|v\. |comme\b|supra"
    r"|ci[ -](?:dess|joint|contre|apr|av)|tel(?:le)?s? que\b|se r[ée](?:porter|f[ée]rer)\b"
    r"|(?:l[ae]s? )?m[êe]mes?(?: (?:qu|personne|coordonn|num|adresse|contact|struct|op[ée]rat|[ée]tabl)|\W*$)"
    r"|en (?:annexe|pi[èe]ce)|pi[èe]ces? jointe|pj\b|(?:certificat |dn )?(?:ci-)?jointe?\W*$)",
    re.I,
)
_SAME = re.compile(
    r"(?:idem|id|ibid(?:em)?|dit?to|(?:l[ae]s? )?memes?(?: (?:personne|coordonnee|contact|numero|adresse)s?)?"
    r"(?: que?)?|identiques?(?: a| aux?)?|comme)(?: |$)"
)
_SEE = re.compile(r"(?:cf|voir|v)(?: |$)")
_BESIDE = re.compile(
    r"(?:(?:cf|voir|v|idem|id|comme|l[ae]s?|memes?|identiques?|tel(?:le)?s?|que|se|reporter|referer|aux?|a"
    r"|champ|colonne|case|cadre|encadre|rubrique|partie) )*"
    r"(?:ci contre|a cote|(?:de |a )gauche|en (?:face|regard))(?: idem)?"
)
_ABOVE = re.compile(r"(?:ci |au )?dessus|plus haut|supra|ci avant|precede(?:mment|nte?s?)\b")
_ELSEWHERE = re.compile(
    r"\b(?:ci )?jointe?s?\b|\bannexes?\b|\bpj\b|\bpieces?\b|\bcertificats?\b|\bcontrat\b|\bformulaire\b"
    r"|\bfichier\b|\bmail\b|\bcourriels?\b|\bdessous\b|\bci apres\b|\binfra\b|\bverso\b|\bdossier\b"
    r"|\bpage\b|\bdeclaration\b|\bconvention\b|\blignes?\b"
)
_WHOLE = "|".join(pattern.pattern for pattern in (_STROKES, _NOTHING, _CROSSES, _UNFILLED, _DITTO))
_ODD = re.compile(rf"(?:{_WHOLE})\Z|{_FIRST.pattern}", re.I)  # all that may be struck out, or refer
# What nothing of this matches, as most cells: numbers, names of certificates, addresses, names of servers.
_PLAIN = (
    r"^(?:[0-9]|CN=[A-Za-z0-9]|[A-Za-z0-9][!-'*-~]*@[A-Za-z0-9][!-'*-~]*$"
    r"|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\.[A-Za-z]{2,}$)"
)
# A name of the DNS or an address: some domain is called voir-….
_NAME = re.compile(r"\s*(?:[\w-]+(?:\.[\w-]+){2,}\.?|\S+@\S+)\s*")
_ROLES: dict[str, re.Pattern[str]] = {role: re.compile(pattern) for role, pattern in WORDS["roles"].items()}
_ABOVE_OF: dict[str, str] = WORDS["above"]
_BESIDE_OF = {name: _ABOVE_OF[name] for name in ("technical_manager", "public_technical", "beneficiary")}
_BESIDE_OF |= {left: right for right, left in _BESIDE_OF.items()}
_IF_OTHER = ("technical_manager", "connector")  # only of another than the one above


def is_nothing(text: str, kind: str = "") -> bool:
    """Tell a stroke, or a word for no value; in other fields than texts ``xxx`` and ``pas de …``, too.

    So is a line of DN that holds no more than the form prints.
    """
    if _STROKES.fullmatch(text):
        return not text.isspace() and text != ""
    if kind == "dn" and _UNFILLED.fullmatch(text):
        return True
    if len(text) > _LONGEST:
        return False
    return bool(_NOTHING.fullmatch(text) or (kind not in ("", "text") and _CROSSES.fullmatch(text)))


def reference(text: str, kind: str = "text") -> str | None:
    """Return whom a text refers to: a part of the form, "above", "beside", "elsewhere"; None if to nobody."""
    if len(text) > _LONGEST:
        return None
    if _DITTO.fullmatch(text):
        return "above"
    if not _FIRST.match(text) or _NAME.fullmatch(text):
        return None
    words = fold(text)
    first = _SAME.match(words) or _SEE.match(words)
    rest = words[first.end() :] if first else words
    roles = [role for role, named in _ROLES.items() if named.search(rest)]
    if first and len(roles) == 1:
        return roles[0]
    if not roles and _BESIDE.fullmatch(words):
        return "beside"
    if not roles and ((first and not rest) or _ABOVE.search(rest)) and "ligne" not in rest:
        return "above"
    far = roles or _ELSEWHERE.search(rest) or (first and (kind != "text" or "meme" in first[0]))
    return "elsewhere" if far else None


def replace(columns: dict[str, pd.Series], missing: Collection[str]) -> dict[str, list[int]]:
    """Empty what is struck out in `columns`, and put in place of each reference what it refers to.

    Nothing is known of `missing` ones. Return by field the rows with an unclear reference.
    """
    texts = {name: field for name, field in fields().items() if field.kind not in ("box", "date")}
    odd: dict[str, dict[str, str]] = {}
    for kind in {field.kind for field in texts.values()}:
        cells = pd.concat([columns[n] for n, f in texts.items() if f.kind == kind]).drop_duplicates()
        distinct = cells[~cells.str.contains(_PLAIN, regex=True)].tolist()
        roles = {
            t: "nothing" if is_nothing(t, kind) else reference(t, kind) for t in distinct if _ODD.match(t)
        }
        odd[kind] = {text: role for text, role in roles.items() if role}
    order = list(texts)
    sources: dict[int, dict[str, str]] = {}
    for at, (name, field) in enumerate(texts.items()):
        odd_here = columns[name].isin(odd[field.kind])
        if not odd_here.any():
            continue
        # Ditto marks mean what stands above, on the form or in the table: plain where that is the same.
        table = columns[name].mask(columns[name].str.fullmatch(_DITTO.pattern)).ffill().fillna("").to_dict()
        marked: dict[Any, str] = columns[name][odd_here].to_dict()
        for row, text in marked.items():
            if (role := odd[field.kind][text]) != "nothing":
                source, above = _source(field, role), table[row]
                below = role != "beside" and source in order[at:]
                same = not above or above in odd[field.kind] or above == columns.get(source, table)[row]
                sources.setdefault(row, {})[name] = source if same and not below else ""
        columns[name] = columns[name].mask(odd_here, "")
    unclear: dict[str, list[int]] = {}
    cells = {name: columns[name].to_dict() for name in texts} if sources else {}
    for row, source_of in sources.items():
        for name in _follow(cells, row, source_of, missing):
            unclear.setdefault(name, []).append(row)
    for name, values in cells.items():
        columns[name] = pd.Series(values, columns[name].index, dtype="str")
    return unclear


def _follow(
    cells: Mapping[str, dict[int, str]], row: int, source_of: Mapping[str, str], missing: Collection[str]
) -> set[str]:
    """Put in place of one row's references what they refer to; return those that are not plain."""
    order = list(cells)
    below = {name: source in order[order.index(name) :] for name, source in source_of.items()}
    unread = set(source_of)
    for name in sorted(source_of, key=below.__getitem__):  # those to what stands above first
        source = source_of[name]
        readable = source in cells and source not in missing and source not in unread
        if readable and (cells[source][row] or not below[name]):
            cells[name][row] = cells[source][row]
            unread.remove(name)
    for part in _IF_OTHER:
        names = [name for name in order if name.startswith(part)]
        referred = [name for name in names if name in source_of and name not in unread]
        if referred and not any(cells[name][row] for name in names if name not in referred):
            for name in referred:
                cells[name][row] = ""
    return unread


def _source(field: Field, role: str) -> str:
    """Return the field that a reference in `field` means, "" where none is."""
    part = next((name for name in (*_ROLES, *_ABOVE_OF) if field.name.startswith(f"{name}_")), "")
    owner = {"above": _ABOVE_OF.get(part, ""), "beside": _BESIDE_OF.get(part, "")}.get(role, role)
    if owner in ("structure", "beneficiary"):
        return {"identifier": f"{owner}_id", "text": "structure_name"}.get(field.kind, "")
    kind = field.name.removeprefix(f"{part}_") if part else field.name.removeprefix("signatory_")
    return f"{owner}_{kind}" if owner else ""

"""What hands write where a field has no value of its own: strokes, words for nothing, references to another.

Of a reference the value is what it refers to, where the form makes that plain: to what stands above, or to
somebody it names. Any other is unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import Field, fields

_LONGEST = 60
"""Bytes; nobody refers at greater length."""
_NOTHING = re.compile(
    r"[-‐-―−_/\\.…·*~\s]*[-‐-―−_/\\.…·*~][-‐-―−_/\\.…·*~\s]*"
    r"|[\W_]*(?:x|(?:n[ée]ants?|sans[ -]objet|s[./]? ?o\.?|aucune?s?(?:\(e\))?|n[/.]? ?[ac]\.?|none|null|nan"
    r"|rien|vide|ø|r\.?a\.?s\.?|(?:non|pas)[ -](?:applicable|(?:concern|renseign|utilis|communiqu)[ée]e?s?))"
    r"(?:\s*\([^()]{1,30}\))?)[\W_]*",
    re.I,
)
_CROSSES = re.compile(r"[\W_]*(?:x+|pas d(?:e |['’])[\w '’-]{1,40})[\W_]*", re.I)
"""Likewise where no name can stand: Pas-de-Calais is one."""
_DITTO = re.compile(r"\s*(?:[\"″〃“”«»]+|''|(?:[\"″〃“”«»]\s*)+)\s*")
_FIRST = re.compile(
    r"\W*(?:idem|id\b|ibid|ditto|dito|identique|cf\b|voir\b|v\. |comme\b|ci[ -](?:dess|joint)|supra"
    r"|(?:l[ae]s? )?m[êe]mes?(?: (?:qu|personne|coordonn|num|adresse|contact|struct|op[ée]rat|[ée]tabl)|\W*$)"
    r"|en (?:annexe|pi[èe]ce)|pi[èe]ces? jointe|pj\b|(?:certificat |dn )?(?:ci-)?jointe?\W*$)",
    re.I,
)
_SAME = re.compile(
    r"(?:idem|id|ibid(?:em)?|dit?to|(?:l[ae]s? )?memes?(?: (?:personne|coordonnee|contact|numero|adresse)s?)?"
    r"(?: que?)?|identiques?(?: a| aux?)?|comme)(?: |$)"
)
_SEE = re.compile(r"(?:cf|voir|v)(?: |$)")
_ABOVE = re.compile(r"(?:ci |au )?dessus|plus haut|supra|(?:champ|ligne|colonne|cadre)s? precedente?s?")
_ELSEWHERE = re.compile(
    r"\b(?:ci )?jointe?s?\b|\bannexes?\b|\bpj\b|\bpieces?\b|\bcertificats?\b|\bcontrat\b|\bformulaire\b"
    r"|\bfichier\b|\bmail\b|\bcourriels?\b|\bdessous\b|\binfra\b|\bpage\b|\bdeclaration\b|\bconvention\b"
)
_NAME = re.compile(r"\s*(?:[\w-]+(?:\.[\w-]+){2,}\.?|\S+@\S+)\s*")
"""A name of the DNS or an address, whatever it begins with: some domain is called voir-…"""
_ROLES = {
    "representative": re.compile(r"\brepresentante?\b"),
    "project_manager": re.compile(r"\bche(?:f|ffe) (?:de |du )?projets?\b|\bcdp\b"),
    "technical_manager": re.compile(r"\bresp(?:onsable)? tech(?:nique)?\b"),
    "public_project": re.compile(r"\bcontact projet\b"),
    "public_technical": re.compile(r"\bcontact tech(?:nique)?\b"),
    "structure": re.compile(r"\b(?:structure|operateur|etablissement)\b"),
    "primary": re.compile(r"\bprimaire\b"),
}
_ABOVE_OF = {
    "project_manager": "representative", "technical_manager": "project_manager", "beneficiary": "structure",
    "public_technical": "public_project", "connector": "structure", "secondary": "primary",
}  # fmt: skip
"""Whose part of the form stands above (or to the left of) whose."""
_IF_OTHER = ("technical_manager", "connector")
"""Parts that the form wants only of another than the one above: the same is nobody."""

_WORDS = (
    "x xx xxx né nea san so s.o s/o s._ s_o auc na n.a n/a n_a nc n.c n/c n_c ø ras r.a non"
    " nul nan rie vid pas id id. ide ibi dit le_ la_"
    " les mê mem cf cf. voi v._ com ci- ci_ sup en_ piè pie pj pj. cer dn_ joi"
)
"""How the words begin, a blank being _."""
_OPENING = sorted({c.encode()[:1] for c in "-‐‒–−—_/\\.…·*~\"″〃“”«»'’([ \t\n\r\xa0"})


def _starts() -> list[bytes]:
    words = [word.replace("_", " ") for word in _WORDS.split()]
    texts = {text for word in words for text in (word, word.upper(), word.capitalize())}
    longer = {text + more for text in texts if len(text.encode()) < 3 for more in " .)-/,:é"}
    return sorted({text.encode()[:3] for text in texts | longer})


_OPENS = pa.array(_OPENING, pa.large_binary())
_FIRST_BYTES = pa.array(_starts(), pa.large_binary())
_FIRST_BYTE = pa.array(sorted({*_OPENING, *(start[:1] for start in _starts())}), pa.large_binary())

Tell = Callable[[str, pd.Series], None]


def is_nothing(text: str, kind: str = "") -> bool:
    """Tell a stroke, or a word that says that there is no value.

    In other fields than texts ``xxx`` and ``pas de …`` are such, too.

    >>> [is_nothing(text) for text in ("--", "Néant.", "S.O.", "x", "n/a", "CH X", "")]
    [True, True, True, True, True, False, False]
    """
    return bool(_NOTHING.fullmatch(text) or (kind not in ("", "text") and _CROSSES.fullmatch(text)))


def reference(text: str, kind: str = "text") -> str | None:
    """Return whom a text refers to: a part of the form, "above" or "elsewhere"; None if it refers to nobody.

    >>> [reference(text) for text in ("Idem", "cf. ci-dessus", "même que le chef de projet", "Idem Santé")]
    ['above', 'above', 'project_manager', None]
    >>> reference("cf. certificat joint"), reference("voir courrier", "dn"), reference("Voirie")
    ('elsewhere', 'elsewhere', None)
    >>> reference("voir-loin.mssante.fr", "domain"), reference("idem@ch-alpha.example", "contact")
    (None, None)
    """
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
    if not roles and ((first and not rest) or _ABOVE.search(rest)):
        return "above"
    far = roles or _ELSEWHERE.search(rest) or (first and (kind != "text" or "meme" in first[0]))
    return "elsewhere" if far else None


def replace(columns: dict[str, pd.Series], missing: Collection[str], tell: Tell) -> None:
    """Empty what is struck out, and put in place of each reference what it refers to.

    Changed are the texts of `columns`, by field; of those `missing` nothing is known. Where a reference is
    not plain the field is left empty, and `tell` called with it and the rows.
    """
    order, lost = list(fields()), dict[str, pd.Series]()
    referred: dict[str, pd.Series] = {}
    texts_of = {name: field for name, field in fields().items() if field.kind not in ("box", "date")}
    free = [columns[name] for name, field in texts_of.items() if field.kind == "text"]
    other = [columns[name] for name, field in texts_of.items() if field.kind != "text"]
    odd_text, odd_other = _odd(free, "text"), _odd(other, "other")
    for name, field in texts_of.items():
        odd = odd_text if field.kind == "text" else odd_other
        if not odd:
            continue
        found = columns[name].isin(odd)
        short = columns[name][found].unique().tolist() if found.any() else []
        if nothing := [text for text in short if is_nothing(text, field.kind)]:
            columns[name] = columns[name].mask(columns[name].isin(nothing), "")
        for text in short:
            if role := reference(text, field.kind):
                where = columns[name] == text
                source = _source(field, role)
                plain = (
                    source in texts_of and source not in missing and order.index(source) < order.index(name)
                )
                open_ = where & lost[source] if plain and source in lost else where & (not plain)
                if open_.any():
                    lost[name] = lost.get(name, False) | open_
                    tell(name, open_)
                columns[name] = columns[name].mask(where, columns[source].mask(open_, "") if plain else "")
                referred[name] = referred.get(name, False) | (where & ~open_)
    for part in _IF_OTHER:
        own = [name for name in texts_of if name.startswith(part)]
        if any(name in referred for name in own):
            never = pd.Series(False, index=columns["domain"].index)
            same = [referred.get(name, never) for name in own]
            rest = [(columns[name] != "") & ~where for name, where in zip(own, same, strict=True)]
            nobody = pd.concat(same, axis=1).any(axis=1) & ~pd.concat(rest, axis=1).any(axis=1)
            for name in own:
                columns[name] = columns[name].mask(nobody, "")


def _odd(columns: Sequence[pd.Series], kind: str) -> list[str]:
    """Return the short texts of some columns, all of a kind, that are struck out or refer."""
    # Over all columns at once, and by first bytes before anything else: registers are long, such texts rare.
    chunks = [chunk for texts in columns for chunk in pa.chunked_array(pa.array(texts)).chunks]
    cells = pa.chunked_array([chunk.cast(pa.large_string()).view(pa.large_binary()) for chunk in chunks])
    may_be = pc.is_in(pc.binary_slice(cells, 0, 1), value_set=_FIRST_BYTE)
    cells = cells.filter(pc.and_(may_be, pc.less_equal(pc.binary_length(cells), _LONGEST)))
    opens = pc.is_in(pc.binary_slice(cells, 0, 1), value_set=_OPENS)
    begins = pc.is_in(pc.binary_slice(cells, 0, 3), value_set=_FIRST_BYTES)
    found = [text.decode() for text in cells.filter(pc.or_(opens, begins)).unique().to_pylist()]
    return [text for text in found if is_nothing(text, kind) or reference(text, kind)]


def _source(field: Field, role: str) -> str:
    """Return the field that a reference in `field` means, "" where none is."""
    part = next((own for own in (*_ROLES, *_ABOVE_OF) if field.name.startswith(f"{own}_")), "")
    whose = _ABOVE_OF.get(part, "") if role == "above" else role
    if whose == "structure":
        return {"identifier": "structure_id", "text": "structure_name"}.get(field.kind, "")
    kind = field.name.removeprefix(f"{part}_") if part else field.name.removeprefix("signatory_")
    return f"{whose}_{kind}" if whose else ""

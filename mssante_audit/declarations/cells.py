"""What hands write in a cell: ticks, dates, names; strokes and words for nothing; references to another cell.

The value of a reference is what it refers to, where the form makes that plain; any other is unreadable.
"""

import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from mssante_audit.base.text import fold, is_hidden, normalize
from mssante_audit.declarations.headings import WORDS, Field, field_of, fields
from mssante_audit.values.contacts import CIVILITY

LONGEST = 200  # characters of a box or a date
UNSEEN = "\0"  # the cell of a box that may be ticked or not; no file that is read holds this character
CELL_ERROR = re.compile(r"#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|NOM\?|VALEUR!)(?: .*)?", re.DOTALL)

_TICKS = frozenset("☒☑✅√✓✔✗✘✕✖×■⊠🗷🗵🗹🗸🗶⮽")
_EMPTY_BOXES = frozenset("☐□▢◻–-")
_UNTICKED = re.compile(r"[☐□▢◻]|[\[(]\s*[])]")  # beside a word, which then is what the box is called
_DONE = frozenset(["coche", "cochee"])
_YES = _DONE | {"x", "xx", "xxx", "v", "oui", "o", "yes", "y", "vrai", "true", "1", "on", "ok"}
_NO = frozenset(["non", "n", "no", "faux", "false", "0", "off"])
_SIGNED = re.compile(
    r"(?:oui )?(?:(?:(?:signee?|signature(?: electronique| numerique| manuscrite| scannee)?|cachet|cachetee?"
    r"|tampon|tamponnee?|lu et approuve|docusign|yousign)(?: de (?:la structure|l etablissement))?"
    r"(?: et | |$))+"
    r"|signee? (?:le|par|electroniquement|numeriquement)\b.*)"
)
_NOT = re.compile(r"(?:non|pas|sans|aucune?)(?: [a-z]+){1,4}")
_NUMBER = re.compile(r"([01])[.,]0+")  # as a spreadsheet or a program exports 1 and 0
_STROKE = re.compile(r"[-‐-―−_.…\s]*")  # leaves a box empty; other strokes may be somebody's tick


def read_box(value: str, name: str = "") -> bool | None:
    """Tell whether a box is ticked; None if the cell says neither. A tick may be what its field is called."""
    text = "".join(c for c in value if not is_hidden(c)).strip()
    if len(text) > LONGEST or "?" in text or value == UNSEEN or CELL_ERROR.fullmatch(text):
        return None
    text = _NUMBER.sub(r"\1", text) if _NUMBER.fullmatch(text) else text
    bare, words = text.strip("[]() ."), fold(text)
    named = {*words.split()} - {"case", "de", "la"}
    if bare and _TICKS.issuperset(bare):
        return True
    refused = _NOT.fullmatch(words) and not named & _YES.difference(_DONE)
    if bare in _EMPTY_BOXES or words in _NO or refused or _STROKE.fullmatch(bare):
        return False
    if _UNTICKED.search(text):
        return None
    allowed = _YES.union(fold(fields()[name].label).split()) if name else _YES
    if (named and allowed.issuperset(named)) or _SIGNED.fullmatch(words) or (name and field_of(text) == name):
        return True
    return False if words and is_nothing(text, "box") else None


MONTHS = {name: number for number, names in enumerate(WORDS["months"], 1) for name in names.split()}
WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_DAY = "|".join([*WEEKDAYS, *(rf"{day[:3]}(?=[. ])" for day in WEEKDAYS)])
_PLACE = r"[^\W\d][^\W\d'’-]*(?:[ '’-][^\W\d'’-]+){0,6}(?: \d\d?(?:er|e|[eè]me))?(?: ?\([^()]{1,30}\))?"
# A word (`Fait à`), a place (`Pau, le …`), the day of the week.
_BEFORE_DATE = re.compile(
    r"(?:(?:date|fait|signée?|le)\b ?: ?|(?:(?:en )?date(?: du)?|fait|signée?|ce jour,?) )?"
    rf"(?:(?:à ?(?:: ?)?)?(?!(?:le )?(?:{_DAY})\b){_PLACE}(?: ?[,;:]| [–—-]|(?= le[ :]))"
    rf" ?(?=[cl]e[ :]|\d|(?:{_DAY})\b)"
    rf"|à {_PLACE} (?=\d))?"
    rf"(?:[cl]e ?(?:: ?)?)?(?:({_DAY})\.?,? )?(?:le )?"
)
_NO_PLACE = re.compile(
    r"\b(?:avant|après|depuis|dès|jusqu|re[çc]ue?|envoyée?|prévue?|valable|modifiée?|partir|annulée?|vers|environ"
    r"|courant|fin|sous réserve|provisoire|confirmer|compléter|réception|envoi|saisie?|relanc[ée]e?|effet"
    r"|service|résiliation|retrait|renouvelée?|échéance|demand(?:e|ée?)|vu|corrigée?|accord|copie|fax|contrat)\b"
)
_AFTER_DATE = re.compile(
    rf"(?: ?[,;]| à| [–—-]) ?{_PLACE}\.?$| à \d\d?[h:](?:\d\d)?$"
    r"| ?\((?:date de )?(?:la )?sign[^()\d]{0,20}\)$"
    r"|[ t]\d\d?[:h]\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:\d\d)?$|[.,;]$"
)
_CENTURY = range(2000, 2100)
_EXCEL_DAY_0 = date(1899, 12, 30)


def read_date(text: str) -> tuple[date | None, str]:
    """Read a date as French and computers write it; the second value is the kind of problem, "" if none."""
    if not text[:1].isdigit() and is_nothing(text):
        return None, "date" if CELL_ERROR.fullmatch(text) else ""
    if number := re.fullmatch(r"(\d{5})(?:[.,]0+)?", text):
        counted = _EXCEL_DAY_0 + timedelta(days=int(number[1]))
        if counted.year in _CENTURY:
            return counted, "date-number"
    words = normalize(text).casefold().replace("\u2019", "'")
    words = re.sub(r" ?/ ?", "/", " ".join(words.split())).replace("premier ", "1 ")
    words = re.sub(r"^(20\d\d)([01]\d)([0-3]\d)$", r"\1-\2-\3", words)
    before = _BEFORE_DATE.match(words) if 0 < len(words) <= LONGEST else None
    if not before or _NO_PLACE.search(words):
        return None, "date" if words else ""
    words = _AFTER_DATE.sub("", words[before.end() :])
    if match := re.fullmatch(r"(\d{4})([/.-])(\d\d?)\2(\d\d?)", words):
        day, kind = _day(match[1], match[3], match[4])
    elif match := re.fullmatch(r"(\d\d?)(?:er)?([/.,_ -])(\d\d?)\2(\d{4}|\d\d)", words):
        day, kind = _day(match[4], match[3], match[1])
    elif match := re.fullmatch(r"(\d\d?)(?: ?er?|°)?[ ./-]?([a-zéûà]+)\.?[ ./-](\d{4}|\d\d)", words):
        day, kind = _day(match[3], str(MONTHS.get(match[2], 0)), match[1])
    else:
        return None, "date"
    if day and before[1] and not WEEKDAYS[day.weekday()].startswith(before[1]):
        return None, "date"
    return day, kind


def _day(*parts: str) -> tuple[date | None, str]:
    if len(parts[0]) == 2:
        return None, "date-two-digits"
    try:
        day = date(*map(int, parts))
    except ValueError:
        return None, "date"
    return (day, "") if day.year in _CENTURY else (None, "date-century")


def split_name(text: str) -> tuple[str, str] | None:
    """Tell last name and first name apart: by a comma, or the last name's capitals; None if neither helps.

    What stands for nothing, or refers to another name, stands for both.
    """
    if is_nothing(text) or reference(text):
        return text, text
    text = text.strip()
    text = text[civility.end() :] if (civility := CIVILITY.match(text)) else text
    if text.count(",") == 1:
        last, first = text.split(",")
        return last.strip(), first.strip()
    words = text.split()
    high = [part == part.upper() for part in words]
    if not 0 < sum(high) < len(words) or high not in (sorted(high), sorted(high, reverse=True)):
        return None
    cut = high.index(not high[0])
    first, last = " ".join(words[:cut]), " ".join(words[cut:])
    return (first, last) if high[0] else (last, first)


_LONGEST_REFERENCE = 60  # characters
_STROKES = re.compile(r"[-‐-―−_/\\.…·*~\s]*")
_NOTHING = re.compile(
    r"[\W_]*(?:x|(?:n[ée]ants?|sans[ -]objet|s[./]? ?o\.?|aucune?s?(?:\(e\))?|n[/.]? ?[ac]\.?|none|null|nan"
    r"|rien|vide|ø|r\.?a\.?s\.?|inconnue?"
    r"|(?:non|pas)[ -](?:applicable|connue?|(?:concern|renseign|utilis|communiqu)[ée]e?s?))"
    r"(?:\s*\([^()]{1,30}\))?)[\W_]*",
    re.I,
)
# Likewise where no name can stand: Pas-de-Calais is one.
_CROSSES = re.compile(r"[\W_]*(?:x+|pas d(?:e |['’])[\w '’-]{1,40})[\W_]*", re.I)
# Likewise but for boxes: what is still to come is not there yet.
_TO_COME = re.compile(
    r"[\W_]*(?:[àa] (?:attribuer|communiquer|compl[ée]ter|confirmer|cr[ée]er|d[ée](?:finir|terminer|signer)"
    r"|demander|fournir|nommer|obtenir|pr[ée]ciser|recruter|remplir|renseigner|transmettre|venir)"
    r"(?: par [\w '’-]+| ult[ée]rieurement| plus tard| svp)?"
    r"|(?:recrutement )?en (?:cours|attente)(?: d(?:u |e |['’])(?:la |l['’])?\w+)?"
    r"|tbd|poste (?:vacant|[àa] pourvoir)"
    r"|(?:non|pas encore) (?:d[ée]sign|nomm|recrut|d[ée]fini|pourvu)[ée]?e?)[\W_]*",
    re.I,
)
# A line of DN of which only what the form prints is there.
_UNFILLED = re.compile(r"\s*CN\s*=[\s.…_]*(?:,\s*(?:OU|O|L|ST|C)\s*=[\s.…_()]*)*", re.I)
_DITTO = re.compile(r"\s*(?:[\"″〃“”«»]+|''|(?:[\"″〃“”«»]\s*)+)\s*")
_FIRST = re.compile(
    r"\W*(?:idem|id\b|ibid|ditto|dito|identique|cf\b|voir\b|v\. |comme\b|supra"
    r"|ci[ -](?:dess|joint|contre|apr|av)|tel(?:le)?s? que\b|se r[ée](?:porter|f[ée]rer)\b"
    r"|(?:l[ae]s? )?m[êe]mes?(?: (?:qu|personne|coordonn|num|adresse|contact|struct|op[ée]rat|[ée]tabl)|\W*$)"
    r"|(?:l[ea] )?(?:(?:che(?:f|ffe) (?:de |du )?projets?|cdp|repr[ée]sentante? l[ée]gale?)\W*$)"
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
    """Tell a stroke, a word for no value, or for one that is still to come, which is no word of a ``box``.

    In other fields than texts ``xxx`` and ``pas de …`` are such, too; so is a line of DN that holds no more
    than the form prints.
    """
    if _STROKES.fullmatch(text):
        return not text.isspace() and text != ""
    if kind == "dn" and _UNFILLED.fullmatch(text):
        return True
    if len(text) > _LONGEST_REFERENCE:
        return False
    if kind not in ("", "text", "box") and _CROSSES.fullmatch(text):
        return True
    return bool(_NOTHING.fullmatch(text) or (kind != "box" and _TO_COME.fullmatch(text)))


def reference(text: str, kind: str = "text") -> str | None:
    """Return whom a text refers to: a part of the form, "above", "beside", "elsewhere"; None if to nobody."""
    if len(text) > _LONGEST_REFERENCE:
        return None
    if _DITTO.fullmatch(text):
        return "above"
    if not _FIRST.match(text) or _NAME.fullmatch(text):
        return None
    words = fold(text)
    first = _SAME.match(words) or _SEE.match(words)
    rest = words[first.end() :] if first else words
    roles = [role for role, named in _ROLES.items() if named.search(rest)]
    if len(roles) == 1 and (first or _ROLES[roles[0]].fullmatch(re.sub("^l[ea] ", "", rest))):
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
    order = list(texts)
    sources: dict[int, dict[str, str]] = {}
    for at, (name, field) in enumerate(texts.items()):
        column, odd = columns[name], dict[str, str]()
        distinct = pd.Series(column.unique(), dtype="str")
        for text in distinct[~distinct.str.contains(_PLAIN, regex=True)].tolist():
            role = "nothing" if is_nothing(text, field.kind) else reference(text, field.kind)
            odd |= {text: role} if role else {}
        if not odd:
            continue
        # Ditto marks mean what stands above, on the form or in the table: plain where that is the same.
        table = column.mask(column.str.fullmatch(_DITTO.pattern)).ffill().fillna("").to_dict()
        marked: dict[Any, str] = column[column.isin(odd)].to_dict()
        for row, text in marked.items():
            if (role := odd[text]) != "nothing":
                source, above = _source(field, role), table[row]
                below = role != "beside" and source in order[at:]
                same = not above or above in odd or above == columns.get(source, table)[row]
                sources.setdefault(row, {})[name] = source if same and not below else ""
        columns[name] = column.mask(column.isin(odd), "")
    unclear: dict[str, list[int]] = {}
    cells: dict[str, dict[Any, str]] = {n: columns[n].to_dict() for n in texts} if sources else {}
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

"""One cell read: whether a box is ticked, which day a date is, last and first name."""

import re
from datetime import date, timedelta

from mssante_audit.base.text import fold, is_hidden, normalize
from mssante_audit.declarations.headings import WORDS
from mssante_audit.declarations.references import is_nothing
from mssante_audit.values.contacts import CIVILITY

LONGEST = 200  # characters of a box or a date
UNSEEN = "\0"  # the cell of a box that may be ticked or not; no file that is read holds this character
CELL_ERROR = re.compile(r"#(?:REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|NOM\?|VALEUR!)(?: .*)?", re.DOTALL)

_TICKS = frozenset("☒☑✅√✓✔✗✘✕✖×■⊠🗷🗵🗹🗸🗶⮽")
_EMPTY_BOXES = frozenset("☐□▢◻–-")
_UNTICKED = re.compile(r"[☐□▢◻]|[\[(]\s*[])]")  # beside a word, which then is what the box is called
_DONE = frozenset(["coche", "cochee"])
_YES = _DONE | {"x", "xx", "xxx", "oui", "o", "yes", "y", "vrai", "true", "1", "on", "ok"}
_NO = frozenset(["non", "n", "no", "faux", "false", "0", "off"])
_SIGNED = re.compile(
    r"(?:oui )?(?:(?:(?:signee?|signature(?: electronique| numerique| manuscrite)?|cachet|cachetee?"
    r"|tampon|tamponnee?)(?: et | |$))+"
    r"|signee? (?:le|par|electroniquement|numeriquement)\b.*)"
)
_NOT = re.compile(r"(?:non|pas|aucune?)(?: [a-z]+){1,4}")
_NUMBER = re.compile(r"([01])[.,]0+")  # as a spreadsheet or a program exports 1 and 0
_STROKE = re.compile(r"[-‐-―−_.…\s]*")  # leaves a box empty; other strokes may be somebody's tick


def read_box(value: str) -> bool | None:
    """Tell whether a box is ticked; None if the cell says neither."""
    text = "".join(c for c in value if not is_hidden(c)).strip()
    if len(text) > LONGEST or "?" in text or value == UNSEEN or CELL_ERROR.fullmatch(text):
        return None
    text = _NUMBER.sub(r"\1", text) if _NUMBER.fullmatch(text) else text
    bare, words = text.strip("[]() ."), fold(text)
    named = {*words.split()} - {"case"}
    if bare and _TICKS.issuperset(bare):
        return True
    refused = _NOT.fullmatch(words) and not named & _YES.difference(_DONE)
    if bare in _EMPTY_BOXES or words in _NO or refused or _STROKE.fullmatch(bare):
        return False
    if _UNTICKED.search(text):
        return None
    if (named and _YES.issuperset(named)) or _SIGNED.fullmatch(words):
        return True
    return False if words and is_nothing(text) else None


MONTHS = {name: number for number, names in enumerate(WORDS["months"], 1) for name in names.split()}
WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_DAY = "|".join([*WEEKDAYS, *(rf"{day[:3]}(?=[. ])" for day in WEEKDAYS)])
_PLACE = r"[^\W\d][^\W\d'’-]*(?:[ '’-][^\W\d'’-]+){0,6}(?: \d\d?(?:er|e|[eè]me))?(?: ?\([^()]{1,30}\))?"
# A word (`Fait à`), a place (`Pau, le …`), the day of the week.
_BEFORE_DATE = re.compile(
    r"(?:(?:date|fait|signée?|le)\b ?: ?|(?:date|fait|signée?) )?"
    rf"(?:(?:à (?:: ?)?)?(?!(?:le )?(?:{_DAY})\b){_PLACE}(?: ?[,;:]| [–—-]|(?= le ))"
    rf" ?(?=[cl]e |\d|(?:{_DAY})\b)"
    rf"|à {_PLACE} (?=\d))?"
    rf"(?:[cl]e (?:: ?)?)?(?:({_DAY})\.?,? )?(?:le )?"
)
_NO_PLACE = re.compile(
    r"\b(?:avant|après|depuis|dès|jusqu|re[çc]ue?|envoyée?|prévue?|valable|modifiée?|partir|annulée?|vers|environ"
    r"|courant|fin|sous réserve|provisoire|confirmer|compléter|réception|envoi|saisie?|relanc[ée]e?|effet"
    r"|service|résiliation|retrait|renouvelée?|échéance|demand(?:e|ée?)|vu|corrigée?|accord|copie|fax|contrat)\b"
)
_AFTER_DATE = re.compile(
    rf"(?: ?[,;]| à| [–—-]) ?{_PLACE}\.?$| à \d\d?[h:](?:\d\d)?$"
    r"| ?\((?:date de )?(?:la )?sign[^()\d]{0,20}\)$"
    r"|[ t]\d\d?[:h]\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:\d\d)?$|[.,]$"
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
    words = re.sub(r" ?/ ?", "/", " ".join(words.split()))
    words = re.sub(r"^(20\d\d)([01]\d)([0-3]\d)$", r"\1-\2-\3", words)
    before = _BEFORE_DATE.match(words) if 0 < len(words) <= LONGEST else None
    if not before or _NO_PLACE.search(words):
        return None, "date" if words else ""
    words = _AFTER_DATE.sub("", words[before.end() :])
    if match := re.fullmatch(r"(\d{4})([/.-])(\d\d?)\2(\d\d?)", words):
        day, kind = _day(match[1], match[3], match[4])
    elif match := re.fullmatch(r"(\d\d?)([/. -])(\d\d?)\2(\d{4}|\d\d)", words):
        day, kind = _day(match[4], match[3], match[1])
    elif match := re.fullmatch(r"(\d\d?)(?: ?er?)?[ /-]([a-zéûà]+)\.?[ /-](\d{4}|\d\d)", words):
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
    """Tell last name and first name apart: by a comma, or the last name's capitals; None if neither helps."""
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

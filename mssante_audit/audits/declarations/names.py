"""Two names of a structure or a person, as forms and certificates write them: whether they may be one's."""

from functools import cache

from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.values.identifiers import identifier_of, parse_identifier, structure_key
from mssante_audit.values.slips import one_slip

_WORDS = table_of("mssante_audit.audits.declarations", "names.toml")
_LITTLE, _KINDS, CIVILITIES, PARTICLES, _BEFORE_NAMES = (
    frozenset(_WORDS[name].split()) for name in ("little", "kinds", "civilities", "particles", "before")
)
_ENOUGH = 4  # letters of a word that are taken for the whole, where a name is cut


def may_be_one(first: str, second: str) -> bool:
    """Tell whether two names may be one structure's; in doubt, and where a name says too little, yes.

    >>> may_be_one("Centre Hospitalier de Valfictif", "CH VALFICTIF")
    True
    >>> may_be_one("AP-HP", "ASSISTANCE PUBLIQUE HOPITAUX DE PARIS")
    True
    >>> may_be_one("Clinique Spécimen", "CH DE VALFICTIF"), may_be_one("Centre hospitalier", "CH VALFICTIF")
    (False, True)
    """
    pairs = [sorted((a, b), key=len) for a in telling(first) for b in telling(second)]
    alike = (a == b or (len(a) >= _ENOUGH and (b.startswith(a) or one_slip(a, b))) for a, b in pairs)
    return not pairs or any(alike) or _shows(first, second) or _shows(second, first)


def is_number_of(number: str, *others: str) -> bool:
    """Tell whether a number and one of others are a structure's: SIREN and SIRET, or one without its kind."""
    return any(
        structure_key(number, {structure_key(other)}) == structure_key(other, {structure_key(number)})
        for other in others
    )


def akin(first: str, second: str) -> bool:
    """Tell whether one structure can have both numbers: one of two kinds, or FINESS of one département.

    >>> akin("1759900004", "399900000300015"), akin("1759900004", "1679900001")
    (True, False)
    """
    if is_number_of(first, second):
        return True
    numbers = [parse_identifier(identifier_of(text)) for text in (first, second)]
    kinds = {number.kind for number in numbers}
    if kinds == {"FINESS"}:
        return numbers[0].department == numbers[1].department != ""
    return "FINESS" in kinds and bool(kinds & {"SIREN", "SIRET"})


def one_structure(name: str, number: str, other_name: str, other_number: str) -> bool:
    """Tell whether a structure and its site, or its two numbers, may be meant, by name and number."""
    named = bool(telling(name) and telling(other_name)) and may_be_one(name, other_name)
    return named and akin(number, other_number)


@cache
def telling(name: str) -> frozenset[str]:
    """Return the words that tell a structure from the next one."""
    return frozenset(word for word in fold(name).split() if len(word) > 1 and word not in _LITTLE | _KINDS)


def _shows(name: str, other: str) -> bool:
    """Tell whether another name has a word of a name in it, or is made of the first letters of its words."""
    terms, words_of = fold(name).split(), fold(other).split()
    initials = {"".join(word[0] for word in part) for part in (terms, [w for w in terms if w not in _LITTLE])}
    parts = {*words_of, joined := "".join(words_of)} - {"".join(terms)}
    return any(len(word) >= _ENOUGH and word in joined for word in telling(name)) or any(
        len(first) > 1 and first in word
        for first in initials
        for word in parts
        if len(word) <= len(first) + 2
    )


@cache
def words(*names: str) -> frozenset[str]:
    """Return the words of a person's names, without accents, titles and what says for whom one signs.

    >>> sorted(words("P/O Mme SPÉCIMEN", "Jean-Marie."))
    ['jean', 'marie', 'specimen']
    """
    return frozenset(fold(" ".join(names)).split()) - (CIVILITIES | _BEFORE_NAMES)


def same_person(some: frozenset[str], others: frozenset[str]) -> bool:
    """Tell whether words may name one person: all of the shorter are in the longer, a slip or an initial.

    >>> [same_person(words(name), words("Zoé MARTIN")) for name in ("MARTIN", "Z. MARTIM", "Paul MARTIN")]
    [True, True, False]
    """
    if "".join(sorted(some)) == "".join(sorted(others)):
        return True
    few, many = sorted((some, others), key=len)

    def same_word(a: str, b: str) -> bool:
        short = min(len(a), len(b))
        return a == b or (short == 1 and a[0] == b[0]) or (short > 3 and one_slip(a, b))

    return all(any(same_word(word, other) for other in many) for word in few)

"""Persons named in texts: masked, and a type of its own that is shown as it is only where somebody asks."""

import html
import re
import traceback
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mssante_audit.base.resources import table_of
from mssante_audit.base.text import LOOK_ALIKE, fold, normalize
from mssante_audit.values import contacts as texts

# What names somebody is sought in a text as `_plain` has it: blanks single, digits 0 to 9, nothing invisible.

_WORDS = {name: "|".join(words) for name, words in table_of("mssante_audit.values", "persons.toml").items()}
_ALONE, _END = r"(?<![^\W_])", r"(?![^\W_])\.?"
_UPPER, _LOW = r"[^\W\d_a-zß-öø-ÿœ]", r"[a-zß-öø-ÿœ]"
_REST = r"(?:[\w’-]|'(?=\w))*"
# Particles and initials.
_BEFORE = rf"(?:(?i:{_WORDS['particles']})[ -]|[dDlL]['’] ?|{_UPPER}\.[ -]?){{0,4}}"
_BIRTH = rf"(?:,? \(?(?i:née?|nee|[ée]p\.|[ée]pouse|veuve|vve|dite?) {_BEFORE}[^\W\d_]{_REST}\)?)?"
# A title or an office between a civility and a name.
_AS = (
    r"(?:[ _,]{1,2}(?i:l[ea] )?(?i:docteure?|professeure?|direct(?:eur|rice)|dr|pr)\.?(?![^\W_])"
    rf"(?: -|,(?= {_UPPER}))?"
    rf"| l[ea](?: {_LOW}[\w’-]{{1,30}}){{1,4}}(?<!\bde)(?<!\bdu)(?<!\bdes)(?<!\bau)(?: ?[:,])?(?= {_UPPER}))?"
)
_NAME = (
    rf"{_AS}(?:[ _:()«\"“'‘\[{{*\n]{{0,3}}(?:<\w{{1,6}}>)?| ?[:=.] ?[(«\"“]?(?={_BEFORE}{_UPPER})){_BEFORE}"
    rf"(?:{_LOW}{_REST} (?!(?:{_WORDS['no_name']})\b){_LOW}{{3,}}(?![\w.@-])|[^\W\d_]{_REST})"
    rf"(?:(?:[)»\"”]? ?[(«\"“_ ] ?|[./])(?!(?i:[ée]p)\.){_BEFORE}{_UPPER}{_REST}){{0,4}}[)»\"”]?{_BIRTH}"
)
_OTHERS = rf"(?: ?(?:,|et|&) ?{_UPPER}{_REST}){{0,3}}"
_MR_MRS = (
    rf"(?:{_ALONE}(?:(?i:mme|mlle|melle|mrs|monsieur|madame|mademoiselle){_END}"
    rf"|(?:Ms|M[Ii][Ss]{{2}}|Ma[îi]tre|Mr){_END}|mr\.?(?= )|M[RS]\."
    rf"|M(?:[Mm][Ee]|[Ll][Ll][Ee])(?={_UPPER}[^\W\d_])"
    rf"|MR(?= (?!(?i:l[ae]s? |de[s ]|du |ste? |saint|[dl]['’])){_UPPER}[^\W\d_])"
    rf"|(?<!\b\w )M(?= (?:d['’]|(?:d[eu]|l[ea]|v[ao]n) )?{_UPPER}(?:\. ?|['’])?[^\W\d_]))"
    r"|(?:(?<![\w.])|(?<=[^\W\d_]{3}\.))(?:[Mm] ?\.(?!\w\.| ?[\w-]+\.[a-zA-Z]{2}))"
    rf"|(?<![\w.])M\.(?={_UPPER}\.{_UPPER}[^\W\d_]{{2}}))"
)
_CIVILITY = (
    rf"{_MR_MRS}(?: ?(?:et|ou|[&/,-])? ?{_MR_MRS}){{0,2}}"
    rf"(?: ?[,;/+|~–—-](?! ?{_MR_MRS})(?= ?{_BEFORE}{_UPPER})|-)?{_NAME}"
    rf"|{_ALONE}(?:MM\.|MM(?= {_UPPER}[^\W\d_])|(?i:mmes|mlles|messieurs|mesdames){_END}){_NAME}{_OTHERS}"
)
_TITLE = rf"{_ALONE}(?i:{_WORDS['titles']}){_END}(?:(?<=[DP]r)-(?={_UPPER}))?(?: (?i:m[ée]d|v[ée]t)\.){{0,2}}"
# What a name in capitals or with a capital follows.
_CALLED = (
    rf"{_ALONE}(?:(?i:{_WORDS['ranks']})|Sr|(?:[Ss]ir|[Ll]ady|[Ll]ord)(?![A-Z])|Lt|Lcl|Cdt|Cne|Adc|Sgt|Gal"
    rf"|(?:Lt[ -])?[Cc]ol(?=\.)|[Aa]dj(?=\.)|[Ll]e [Pp]asteur"
    rf"|Me(?=\.| {_UPPER}(?:{_UPPER}{{2}}|[\w’'-]+ {_UPPER}|\. ))|(?<!\w )Me(?= {_UPPER})){_END}"
)
_DOCTOR = (
    rf"(?:{_TITLE}{_NAME}|{_ALONE}Dr(?:{_UPPER}{{4}}|{_UPPER}{_LOW}{{3}}){_REST}"
    rf"|{_ALONE}{_UPPER}[\w’'.-]{{1,40}}(?: {_UPPER}[\w’'.-]{{0,40}}){{0,2}}"
    rf"(?:,? ?\((?:M\.|(?:Mme|MME|Mlle|Dre?)\.?)\)(?: ?{_BEFORE}{_UPPER}{_REST})?"
    r"|(?:(?:, ?| )(?:Mme|MME|Mlle)\.?|, ?(?:M\.|Madame|Monsieur))"
    rf"(?= ?(?:[,;)/](?! ?{_BEFORE}{_UPPER})|\Z)))"
    rf"|{_ALONE}(?i:(?:docteure?|professeure?|dre?|prof|pr)s){_END}{_NAME}{_OTHERS}"
    rf"|{_CALLED}(?=[ _:(«\"“'-]{{1,3}}{_BEFORE}{_UPPER})-?{_NAME})"
)
_FOR = (
    r"(?P<whom>(?<![^\W_])(?P<to>(?i:[àa] l['’ ](?:attention|att(?:n|ent)?\.?)(?: d(?:e|u|['’]))?"
    r"|attn?(?=[.: ])\.?|c/o|(?<!\w )adj(?= )|chez(?! (?:soi|[mtn]oi|lui|elles?|eux|[nv]ous)\b)"
    rf"|aux bons soins d(?:e|['’])))(?= ?[:(«\"]? ?{_BEFORE}{_UPPER})"
    rf"(?! [A-Z]{{2,4}}(?![^\W_]| {_UPPER})){_NAME})"
)
_DOMAIN = rf"(?:[a-zA-Z0-9-]{{1,63}}\.)+(?i:{_WORDS['tops']})(?![\w-])"
# Dates, names of domains, hospitals and streets that bear the name of a doctor, and fingerprints.
_KEPT = (
    r"(?P<kept>(?<![0-9])(?:[0-3][0-9](?P<sep>[./ -])[01][0-9](?P=sep)(?:19|20)[0-9]{2}"
    r"(?![0-9]| [0-9]{2} [0-9])|(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9]))"
    rf"|\A{_DOMAIN}\Z|(?<![\w@.+-])(?![\w.-]*-(?i:at|dot)-){_DOMAIN}"
    r"(?!\.\w| ?[@(\[{<*|]| (?i:at|aro|dot|point)\b)"
    rf"|\b(?i:{_WORDS['places']})"
    rf"(?: (?i:du|de|le|la)| (?i:de )?(?i:l)['’])? ?(?:(?:{_TITLE}|{_CALLED})(?: |(?<=-))|M\.(?={_UPPER}))"
    rf"{_BEFORE}{_UPPER}{_REST}"
    r"|(?<![^\W_])(?=[0-9]*[a-f])[0-9a-f]{16,64}(?![^\W_]))"
)
_DIGIT = r"(?:[0-9]|(?<=[0-9])[oOlI](?![^\W\d_])|[oOlI](?=[0-9]))"
_GAP = r"(?:<w?br ?/?>|[^\w@,:;]|_){0,4}"
# What parts digits behind a country code: there commas make no list of departments.
_WIDE = r"(?:<w?br ?/?>|[^\w@]|_){0,4}"
_ABROAD = r"(?:33|262|590|594|596|508|687|689|681)"
# Ten digits from 0 on, or a country code and more: numbers of nine digits are FINESS and SIREN. Or words.
_PHONE = (
    r"(?P<phone>(?<![0-9])(?<![0-9a-fA-F]{6})(?:"
    rf"\+{_GAP}[1-9](?:{_WIDE}[0-9]){{8,13}}"
    rf"|00{_GAP}(?:{_ABROAD}|32|352|41|377)(?:{_WIDE}[0-9]){{8,11}}"
    rf"|00(?:[ .-][1-9][0-9]{{0,2}}|[1-9][0-9]{{1,2}}[ .-])(?:{_GAP}[0-9]){{8,11}}"
    rf"|[(\[]?{_ALONE}{_ABROAD}{_GAP}(?:0{_GAP})?[1-9](?:{_GAP}[0-9]){{8}}|(?:0[1-9][0-9]{{8}}){{2,}}"
    rf"|(?:[(\[{{](?![0-9]{{10}}\.[a-z]))?(?:0|{_ALONE}[oO](?=[1-9])){_GAP}[1-9lI](?:{_GAP}{_DIGIT}){{8}}"
    r"|(?<![0-9][,:;])(?<![0-9][,:;] )0[1-9](?:(?P<same> ?[,:;] ?|x)[0-9]{2}(?:(?P=same)[0-9]{2}){3}"
    r"(?!(?P=same)[0-9])|(?:[ .,][0-9]{2}){4}(?!,[0-9])))(?![0-9]|[.:][0-9]|[0-9a-fA-F]{6}))"
    rf"|{_ALONE}(?i:z[ée]ro|0[1-9](?=[ ,.0-9-]{{1,16}}(?!et)(?i:{_WORDS['numbers']})(?!\w)))"
    rf"(?:[ ,.-]{{1,3}}(?:[0-9]{{2}}|(?i:{_WORDS['numbers']}))){{4,20}}(?!\w)"
)
_PART = r"[^\s'\"<>(),;:=«»|/@]"
_DOT = r"(?: ?[(\[{<] ?(?i:dot|point|\.) ?[)\]}>] ?| (?i:dot|point) | \.(?: |(?=\w))|[-_](?i:dot|point)[-_])"
_DOTTED = rf"(?=[\w-]{{1,63}}(?:\.[^\W_]|{_DOT}))"
_AROBASE = r"ar+ob(?:as(?:e|que)?)?"
_ADDRESS = (
    r"(?:[\"'<][^\"'<>]{1,64}[\"'>](?: ?<|(?= ?@)))?"
    rf"(?<![^\s'\"<>(),;:=«»|/])(?:[\w+-]{{1,64}}{_DOT}){{0,3}}(?:"
    rf"(?:{_PART}+|(?<=[\"'>])) ?@+ ?(?:(?i:at)@ ?)?{_PART}+"
    rf"|{_PART}+ ?[(\[{{<*|] ?(?i:at(?:[ -]sign)?|[aà]|@t?|et|{_AROBASE}|chez) ?[)\]}}>*|] ?{_DOTTED}{_PART}+"
    rf"|[\w.+-]{{1,64}} ?[^\w\s,;.]{{1,2}} ?(?i:at|{_AROBASE}) ?[^\w\s,;.]{{1,2}} ?{_DOTTED}{_PART}+"
    rf"|{_PART}+ (?i:{_AROBASE}) {_PART}+|{_PART}+ (?i:at) {_PART}+(?={_DOT})"
    rf"|(?=[\w-]{{1,64}}[._+0-9]|\w{{1,32}}-\w)[\w.+-]{{3,64}}?"
    rf"(?: (?i:at|chez) |[-_](?i:at)[-_]){_DOTTED}{_PART}+"
    rf"|(?i:m[ée]l|e?-?mails?|courriels?|adresse|[ée]crire [àa])[ :=]{{1,3}}[\w.+-]{{2,64}}"
    rf" (?i:at|chez) {_DOMAIN})"
    rf"(?:{_DOT}{_PART}+){{0,4}}"
)
_NAMING = re.compile(rf"{_KEPT}|{_PHONE}|{_ADDRESS}|{_FOR}|{_CIVILITY}|{_DOCTOR}")
# What `_plain` changes: French letters and signs it does not.
_ODD = re.compile(r"[^ -~ÀÂÄÆÇÈÉÊËÎÏÔÖÙÛÜŸŒàâäæçèéêëîïôöùûüÿœ’«»°–]|  |[&\\]|%(?:25)*(?:40|2[0eE])")
_WRITTEN = re.compile(
    r"\s+|&(?:amp\\?;)*(?:#x?[0-9a-f]{1,7}|[a-z]{2,9})\\?;|%(?:25)*(?:40|2[0e])|\\[^\w\s]|.",
    re.DOTALL | re.IGNORECASE,
)
_DIGITS = str.maketrans("oOlI", "0011")


def _plain(text: str) -> tuple[str, Sequence[int]]:
    """Return a text as patterns want it, and where each of its characters, and its end, stand in `text`."""
    if not _ODD.search(text):
        return text, range(len(text) + 1)
    letters, places = [], []
    for written in _WRITTEN.finditer(text):
        sign = " " if written[0].isspace() else {"º": "°", "ª": "°", "。": "."}.get(written[0], written[0])
        if len(sign) > 1:
            plain = sign.lower().replace("\\", "").replace("amp;", "")
            sign = sign[1] if sign[0] == "\\" else html.unescape(plain)
            if sign[0] == "%":
                sign = {"40": "@", "20": " "}.get(sign[-2:], ".")
        for c in unicodedata.normalize("NFKC", sign):
            if unicodedata.category(c) not in ("Cc", "Cf", "Mn", "Me"):
                letters.append(str(unicodedata.digit(c, c)))
                places.append(written.start())
    return "".join(letters).translate(LOOK_ALIKE), [*places, len(text)]


CONTACTS = ("none", "services", "all")  # whose numbers and addresses are shown


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """A contact, or a part of one, as a list or a form writes it; formatted without thinking it is masked.

    >>> f"{Person('M. DURAND Zoé, 04 65 71 00 01')}"
    '•••, 04 •• •• •• 01'
    """

    text: str
    registered: bool = False  # of the register, which is not published: a service's number is masked too

    def __str__(self) -> str:
        return mask(self.text)


def masks(persons: Iterable[Person], contacts: str = "none") -> dict[Person, str]:
    """Return what to show of each person, in the order given: those that differ look different.

    `contacts` is one of `CONTACTS`: with ``services``, what names nobody is shown (`mask`), unless it is the
    register's.
    """
    alike: defaultdict[str, list[Person]] = defaultdict(list)
    for person in dict.fromkeys(persons):
        services = contacts == "services" and not person.registered
        alike[person.text if contacts == "all" else mask(person.text, services)].append(person)
    return {
        person: masked if len(same) == 1 else f"{masked} ({number})"
        for masked, same in alike.items()
        for number, person in enumerate(same, 1)
    }


@lru_cache(1 << 16)
def unnamed(text: str) -> str:
    """Return a text that should name nobody, with whom it names all the same masked.

    Such are addresses, phone numbers and names behind a civility. A hospital keeps that of its doctor.

    >>> unnamed("CH DU DR SCHWEITZER, 010000024"), unnamed("Messagerie de zoe@x.example, 06 12 34 56 78")
    ('CH DU DR SCHWEITZER, 010000024', 'Messagerie de z•••@x.example, 06 •• •• •• 78')
    """
    plain, places = _plain(text)
    parts, end, at = [], 0, 0
    while name := _NAMING.search(plain, at):
        at = name.end()
        if name["whom"] and (texts.has_function(fold(name["whom"]).split()) or texts.is_firm(name["whom"])):
            at = name.end("to")  # a service: persons may be named further on
        elif not (name["kept"] or texts.names_house(name[0])):
            masked = mask(name[0].translate(_DIGITS) if name["phone"] else name[0])
            parts += [text[end : places[name.start()]], masked]
            end = places[at]
    return "".join([*parts, text[end:]])


def describe_error(error: BaseException) -> str:
    """Return type, message and innermost place of an error that nobody foresaw, naming no person."""
    message = unnamed(" ".join(str(error).split()))
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {message}".rstrip(": ") + place


# Masking. Nothing of a text goes through unless a pattern below says so.

HIDDEN = "•••"
_MASKED_PHONE = re.compile(r"\+?[0-9]{2}(?: ••){2,9} [0-9]{2}")
_HOST = re.compile(r"(?:[a-z0-9•](?:[a-z0-9•-]*[a-z0-9•])?\.)+[a-z•]{2,24}")
_RUN = re.compile(r"[a-z]+|[0-9]+")


@lru_cache(10_000)
def mask(text: str, services: bool = False) -> str:
    """Return a contact with persons masked; idempotent.

    Kept: the first and last two digits of a phone number; the first letter of an address, and its domain. All
    else becomes ``•••``; in a domain, so do words that stand elsewhere in the text, and digits, if more than
    two in a row or four in all. With `services`, what names nobody is kept, too: a landline or short number
    (mobiles are persons'), and an address all of whose words are a service's or its domain's.

    >>> mask("M. DURAND Zoé, 04 65 71 00 01, zoe.durand@ch-alpha.example, 3639")
    '•••, 04 •• •• •• 01, z•••@ch-alpha.example, •••'
    >>> mask("M. DURAND Zoé, 04 65 71 00 01, 06 39 98 00 01, dsi@ch.example, zoe@ch.example", services=True)
    '•••, 04 65 71 00 01, 06 •• •• •• 01, dsi@ch.example, z•••@ch.example'
    """
    parts = list(texts.parts_of(normalize(text)))
    outside = [written.partition("@")[0] if kind == "emails" else written for kind, written, _ in parts]
    words = {word for word in re.findall(r"[^\W\d_]+", fold(" ".join(outside))) if len(word) > 1}
    masked: list[str] = []
    for kind, written, phone in parts:
        if kind == "emails":
            masked.append(_mask_email(written, words, services))
        elif kind == "phones":
            masked.append(_mask_phone(written, phone, services))
        elif rest := written.strip():
            masked.append(rest if _MASKED_PHONE.fullmatch(rest) else HIDDEN)
    return ", ".join(m for before, m in zip(["", *masked], masked, strict=False) if not m == before == HIDDEN)


def _mask_phone(written: str, phone: str, services: bool) -> str:
    national = texts.national(phone) if phone else written
    if services and phone and not texts.is_mobile(phone):
        return national
    digits, plus = texts.digits_of(national), "+" if national.startswith("+") else ""
    bullets = " ••" * min((len(digits) - 3) // 2, 9)
    return f"{plus}{digits[:2]}{bullets} {digits[-2:]}" if len(digits) > 7 else HIDDEN


def _mask_email(token: str, words: set[str], services: bool) -> str:
    local, _, domain = token.lower().rpartition("@")
    if "@" in local or len(domain.replace(HIDDEN, "")) > 253 or not _HOST.fullmatch(domain):
        return HIDDEN
    if services and texts.names_nobody(f"{local}@{domain}"):
        return f"{local}@{domain}"
    many_digits = sum(map(str.isdigit, domain)) > 4

    def cover(run: re.Match[str]) -> str:
        if run[0].isdigit():
            return HIDDEN if many_digits or len(run[0]) > 2 else run[0]
        named = run[0] in words or any(len(word) > 3 and word in run[0] for word in words)
        return HIDDEN if named else run[0]

    first = local[0] if len(local) > 1 and local[0].isascii() and local[0].isalpha() else ""
    return f"{first}{HIDDEN}@{_RUN.sub(cover, domain)}"

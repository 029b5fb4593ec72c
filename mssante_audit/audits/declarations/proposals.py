"""What to write instead of a cell that is wrong, ready to copy; "" where nobody knows it without asking."""

import re
from functools import lru_cache

from mssante_audit.base.text import unaccented
from mssante_audit.declarations.cells import read_date
from mssante_audit.values.contacts import CONSUMER
from mssante_audit.values.dn import DN
from mssante_audit.values.hosts import ENDINGS, ZONE, in_zone, is_host
from mssante_audit.values.identifiers import DEPARTMENTS, identifier_of, parse_department, parse_identifier
from mssante_audit.values.identifiers import structure_key as structure_of
from mssante_audit.values.slips import one_slip

_LETTERS = 5  # shorter names are too near one another to call one a slip for the other
_ENDINGS = tuple(f".{ending}" for ending in ENDINGS)
_BEFORE_HOST = re.compile(r"[\s«\"'<]*(?:[a-z]{2,6}://|[\w.+-]*@)?")
_AFTER_HOST = re.compile(r"(?<![\s.,;»\"'>])[\s.,;»\"'>]+$")


def host_from(text: str) -> str:
    """Return the host name in a text that has more than that, or accents; "" if it has two.

    >>> host_from("https://ch-véli.fr/a.html"), host_from("ns1.x.fr (192.0.2.1)"), host_from("a.fr / b.fr")
    ('ch-veli.fr', 'ns1.x.fr', '')
    """
    without_path = re.sub(r"(?<=://)([^/\s]+)/\S*", r"\1", text.lower())
    name, *rest = re.split("[/(:]", _BEFORE_HOST.sub("", without_path, count=1), maxsplit=1)
    plain = unaccented(_AFTER_HOST.sub("", name))
    usable = is_host(plain) and plain != text.strip() and not re.search(r"\.[a-z]{2}", "".join(rest))
    return plain if usable else ""


def domain_from(text: str) -> str:
    """Return the domain in the manager's zone that a text is a slip of, never the zone itself.

    >>> domain_from("ch-x.msante.fr"), domain_from("a@ch-x.mssante.fr"), domain_from("ch.x@mssante.fr")
    ('ch-x.mssante.fr', 'ch-x.mssante.fr', '')
    """
    host = host_from(text)
    right = in_zone(host or text.strip().lower().rstrip("."))
    return right if is_host(right) else host if host != ZONE else ""


@lru_cache(10_000)
def mail_domain_from(domain: str, often: frozenset[str] = frozenset()) -> str:
    """Return the domain that an address misspells: in ``.fr``, a provider's, or one of `often`.

    >>> mail_domain_from("alpha.frr"), mail_domain_from("gmial.com"), mail_domain_from("a.fr")
    ('alpha.fr', 'gmail.com', '')
    """
    shortened = re.sub(r"(.)\1\Z", r"\1", domain)  # of a letter typed twice at the end
    if shortened != domain and shortened.endswith(_ENDINGS):
        return shortened
    long = (right for right in often | CONSUMER if len(right.rpartition(".")[0]) >= _LETTERS)
    return "" if domain in CONSUMER else min((r for r in long if one_slip(domain, r)), default="")


def identifier_from(text: str, ou: str) -> str:
    """Return the identifier that a number without its kind or first zero is, or the DN's `ou` a digit apart.

    >>> identifier_from("10000016", ""), identifier_from("1759900003", "1759900004")
    ('1010000016', '1759900004')
    """
    value = identifier_of(text)
    restored = {8: f"10{value}", 9: structure_of(value), 13: f"30{value}"}.get(len(value), value)
    if restored != value and not parse_identifier(restored).problems:
        return restored
    ou = identifier_of(ou)
    return ou if digit_apart(value, ou) and not parse_identifier(ou).problems else ""


def digit_apart(first: str, second: str) -> bool:
    """Tell whether two numbers differ by one digit, or by two neighbours swapped."""
    if len(first) != len(second):
        return False
    at = [n for n, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    return len(at) == 1 or (len(at) == 2 and first[at[0] : at[1] + 1] == second[at[0] : at[1] + 1][::-1])


def date_from(text: str) -> str:
    """Return a day of this century whose year has two digits, as the form writes it.

    >>> date_from("4/5/25"), date_from("31/02/25")
    ('04/05/2025', '')
    """
    day, _ = read_date(re.sub(r"(\d\d)\W*$", r"20\1", text))
    return f"{day:%d/%m/%Y}" if day else ""


def department_from(dn: DN) -> tuple[dict[str, str], str]:
    """Return the named département if its code is another's, and the DN with the right code."""
    written = parse_department(dn.get("ST") or dn.get("L"))
    named = parse_department(written.label).code
    place = {"label": DEPARTMENTS[named], "code": named} if named and "mismatch" in written.problems else {}
    is_finess = written.code == parse_identifier(dn.get("OU")).department
    code = written.code if is_finess else named or written.code
    if "\\" in dn.canonical or not code:
        return place, ""
    right = f"{DEPARTMENTS[code]} ({code})"
    return place, ",".join(f"{kind}={right if kind in ('ST', 'L') else text}" for kind, text in dn.rdns)

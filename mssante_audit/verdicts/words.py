"""Verdicts in words: what decides each check, from the titles of rules, in the reader's language."""

from collections.abc import Mapping, Sequence
from typing import cast

from mssante_audit.base.language import (
    Words,
    colon,
    current_language,
    format_text,
    gettext,
    localized,
    semicolon,
    using_language,
    words_of,
)
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.network.hosts import Part
from mssante_audit.network.mail import Arrival
from mssante_audit.verdicts.checks import NOT_AUDITED

# Words by language and code (`words.toml`); doubts are why a list is not to be relied on, faults what the
# gate finds that no rule does, with titles and remedies.
CHECK_NAMES, DOUBTS, FAULTS, RECEIVING, REFUSED, OUTCOME_WORDS, _CODES, _REASONS = (
    Words(words_of("mssante_audit.verdicts")["fr"][table])
    for table in ("checks", "doubts", "faults", "receiving", "refused", "said", "codes", "reasons")
)


def not_relied_on(doubts: Sequence[str]) -> str:
    """Say why a list is not to be relied on."""
    head, texts = gettext("la liste ne fait pas foi"), (DOUBTS[current_language()][doubt] for doubt in doubts)
    return format_text("{what} : {text}", what=head, text=semicolon().join(texts))


def reasons(why: Mapping[str, Sequence[str]], language: str = "") -> str:
    """Return why checks are not ok (`why`: codes by check), in words; what is not audited yet is left out."""
    sentences = []
    with using_language(language := language or current_language()):
        for check, name in {**CHECK_NAMES[language], **_REASONS[language]}.items():
            codes = {*why.get(check, ())}
            twice = check == "receives" and any(codes <= {*why.get(other, ())} for other in ("dns", "mail"))
            if codes and NOT_AUDITED not in codes and not twice:
                sentences.append(f"{name}{colon()}{semicolon().join(map(reason, why[check]))}.")
    return " ".join(sentences)


def causes() -> dict[str, dict[str, str]]:
    """Return by cause (`mssante_audit.network.mail.CAUSES`) what is ``met``, and what to ``do`` or ""."""
    words = words_of("mssante_audit.verdicts", "causes.toml")
    return cast(dict[str, dict[str, str]], words[current_language()])


def about(mail: Arrival | Part) -> str:
    """Return what decides whether mail to a domain arrives, with its zone, servers or hosts in brackets."""
    facts = [mail.facts[name] for name in ("zone", "servers", "hosts") if mail.facts.get(name)]
    names = ", ".join(text if isinstance(text, str) else ", ".join(text) for text in facts)
    return causes()[mail.cause]["met"] + (f" ({names})." if names else ".")


def capital(text: str) -> str:
    """Return a text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def reason(code: str) -> str:
    """Return what one code of `why` means, in words (`mssante_audit.verdicts.domains`)."""
    language = current_language()
    words: dict[str, str] = _CODES[language] | DOUBTS[language]
    if code in words:
        return words[code]
    if code in causes():
        return causes()[code]["met"]
    need = code.removeprefix("no_")
    if need != code:
        return known_needs()[need][language]
    title = localized(catalogue()[code], "title")
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]

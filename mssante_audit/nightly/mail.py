"""A night as a mail to send, and as JSON: the words of `mssante_audit.nightly.summary`, and the facts."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mssante_audit.base.markup import visible
from mssante_audit.nightly.log import SITE, began
from mssante_audit.nightly.summary import paragraphs, summary, verdict

if TYPE_CHECKING:
    from mssante_audit.nightly.run import Night
    from mssante_audit.nightly.settings import Mail

KIND = "mssante-audit night"
_SHOWN = (
    "shown", "new_by_severity", "fixed_by_severity", "critical", "new", "fixed", "lost", "first", "list",
)  # fmt: skip
_PAGE = """<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family:sans-serif;line-height:1.4;max-width:45em">
{body}
</body></html>
"""


def message(night: Night, mail: Mail) -> EmailMessage:
    """Return a night as a mail: the summary, and the same in HTML beside it.

    Without a sender it is a draft, which an e-mail program opens to be addressed.
    """
    made = EmailMessage(policy=SMTP)
    text = summary(night)
    made["Subject"] = text.split("\n", 1)[0]
    if mail.sender:
        made["From"] = mail.sender
    else:
        made["X-Unsent"] = "1"
    if mail.recipients:
        made["To"] = ", ".join(mail.recipients)
    stamp = night.folder.name
    made["Date"] = format_datetime(began(stamp))
    # The same for the same night: a run that was killed while it sent the mail sends it again.
    made["Message-ID"] = f"<{stamp}.mssante-audit@{mail.sender.rpartition('@')[2] or 'localhost'}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{text}\n")
    made.add_alternative(page(night), subtype="html")
    return made


def page(night: Night) -> str:
    """Return the mail in HTML: its first line as the heading, causes as lists, nothing from elsewhere."""
    title, *rest = paragraphs(night)
    body = [f"<h1 style='font-size:1.3em'>{_shown(title)}</h1>"]
    for begin, lines in groupby(rest, lambda line: next((b for b in ("- ", "  ") if line.startswith(b)), "")):
        if begin == "- ":
            body += ["<ul>", *(f"<li>{_shown(line[2:])}</li>" for line in lines), "</ul>"]
        elif begin:
            body += [f"<p style='margin-left:2em'>{_shown(line.strip())}</p>" for line in lines]
        else:
            body += [f"<p>{_shown(line)}</p>" for line in lines]
    return _PAGE.format(lang=night.lang, title=_shown(title), body="\n".join(body))


def _shown(text: str) -> str:
    return escape(visible(text))


def told(night: Night) -> dict[str, Any]:
    """Return a night as JSON types: what the mail says, in numbers, codes and names."""
    facts = night.results["audit"].facts
    text = summary(night)
    return {
        "kind": KIND,
        "run": night.folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "verdict": verdict(night, facts),
        "resumed": night.resumed,
        "language": night.lang,
        "subject": text.split("\n", 1)[0],
        "inputs": [one.told(night.lang) for one in night.inputs],
        "previous": facts.get("previous", ""),
        "found": facts.get("by_severity", {}),
        "counts": facts.get("counts", {}),
        "failed_rules": facts.get("failed_rules", []),
        **{name: facts[name] for name in _SHOWN if name in facts},
        "steps": [
            {name: getattr(result, name) for name in ("step", "outcome", "seconds", "message")}
            for result in night.results.values()
        ],
        "site": str(night.folder.parents[1] / SITE / "index.html"),
        "folder": str(night.folder),
        "text": text,
    }

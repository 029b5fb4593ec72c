"""Everything that is written for one operator, and a scan for what is another's, unlike the package's own.

The scan knows nothing of `mssante_audit.dossiers.belongings`: it takes what others have from the frames, and
looks for it, exactly as written, in what a reader (or a program) gets to see.
"""

import re
from base64 import b64decode
from email import message_from_bytes, policy
from html import unescape
from io import BytesIO

from pypdf import PdfReader

from mssante_audit.base.resources import resource
from mssante_audit.dossiers.write import Order, from_space
from mssante_audit.report.run import plan
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier

_HOST = re.compile(r"[\w•-]+(?:\.[\w•-]+)+")
_KINDS = {"CENTRE", "CLINIQUE", "DE", "HOSPITALIER", "INTERCOMMUNAL", "MEDICAL", "SANTE"}
_CONSUMER = {"gmail.com", "orange.fr", "wanadoo.fr", "hotmail.fr", "hotmail.com", "free.fr", "yahoo.fr"}


def written_for(space, operator_id, lang="fr"):
    """Return the text of each file of an operator's dossier, made from a loaded space."""
    settings = {"operator": operator_id, "lang": lang}
    (job,) = plan({"operator": resource("notebooks") / "operator.ipynb"}, settings)
    done = from_space(Order("", job.shown, ""), space, operator_id)
    assert done.dossier.failure is None
    return {
        suffix: letter_text_of(content) if suffix in (".txt", ".eml") else content.decode("utf-8-sig")
        for suffix, content in done.files.items()
    }


def letter_text_of(content):
    """Return all text of a message or its draft: headers, parts, fields of attached forms."""
    message = message_from_bytes(content, policy=policy.default)
    if "Message-ID" not in message:
        return content.decode()
    texts = [f"{name}: {value}" for name, value in message.items()]
    for part in message.walk():
        if part.get_content_type() == "application/pdf":
            fields = PdfReader(BytesIO(part.get_content())).get_fields()
            texts += [str(field.get("/V", "")) for field in fields.values()]
        elif part.get_content_maintype() == "text":
            texts.append(part.get_content())
        texts.append(part.get_filename() or "")
    return "\n".join(texts)


def belonging(space):
    """Return what each operator has: kind → text → operators, of lists and (domains) of declarations."""
    owners = {kind: {} for kind in ("id", "name", "host", "email", "phone")}

    def add(kind, text, owner):
        if text:
            owners[kind].setdefault(text, set()).add(owner)

    def add_hosts(owner, *names):
        for name in names:
            add("host", name.lower() if "." in name else "", owner)

    for row in space.entries.to_dict("records"):
        owner = row["operator_id"]
        add("id", owner, owner)
        add("name", row["operator"], owner)
        add_hosts(owner, row["domain"], row["cn"])
        for kind in ("project", "support"):
            email = row[f"{kind}_email"]
            add("email", email, owner)
            add_hosts(owner, *{email.partition("@")[2]} - _CONSUMER)
            add("phone", row[f"{kind}_phone"][-9:], owner)
    if space.archive is not None:
        for domain, dn in space.archive.history[["domain", "dn"]].itertuples(index=False):
            owner = parse_identifier(parse_dn(dn).get("OU")).value
            add("id", owner, owner)
            add_hosts(owner, domain, parse_dn(dn).get("CN"))
    if space.register is not None:
        columns = ["operator_id", "structure_name", "domain_key"]
        for owner, name, domain in space.register.declarations[columns].itertuples(index=False):
            add("id", owner, owner)
            add("name", name.strip(), owner)
            add_hosts(owner, domain)
    for name in list(owners["name"]):  # a kind of establishment; the authority of every IGC-CPS certificate
        if _KINDS.issuperset(name.split()) or name == "GIP-CPS":
            del owners["name"][name]
    return owners


def leaks(text, has, operator_id):
    """Return what in a text is others' and not `operator_id`'s."""
    plain = unescape(seen(text))
    hosts = {host.casefold().strip("-") for host in _HOST.findall(plain)}
    tokens = set(re.findall(r"[0-9A-Za-z]{6,}", plain))
    digits = {re.sub(r"\D", "", run)[-9:] for run in re.findall(r"\+?\d(?:[ .]?\d){8,13}", plain)}
    emails = {email.casefold() for email in re.findall(r"[\w.+-]+@[\w.-]+", plain)}
    named = {"id": tokens, "host": hosts, "phone": digits, "email": emails}
    others_have = [
        trace
        for kind, here in named.items()
        for trace in here & has[kind].keys()
        if operator_id not in has[kind][trace]
    ]
    own_names = sorted((n for n, o in has["name"].items() if operator_id in o), key=len, reverse=True)
    for name in own_names:
        plain = plain.replace(name, "")
    others = [n for n, o in has["name"].items() if operator_id not in o and n in plain]
    return others_have + [n for n in others if re.search(rf"(?<!\w){re.escape(n)}(?!\w)", plain)]


def seen(text):
    """Return a page with the files that it holds read, and its pictures' bytes left out."""
    text = re.sub(r"data:image/png;base64,[\w+/=]*", "", text)
    return re.sub(r"data:text/csv;base64,([\w+/=]*)", lambda m: b64decode(m[1]).decode("utf-8-sig"), text)

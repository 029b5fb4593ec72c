"""The explorer's page of a space, and what is packed in it."""

import gzip
import json
import re
from base64 import b64decode

from mssante_audit.audits import audit_all
from mssante_audit.base.language import using_language
from mssante_audit.base.markup import visible
from mssante_audit.findings.frame import concat
from mssante_audit.report.explorer import explorer_html
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.domains import domains

PACKED = re.compile(r'(?<=id="data">)[\w+/=]*(?=</script>)')


def unpacked(html):
    return json.loads(gzip.decompress(b64decode(PACKED.search(html)[0])))


def called(domain):
    return visible(unnamed(domain))


def page_of(space, more=None, **options):
    """The explorer's page of a space, of its findings and some more, and the frame it tells of."""
    with using_language(options.pop("language", "fr")):
        findings = audit_all(space)
        findings = findings if more is None else concat([findings, more])
        table = domains(space, findings)
        return explorer_html(space, findings, table, **options), table

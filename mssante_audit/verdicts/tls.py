"""Whether a domain's mail servers present what its senders take, as far as they were seen.

============== ======== =====================================================================================
cause          grade    meaning
============== ======== =====================================================================================
               ok       every server was seen, lately, and is right: name, dates, chain; none is known
                        to be revoked
``tls-some``   warn     some are right, some are not
``tls-none``   fail     none is, of those that were seen, and all were
``tls-old``    unknown  a server was seen longer ago than `observation_max_age_days`, and the others do not
                        decide
``tls-unseen`` unknown  a server was not seen, and those that were do not decide
``tls-alone``  unknown  names and dates are right; no anchors were at hand to judge a chain by
============== ======== =====================================================================================
"""

from __future__ import annotations

from typing import NamedTuple

from mssante_audit.audits.certificates.presented import presented
from mssante_audit.audits.certificates.servers import right
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.space.trust import TrustSpace

CAUSES = ("tls-none", "tls-some", "tls-old", "tls-unseen", "tls-alone")
"""What decides, where it is not ok."""


class Tls(NamedTuple):
    """What is known of the servers of a domain."""

    grade: str
    """``ok``, ``warn``, ``fail`` or ``unknown``."""
    cause: str = ""
    old: bool = False
    """Whether a server was seen too long ago: what was found of it then decides nothing any more."""


def tls_of(space: TrustSpace) -> dict[str, Tls]:
    """Return what is known of each domain's servers; empty without observations of DNS and of TLS."""
    seen, oldest = presented(space), space.thresholds.oldest_observation(space.as_of)
    found = {}
    for domain, servers in seen.of.items():
        told = [server for server in servers if server.outcome in TELLING]
        fresh = [right(seen, domain, server) for server in told if server.at >= oldest]
        old = len(fresh) < len(told)
        whole = len(fresh) == len(servers) and not seen.missing[domain]
        if len(set(fresh)) == 2:
            found[domain] = Tls("warn", "tls-some", old)
        elif fresh and whole and not fresh[0]:
            found[domain] = Tls("fail", "tls-none")
        elif fresh and whole:
            judged = all(server.chain and server.chain.state for server in told)
            found[domain] = Tls("ok") if judged else Tls("unknown", "tls-alone")
        else:
            found[domain] = Tls("unknown", "tls-old" if old else "tls-unseen", old)
    return found

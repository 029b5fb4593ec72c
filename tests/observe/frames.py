"""Visits as a frame, which tests look things up in."""

import pandas as pd

from mssante_audit.observe.tls.observation import TlsObservation, Visited


def visits_of(seen: TlsObservation, *, by_name: bool = False) -> pd.DataFrame:
    """Return the visits without SNI, or those with it, a row each."""
    chosen = [visit for visit in seen.visits if bool(visit.sni) is by_name]
    return pd.DataFrame(chosen, columns=list(Visited._fields))

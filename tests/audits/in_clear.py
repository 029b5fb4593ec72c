"""What an audit finds, as tests read it: in French, and with persons as they are."""

import pandas as pd

from mssante_audit.audits import findings_of
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace


def told_in_clear(name: str, space: TrustSpace) -> pd.DataFrame:
    """Return the findings of one audit, waived ones too."""
    return worded(findings_of(name, space), show_contacts=True)

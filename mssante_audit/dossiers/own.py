"""Which contacts are an operator's own: those that its rows of the list and its declarations hold.

Nothing that is told to be its own is any other text than what it published or declared itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from mssante_audit.declarations.headings import fields
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact


def own_contacts(
    space: TrustSpace, entries: pd.DataFrame, operator_id: str, whose: Belongings
) -> Callable[[str], bool]:
    """Return what tells whether a contact, or a part of one, is an operator's own.

    Parameters
    ----------
    entries
        The operator's rows of the list.
    whose
        What belongs to whom: what the lists give to others is not its own, though it declared it.
    """
    texts = {*entries["project_contact"], *entries["support_contact"]}
    if space.declarations is not None:
        register = space.declarations.declarations
        declared = register[register["operator_id"] == operator_id]
        personal = [name for name, field in fields().items() if field.personal]
        texts.update(text for name in personal for text in declared[name])
    texts.discard("")
    read = [parse_contact(text) for text in texts]
    reached = {part for one in read for part in (*one.phones, *one.emails)}

    def is_own(text: str) -> bool:
        if whose.foreign(text, operator_id):
            return False
        if not text.strip() or any(text in known for known in texts):
            return True
        told = parse_contact(text)
        parts = [*told.phones, *told.emails]
        # Written otherwise, and still nothing in it but what it reaches.
        return (
            bool(parts) and reached.issuperset(parts) and not (told.names or told.malformed or told.leftovers)
        )

    return is_own

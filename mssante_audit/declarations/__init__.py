"""The register of declarations: Annexe 1 in every format, as a frame."""

from mssante_audit.declarations.register import Register, load_declarations

__all__ = ["Register", "load_declarations"]

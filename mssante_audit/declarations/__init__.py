"""The register of declarations: Annexe 1 in every format, as a frame."""

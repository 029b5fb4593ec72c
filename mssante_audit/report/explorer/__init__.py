"""The explorer: the domains of a space in one page that searches, filters, counts and tells of each."""

from mssante_audit.report.explorer.page import FILE, Explorer, explore, explorer_html

__all__ = ["FILE", "Explorer", "explore", "explorer_html"]

"""Sphinx's settings of the documentation site; `tools/docs/sources.py` writes what it reads."""

from importlib.metadata import version as installed

project = "mssante_audit"
version = release = installed("mssante-audit")
copyright = "MIT"  # noqa: A001 - Sphinx's name
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_show_sphinx = html_copy_source = False
html_static_path, html_css_files = ["_static"], ["theme.css"]
html_extra_path, exclude_patterns = ["published"], ["published"]  # the demonstration, as it is
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
default_role = "code"
napoleon_numpy_docstring = True
autodoc_typehints = "description"
suppress_warnings = ["myst.header", "misc.highlighting_failure"]

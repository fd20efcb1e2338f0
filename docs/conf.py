"""Settings of the documentation."""

from importlib.metadata import version as installed_version

project = "jobsvalkey"
author = "The jobsvalkey authors"
release = version = installed_version("jobsvalkey")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"jobsvalkey {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# Types are written out in full in the signatures; the short name reads better.
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True

"""The site of the documentation: the repository's own pages, where they lie, so that every link is the repository's."""

project = "Mizan"
extensions = ["myst_parser"]
# Read from the repository's root: a link to a query or a test is then a download, and a dead one stops the build.
root_doc = "docs/index"
include_patterns = ["README.md", "GLOSSARY.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**"]
# Folders that are not even looked into.
exclude_patterns = [".*", "var", "tests", "transforms", "benchmarks", "dashboard", "docs/site"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]  # a block may be of a dialect that nobody colours
# Nothing of another origin: no fonts, no scripts, no counters; search is a file of the site.
html_theme = "furo"
html_title = "Mizan"
html_extra_path = ["index.html"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False

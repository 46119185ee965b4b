"""The pages and what they load: templates, modules, style sheets, libraries. Begin with `pages.py`."""

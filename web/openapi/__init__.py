"""The API described: what every route under /api/v1 takes and answers, as OpenAPI 3.1.

Begin with `operations.py`, which has them all; `document.py` makes the document, `changes.py` tells what would break
those who rely on it, `served.py` serves it and a page that shows it.
"""

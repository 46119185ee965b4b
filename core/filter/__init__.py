"""The filter language `q`: what may be written in it, and which rows match.

It knows rows and columns, not where they come from. Begin with `query.py`; `fields.py` has the kinds of values.
"""

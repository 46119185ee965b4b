"""The filter language `q`: what may be written in it, and the rows that match.

It knows rows and columns, not where they come from. Begin with `query.py`; `fields.py` has the values, `catalogue.py` the completion.
"""

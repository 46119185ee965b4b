"""The HTTP API: routes decode, call one function, encode.

Begin with `api.py`; `parameters.py` has every parameter, `problems.py` every error.
"""

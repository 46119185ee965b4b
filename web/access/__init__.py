"""Who may do what: hosts, origins, the policy of the pages, orders from this machine only.

Begin with `security.py`.
"""

"""Who may do what: hosts, origins, roles, sessions, users; the policy of the pages.

Begin with `roles.py` (the table) and `login.py` (the check of each request); `security.py` is what comes before it.
"""

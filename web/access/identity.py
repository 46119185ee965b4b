"""Who sends a request."""

from dataclasses import dataclass

from web.access.roles import Role


@dataclass(frozen=True)
class Identity:
    """Someone who may do something. `name` is for people and for the record of orders."""

    name: str
    role: Role
    session: str = ""
    """The session of a cookie, which a log-out ends; empty without one."""

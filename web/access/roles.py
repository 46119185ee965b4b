"""Who may do what: one table for the routes of HTTP and the events of Socket.IO."""

from enum import IntEnum
from typing import Final


class Role(IntEnum):
    """What someone may do; each role may all that those before it may."""

    ANYONE = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def text(self) -> str:
        """As the API and the users file write it."""
        return self.name.lower()


ROLES: Final = {role.text: role for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)}
"""Those that a person can have, by name."""

_ROUTES: Final = {
    Role.ANYONE: """
        static vendor.library pages.icon health.healthz
        login.form login.sign_in login.sign_out
    """,
    Role.VIEWER: """
        pages.overview pages.connections pages.connection pages.events pages.loop pages.lab pages.orders gallery.show
        login.me
        api.status api.overview api.span api.loop api.events api.histogram api.series
        connections.connections connections.connection connections.connection_groups connections.course
        fields.fields fields.values
        downloads.download downloads.estimate downloads.progress downloads.cancel
        metrics.metrics orders.listed faults.listed openapi.openapi openapi.docs
        streams.stream
        lab.options lab.estimate lab.runs lab.run lab.compared lab.download
        zoo.animals
    """,
    Role.OPERATOR: """
        orders.close orders.close_matching orders.model
        faults.begin faults.end faults.end_all
        lab.start lab.cancel lab.delete
        zoo.start zoo.stop
    """,
}
RULES: Final = {endpoint: role for role, names in _ROUTES.items() for endpoint in names.split()}
"""The least role for each route, by its endpoint. A route that is not here is refused to everyone (see `check`)."""

EVENTS: Final = {"connect": Role.VIEWER, "disconnect": Role.ANYONE, "watch": Role.VIEWER, "unwatch": Role.VIEWER}
"""The least role for each event that a client of Socket.IO sends."""


def missing(endpoints: set[str]) -> list[str]:
    """The endpoints that have no rule."""
    return sorted(endpoints - RULES.keys())

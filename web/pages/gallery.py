"""The gallery, for whoever changes the pages: every component in each of its states, with made-up figures."""

from typing import Final

from flask import Blueprint, render_template
from markupsafe import Markup

from core.ring.events import FIELDS
from core.watch.kernel.facts import FACTS

PAGES: Final = ("overview", "connections", "connection", "events", "loop", "lab")
"""The pages whose markup the gallery takes its components from."""


def blueprint() -> Blueprint:
    """/gallery, and an address for each component; what there is, static/js/gallery/components.js tells."""
    gallery = Blueprint("gallery", __name__)

    @gallery.get("/gallery")
    @gallery.get("/gallery/<component>")
    def show(component: str = "") -> str:
        return render_template("gallery.html", component=component, pages={name: _markup(name) for name in PAGES})

    return gallery


def _markup(page: str) -> Markup:
    """What a page has between its head and its foot, as it is served."""
    return Markup(render_template(f"{page}.html", layout="bare.html", conn=17, facts=FACTS, fields=FIELDS, workers=2))  # noqa: S704

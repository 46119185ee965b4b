"""Sign in and out, and the check of every request: its sender must have the role that the route needs."""

import math
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, g, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from core.bad_value import BadValueError
from web.access.authentication import Authentication, WaitError
from web.access.identity import Identity
from web.access.roles import RULES, Role, missing
from web.access.sessions import COOKIE
from web.api.orders import Orders, order_name
from web.api.parameters import NoParameters, parse
from web.api.problems import PROBLEM_PATHS, ProblemError, wants_page

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="echoscope"'}


def register(app: Flask, authentication: Authentication, orders: Orders) -> None:
    """Let every route of `app`, which are all there by now, be used by those alone who have its role."""
    app.register_blueprint(_blueprint(authentication))
    without = missing({rule.endpoint for rule in app.url_map.iter_rules()})
    if without:
        raise LookupError(f"routes without a rule in web/access/roles.py: {', '.join(without)}")
    app.before_request(lambda: _check(authentication, orders))
    app.after_request(lambda response: _renew(authentication, response))
    app.context_processor(lambda: {"me": g.get("me"), "asks": authentication.asks})


def _check(authentication: Authentication, orders: Orders) -> BaseResponse | None:
    """What is answered instead of the route, if anything."""
    me = g.me = authentication.identify(request.environ)
    g.origin = authentication.proxies.client(request.environ)
    if request.endpoint is None:
        return None
    least = RULES[request.endpoint]
    is_page = request.method == "GET" and request.endpoint.startswith("pages.")
    if is_page and authentication.asks and "token" in request.args:
        return _exchange(authentication, request.args["token"])
    if least is Role.ANYONE or (me is not None and me.role >= least):
        return None
    if me is not None:
        if least >= Role.OPERATOR:
            orders.refused(order_name(request.endpoint), _needs(least, me))
        raise ProblemError(403, _needs(least, me))
    if wants_page() and not request.path.startswith(PROBLEM_PATHS):
        return _form(authentication, next_path=request.full_path if request.query_string else request.path)
    raise ProblemError(401, _who_are_you(authentication), _CHALLENGE)


def _needs(least: Role, me: Identity) -> str:
    return f"this needs the role {least.text}; {me.name} has the role {me.role.text}"


def _who_are_you(authentication: Authentication) -> str:
    if authentication.mode == "proxy":
        return "the proxy in front of this server has not said who you are (Remote-User from a --trusted-proxy)"
    return "sign in, or send the token: Authorization: Bearer TOKEN"


def _exchange(authentication: Authentication, token: str) -> BaseResponse:
    """A token in the address of a page becomes a cookie, and leaves the address."""
    rest = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "token"])
    path = f"{request.path}?{rest}" if rest else request.path
    return _sign_in(authentication, "", token, path)


def _sign_in(authentication: Authentication, name: str, password: str, path: str) -> BaseResponse:
    try:
        cookie = authentication.sign_in(request.environ, name, password)
    except WaitError as error:
        response = _form(
            authentication, next_path=path, error=f"Too many wrong attempts. Try again in {error.seconds:.0f} s."
        )
        response.status_code = 429
        response.headers["Retry-After"] = f"{error.seconds:.0f}"
        return response
    except BadValueError as error:
        raise ProblemError(500, str(error)) from error
    if not cookie:
        what = "name or password" if authentication.mode == "users" else "token"
        return _form(authentication, next_path=path, error=f"Wrong {what}.", name=name)
    onward = redirect(request.script_root + path, 303)
    _set(authentication, onward, cookie)
    return onward


def _wait(authentication: Authentication, path: str, error: WaitError) -> BaseResponse:
    seconds = math.ceil(error.seconds)
    response = _form(authentication, next_path=path, error=f"Too many wrong attempts. Try again in {seconds} s.")
    response.status_code = 429
    response.headers["Retry-After"] = str(seconds)
    return response


def _form(authentication: Authentication, next_path: str, error: str = "", name: str = "") -> Response:
    page = render_template(
        "login.html",
        mode=authentication.mode,
        next_path=next_path,
        error=error,
        name=name[:64],
        why=_who_are_you(authentication),
    )
    response = make_response(page, 401)
    response.headers["Cache-Control"] = "no-store"
    return response


def _set(authentication: Authentication, response: BaseResponse, cookie: str) -> None:
    response.set_cookie(
        COOKIE,
        cookie,
        path=request.script_root or "/",
        httponly=True,
        samesite="Strict",
        secure=authentication.proxies.is_secure(request.environ),
    )


def _renew(authentication: Authentication, response: Response) -> Response:
    """A session that is used goes on."""
    me: Identity | None = g.get("me")
    if me is not None and me.session and not authentication.sessions.is_ended(me.session):
        claims = authentication.claims(request.environ)
        renewed = claims and authentication.sessions.renewed(claims)
        if renewed:
            _set(authentication, response, renewed)
    return response


def local_path(text: str) -> str:
    """A path on this server for where someone wanted to go; the first page for what leads anywhere else."""
    parts = urlsplit(text)
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return text if is_path and text.isprintable() and "\\" not in text else "/"


def _blueprint(authentication: Authentication) -> Blueprint:
    login = Blueprint("login", __name__)

    @login.get("/login")
    def form() -> BaseResponse:
        path = local_path(request.args.get("next", "/"))
        if not authentication.asks or g.me is not None:
            return redirect(request.script_root + path, 303)
        response = _form(authentication, next_path=path)
        response.status_code = 200
        return response

    @login.post("/login")
    def sign_in() -> BaseResponse:
        if not authentication.asks or authentication.mode == "proxy":
            raise ProblemError(409, "there is nothing to sign in to here")
        path = local_path(request.form.get("next", "/"))
        return _sign_in(authentication, request.form.get("name", ""), request.form.get("password", ""), path)

    @login.post("/logout")
    def sign_out() -> BaseResponse:
        me: Identity | None = g.me
        if me is not None and me.session:
            authentication.sessions.end(me.session)
        response = redirect(request.script_root + "/login", 303)
        response.delete_cookie(COOKIE, path=request.script_root or "/", httponly=True, samesite="Strict")
        return response

    @login.get("/api/v1/me")
    def me() -> Response:
        parse(NoParameters, request.args)
        return jsonify({"name": g.me.name, "role": g.me.role.text, "auth": authentication.mode})

    return login


def lacks(least: Role) -> str:
    """Why who sends the request may not do what needs this role; empty: he may."""
    me: Identity = g.me
    return "" if me.role >= least else _needs(least, me)

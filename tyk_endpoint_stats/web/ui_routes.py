"""The pages' entries of the table of routes. What they are made by is imported when one is asked for."""

from tyk_endpoint_stats.web.messages import Response
from tyk_endpoint_stats.web.route import Authentication, Call, Parameter, Route

__all__ = ["FILE_ENDINGS", "PAGE_NAMES", "UI_ROUTES"]

PAGE_NAMES = ("overview", "consumers", "consumer", "endpoints", "endpoint", "find", "about")
"""What stands behind ``/ui/``; all but the first, whose address ends there."""

FILE_ENDINGS = ("csv", "json", "html")
"""What else a page can be had as, behind its name and a dot."""


def _page(call: Call) -> Response:
    from tyk_endpoint_stats.web.pages import respond_page

    return respond_page(call.request, call.store, call.settings, call.access)


def _root(call: Call) -> Response:
    from tyk_endpoint_stats.web.pages import respond_root

    return respond_root(call.request, call.settings, call.access)


def _route(path: str, *methods: str, parameters: tuple[Parameter, ...] = ()) -> Route:
    return Route(
        path=path,
        answer=_page,
        authentication=Authentication.OWN,
        methods=methods or ("GET", "HEAD"),
        parameters=parameters,
    )


_NAMES = ["", *PAGE_NAMES, *(f"{name}.{ending}" for name in PAGE_NAMES for ending in FILE_ENDINGS)]

UI_ROUTES: tuple[Route, ...] = (
    Route(path="/", answer=_root, authentication=Authentication.OWN),
    _route("/ui"),
    *(_route(f"/ui/{name}") for name in _NAMES),
    _route("/ui/login", "GET", "HEAD", "POST"),
    _route("/ui/logout", "POST"),
    _route("/ui/static/{name}", parameters=(Parameter(name="name", schema={"type": "string"}, in_path=True),)),
    _route("/ui/{page}", parameters=(Parameter(name="page", schema={"type": "string"}, in_path=True),)),
)
"""They see to it themselves that whoever asks may: a browser is sent to the form where others get a 401."""

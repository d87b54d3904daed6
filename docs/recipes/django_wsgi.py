"""A Django project's ``wsgi.py`` with the routes below ``/stats`` beside it."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

PREFIX = "/stats"

store = open_store(os.environ.get("TYK_ENDPOINT_STATS_STORE", "sqlite:///tyk-endpoint-stats.db"))
stats = make_wsgi_app(store, Settings(tokens=Tokens([os.environ["STATS_TOKEN"]])))
project = get_wsgi_application()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What is below the prefix goes to the routes, all else to Django."""
    path = environ.get("PATH_INFO", "")
    if path != PREFIX and not path.startswith(PREFIX + "/"):
        return project(environ, start_response)
    below = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + PREFIX, "PATH_INFO": path[len(PREFIX) :]}
    return stats({**environ, **below}, start_response)

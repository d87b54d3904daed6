"""The recipes run as they stand in ``docs/recipes``: behind real servers, as a notebook, as Grafana asks."""

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.testing import batch_of, hit
from tyk_endpoint_stats.testing.generators import FIRST_DAY
from tyk_endpoint_stats.web import messages
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).parents[1] / "docs" / "recipes"
TOKEN = "another-token-of-length"
DJANGO_SETTINGS = "SECRET_KEY = 'x'\nROOT_URLCONF = 'urls'\nALLOWED_HOSTS = ['*']\n"
DJANGO_URLS = (
    "from django.http import HttpResponse\nfrom django.urls import path\n"
    "urlpatterns = [path('busiest', lambda request: HttpResponse('[1]'))]\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One with a store in it, of two consumers and 40 days."""
    place = tmp_path_factory.mktemp("recipes")
    with open_store(f"sqlite:///{place}/tyk-endpoint-stats.db") as store:
        store.merge(
            batch_of(
                hit(
                    FIRST_DAY + number % 40,
                    number * 97 % 86_400,
                    code=(200, 200, 404, 500)[number % 4],
                    api_key=("k/1", "k2")[number % 3 == 0],
                    path=f"/{number % 5}",
                    alias="Müller & Söhne",
                )
                for number in range(400)
            )
        )
    (place / "project").mkdir()
    (place / "project" / "settings.py").write_text(DJANGO_SETTINGS)
    (place / "urls.py").write_text(DJANGO_URLS)
    return place


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url, token=TOKEN):
    try:
        with urlopen(Request(url, headers={"authorization": token}), timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as problem:
        with problem:
            return problem.code, problem.read()


@pytest.mark.parametrize(
    ("command", "own"),
    [
        (["uvicorn", "fastapi_app:app", "--port"], True),
        (["waitress", "--host=127.0.0.1", "flask_app:app", "--port"], True),
        (["waitress", "--host=127.0.0.1", "django_wsgi:application", "--port"], True),
    ],
    ids=["fastapi", "flask", "django"],
)
def test_an_application_serves_the_routes_below_its_own(folder, command, own):
    module, *rest = command
    port = free_port()
    target = next(part for part in rest if ":" in part)
    options = [part for part in rest if part not in (target, "--port")]
    arguments = (
        [*options, "--port", str(port), target] if module == "uvicorn" else [*options, f"--port={port}", target]
    )
    environment = os.environ | {
        "STATS_TOKEN": TOKEN,
        "PYTHONPATH": os.pathsep.join([str(RECIPES), str(folder), os.environ.get("PYTHONPATH", ".")]),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                assert get(f"{base}/stats/health") == (200, {"status": "ok"})
                break
            except URLError:
                assert server.poll() is None, "the server ended"
                assert time.monotonic() < deadline
                time.sleep(0.05)
        status, found = get(f"{base}/stats/v1/consumers?from=all&limit=1")
        assert (status, found["total"]["hits"], found["data"][0]["id"]) == (200, 400, "k/1")
        status, more = get(f"{base}/stats/v1/consumers{found['next']}")
        assert (status, more["data"][0]["id"], more["next"]) == (200, "k2", None)
        ever = "1/1/2020/31/12/2020"
        status, rows = get(f"{base}/stats/api/activity/keys/endpoint/k%2F1/{ever}")
        assert (status, sum(row["hits"] for row in rows["data"])) == (200, found["data"][0]["hits"])
        assert get(f"{base}/stats/v1/totals", token="wrong-0123456789")[0] == 401
        assert get(f"{base}/busiest")[0] == 200
        assert get(f"{base}/v1/totals")[0] == 404
    finally:
        server.terminate()
        server.wait(10)


def test_the_notebook_runs_from_top_to_bottom(folder, monkeypatch):
    monkeypatch.chdir(folder)
    notebook = json.loads((RECIPES / "usage.ipynb").read_text(encoding="utf-8"))
    assert all(cell["outputs"] == [] for cell in notebook["cells"] if cell["cell_type"] == "code")
    names, shown = {}, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            *statements, last = ast.parse("".join(cell["source"])).body
            exec(compile(ast.Module(statements, []), "cell", "exec"), names)
            assert isinstance(last, ast.Expr), "a cell ends with what it shows"
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
    names["store"].close()
    endpoints, callers, hours = shown[1], shown[3], shown[5]
    assert len(endpoints) == 5
    assert set(callers["alias"]) == {"Müller & Söhne"}
    assert hours["hits"].sum() == names["total"].hits


GRAFANA = {
    "__from:date:iso": "2020-10-14T06:13:22.481Z",
    "__to:date:iso": "2020-10-21T06:13:22.481Z",
    "interval": "1h",
    "consumer:percentencode": quote("key:k/1", safe=""),
}


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["infinityQuery"]


def test_grafana_s_queries_find_the_columns_they_name(folder):
    dashboard = json.loads((RECIPES / "grafana-dashboard.json").read_text(encoding="utf-8"))
    settings = Settings(tokens=Tokens([TOKEN]))
    names = set()
    with open_store(f"sqlite:///{folder}/tyk-endpoint-stats.db") as store:
        for title, query in queries(dashboard):
            assert (query["type"], query["source"], query["parser"]) == ("json", "url", "backend")
            url = re.sub(r"\$\{([^}]+)\}", lambda found: GRAFANA[found[1]], query["url"])
            response = respond(messages.Request("GET", url, {"authorization": TOKEN}), store, settings)
            assert response.status == 200, (title, response.body)
            rows = json.loads(response.body)["data"]
            assert rows, title
            names.add(title)
            for column in query["columns"] if query["root_selector"] == "data" else ():
                kinds = {"timestamp": str, "string": str, "number": (int, float)}[column["type"]]
                values = [row[column["selector"]] for row in rows]
                assert all(value is None or isinstance(value, kinds) for value in values), (title, column)
                assert any(value is not None for value in values)
            if title == "consumer":
                assert {f"{row['kind']}:{row['id']}" for row in rows} == {"key:k/1", "key:k2"}
    assert names == {"Requests by status", "Share of errors", "Latency", "Endpoints", "consumer"}
    used = set(re.findall(r"\$\{(\w+)", json.dumps(dashboard)))
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert used <= known | {"__from", "__to"}

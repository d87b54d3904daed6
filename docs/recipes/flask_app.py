"""The routes below ``/stats`` of a Flask application: ``waitress-serve flask_app:app``."""

import os

from flask import Flask, Response, jsonify
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

store = open_store(os.environ.get("TYK_ENDPOINT_STATS_STORE", "sqlite:///tyk-endpoint-stats.db"))
settings = Settings(tokens=Tokens([os.environ["STATS_TOKEN"]]))

app = Flask(__name__)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/stats": make_wsgi_app(store, settings)})  # type: ignore[method-assign]


@app.get("/busiest")
def busiest() -> Response:
    """A route of one's own, from the same store."""
    return jsonify(store.endpoints(limit=10).to_dicts())

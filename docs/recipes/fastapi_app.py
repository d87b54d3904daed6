"""The routes below ``/stats`` of a FastAPI application: ``uvicorn fastapi_app:app``."""

import os

from fastapi import FastAPI

from tyk_endpoint_stats import open_store
from tyk_endpoint_stats.web.asgi import make_asgi_app
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Tokens

store = open_store(os.environ.get("TYK_ENDPOINT_STATS_STORE", "sqlite:///tyk-endpoint-stats.db"))
settings = Settings(tokens=Tokens([os.environ["STATS_TOKEN"]]))

app = FastAPI()
app.mount("/stats", make_asgi_app(store, settings))


@app.get("/busiest")
def busiest() -> list[dict[str, object]]:
    """A route of one's own, from the same store: FastAPI runs it in a thread."""
    return store.endpoints(limit=10).to_dicts()

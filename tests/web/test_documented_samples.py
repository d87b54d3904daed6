import json
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import pytest

from tyk_endpoint_stats.web.messages import Request
from tyk_endpoint_stats.web.routes import respond

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


@pytest.mark.parametrize("number", [0, 1])
def test_the_documented_answers_come_out(samples, store, settings, number):
    sample = samples[number]
    answer = respond(Request(sample["method"], sample["path"], {"authorization": TOKEN}), store, settings)
    assert answer.status == 200
    # Equal text: the values, the order of members, and integers without a fraction.
    assert answer.body.decode() == json.dumps(sample["expected"], separators=(",", ":"))


@pytest.mark.parametrize("number", [0, 1])
def test_the_documented_answers_come_out_of_the_server(samples, store, settings, serve, number):
    sample = samples[number]
    server = serve(store, settings)
    with urlopen(UrlRequest(server.url + sample["path"], headers={"Authorization": TOKEN})) as answer:
        assert json.load(answer) == sample["expected"]

"""Requests that schemathesis makes of the served document, fitting it and not: statuses, forms, headers, tokens.

Its checks are also shown to catch broken twins of the application.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from msgspec import structs
from schemathesis import GenerationMode

from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

pytestmark = pytest.mark.slow

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


@pytest.fixture
def app(store, settings):
    """With a bound on rows, as a series over all years has millions of them."""
    return make_wsgi_app(store, structs.replace(settings, max_rows=300))


def is_beyond_a_schema(error):
    """Whether what was refused is something that no schema can tell: which days there are, how many rows come."""
    if "has more than 300 rows" in error.get("Message", error.get("detail")):
        return True
    if "Message" in error:
        return "there is no day" in error["Message"]
    return error["parameter"] in {"from", "to", "zone", "compare", "cursor"}


def check_all(app, mode, examples=2):
    """So many requests of every operation of the document; how many got which status."""
    seen = {}

    def check(case):
        # Of dates the document can't say which exist: the answer must, and say nothing else about what fits.
        may_be_refused = [schemathesis.checks.positive_data_acceptance] if mode is GenerationMode.POSITIVE else []
        # Over WSGI schemathesis says that it takes gzip, and then doesn't.
        headers = {"authorization": TOKEN, "accept-encoding": "identity"}
        answer = case.call_and_validate(headers=headers, excluded_checks=may_be_refused)
        if may_be_refused and answer.status_code != 200:
            assert answer.status_code == 400
            assert case.method == "HEAD" or is_beyond_a_schema(answer.json())
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

    operations = [found.ok() for found in schemathesis.openapi.from_wsgi("/openapi.json", app).get_all_operations()]
    assert len(operations) >= 37
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not operation.definition.raw["parameters"]:
            continue  # without a parameter nothing can be wrong
        limits = hypothesis_settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
        limits(given(operation.as_strategy(mode))(check))()
    return seen


def test_what_fits_the_document_is_answered_as_it_says(app):
    seen = check_all(app, GenerationMode.POSITIVE)
    assert seen.keys() <= {200, 400}
    assert seen[200] > 20


def test_what_does_not_fit_the_document_is_refused(app):
    seen = check_all(app, GenerationMode.NEGATIVE)
    assert seen[400] > 10


@pytest.mark.torture
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_many_requests_made_of_the_document(app, mode):
    check_all(app, mode, examples=200)


class Failing(ReadableStore):
    def read(self, selection):
        raise RuntimeError("on purpose")

    def close(self):
        pass


def lets_everybody_in(app):
    return lambda environ, start: app(environ | {"HTTP_AUTHORIZATION": TOKEN}, start)


def answers_text_for_numbers(app):
    return lambda environ, start: [part.replace(b'"pages":1}', b'"pages":"1"}') for part in app(environ, start)]


def takes_anything(app):
    empty = b'{"data":[],"pages":1}'

    def twin(environ, start):
        started = []
        body = list(app(environ, lambda *given: started.append(given)))
        if started[0][0] == "400 Bad Request":
            headers = [(name, value) for name, value in started[0][1] if name != "Content-Length"]
            started, body = [("200 OK", [*headers, ("Content-Length", str(len(empty)))])], [empty]
        start(*started[0])
        return body

    return twin


@pytest.mark.parametrize(
    ("twin", "mode", "says"),
    [
        (lets_everybody_in, GenerationMode.POSITIVE, "auth"),
        (answers_text_for_numbers, GenerationMode.POSITIVE, "schema"),
        (takes_anything, GenerationMode.NEGATIVE, "Invalid data should have been rejected"),
        (None, GenerationMode.POSITIVE, "Server error"),
    ],
)
def test_that_catches_a_broken_twin(app, settings, twin, mode, says):
    app = twin(app) if twin else make_wsgi_app(Failing(), settings)
    with pytest.raises(BaseExceptionGroup) as caught:
        check_all(app, mode)
    assert says in str(caught.value)

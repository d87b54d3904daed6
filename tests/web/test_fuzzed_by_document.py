"""Requests that schemathesis makes of the served document, fitting it and not: statuses, forms, headers, tokens.

Its checks are also shown to catch broken twins of the application.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis import GenerationMode

from tyk_endpoint_stats.stores.contract import ReadableStore
from tyk_endpoint_stats.web.wsgi import make_wsgi_app

TOKEN = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"


def check_all(app, mode, examples=6):
    """So many requests of every operation of the document; how many got which status."""
    seen = {}

    def check(case):
        # Of dates the document can't say which exist: the answer must, and say nothing else about what fits.
        may_be_refused = [schemathesis.checks.positive_data_acceptance] if mode is GenerationMode.POSITIVE else []
        answer = case.call_and_validate(headers={"authorization": TOKEN}, excluded_checks=may_be_refused)
        if may_be_refused and answer.status_code != 200:
            assert answer.status_code == 400
            assert case.method == "HEAD" or "there is no day" in answer.json()["Message"]
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

    operations = [found.ok() for found in schemathesis.openapi.from_wsgi("/openapi.json", app).get_all_operations()]
    assert len(operations) >= 13
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and "{" not in operation.path:
            continue  # without a parameter nothing can be wrong
        limits = hypothesis_settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
        limits(given(operation.as_strategy(mode))(check))()
    return seen


def test_what_fits_the_document_is_answered_as_it_says(store, settings):
    seen = check_all(make_wsgi_app(store, settings), GenerationMode.POSITIVE)
    assert seen.keys() <= {200, 400}
    assert seen[200] > 40


def test_what_does_not_fit_the_document_is_refused(store, settings):
    seen = check_all(make_wsgi_app(store, settings), GenerationMode.NEGATIVE)
    assert seen[400] > 20


@pytest.mark.torture
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_many_requests_made_of_the_document(store, settings, mode):
    check_all(make_wsgi_app(store, settings), mode, examples=200)


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
def test_that_catches_a_broken_twin(store, settings, twin, mode, says):
    app = twin(make_wsgi_app(store, settings)) if twin else make_wsgi_app(Failing(), settings)
    with pytest.raises(BaseExceptionGroup) as caught:
        check_all(app, mode)
    assert says in str(caught.value)

"""Answers that the server sends again: the right ones, to whom they belong, whoever merges meanwhile."""

import json
from typing import Any

import pytest
from msgspec import structs

from tyk_endpoint_stats import Record, open_store
from tyk_endpoint_stats.stores.contract import Versioned
from tyk_endpoint_stats.testing.generators import FIRST_DAY, batch_of, hit
from tyk_endpoint_stats.web import response_cache
from tyk_endpoint_stats.web.messages import Request, Response
from tyk_endpoint_stats.web.response_cache import ResponseCache
from tyk_endpoint_stats.web.routes import respond
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens

TARGET = "/api/activity/keys/endpoint/k1/1/1/2000/1/1/2030"
SETTINGS = Settings(
    tokens=Tokens(["of-all-of-them-0", Token("of-one-of-them-0", "o2"), Token("of-one-of-them-1", "o2")])
)


class Asked:
    """A store, its answers as the server gives them, and how often the store was asked."""

    def __init__(self, url: str) -> None:
        self.store = open_store(url)
        self.times = 0
        self._kept = ResponseCache(self.store, SETTINGS)

    def count(self, request: Request) -> Response:
        self.times += 1
        return respond(request, self.store, SETTINGS)

    def get(self, target: str = TARGET, token: str | None = "of-all-of-them-0", method: str = "GET") -> Response:
        headers = {} if token is None else {"authorization": token}
        return self._kept.respond(Request(method, target, headers), ask=self.count, give=lambda kept: kept)

    def hits(self, **asked: Any) -> int:
        response = self.get(**asked)
        assert response.status == 200, response.body
        return sum(row["hits"] for row in json.loads(response.body)["data"])


@pytest.fixture(params=["memory://", "sqlite:///{}/s.db"])
def asked(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    one = Asked(request.param.format(tmp_path))
    with one.store:
        yield one


def of_org(org_id: str) -> Record:
    return structs.replace(hit(), org_id=org_id)


def test_a_question_is_asked_once_and_again_after_each_change(asked: Asked) -> None:
    for number in range(1, 4):
        asked.store.merge(batch_of([hit()]))
        assert [asked.hits(), asked.hits(), asked.times] == [number, number, number]
    asked.store.prune((FIRST_DAY - 5) * 86_400_000_000)
    assert [asked.hits(), asked.times] == [3, 4]


def test_a_kept_answer_is_the_answer_whole(asked: Asked) -> None:
    asked.store.merge(batch_of([hit()]))
    assert (
        asked.get()
        == asked.get()
        == respond(Request("GET", TARGET, {"authorization": "of-all-of-them-0"}), asked.store, SETTINGS)
    )
    assert asked.times == 1


def test_every_part_of_a_question_counts(asked: Asked) -> None:
    asked.store.merge(batch_of([hit(), hit(api_id="other")]))
    assert [asked.hits(), asked.hits(target=f"{TARGET}?api_id=other"), asked.hits()] == [2, 1, 2]
    assert asked.times == 2


def test_an_organisation_never_gets_what_was_kept_for_others(asked: Asked) -> None:
    asked.store.merge(batch_of([of_org("o1"), of_org("o2"), of_org("o2")]))
    of_all, of_one = {"token": "of-all-of-them-0"}, {"token": "of-one-of-them-0"}
    assert [asked.hits(**of_all), asked.hits(**of_one), asked.hits(**of_all), asked.hits(**of_one)] == [3, 2, 3, 2]
    assert [asked.hits(token="of-one-of-them-1"), asked.times] == [2, 2], "it sees the same organisation"


@pytest.mark.parametrize("token", [None, "", "wrong", "of-all-of-them-1"])
def test_without_a_token_nothing_that_was_kept_is_given(asked: Asked, token: str | None) -> None:
    asked.store.merge(batch_of([hit()]))
    assert asked.hits() == 1
    assert asked.get(token=token).status == 401


def test_only_answers_to_questions_are_kept(asked: Asked) -> None:
    asked.store.merge(batch_of([hit()]))
    others = [("/ready", "GET"), ("/health", "GET"), (f"{TARGET}?p=x", "GET"), ("/api/x", "GET"), (TARGET, "POST")]
    for times, (target, method) in enumerate(others * 2, 1):
        asked.get(target, method=method)
        assert asked.times == times
    assert asked.get(method="HEAD").body == b""
    assert asked.hits() == 1


class MergesMeanwhile(Asked):
    """While its question is on the way, a batch comes: the answer is older than the store is by then."""

    def count(self, request: Request) -> Response:
        response = super().count(request)
        if self.times == 1:
            self.store.merge(batch_of([hit()]))
        return response


def hits_after_a_merge_meanwhile(tmp_path: Any) -> int:
    one = MergesMeanwhile(f"sqlite:///{tmp_path}/s.db")
    with one.store:
        one.store.merge(batch_of([hit()]))
        assert one.hits() == 1
        return one.hits()


def test_an_answer_is_not_kept_for_a_version_that_came_later(tmp_path: Any) -> None:
    assert hits_after_a_merge_meanwhile(tmp_path) == 2


def test_that_test_catches_the_version_of_afterwards(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin keeps an answer for the version that the store has when it is there."""

    class Afterwards(response_cache.Cache):  # type: ignore[type-arg]
        def keep(self, version: str, *rest: Any) -> None:
            with open_store(f"sqlite:///{tmp_path}/s.db") as store:
                assert isinstance(store, Versioned)
                super().keep(store.version(), *rest)

    monkeypatch.setattr(response_cache, "Cache", Afterwards)
    assert hits_after_a_merge_meanwhile(tmp_path) == 1


def test_what_is_kept_has_a_bound(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "MAX_BYTES", 10_000)
    one = Asked(f"sqlite:///{tmp_path}/s.db")
    with one.store:
        one.store.merge(batch_of([hit()]))
        targets = [f"{TARGET}?api_id={number}" for number in range(20)]
        for target in targets:
            one.get(target)
        for target in reversed(targets):
            one.get(target)
        assert 20 < one.times < 40


def test_a_store_that_is_broken_says_so_as_without(asked: Asked) -> None:
    asked.store.close()
    assert asked.get().status == 500


def test_the_server_sends_what_was_kept(
    serve: Any, exchange: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Asked(f"sqlite:///{tmp_path}/s.db")
    request = f"GET {TARGET} HTTP/1.1\r\nHost: x\r\nauthorization: of-all-of-them-0\r\n\r\n".encode()
    with one.store:
        one.store.merge(batch_of([hit()]))
        server = serve(one.store, SETTINGS)
        first = exchange(server, request)
        monkeypatch.setattr(one.store, "read", None)
        assert exchange(server, request).partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2]
        assert first.startswith(b"HTTP/1.1 200")

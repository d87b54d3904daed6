import json
import tracemalloc
import zoneinfo
from datetime import UTC, date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.core.instants import format_rfc3339, from_datetime
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.errors import AnswerTooLarge
from tyk_endpoint_stats.questions.group_rows import EndpointRow
from tyk_endpoint_stats.web.tyk_json import ascii_json, endpoints_body, error_body

ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Europe/London", "Africa/Monrovia", "Australia/Lord_Howe"]
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999


def row(path="/p", zone=UTC, **sums):
    stats = EndpointStats(**{"hits": 1, "timed_hits": sums.get("hits", 1), "last_hit_us": 0, **sums})
    return EndpointRow(api_id="a", path=path, api_name="not shown", stats=stats, zone=zone)


def only(rows):
    return json.loads(endpoints_body(rows, 1))["data"][0]


@given(st.integers(FIRST, LAST), st.sampled_from(ZONES))
@settings(max_examples=100, deadline=None)
def test_last_hit_is_what_the_core_writes(instant, name):
    zone = zoneinfo.ZoneInfo(name)
    assert only([row(last_hit_us=instant, zone=zone)])["last_hit"] == format_rfc3339(instant, zone)


@pytest.mark.parametrize(
    ("total", "hits", "text"),
    [
        (498, 1, "498"),
        (995, 2, "497.5"),
        (1, 3, "0.3333333333333333"),
        (1_999_999_999_999, 2, "999999999999.5"),
        (2**40, 1, "1099511627776"),
        (2**60 + 1, 2**20, "1099511627776"),  # the nearest double is whole, the exact mean is not
        (0, 1, "0"),
        (1, 10**7, "1e-7"),
    ],
)
def test_means_are_written_as_go_writes_them(total, hits, text):
    assert f'"latency":{text},' in endpoints_body([row(hits=hits, total_latency_ms=total)], 1).decode()


@given(st.integers(0, 2**63 - 1), st.integers(1, 2**40))
@settings(max_examples=100, deadline=None)
def test_a_mean_comes_back_as_it_was_and_whole_ones_have_no_point(total, hits):
    total = min(total, hits * 10**12)
    mean = EndpointStats(hits=hits, timed_hits=hits, total_latency_ms=total).latency_ms
    body = endpoints_body([row(hits=hits, total_latency_ms=total)], 1).decode()
    text = body.partition('"latency":')[2].partition(",")[0]
    assert float(text) == mean
    assert ("." in text or "e" in text) is not float(mean).is_integer()


@given(st.text())
@settings(max_examples=100, deadline=None)
def test_any_text_comes_back_from_ascii(text):
    if any("\ud800" <= character <= "\udfff" for character in text):
        return
    body = ascii_json({"x": text})
    assert body.isascii()
    assert json.loads(body) == msgspec.json.decode(body) == {"x": text}


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1_000])
def test_any_number_of_rows_is_one_list(count):
    body = endpoints_body([row(hits=number) for number in range(count)], 7)
    assert json.loads(body) == {"data": [only([row(hits=number)]) for number in range(count)], "pages": 7}
    assert b" " not in body
    assert endpoints_body([row(hits=number) for number in range(count)], 7, max_bytes=len(body)) == body


def test_a_body_over_the_bound_is_given_up_early():
    def rows():
        for number in range(10_000):
            made.append(number)
            yield row(path="/" + "x" * 1_000)

    class Lazy(list):
        def __getitem__(self, part):
            return [next(source) for _ in range(part.stop - part.start)]

    made, source = [], rows()
    with pytest.raises(AnswerTooLarge, match="more than 1 MB"):
        endpoints_body(Lazy(range(10_000)), 1, max_bytes=1_000_000)
    assert len(made) < 1_500


def test_long_texts_of_other_scripts_are_escaped_at_once():
    """One by one, ten million characters took 14 seconds and 900 MB."""
    text = "é😀" * 500_000
    tracemalloc.start()
    try:
        body = ascii_json(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body == b'"' + b"\\u00e9\\ud83d\\ude00" * 500_000 + b'"'
    assert peak < 6 * len(body)


def test_large_counts_are_whole_numbers():
    assert only([row(hits=2**63 - 1)])["hits"] == 2**63 - 1


def test_an_error_is_an_envelope():
    assert error_body("é\n") == b'{"Status":"Error","Message":"\\u00e9\\n","Meta":null}'


def test_rows_of_a_store_are_in_the_zone_asked_for(store):
    zone = zoneinfo.ZoneInfo("Asia/Kolkata")
    day = date(2020, 10, 13)
    for wanted in (zone, UTC):
        (first, *_) = store.endpoints(Consumer.key("7f3c3ca87376cabe"), day, day, zone=wanted)
        assert only([first])["last_hit"] == format_rfc3339(from_datetime(first.last_hit), wanted)

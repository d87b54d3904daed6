"""The first sentence and the figures: what did not change is left out, and colour is for what is sure."""

from tests.views.test_changes import stats
from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.views.lines import Classes, classes_of
from tyk_endpoint_stats.views.summary import Breadth, figures, plural, sentence, worst_column


def said(
    now: EndpointStats, before: EndpointStats | None = None, worst: tuple[str, str] | None = None
) -> tuple[str, list[str]]:
    parts = sentence("to 3 endpoints", "in October", now, before, "in September", worst)
    text = "".join(part.text for part in parts).replace("\u202f", " ")
    return text, [part.text for part in parts if part.strong]


def test_a_quiet_month_is_a_short_sentence() -> None:
    assert said(stats(1200), stats(1190)) == (
        "1 200 requests to 3 endpoints in October. None failed on the server’s side.",
        [],
    )


def test_a_share_that_rose_is_told_with_what_it_was_and_stands_out() -> None:
    text, strong = said(
        stats(8705, failed=217), stats(8700, failed=105), ("the worst day was 27 October", "13.2 %")
    )
    assert text == (
        "8 705 requests to 3 endpoints in October. 2.5 % failed on the server’s side, after 1.2 % in September; "
        "the worst day was 27 October with 13.2 %."
    )
    assert [one.replace("\u202f", " ") for one in strong] == ["2.5 % failed on the server’s side"]


def test_a_share_that_fell_is_told_with_what_it_was_and_does_not_stand_out() -> None:
    text, strong = said(stats(8700, failed=105), stats(8705, failed=217))
    assert text.endswith("1.2 % failed on the server’s side, after 2.5 % in September.")
    assert strong == []


def test_a_share_that_stayed_is_told_without_what_it_was_and_does_not_stand_out() -> None:
    text, strong = said(stats(8705, failed=170), stats(8700, failed=160))
    assert text.endswith("2.0 % failed on the server’s side.")
    assert strong == []


def test_growth_and_latency_are_told_where_they_are_large() -> None:
    text, _ = said(stats(2000, slow=300), stats(1000, slow=10))
    assert text.startswith("2 000 requests (+100 %) to 3 endpoints")
    assert text.endswith("It became slower: 95 of 100 requests took up to 900 ms, before 20 ms.")
    assert "(" not in said(stats(1100), stats(1000))[0]


def test_without_a_time_before_nothing_is_compared() -> None:
    assert said(stats(1, failed=1))[0] == "1 request to 3 endpoints in October. 100 % failed on the server’s side."
    assert "after" not in said(stats(10, failed=1), EndpointStats())[0]


def test_the_worst_column_is_one_that_stands_out_of_the_others() -> None:
    even = [stats(400, failed=8) for _ in range(20)]
    assert worst_column(even) is None
    assert worst_column([*even, stats(400, failed=60), stats(400, failed=40)]) == 20
    assert worst_column([*even, stats(19, failed=19)]) is None, "of so few no share is told"
    assert worst_column([EndpointStats(), EndpointStats()]) is None


def figure(name: str, now: EndpointStats, before: EndpointStats | None) -> tuple[str, str, str]:
    (found,) = (one for one in figures(now, before) if one.name == name)
    return tuple(text.replace("\u202f", " ") for text in (found.change, found.tone, found.was))  # type: ignore[return-value]


def test_more_requests_are_neither_good_nor_bad() -> None:
    assert figure("Requests", stats(1490), stats(1000)) == ("▲ +49 %", "plain", "was 1 000")
    assert figure("Requests", stats(1040), stats(1000)) == ("about the same", "plain", "was 1 000")
    assert figure("Requests", stats(10), EndpointStats()) == ("none before", "plain", "")


def test_a_share_is_coloured_where_it_is_sure() -> None:
    assert figure("Server errors", stats(8000, failed=240), stats(8000, failed=120))[:2] == ("▲ +1.5 pts", "bad")
    assert figure("Server errors", stats(8000, failed=120), stats(8000, failed=240))[:2] == ("▼ −1.5 pts", "good")
    assert figure("Server errors", stats(80, failed=3), stats(80, failed=1))[:2] == ("▲ +2.5 pts", "plain")
    assert figure("Server errors", stats(8000, failed=160), stats(8000, failed=130))[0] == "about the same"


def test_latency_has_a_colour_from_a_quarter_on() -> None:
    slow, usual = stats(1000, slow=100), stats(1000)
    assert figure("Latency p95", slow, usual) == ("▲ ×45", "bad", "was 20 ms")
    assert figure("Latency p95", usual, slow)[1] == "good"
    assert figure("Latency p95", usual, usual)[0] == "about the same"


def test_how_many_there_are_has_those_that_came_and_went() -> None:
    last = figures(stats(10), stats(10), Breadth("Endpoints", 31, 30, 2, 1))[-1]
    assert (last.value, last.change, last.was) == ("31", "2 new, 1 gone", "was 30")


def test_classes_take_every_code() -> None:
    state = EndpointStats(hits=10, codes={0: 1, 101: 1, 200: 2, 304: 1, 404: 2, 503: 1, 600: 1, -7: 1})
    assert classes_of(state) == Classes(c2xx=2, c3xx=1, c4xx=2, c5xx=1, other=4)


def test_one_is_no_plural() -> None:
    assert [plural(count, "request") for count in (0, 1, 2)] == ["0 requests", "1 request", "2 requests"]

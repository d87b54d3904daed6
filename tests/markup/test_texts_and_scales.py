"""How numbers are written, and where the lines of axes stand."""

import pytest

from tyk_endpoint_stats.markup.scales import linear_scale, log_scale, short_count
from tyk_endpoint_stats.markup.texts import count_text, duration_text, growth_text, points_text, share_text


def plain(text: str) -> str:
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 100, "0 %"),
        (0, 0, "0 %"),
        (1, 100_000, "< 0.1 %"),
        (25, 1000, "2.5 %"),
        (999_999, 1_000_000, "> 99.9 %"),
        (7, 7, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(part: int, whole: int, text: str) -> None:
    assert plain(share_text(part, whole)) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1 s"),
        (1600, "1.6 s"),
        (150_000, "2.5 min"),
        (7.2e6, "2 h"),
    ],
)
def test_a_duration_has_the_unit_that_it_can_be_read_in(ms: float | None, text: str) -> None:
    assert plain(duration_text(ms)) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(149, 100, "+49 %"), (88, 100, "−12 %"), (1000, 1001, "±0 %"), (5, 0, "new"), (0, 0, "–"), (1400, 100, "×14")],
)
def test_growth_is_told_in_percent_or_as_a_factor(now: int, before: int, text: str) -> None:
    assert plain(growth_text(now, before)) == text


def test_counts_have_narrow_spaces_and_points_their_sign() -> None:
    assert plain(count_text(8_705_123)) == "8 705 123"
    assert plain(points_text(-0.66)) == "−0.7 pts"


@pytest.mark.parametrize("highest", [0, 1, 3, 7, 99, 400, 12_345, 10**15])
def test_a_linear_axis_has_few_round_lines_and_holds_its_highest_value(highest: int) -> None:
    scale = linear_scale(highest, 100, whole=True)
    values = [value for value, _ in scale.ticks]
    assert 2 <= len(values) <= 5
    assert values[-1] >= highest
    assert all(float(value).is_integer() for value in values)
    assert scale.y(0) == 100
    assert 0 <= scale.y(highest) < 100 or highest == 0


def test_a_logarithmic_axis_begins_at_a_millisecond_and_keeps_what_is_outside_at_its_edge() -> None:
    scale = log_scale(0, 2_500, 80)
    assert [plain(text) for _, text in scale.ticks] == ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]
    assert scale.y(0) == scale.y(1) == 80
    assert scale.y(10**9) == 0
    assert scale.y(10) - scale.y(100) == pytest.approx(20)


def test_a_large_count_is_short() -> None:
    assert [short_count(value) for value in (0, 950, 1500, 2 * 10**7, 10**12)] == ["0", "950", "1.5k", "20M", "1T"]

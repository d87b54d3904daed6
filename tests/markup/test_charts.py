"""Charts from numbers: what is drawn is asserted on coordinates, and the whole of small ones is written down."""

import re
from xml.etree import ElementTree as Xml

import pytest

from tyk_endpoint_stats.markup.charts import Point, strips
from tyk_endpoint_stats.markup.small_charts import bar, histogram, sparkline

HOSTILE = "\"><script>alert(1)</script>'&"


def tree(drawn: object) -> Xml.Element:
    """As XML, which is stricter than HTML."""
    return Xml.fromstring(f"<root>{drawn}</root>")


def paths(drawn: object, name: str) -> list[str]:
    return [
        one.get("d", "") for one in tree(drawn).iter("path") if one.get("class") == name and "viewBox" not in one
    ]


def point(**numbers: object) -> Point:
    return Point(label="Monday", tick="5 Oct", **numbers)  # type: ignore[arg-type]


def test_nothing_is_drawn_of_nothing() -> None:
    assert strips([], "none") == ""
    assert sparkline([]) == sparkline([(0, 0)]) == ""
    assert histogram({}, [], "none") == ""


def test_one_point_is_this() -> None:
    drawn = str(strips([point(c2xx=3, c5xx=1, p50_ms=10, p95_ms=100, told="4", href="?a=1&b=2")], "four"))
    for piece in (
        'role="img" aria-label="four"',
        '<path class="c2" d="M0.6 97.5V0h8.8V97.5z"/>',
        '<path class="c5" d="M0.6 130V97.5h8.8V130z"/>',  # stands at the base line
        '<path class="l5" d="M2 10.7h6"/>',  # 25 % of an axis up to 30: a piece of a line, for there is one value
        '<path class="l95" d="M2 0h6"/>',
        '<path class="l50" d="M2 84h6"/>',
        '<a href="?a=1&amp;b=2" tabindex="-1"><rect x="0" width="1" height="1"><title>4</title></rect></a>',
    ):
        assert piece in drawn


def test_zeros_have_an_axis_and_no_columns() -> None:
    drawn = strips([point() for _ in range(3)], "zeros")
    assert not [
        name for name in ("c2", "c3", "c4", "c5", "l50", "l95") if any(map(str.strip, paths(drawn, name)[:-1]))
    ]
    assert paths(drawn, "l5") == ["M0 4H16"], "the key alone"
    assert "0 %" in "".join(tree(drawn).itertext())


def test_lines_have_a_gap_where_there_is_no_value() -> None:
    values = [10.0, 20.0, None, 40.0, None, 60.0, 70.0]
    drawn = strips([point(c2xx=1, p50_ms=value, p95_ms=value) for value in values], "gaps")
    (line,) = (d for d in paths(drawn, "l50") if d != "M0 4H16")
    assert [len(piece.split("L")) for piece in line.split("M")[1:]] == [2, 1, 2]
    assert "h6" in line.split("M")[2], "a single value is a piece of a line, not a line of no length"


def test_huge_numbers_stay_inside() -> None:
    drawn = strips([point(c2xx=10**17, c5xx=1, p50_ms=1e9, p95_ms=1e12), point(c2xx=1)], "huge")
    numbers = [
        float(y)
        for name in ("c2", "c5", "l50", "l95")
        for d in paths(drawn, name)
        for y in re.findall(r"V([\d.]+)", d)
    ]
    assert numbers
    assert all(0 <= y <= 130 for y in numbers)
    (one_failed,) = paths(drawn, "c5")
    assert one_failed == "M0.6 130V129h8.8V130z", "one of ten to the 17th is a pixel high, not nothing"


def test_the_time_before_is_flat_within_a_column() -> None:
    drawn = strips([point(c2xx=5, before_hits=10), point(c2xx=5, before_hits=0)], "before")
    assert "M0 0V0h10V130h10" in paths(drawn, "before")


def test_an_axis_names_some_pieces_and_every_second_steps_back_on_a_narrow_page() -> None:
    drawn = strips([Point(label=str(n), tick=f"t{n}", c2xx=n) for n in range(192)], "many")
    (axis,) = (one for one in tree(drawn).iter("svg") if one.get("class") == "xs")
    texts = list(axis.iter("text"))
    assert [one.text for one in texts] == [f"t{n}" for n in range(0, 192, 24)]
    assert [one.get("class") for one in texts[:3]] == [None, "minor", None]


def test_what_is_told_and_where_it_leads_is_escaped() -> None:
    drawn = strips([Point(label=HOSTILE, tick=HOSTILE, c2xx=1, told=HOSTILE, href=HOSTILE)], HOSTILE)
    root = tree(drawn)
    assert not list(root.iter("script"))
    assert HOSTILE in "".join(root.itertext())
    assert next(root.iter("a")).get("href") == HOSTILE


def test_links_are_outside_of_the_image_and_no_stops_of_the_keyboard() -> None:
    root = tree(strips([point(c2xx=1, href="?x")], "one"))
    (image,) = (one for one in root.iter("div") if one.get("role") == "img")
    assert not list(image.iter("a"))
    assert [one.get("tabindex") for one in root.iter("a")] == ["-1"]


def test_no_style_is_written_into_a_drawing() -> None:
    drawn = [
        strips([point(c2xx=1)], "x"),
        histogram({0: 1, 60: 3}, [("p50", 4)], "x"),
        sparkline([(3, 1)]),
        bar(1, 2),
    ]
    assert not re.search(r"style=|\son\w+=", "".join(drawn))


def test_a_sparkline_shows_what_failed_at_the_base_line() -> None:
    drawn = sparkline([(10, 0), (0, 0), (5, 5)])
    assert paths(drawn, "c2") == ["M0 18v-18h.8v18h.2h1v-9h.8v9h.2"]
    assert paths(drawn, "c5") == ["M0 18h1h1v-9h.8v9h.2"]


@pytest.mark.parametrize(("part", "largest", "width"), [(0, 10, "0"), (1, 10**9, "1"), (10, 10, "96"), (0, 0, "0")])
def test_a_bar_has_a_pixel_of_anything(part: int, largest: int, width: str) -> None:
    assert next(tree(bar(part, largest)).iter("rect")).get("width") == width


def test_a_histogram_has_columns_of_half_doublings_and_a_column_for_zero() -> None:
    # Bin 0 is 0 ms; bin 33 is 2 ms; bins 65 and 66 are 4 ms and just above.
    drawn = histogram({0: 2, 33: 4, 65: 8, 66: 1}, [("p50", 4.0), ("p95", 4.0)], "latencies")
    (columns,) = paths(drawn, "c2")
    lefts = [float(x) for x in re.findall(r"M([\d.]+) 150", columns)]
    heights = [150 - float(y) for y in re.findall(r"V([\d.]+)h9", columns)]
    assert lefts == [0.5, 20.5, 40.5, 50.5]
    assert heights == [30, 60, 120, 15]
    marks = list(tree(drawn).iter("line"))
    assert len(marks) == 2
    assert {one.get("x1") for one in marks} == {marks[0].get("x2")}


def test_names_of_lines_in_a_histogram_have_room_at_their_right() -> None:
    drawn = histogram({300: 5}, [("p99", 9_000.0)], "one long latency")
    (line,) = tree(drawn).iter("line")
    assert float(line.get("x1", "").rstrip("%")) <= 80


def test_pieces_without_a_name_are_passed_over_by_the_axis() -> None:
    points = [Point(label=str(n), tick="" if n % 24 else f"day {n // 24}", c2xx=n) for n in range(168)]
    (axis,) = (one for one in tree(strips(points, "hours")).iter("svg") if one.get("class") == "xs")
    assert [one.text for one in axis.iter("text")] == [f"day {n}" for n in range(7)]
    assert strips([Point(label="a", tick="", c2xx=1)], "unnamed")

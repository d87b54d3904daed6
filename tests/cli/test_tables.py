"""Tables: what is never cut, what is cut where, what goes first, and what stands below."""

from datetime import UTC, datetime
from unicodedata import east_asian_width

import pytest

from tyk_endpoint_stats.cli.tables import Column, bar_text, table_lines

COLUMNS = [Column("path", "path", "path"), Column("hits", "hits")]
THIS_YEAR = datetime.now(UTC).year


def cells(line: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize("width", [20, 30, 41, 80])
@pytest.mark.parametrize(
    "path", ["/short", "/v1/a/rather/long/path/that/does/not/fit", "/日本/語の/とても長い/パスです/ね"]
)
def test_a_table_fits_its_terminal(path: str, width: int) -> None:
    lines = table_lines([{"path": path, "hits": 12_345}, {"path": "/b", "hits": 1}], COLUMNS, width)
    assert all(cells(line) <= width for line in lines)
    assert lines[1].endswith("12,345")
    shown = lines[1].removesuffix("12,345").strip()
    assert path.endswith(shown.removeprefix("…"))
    assert shown.removeprefix("…").startswith("/"), "a path is cut at the left of a segment, never through one"


def test_a_last_segment_that_is_too_long_has_its_beginning_and_its_end() -> None:
    path = "/v1/" + "a" * 40 + "z"
    (_, line) = table_lines([{"path": path, "hits": 1}], COLUMNS, 20)
    assert cells(line) <= 20
    assert line.startswith("/v1/aaa…")
    assert line.split()[0].endswith("az")


def test_paths_that_would_look_the_same_are_not_cut() -> None:
    """Cut in the middle of the line, items and invoices were one: ``/v1/i…/{id}``."""
    paths = ["/v1/items/by/a/rather/long/way/{id}", "/v1/invoices/by/a/rather/long/way/{id}"]
    lines = table_lines([{"path": path, "hits": 1} for path in paths], COLUMNS, 24)
    assert [line.split()[0] for line in lines[1:]] == paths
    others = ["/v1/items/by/a/rather/long/way/{id}", "/v1/items/by/a/rather/long/way/{name}"]
    cut = table_lines([{"path": path, "hits": 1} for path in others], COLUMNS, 24)
    assert [line.split()[0] for line in cut[1:]] == ["…/long/way/{id}", "…/long/way/{name}"]


def test_a_table_that_goes_to_a_file_is_not_cut() -> None:
    path = "/long" * 100
    assert path in table_lines([{"path": path, "hits": 1}], COLUMNS, None)[1]


def test_wide_characters_do_not_shift_the_columns() -> None:
    lines = table_lines([{"path": "/日本", "hits": 1}, {"path": "/abcd", "hits": 2}], COLUMNS)
    assert lines[1:] == ["/日本     1", "/abcd     2"]


def test_times_are_shortened_and_never_cut() -> None:
    columns = [*COLUMNS, Column("at", "last hit")]
    row = {"path": "/v1/a/rather/long/path", "hits": 1, "at": datetime(THIS_YEAR, 10, 31, 20, 42, 51, tzinfo=UTC)}
    assert table_lines([row], columns, 20)[1].endswith("31 Oct 20:42")
    old = {**row, "path": "/b", "at": datetime(2020, 3, 1, 0, 5, tzinfo=UTC)}
    lines = table_lines([row, old], columns, 20)
    assert lines[1].endswith(f"31 Oct {THIS_YEAR} 20:42"), "one that is older: all with their year"
    assert lines[2].endswith(" 1 Mar 2020 00:05")


def test_what_may_go_goes_before_anything_is_cut_and_only_where_it_is_narrow() -> None:
    columns = [*COLUMNS, Column("max", "max", may_go=True)]
    row = {"path": "/v1/" + "p" * 60, "hits": 1, "max": 12_345}
    assert table_lines([row], columns, 76) == table_lines([row], COLUMNS), "it goes, and the path stays whole"
    assert "12,345" in table_lines([row], columns, 99)[1], "it fits"
    wide = {**row, "path": "/v1/" + "p" * 200}
    assert "12,345" in table_lines([wide], columns, 100)[1]


def test_shares_are_percentages_that_do_not_pretend() -> None:
    columns = [Column("path", "path", "path"), Column("share", "err %", "share")]
    shares = [0.0, 0.0001, 0.123, 0.9999, 1.0, None]
    lines = table_lines([{"path": "/", "share": share} for share in shares], columns)
    assert [line.split()[-1] for line in lines[1:]] == ["0.0%", "<0.1%", "12.3%", ">99.9%", "100.0%", "-"]


def test_a_column_with_a_fraction_has_fractions_all_the_way() -> None:
    lines = table_lines([{"path": "/", "hits": 28}, {"path": "/", "hits": 2.5}], COLUMNS)
    assert [line.split()[-1] for line in lines[1:]] == ["28.0", "2.5"]


def test_the_last_line_is_the_total() -> None:
    lines = table_lines([{"path": "/a", "hits": 1}, {"path": "/b", "hits": 2}], COLUMNS, None, {"hits": 1_003})
    assert lines[-1].split() == ["total", "1,003"]
    assert len({len(line) for line in lines}) == 1


def test_an_empty_table_has_no_heading() -> None:
    assert table_lines([], COLUMNS, 80, {"hits": 0}) == []


def test_a_bar_is_as_long_as_its_number_and_what_is_not_nothing_is_seen() -> None:
    assert bar_text(0, 100) == ""
    assert bar_text(1, 1_000_000) == "▏"
    assert bar_text(50, 100) == "█" * 6
    assert bar_text(100, 100) == "█" * 12
    assert bar_text(0, 0) == ""


def test_a_bar_that_does_not_fit_is_left_out_whole() -> None:
    """A cut one would be another number's."""
    columns = [Column("at", "from"), Column("hits", "hits"), Column("bar", "", "bar")]
    row = {"at": datetime(THIS_YEAR, 10, 31, 20, 42, tzinfo=UTC), "hits": 10, "bar": "█" * 12}
    assert table_lines([row], columns, 32)[1] == f"31 Oct 20:42    10  {'█' * 12}"
    assert table_lines([row], columns, 31)[1] == "31 Oct 20:42    10"


def test_in_a_column_of_several_things_each_number_is_written_as_it_is() -> None:
    columns = [Column("of", "of"), Column("ours", "ours", "mixed")]
    lines = table_lines([{"of": "hits", "ours": 28}, {"of": "latency", "ours": 2.5}], columns)
    assert [line.split()[-1] for line in lines[1:]] == ["28", "2.5"]

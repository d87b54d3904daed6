"""Rows as a table in a notebook."""

from xml.etree import ElementTree as Xml

from tests.web.page_worlds import HOSTILE, hostile_store


def test_rows_are_drawn_by_the_pages_table_without_a_script() -> None:
    from tests.web.conftest import record

    rows = hostile_store(record).consumers(distributions=True)
    html = rows._repr_html_()
    root = Xml.fromstring(html.replace("<wbr>", ""))
    assert not list(root.iter("script"))
    assert not [e for e in root.iter() if any(name == "style" or name.startswith("on") for name in e.attrib)]
    cells = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert all(any(text[:100] in cell for cell in cells) for text in HOSTILE)
    heads = ["".join(cell.itertext()) for cell in next(root.iter("thead")).iter("th")]
    assert heads == ["kind", "id", "alias", "hits", "error", "error_rate", "c4xx", "c5xx", "last_hit", "p50", "p95"]
    assert len(next(root.iter("tbody"))) == len(rows)


def test_fifty_rows_are_drawn_and_it_says_of_how_many() -> None:
    from tests.web.conftest import memory_store, record

    store = memory_store([record(path=f"/{number}") for number in range(60)])
    html = store.endpoints()._repr_html_()
    assert html.count("<tr>") == 51
    assert "50 of 60 rows" in html

"""A reader without a script: signs in by the form, then follows every link and sends every form of every page.

What carries requests is a function, so that one walk does for every shell.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

Carrier = Callable[[str, str, dict[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""Method, path with query, headers, body, to status, headers by lower-case name, and body."""

_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Host": "stats.test"}


class _Page(HTMLParser):
    """The links of a page, and its forms: method, address, and the fields as they are sent untouched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, str, list[tuple[str, str]]]] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("href", "src") if not given.get(name, "#").startswith("#")]
        if tag == "form":
            self.forms.append((given.get("method", "get"), given["action"], []))
        elif tag == "input" and given.get("name"):
            self.forms[-1][2].append((given["name"], given.get("value", "")))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and self._select and "selected" in given:
            self.forms[-1][2].append((self._select, given["value"]))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""


@lru_cache(256)  # of every shell a page is the same
def _page_of(text: str) -> _Page:
    return _Page(text)


def walk(
    carry: Carrier, token: str, prefix: str = "", few: int = 1, look: Callable[[str, str], None] | None = None
) -> dict[str, str]:
    """Everything that can be reached from ``/ui/``: the media type by address below the prefix.

    Args:
        carry: hands a request over, and the answer back.
        token: signs in.
        prefix: where the application is mounted.
        few: how many addresses of a page with a parameter are followed: charts have one for each column.
        look: is shown the address and the text of each page.

    Raises:
        AssertionError: something is not answered by 200, or leaves the pages.
    """
    home = f"{prefix}/ui/"
    status, headers, _ = carry("GET", home, _FORM, b"")
    assert (status, headers["location"]) == (303, "login")
    login = urljoin(home, headers["location"])
    body = urlencode({"token": token, "next": "/ui/"}).encode()
    status, headers, _ = carry("POST", login, {**_FORM, "Content-Length": str(len(body))}, body)
    assert (status, urljoin(login, headers["location"])) == (303, home)
    cookie = {**_FORM, "Cookie": headers["set-cookie"].partition(";")[0]}

    seen: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    waiting = [home, login]
    while waiting:
        target = waiting.pop(0)
        new = _kinds(target)
        if target in seen or all(kinds[kind] >= few for kind in new):
            continue
        kinds.update(new)
        status, headers, body = carry("GET", target, cookie, b"")
        if status == 303:  # a search that finds one thing leads to it
            assert "/ui/find?" in target
            waiting.append(_inside(home, target, headers["location"]))
        else:
            assert status == 200, f"{status} at {target}"
        seen[target.removeprefix(prefix)] = headers["content-type"].partition(";")[0]
        if headers["content-type"].startswith("text/html") and "content-disposition" not in headers:
            if look is not None:
                look(target, body.decode())
            waiting += _leads(home, target, body.decode())
    status, headers, _ = carry("POST", f"{home}logout", {**cookie, "Content-Length": "0"}, b"")
    assert (status, headers["location"]) == (303, "login")
    return seen


def _kinds(target: str) -> list[str]:
    """What an address has in it: which page, with each of its parameters; days and instants are two kinds.

    A file has the parameters of its page.
    """
    parts = urlsplit(target)
    if "." in parts.path:
        return [parts.path]
    names = [
        f"{name}-instant" if "T" in value and name == "from" else name for name, value in parse_qsl(parts.query)
    ]
    return [f"{parts.path}?{name}" for name in ("", *names)]


def _leads(home: str, target: str, text: str) -> Iterator[str]:
    page = _page_of(text)
    for link in page.links:
        yield _inside(home, target, link)
    for method, action, fields in page.forms:
        address = _inside(home, target, action)
        if method == "get":
            if action == "find":
                fields = [("q", "a")]
            yield f"{address.partition('?')[0]}?{urlencode(fields)}"
        else:
            assert address in (f"{home}login", f"{home}logout")


def _inside(home: str, target: str, link: str) -> str:
    assert not re.match("/|[a-z]+:", link), f"{link} at {target} is not relative"
    address = urljoin(f"http://stats.test{target}", link).removeprefix("http://stats.test").partition("#")[0]
    document = f"{home.removesuffix('ui/')}openapi.json"
    assert address.startswith(home) or address == document, (
        f"{link} at {target} leads to {address}, which is no page"
    )
    return address

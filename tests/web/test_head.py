"""The reader of request heads, alone: every check, their order, and that cutting up the bytes changes nothing."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tyk_endpoint_stats.web.head import MAX_HEAD_BYTES, Head, Refused, read_head

HOST = b"Host: h\r\n"
LINE = b"GET /x HTTP/1.1\r\n"


def outcome(data):
    """``Head``, ``(status, is_head)``, or ``None`` for: more bytes are needed."""
    try:
        found = read_head(data)
    except Refused as refused:
        return refused.status, refused.is_head
    return found and found[0]


def status(data):
    result = outcome(data)
    assert isinstance(result, tuple), result
    return result[0]


def test_a_plain_head_is_read_and_what_follows_is_left():
    data = (
        b"GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nAUTHORIZATION:  Bearer \xe9 \t\r\nX-A:1\r\nx-a: 2\r\n\r\nGET /next"
    )
    head, end = read_head(data)
    assert head == Head(
        "GET",
        "/a%20b?c=d",
        {"host": "h", "authorization": "Bearer \xe9", "x-a": "1, 2"},
        1,
        has_body=False,
    )
    assert data[end:] == b"GET /next"


@pytest.mark.parametrize(
    "start", [b"", b"\r", b"\r\n", b"G", b"GET /x HTTP/1.1\r", LINE, LINE + HOST, LINE + HOST + b"\r"]
)
def test_an_unfinished_head_waits(start):
    assert outcome(start) is None


def test_one_empty_line_before_a_head_is_skipped_and_a_second_is_refused():
    head, end = read_head(b"\r\n" + LINE + HOST + b"\r\n!")
    assert (head.target, end) == ("/x", 2 + len(LINE + HOST + b"\r\n"))
    assert status(b"\r\n\r") == 400
    assert status(b"\r\n\r\n" + LINE + HOST + b"\r\n") == 400


@pytest.mark.parametrize(
    "line",
    [
        b"GET /x",
        b"GET /x\r\nHost: h",
        b"GET  /x HTTP/1.1",
        b"GET /x  HTTP/1.1",
        b"GET /x HTTP/1.1 ",
        b"GET\t/x\tHTTP/1.1",
        b"GET /x\tHTTP/1.1",
        b"GET /x HTTP/1.10",
        b"GET /x HTTP/01.1",
        b"GET /x HTTP/1",
        b"GET /x http/1.1",
        b"GET /x HTTP/x.y",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\xc3\xa9 HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\x0b HTTP/1.1",
        b"GET /\rx HTTP/1.1",
        b"GET HTTP/1.1",
        b"G3T /x HTTP/1.1",
        b"get /x HTTP/1.1",
        b"GETGETGETGETGETGE /x HTTP/1.1",
        b" GET /x HTTP/1.1",
        b"\tGET /x HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00",
        b"{",
    ],
)
def test_a_bad_request_line_is_refused(line):
    assert status(line + b"\r\nHost: h\r\n\r\n") == 400


@pytest.mark.parametrize("first", [b"\x16", b"\x80", b" ", b"\t", b"\n", b"g", b"1", b"\x00"])
def test_bytes_that_begin_no_request_are_refused_at_once(first):
    assert status(first) == 400


@pytest.mark.parametrize("version", [b"2.0", b"3.0", b"0.9", b"1.2", b"9.9"])
def test_another_version_is_named(version):
    assert status(b"GET /x HTTP/" + version + b"\r\n\r\n") == 505
    assert status(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == 505
    assert status(b"GET /\x00 HTTP/" + version + b"\r\n\r\n") == 400  # not only the version differs


def test_the_target_has_a_limit():
    assert outcome(b"GET /" + b"a" * 4095 + b" HTTP/1.1\r\nHost: h\r\n\r\n").target == "/" + "a" * 4095
    assert status(b"GET /" + b"a" * 4096 + b" HTTP/1.1\r\nHost: h\r\n\r\n") == 414
    assert status(b"GET /" + b"a" * 65_000) == 414
    assert status(b"GET /" + b"a" * 65_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n") == 414


def test_a_head_has_a_limit():
    start = LINE + HOST + b"X: "
    fits = start + b"a" * (MAX_HEAD_BYTES - len(start) - 4) + b"\r\n\r\n"
    assert len(fits) == MAX_HEAD_BYTES
    assert isinstance(outcome(fits), Head)
    assert isinstance(outcome(fits + b"GET /next" * 10_000), Head)
    assert outcome(fits[:-1]) is None
    assert status(b"\r\n" + fits) == 431
    assert status(LINE + b"X: y\r\n" * 100_000) == 431


def test_the_number_of_headers_has_a_limit():
    assert isinstance(outcome(LINE + HOST + b"X: y\r\n" * 63 + b"\r\n"), Head)
    assert status(LINE + HOST + b"X: y\r\n" * 64 + b"\r\n") == 431


@pytest.mark.parametrize(
    "bare",
    [LINE[:-2] + b"\n", LINE + b"Host: h\n", LINE + b"X: a\nb\r\n", LINE + b"\n", b"\n", LINE + HOST + b"\n\n"],
)
def test_a_line_feed_alone_is_refused_at_once(bare):
    assert status(bare) == 400
    assert status(bare + b"\r\n\r\n") == 400


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 5",
        b"Content-Length\t: 5",
        b" folded: x",
        b"\tfolded",
        b"X: a\r\n folded",
        b": no name",
        b"no colon",
        b"",
        b"X\x00: y",
        b"X: \x00",
        b"X: a\rb",
        b"X: \x1b[31m",
        b"X: \x7f",
        b"X: \x0b",
        b"X(: y",
        b"X\xe9: y",
        b'"X": y',
    ],
)
def test_a_bad_header_line_is_refused(line):
    data = LINE + HOST + line + b"\r\nZ: z\r\n\r\n"
    if line:
        assert status(data) == 400
    else:
        assert isinstance(outcome(data), Head)  # an empty line ends the head


@pytest.mark.parametrize("name", [b"Host", b"Authorization", b"Content-Length", b"Transfer-Encoding"])
def test_what_has_two_readings_may_not_be_given_twice(name):
    twice = name + b": 0\r\n" + name.lower() + b": 0\r\n"
    assert status(LINE + (HOST if name != b"Host" else b"") + twice + b"\r\n") == 400


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_bodies(method):
    line = method + b" /x HTTP/1.1\r\nHost: h\r\n"
    with_body = 413 if method != b"POST" else None
    for length in (b"5", b"000000005", b"999999999"):
        result = outcome(line + b"Content-Length: " + length + b"\r\n\r\nhello")
        if with_body:
            assert result == (413, method == b"HEAD")
        else:
            assert (result.has_body, result.keep_alive) == (True, False)
    assert outcome(line + b"Content-Length: 0\r\n\r\n").has_body is False
    for bad in (b"-1", b"+5", b"1_0", b"5 5", b"5,5", b"0x5", b"", b"1" * 10, b"5.0", b"\xb2", b"five"):
        assert status(line + b"Content-Length: " + bad + b"\r\n\r\n") == 400
    for encoding in (b"chunked", b"identity", b"", b"\x20chunked", b"xchunked"):
        assert status(line + b"Transfer-Encoding: " + encoding + b"\r\n\r\n") == 400
        assert status(line + b"Content-Length: 5\r\nTransfer-Encoding: " + encoding + b"\r\n\r\n") == 400


def test_a_host_is_needed_from_1_1_on():
    assert status(LINE + b"\r\n") == 400
    assert isinstance(outcome(LINE + b"Host:\r\n\r\n"), Head)
    assert isinstance(outcome(b"GET /x HTTP/1.0\r\n\r\n"), Head)


@pytest.mark.parametrize(
    ("minor", "connection", "stays"),
    [
        (1, None, True),
        (1, b"keep-alive", True),
        (1, b"close", False),
        (1, b"Keep-Alive , CLOSE", False),
        (1, b"closed", True),
        (0, None, False),
        (0, b"keep-alive", True),
        (0, b"x, Keep-Alive", True),
        (0, b"keep-alive, close", False),
    ],
)
def test_who_keeps_the_connection(minor, connection, stays):
    lines = HOST + (b"Connection: " + connection + b"\r\n" if connection else b"")
    assert outcome(b"GET / HTTP/1.%d\r\n" % minor + lines + b"\r\n").keep_alive is stays


def test_connection_headers_are_one_list():
    assert outcome(LINE + HOST + b"Connection: x\r\nConnection: close\r\n\r\n").keep_alive is False


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HEAD /x HTTP/1.1\r\n\r\n", (400, True)),
        (b"HEAD /x HTTP/2.0\r\n\r\n", (505, True)),
        (b"HEAD /" + b"a" * 20_000, (414, True)),
        (b"\r\nHEAD /x HTTP/1.1\n", (400, True)),
        (b"HEADER /x HTTP/1.1\r\n\r\n", (400, False)),
    ],
)
def test_a_refused_head_request_is_known_as_one(data, expected):
    assert outcome(data) == expected


def first_outcome(pieces):
    """What a reader who is called each time bytes arrive ends with."""
    data = bytearray()
    for piece in pieces:
        data += piece
        result = outcome(data)
        if result is not None:
            return result
    return None


ODD = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"HTTP/1.1",
    b"a" * 5000,
    b"X: " + b"a" * 17_000 + b"\r\n",
]


def mutated(chosen):
    """A good request that has been spoiled in one to four places."""
    data = bytearray(
        LINE + HOST + b"Authorization: Bearer t\r\nConnection: keep-alive\r\n\r\n" + LINE + HOST + b"\r\n"
    )
    for _ in range(chosen.randint(1, 4)):
        at = chosen.randrange(len(data) + 1)
        match chosen.randrange(4):
            case 0:
                data[at:at] = chosen.choice(ODD)
            case 1:
                del data[at : at + chosen.randint(1, 20)]
            case 2:
                data[at : at + 1] = bytes([chosen.randrange(256)])
            case _:
                del data[at:]
    return bytes(data)


def test_how_the_bytes_were_cut_up_changes_nothing():
    chosen = random.Random(7)
    seen = set()
    for _ in range(3000):
        data = mutated(chosen)
        whole = outcome(data)
        cuts = sorted(chosen.randrange(len(data) + 1) for _ in range(chosen.randrange(6)))
        pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        assert first_outcome(pieces) == whole, data
        seen.add(whole[0] if isinstance(whole, tuple) else type(whole))
    assert {400, 414, 431, Head, type(None)} <= seen


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_head_a_refusal_or_a_wait(data, prefixed):
    result = outcome(LINE + data if prefixed else data)
    assert result is None or isinstance(result, Head) or result[0] in (400, 413, 414, 431, 505)

import logging
import math
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tyk_endpoint_stats.web import tokens as module
from tyk_endpoint_stats.web.tokens import Access, InvalidToken, Token, Tokens, make_token, read_token_file

GOOD = "7a7b140f-2480-4d5a-4e78-24049e3ba7f8"
DAYS = "13/10/2020/14/10/2020"


@pytest.mark.parametrize("value", [GOOD, f"Bearer {GOOD}", f"bearer {GOOD}", f"BEARER \t {GOOD}", f" {GOOD} "])
def test_a_token_comes_alone_or_behind_bearer(value):
    assert Tokens([GOOD]).find(value) == Access(None)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Bearer Bearer " + GOOD,
        "Basic " + GOOD,
        "Bearer" + GOOD,
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "x",
        GOOD + ", " + GOOD,
        GOOD + " x",
        "é" * 20,
        "\ud800",
        "€",
        "x" * 16_384,
        "\x00",
    ],
)
def test_anything_else_grants_nothing(value):
    assert Tokens([GOOD]).find(value) is None
    assert Tokens([]).find(value) is None


def test_without_tokens_nobody_gets_in(store, ask):
    assert ask(store, "/", tokens=Tokens([])).status == 401
    assert ask(store, "/", tokens=Tokens([]), authorization="").status == 401


def test_a_token_beyond_ascii_is_compared_by_its_bytes():
    assert Tokens(["schlüssel-€-0123456"]).find("schlüssel-€-0123456".encode().decode("latin-1")) == Access(None)


def test_every_token_is_compared_whichever_matches(monkeypatch):
    compared = []

    def spy(presented, known):
        compared.append(known)
        return presented == known

    monkeypatch.setattr(module, "compare_digest", spy)
    known = Tokens([f"token-{n}" for n in range(5)])
    for presented in ("token-0", "token-4", "wrong"):
        compared.clear()
        known.find(presented)
        assert len(set(compared)) == len(compared) == 5
        assert all(len(digest) == 32 for digest in compared)  # digests, so that lengths do not show


def test_a_token_may_be_bound_to_an_organisation():
    tokens = Tokens([Token("a", "org"), Token("b"), "c", Token("d", "")])
    assert [tokens.find(value) for value in "abcd"] == [Access("org"), Access(None), Access(None), Access("")]
    assert len(tokens) == 4


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\tb", "a\n", "\x00", "a\u2028b", "a\u00a0b"])
def test_a_token_that_no_header_can_carry_is_refused(bad):
    with pytest.raises(InvalidToken) as problem:
        Tokens([GOOD, bad])
    assert "token 2" in str(problem.value)


def test_one_text_is_no_collection_of_tokens():
    with pytest.raises(TypeError, match="each letter"):
        Tokens(GOOD)


def test_a_token_for_two_organisations_is_refused():
    assert len(Tokens([GOOD, GOOD, Token(GOOD)])) == 1
    with pytest.raises(InvalidToken) as problem:
        Tokens([Token(GOOD, "a"), GOOD])
    assert GOOD not in str(problem.value)


def test_no_token_is_shown_by_what_holds_it():
    tokens = Tokens([Token(GOOD, "org")])
    assert GOOD not in repr(tokens) + repr(Token(GOOD, "org")) + repr(vars(tokens))


def test_a_made_token_has_at_least_128_bits_and_is_never_the_same():
    made = {make_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) * math.log2(len("0123456789abcdef")) >= 128 for token in made)
    assert Tokens(made).short == 0


def test_short_tokens_are_counted():
    assert Tokens(["a" * 15, "b" * 16]).short == 1


def written(directory: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = directory / "tokens"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_a_token_file_has_a_token_a_line(tmp_path):
    path = written(tmp_path, "\ufeff# ours\n\n first-token \r\nsecond\torg-2\n")
    assert read_token_file(path) == [Token("first-token"), Token("second", "org-2")]


@pytest.mark.parametrize("text", ["", "\n# only this\n", "a b c\n", b"\xff\xfe\n"])
def test_a_token_file_of_another_form_is_refused_without_quoting_it(tmp_path, text):
    with pytest.raises(InvalidToken, match="token file") as problem:
        read_token_file(written(tmp_path, text))
    assert "a b" not in str(problem.value)


def test_a_token_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidToken, match="can't be read"):
        read_token_file(tmp_path / "nothing")
    with pytest.raises(InvalidToken, match="can't be read"):
        read_token_file(tmp_path)


def test_tokens_come_through_a_pipe_too_however_slowly(tmp_path):
    """As a shell's ``<(command)`` and ``/dev/stdin`` are."""
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)

    def write():
        with path.open("wb", buffering=0) as pipe:
            for piece in (b"first-tok", b"en\nsec", b"ond org-2\n"):
                time.sleep(0.05)
                pipe.write(piece)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert read_token_file(path, within_s=20) == [Token("first-token"), Token("second", "org-2")]
    writer.join(10)


@pytest.mark.parametrize("has_writer", [False, True])
def test_a_pipe_that_has_no_end_is_refused(tmp_path, has_writer):
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    with ExitStack() as stack:
        if has_writer:
            writer = os.open(path, os.O_RDWR)
            stack.callback(os.close, writer)
            os.write(writer, b"first-token\n")
        with pytest.raises(InvalidToken, match=r"is a pipe that nobody wrote to and closed within 0\.2 s"):
            read_token_file(path, within_s=0.2)


def test_a_file_without_an_end_is_refused():
    with pytest.raises(InvalidToken, match="is larger than 1 MiB"):
        read_token_file(Path("/dev/zero"))


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_a_token_file_that_others_can_read_is_named(tmp_path, caplog, mode, warned):
    with caplog.at_level(logging.WARNING):
        read_token_file(written(tmp_path, "secret-secret-secret", mode))
    assert len(caplog.records) == warned
    assert "secret-secret" not in caplog.text


@pytest.mark.parametrize("authorization", [None, "", "wrong", "Bearer", f"{GOOD} {GOOD}", "é", "x" * 16_000])
@pytest.mark.parametrize(
    "target", ["/", "/nowhere", f"/api/activity/keys/k/{DAYS}", "/api/activity/keys/k/0/0/0/0/0/0", "/%zz", "*"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_valid_token_nothing_is_said_about_the_path(store, ask, authorization, target, method):
    answer = ask(store, target, authorization=authorization, method=method)
    assert answer == ask(store, "/", authorization="another wrong one")
    assert answer.status == 401
    assert answer.body == b'{"Status":"Error","Message":"Not authorised","Meta":null}'
    assert dict(answer.headers)["WWW-Authenticate"] == "Bearer"

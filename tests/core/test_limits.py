"""How long texts may be."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tyk_endpoint_stats.core.limits import cut_name, cut_path, too_long
from tyk_endpoint_stats.core.record import Record


@pytest.mark.parametrize("path", ["", "/", "/" + "p" * 2047, "/" + "ü" * 1023, "😀" * 512])
def test_a_path_of_2048_bytes_is_kept(path):
    assert cut_path(path) == path


@pytest.mark.parametrize("path", ["/" + "p" * 2048, "/" + "ü" * 1024, "😀" * 513, "p" * 2047 + "😀", "p" * 100_000])
def test_a_longer_one_is_cut_at_a_whole_character_and_ends_in_a_hash_of_the_whole(path):
    kept, separator, digest = cut_path(path).rpartition("~")
    assert separator
    assert digest == sha256(path.encode()).hexdigest()[:16]
    assert path.startswith(kept)
    assert 2048 - 3 <= len(kept.encode()) <= 2048


def test_long_paths_that_differ_stay_different_though_they_begin_alike():
    assert cut_path("p" * 2048 + "a") != cut_path("p" * 2048 + "b")
    assert cut_path("p" * 2048 + "a") == cut_path("p" * 2048 + "a")


@given(st.text(st.characters(codec="utf-8"), max_size=3), st.integers(0, 300))
def test_a_name_is_cut_at_256_bytes_and_a_whole_character(text, times):
    name = text * times
    cut = cut_name(name)
    assert name.startswith(cut)
    assert len(cut.encode()) <= 256
    assert cut == name or len(cut.encode()) > 252


@pytest.mark.parametrize("name", ["api_key", "oauth_id", "api_id", "org_id"])
@pytest.mark.parametrize(
    ("text", "fits"), [("i" * 512, True), ("i" * 513, False), ("ü" * 256, True), ("😀" * 129, False)]
)
def test_an_id_may_have_512_bytes(name, text, fits):
    assert too_long(Record(**{name: text})) == ("" if fits else f"{name} over 512 bytes")


def test_many_short_ids_are_short():
    assert too_long(Record(api_key="k" * 400, oauth_id="c" * 400, api_id="a" * 400, org_id="o" * 400)) == ""
    assert too_long(Record(path="/" * 5000, alias="n" * 5000, api_name="n" * 5000)) == ""

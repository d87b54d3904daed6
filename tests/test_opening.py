"""From a URL to a store or to sources: what is ours of it, and what is said when it can't be opened."""

import sys
from types import ModuleType

import pytest

from tyk_endpoint_stats import hookimpl, open_sources, open_store
from tyk_endpoint_stats.errors import PluginError, TykEndpointStatsError, UnknownScheme
from tyk_endpoint_stats.hookspecs import SourceType, StoreType
from tyk_endpoint_stats.opening import open_readable_store
from tyk_endpoint_stats.plugin_manager import load_plugins
from tyk_endpoint_stats.sources.files import RecordFiles
from tyk_endpoint_stats.stores.base import ReadableStore
from tyk_endpoint_stats.stores.memory import MemoryStore


class OnlyRead(ReadableStore):
    closed = False

    def read(self, selection):
        return []

    def close(self):
        self.closed = True


def with_store(open_, scheme="mine", **more):
    """Plugins with one more store."""
    module = ModuleType("mine_plugin")
    module.provide_stores = hookimpl(lambda: [StoreType(scheme, open_, "", f"{scheme}://", **more)])
    return load_plugins(module, found=[])


def test_a_scheme_opens_its_store(tmp_path):
    with open_store("memory://") as store:
        assert isinstance(store, MemoryStore)
    with open_store(f"sqlite:///{tmp_path}/x#1 %2F.db") as store:
        assert list(store.sources()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".db")] == ["x#1 %2F.db"]


def test_only_what_is_before_the_slashes_is_ours_and_the_rest_is_handed_on_as_it_is():
    seen = []

    def open_(url, **options):
        seen.append((url, options))
        return MemoryStore()

    url = "mine://u:p@ss@h1,h2/a?b=c://d#e%20"
    open_store(url, plugins=with_store(open_), colour="red").close()
    assert seen == [(url, {"colour": "red"})]


def test_a_store_that_is_not_there_yet_can_be_an_error():
    made, asked = [], []

    def open_(url):
        made.append(url)
        return MemoryStore()

    def open_existing(url):
        asked.append(url)
        return MemoryStore()

    plugins = with_store(open_, open_existing=open_existing)
    open_readable_store("mine://1", plugins=plugins)
    open_readable_store("mine://2", existing=True, plugins=plugins)
    open_readable_store("mine://3", existing=True, plugins=with_store(open_))
    assert (made, asked) == (["mine://1", "mine://3"], ["mine://2"])


def test_a_function_named_by_text_is_imported_when_it_is_used(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("a_late_driver.py").write_text(
        "from tyk_endpoint_stats.stores.memory import MemoryStore\ndef open_it(url): return MemoryStore()\n"
    )
    plugins = with_store("a_late_driver:open_it")
    assert "a_late_driver" not in sys.modules
    open_store("mine://", plugins=plugins).close()
    assert sys.modules.pop("a_late_driver")


@pytest.mark.parametrize(
    ("reference", "cause"),
    [
        ("no_such_driver:open", "ModuleNotFoundError: No module named 'no_such_driver'"),
        ("json:no_such_function", "AttributeError: module 'json' has no attribute 'no_such_function'"),
        ("json", "AttributeError"),
        ("", "ValueError: Empty module name"),
        ("fails_when_imported:open", "RuntimeError: at import"),
    ],
)
def test_a_store_whose_driver_does_not_load_is_named_with_what_to_do(tmp_path, monkeypatch, reference, cause):
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("fails_when_imported.py").write_text("raise RuntimeError('at import')\n")
    with pytest.raises(PluginError) as caught:
        open_store("mine://u:secret@h", plugins=with_store(reference))
    message = str(caught.value)
    assert message.startswith(f"plugin 'mine_plugin' can't open 'mine': {cause}")
    assert "pip install --upgrade mine_plugin" in message
    assert "secret" not in message
    assert caught.value.__cause__ is not None


def test_a_store_that_only_reads_is_good_for_questions_alone():
    store = OnlyRead()
    plugins = with_store(lambda url: store)
    assert open_readable_store("mine://h", plugins=plugins) is store
    assert not store.closed
    with pytest.raises(PluginError, match=r"^mine://\*\*\*@h can only be read; nothing can be written to it$"):
        open_store("mine://u:secret@h", plugins=plugins)
    assert store.closed


def test_what_is_no_store_is_an_error():
    with pytest.raises(PluginError, match=r"'mine_plugin' opened mine://\*\*\*@h as 5, which is no store"):
        open_store("mine://u:secret@h", plugins=with_store(lambda url: 5))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "mongo://h",
            "scheme 'mongo' is not known as a store; known: memory, sqlite. Did you mean 'mongodb'? (pip ",
        ),
        ("mongodb://h", "known: memory, sqlite (pip install tyk-endpoint-stats-mongodb)"),
        ("mongodb+srv://h", "known: memory, sqlite (pip install tyk-endpoint-stats-mongodb)"),
        ("sqlit:///x", "Did you mean 'sqlite'?"),
        ("SQLite:///x", "Did you mean 'sqlite'?"),
        ("zzz://x", "scheme 'zzz' is not known as a store; known: memory, sqlite"),
        ("://x", "scheme '' is not known as a store"),
    ],
)
def test_an_unknown_scheme_lists_the_known_ones_and_what_to_install(url, message):
    with pytest.raises(UnknownScheme) as caught:
        open_store(url, plugins=load_plugins(found=[]))
    assert message in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_an_unknown_scheme_shows_nothing_of_the_url():
    with pytest.raises(UnknownScheme) as caught:
        open_store("nosuch://user:secret@h/db?password=secret", plugins=load_plugins(found=[]))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["stats.db", "", "sqlite:/x.db", "/a/b.db"])
def test_what_has_no_scheme_is_no_url_and_examples_are_given(text):
    with pytest.raises(PluginError, match=r"is no store URL; for example: .*sqlite:///tyk-e"):
        open_store(text, plugins=load_plugins(found=[]))


def test_a_password_is_masked_also_where_the_slashes_are_wrong():
    for text in ("mongodb:/u:secret@h/db", "u:secret@h", "mongodb:u:se@cret@h"):
        with pytest.raises(PluginError) as caught:
            open_store(text, plugins=load_plugins(found=[]))
        assert "cret" not in str(caught.value)


def test_sources_come_from_paths_globs_stdin_and_urls(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        tmp_path.joinpath(name).write_text("")
    for text in (f"{tmp_path}/*.jsonl", f"file://{tmp_path}/*.jsonl"):
        assert len(open_sources(text)) == 2
    assert [source.label for source in open_sources("-")] == ["stdin"]
    module = ModuleType("mine_plugin")
    module.provide_sources = hookimpl(
        lambda: [SourceType("mine", lambda url, **options: [RecordFiles([], f"{url} {options}")], "", "mine://")]
    )
    (source,) = open_sources("mine://x", plugins=load_plugins(module, found=[]), lag=5)
    assert source.label == "mine://x {'lag': 5}"
    with pytest.raises(
        UnknownScheme, match=r"'redi' is not known as a source; known: file, mine. Did you mean 'redis'"
    ):
        open_sources("redi://h", plugins=load_plugins(module, found=[]))


def test_every_error_is_one_of_ours():
    for url in ("nosuch://", "", "sqlite://x", "sqlite:///"):
        with pytest.raises(TykEndpointStatsError):
            open_store(url)

"""Plugins: loaded one by one, broken ones named and left out, no scheme taken twice."""

import sys
from importlib.metadata import EntryPoint, PathDistribution, version
from types import ModuleType

import pytest

from tyk_endpoint_stats import hookimpl
from tyk_endpoint_stats.hookspecs import SourceType, StoreType
from tyk_endpoint_stats.plugin_manager import Problem, load_plugins


def store_type(scheme="nosuch", **fields):
    return StoreType(**{"scheme": scheme, "open": print, "summary": "", "example": f"{scheme}://"} | fields)


def source_type(scheme="nosuch"):
    return SourceType(scheme, print, "", f"{scheme}://")


def plugin(name, stores=None, sources=None, **how):
    """A module with our hooks; each gives what its function returns."""
    module = ModuleType(name)
    if stores:
        module.provide_stores = hookimpl(**how)(lambda: stores())
    if sources:
        module.provide_sources = hookimpl(**how)(lambda: sources())
    return module


@pytest.fixture
def installed(tmp_path):
    """``installed(name, points, version)``: the entry points of a distribution."""

    def install(name, points, number="1.2"):
        info = tmp_path / f"{name}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        lines = [f"{each} = {target}" for each, target in points.items()]
        info.joinpath("entry_points.txt").write_text("\n".join(["[tyk_endpoint_stats]", *lines]))
        return list(PathDistribution(info).entry_points)

    return install


@pytest.fixture
def module(monkeypatch):
    """``module(plugin)``: can be imported by its name."""

    def add(made):
        monkeypatch.setitem(sys.modules, made.__name__, made)
        return made.__name__

    return add


def test_what_is_built_in_comes_by_the_same_hooks():
    plugins = load_plugins(found=[])
    assert set(plugins.stores) == {"memory", "sqlite"}
    assert set(plugins.sources) == {"file"}
    assert plugins.problems == ()
    assert plugins.stores["sqlite"].plugin == "tyk_endpoint_stats"
    assert plugins.stores["sqlite"].version == version("tyk-endpoint-stats")


def test_every_manager_is_new():
    assert load_plugins(found=[]) is not load_plugins(found=[])
    load_plugins(plugin("mine", lambda: [store_type()]), found=[])
    assert "nosuch" not in load_plugins(found=[]).stores


def test_a_plugin_brings_stores_and_sources_and_says_from_where(installed, module):
    name = module(
        plugin("their_module", lambda: [store_type("a"), store_type("b+c.d-1")], lambda: [source_type("a")])
    )
    plugins = load_plugins(found=installed("tyk-endpoint-stats-theirs", {"x": name}, "4.5"))
    assert plugins.problems == ()
    for provided in (plugins.stores["a"], plugins.stores["b+c.d-1"], plugins.sources["a"]):
        assert (provided.plugin, provided.version) == ("tyk-endpoint-stats-theirs", "4.5")
    assert {"memory", "sqlite"} < set(plugins.stores)


def test_a_distribution_may_have_several(installed, module):
    points = {
        "stores": module(plugin("their_stores", lambda: [store_type("a")])),
        "sources": module(plugin("their_sources", None, lambda: [source_type("b")])),
    }
    plugins = load_plugins(found=installed("theirs", points))
    assert plugins.problems == ()
    assert plugins.stores["a"].plugin == "theirs"
    assert plugins.sources["b"].plugin == "theirs (sources)"
    assert plugins.sources["b"].version == "1.2"


def test_an_object_with_hooks_will_do():
    class Mine:
        @hookimpl
        def provide_stores(self):
            yield store_type("mine")

    plugins = load_plugins(Mine(), found=[])
    assert "Mine object" in plugins.stores["mine"].plugin
    assert plugins.stores["mine"].version == ""


def test_a_hook_may_be_a_function_of_another_name():
    module = ModuleType("renamed")
    module.mine = hookimpl(specname="provide_stores")(lambda: [store_type("mine")])
    assert "mine" in load_plugins(module, found=[]).stores


def test_a_function_that_is_not_marked_is_no_hook():
    module = ModuleType("unmarked")
    module.provide_stores = lambda: [store_type("mine")]
    plugins = load_plugins(module, found=[])
    assert "mine" not in plugins.stores
    assert plugins.problems == ()


def raises(problem):
    def give():
        raise problem

    return give


def give_one_and_fail():
    yield store_type("half")
    raise OSError("no more")


@pytest.mark.parametrize(
    ("stores", "cause"),
    [
        (raises(RuntimeError("boom")), "provide_stores failed: RuntimeError: boom"),
        (lambda: None, "provide_stores failed: TypeError: 'NoneType' object is not iterable"),
        (lambda: 5, "provide_stores failed: TypeError: 'int' object is not iterable"),
        (give_one_and_fail, "provide_stores failed: OSError: no more"),
        (lambda: ["sqlite"], "provide_stores gave 'sqlite', which is no StoreType with a scheme"),
        (lambda: [source_type()], "provide_stores gave SourceType(scheme='nosuch'"),
        (lambda: [store_type("")], "provide_stores gave StoreType(scheme=''"),
        (lambda: [store_type("My SQL")], "provide_stores gave StoreType(scheme='My SQL'"),
        (lambda: [store_type("a://b")], "provide_stores gave StoreType(scheme='a://b'"),
        (lambda: [store_type("1a")], "provide_stores gave StoreType(scheme='1a'"),
        (lambda: [store_type("x\n")], "provide_stores gave StoreType(scheme='x\\n'"),
        (lambda: [store_type(scheme=5)], "provide_stores gave StoreType(scheme=5"),
        (lambda: [store_type(scheme=None)], "provide_stores gave StoreType(scheme=None"),
    ],
)
def test_a_hook_that_fails_is_a_problem_and_everything_else_works(stores, cause):
    plugins = load_plugins(
        plugin("broken", stores, lambda: [source_type("still")]),
        plugin("good", lambda: [store_type("good")]),
        found=[],
    )
    (problem,) = plugins.problems
    assert problem.plugin == "broken"
    assert problem.cause.startswith(cause)
    assert {"memory", "sqlite", "good"} == set(plugins.stores)
    assert "still" in plugins.sources


def test_of_what_a_hook_gives_the_sound_ones_are_taken():
    plugins = load_plugins(plugin("some", lambda: [store_type("a"), None, store_type("b")]), found=[])
    assert {"a", "b"} < set(plugins.stores)
    assert len(plugins.problems) == 1


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("no_such_module_at_all", "did not load: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("json:no_such_name", "did not load: AttributeError: module 'json' has no attribute 'no_such_name'"),
        ("not a reference", "did not load: "),
    ],
)
def test_a_broken_entry_point_does_not_stop_the_next_one(installed, module, target, cause):
    good = module(plugin("good_one", lambda: [store_type("good")]))
    found = [*installed("a-broken", {"x": target}), *installed("b-good", {"x": good})]
    plugins = load_plugins(found=found)
    assert plugins.stores["good"].plugin == "b-good"
    (problem,) = plugins.problems
    assert problem.plugin == "a-broken"
    assert problem.cause.startswith(cause)


def test_a_module_that_fails_when_it_is_imported_is_a_problem(tmp_path, monkeypatch, installed):
    tmp_path.joinpath("fails_at_import.py").write_text("raise RuntimeError('at import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins = load_plugins(found=installed("theirs", {"x": "fails_at_import"}))
    assert plugins.problems == (Problem("theirs", "did not load: RuntimeError: at import"),)


def test_an_entry_point_of_no_distribution_has_its_own_name():
    plugins = load_plugins(found=[EntryPoint("lonely", "no_such_module_at_all", "tyk_endpoint_stats")])
    assert plugins.problems[0].plugin == "lonely"


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
@pytest.mark.parametrize("how", [{}, {"tryfirst": True}, {"trylast": True}])
def test_a_scheme_that_is_taken_is_refused_with_both_names(scheme, how):
    plugins = load_plugins(plugin("greedy", lambda: [store_type(scheme), store_type("other")], **how), found=[])
    assert plugins.stores[scheme].plugin == "tyk_endpoint_stats"
    assert plugins.stores["other"].plugin == "greedy"
    (problem,) = plugins.problems
    assert (
        problem.cause == f"scheme {scheme!r} is provided by 'tyk_endpoint_stats' already; 'greedy' was refused"
    ), "with stores, renaming in silence means writing to the wrong database"


def test_of_two_outsiders_the_first_has_the_scheme():
    one, other = (
        plugin(name, lambda: [store_type("same")], lambda: [source_type("same")]) for name in ("one", "other")
    )
    plugins = load_plugins(one, other, found=[])
    assert (plugins.stores["same"].plugin, plugins.sources["same"].plugin) == ("one", "one")
    assert [problem.plugin for problem in plugins.problems] == ["other", "other"]


def test_a_hook_that_does_not_exist_or_takes_arguments_is_refused():
    misspelt, curious = ModuleType("misspelt"), ModuleType("curious")
    misspelt.provide_store = hookimpl(lambda: [store_type()])
    curious.provide_stores = hookimpl(lambda url: [])
    plugins = load_plugins(misspelt, curious, plugin("good", lambda: [store_type("good")]), found=[])
    assert [problem.plugin for problem in plugins.problems] == ["misspelt", "curious"]
    assert "was refused: unknown hook 'provide_store'" in plugins.problems[0].cause
    assert "was refused: " in plugins.problems[1].cause
    assert set(plugins.stores) == {"memory", "sqlite", "good"}


def test_a_plugin_given_twice_is_refused_once():
    mine = plugin("mine", lambda: [store_type("mine")])
    plugins = load_plugins(mine, mine, found=[])
    assert "mine" in plugins.stores
    assert len(plugins.problems) == 1

"""What holds for every run of tests, benchmarks and plugins: it is like the run before it."""

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run, so that a change is to blame for a failure; the first test of a run builds
# tables that take longer than the health check allows.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--seed`` for whatever is random in a test."""
    parser.addoption("--seed", type=int, default=1, help="what the fault tests' randomness starts from")


def pytest_report_header(config: pytest.Config) -> str:
    """Shown at the top of a run, for repeating it."""
    return f"seed of the fault tests: {config.getoption('seed')} (--seed)"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Where a test's randomness starts: the same one fails again."""
    seed: int = request.config.getoption("seed")
    return seed

"""What holds for every test: nothing secret is printed or logged by anything that runs in it."""

from collections.abc import Generator

import pytest

SECRETS = (
    "7a7b140f-2480-4d5a-4e78-24049e3ba7f8",
    "bound-0123456789abcdef",
    "another-token-of-length",
    "pa55-of-a-store",
)
"""The tokens and passwords that the tests hand to what they test."""


def titles_with_secrets(sections: list[tuple[str, str]]) -> list[str]:
    """Which of the captured outputs (title, text) hold a secret."""
    return [title for title, text in sections if any(secret in text for secret in SECRETS)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.passed and (shown := titles_with_secrets(report.sections)):
        report.outcome = "failed"
        report.longrepr = f"a token or a password was printed or logged: {', '.join(shown)}"
    return report


@pytest.fixture(scope="session")
def tell_secrets() -> tuple[str, ...]:
    """For tests that look at outputs which are not captured: those of programs."""
    return SECRETS

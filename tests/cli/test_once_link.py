"""The link that ``serve`` prints: it signs in, and holds no token."""

from urllib.parse import parse_qs, urlsplit

from tyk_endpoint_stats.cli.serve_examples import once_link
from tyk_endpoint_stats.core.batch import Consumer
from tyk_endpoint_stats.web.settings import Settings
from tyk_endpoint_stats.web.tokens import Token, Tokens

BOUND, FREE = Token("bound-0123456789abcdef", "org"), Token("another-token-of-length")


def test_it_signs_in_with_a_token_that_sees_everything_where_there_is_one() -> None:
    settings = Settings(tokens=Tokens([BOUND, FREE]))
    link = once_link("https://stats.example/prefix", settings, None)
    assert link.startswith("https://stats.example/prefix/ui/login?once=")
    (code,) = parse_qs(urlsplit(link).query)["once"]
    assert settings.sign_in.redeem(code) == settings.tokens.digest_of(FREE.value)
    assert settings.sign_in.redeem(code) is None
    assert FREE.value not in link


def test_it_leads_to_a_consumers_page_whatever_its_id() -> None:
    settings = Settings(tokens=Tokens([BOUND]))
    link = once_link("http://x", settings, Consumer.key("clé d'accès/&?#"))
    (following,) = parse_qs(urlsplit(link).query)["next"]
    assert following.startswith("/ui/consumer?kind=key&id=")
    assert parse_qs(urlsplit(following).query)["id"] == ["clé d'accès/&?#"]

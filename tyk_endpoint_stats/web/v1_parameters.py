"""The query parameters of ``/v1``: what each means, and what of it the log may show."""

from tyk_endpoint_stats.questions.measures import Measures
from tyk_endpoint_stats.web.representations import FORMATS
from tyk_endpoint_stats.web.route import NO_CONTROL, Parameter

__all__ = ["META_PARAMETERS", "row_parameters", "series_parameters", "total_parameters"]

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_INSTANT = f"{_DATE}[Tt][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\\.[0-9]+)?([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})"
_TIME = f"({_DATE}|{_INSTANT})"


def _text(name: str, description: str, pattern: str = NO_CONTROL, public: str | None = None) -> Parameter:
    schema = {"type": "string", "pattern": pattern}
    return Parameter(name=name, schema=schema, description=description, public=public)


def _choice(name: str, values: list[str], description: str) -> Parameter:
    return Parameter(name=name, schema={"type": "string", "enum": values}, description=description)


_FROM = _text(
    "from",
    "The first day, in zone; or an RFC 3339 instant, taken back to the quarter hour. `all`: since ever. "
    "Absent: 30 days to the last.",
    f"^(all|{_TIME})$",
    f"all|{_TIME}",
)
_TO = _text(
    "to",
    "The last day, inclusive; or an instant, taken on to the quarter hour. Absent: today.",
    f"^{_TIME}$",
    _TIME,
)
_ZONE = _text("zone", "An IANA time zone. Absent: the server's.", public="UTC")
_CONSUMER = _text("consumer", "key:ID or oauth:ID.", "^(key|oauth):[^\\u0000-\\u001f\\u007f]*$")
_KIND = _choice("kind", ["key", "oauth"], "Only keys, or only OAuth clients.")
_API_ID = _text("api_id", "Only that API. Empty: the one whose id is empty.")
_PATH = _text("path", "Only that path.")
_COMPARE = _text(
    "compare",
    "previous, year, or FIRST..LAST as days or instants: a period whose row each row has in `before`.",
    f"^(previous|year|{_TIME}\\.\\.{_TIME})$",
    f"previous|year|{_TIME}\\.\\.{_TIME}",
)
_FORMAT = _choice("format", [*FORMATS], "Stronger than Accept. CSV and NDJSON have all rows and no envelope.")
_Q = _text("q", "Only rows with this text in an id, an alias, a path or an API's name, in upper or lower case.")
_STATUS = _text(
    "status",
    "Only rows with at least one hit of this status code, or of this class such as 5xx.",
    "^([0-9]{1,3}|[1-9]xx)$",
    "[0-9]{1,3}|[1-9]xx",
)
_LIMIT = Parameter(
    name="limit",
    schema={"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100},
    description="So many rows at most.",
)
_CURSOR = _text("cursor", "Where the answer before ended: from its `next`.", "^[A-Za-z0-9_-]*$")
_INTERVAL = _choice("interval", ["15m", "1h", "1d", "1w", "1mo"], "How long a row's piece of time is. Absent: 1d.")
_BY = _choice("by", ["endpoint", "consumer", "api"], "The busiest of them each by itself, and the others together.")
_TOP = Parameter(
    name="top",
    schema={"type": "integer", "minimum": 1, "maximum": 50, "default": 5},
    description="How many are shown each by itself, with by.",
)

META_PARAMETERS = (_ZONE,)


def row_parameters(row_type: type[Measures]) -> tuple[Parameter, ...]:
    """Those of a resource of rows."""
    orders = [sign + name for name in row_type.members() if name != "codes" for sign in ("-", "")]
    sort = _choice("sort", orders, "By which member; - before it: the largest first. Absent: -hits.")
    return (*total_parameters(row_type), _Q, _STATUS, sort, _LIMIT, _CURSOR)


def series_parameters(row_type: type[Measures]) -> tuple[Parameter, ...]:
    """Those of a series."""
    return (*total_parameters(row_type), _INTERVAL, _BY, _TOP)


def total_parameters(row_type: type[Measures]) -> tuple[Parameter, ...]:
    """Those of the totals."""
    names = "|".join(row_type.members())
    fields = _text(
        "fields",
        "Only these members, with commas between them. Status codes and percentiles are read only where asked for.",
        f"^({names})(,({names}))*$",
        f"({names})(,({names}))*",
    )
    return (_FROM, _TO, _ZONE, _CONSUMER, _KIND, _API_ID, _PATH, _COMPARE, fields, _FORMAT)

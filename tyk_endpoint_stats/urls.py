"""URLs in messages: everybody may see where a store lies, nobody how to get in."""

import re

__all__ = ["mask_url"]

_PASSWORD_PARAMETER = re.compile(r"([?&;][a-z_]*(?:password|passwd|pwd|secret|token)=)[^&;]*", re.IGNORECASE)


def mask_url(url: str) -> str:
    """The URL with all between ``://`` and the last ``@`` masked, and parameters that hold a password.

    Up to the *last* ``@``, because a password may have one in it that nobody encoded. Text without ``://`` is
    masked from its beginning: it may be a URL whose scheme was forgotten.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    if "@" in rest:
        rest = f"***@{rest.rpartition('@')[2]}"
    return scheme + separator + _PASSWORD_PARAMETER.sub(r"\1***", rest)

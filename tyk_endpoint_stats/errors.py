"""Everything this library raises on purpose.

::

    TykEndpointStatsError
    ├── InvalidQuestion (ValueError)      a date, zone, page or consumer that can't be asked for
    ├── InvalidRule (ValueError)          a rule for counting that can't be followed, such as a broken pattern
    ├── StoreError                        a store could not do what it was asked to
    │   ├── PositionConflict              the source stands elsewhere than the batch begins
    │   ├── StoreBusy                     a wait for the store ended at its deadline; try again
    │   ├── StoreClosed                   the store was closed, or inherited through a fork
    │   ├── QuarterHoursPruned            the answer needs quarter hours that were pruned
    │   ├── EdgeInsideBucket              the answer needs a part of what is stored as one number
    │   ├── AnswerTooLarge                the answer is larger than whoever asks allows for
    │   └── UnusableStore                 not our file, a newer schema, a directory, read-only, …
    ├── SourceError                       a source can't be read (missing, corrupt, not a file, …)
    └── PluginError                       a plugin, a URL or a scheme that can't be used
        └── UnknownScheme (LookupError)

A store turns its driver's errors into these at one seam and keeps the original as ``__cause__``. Messages
say what happened, to what (passwords masked), and what to do.
"""

__all__ = [
    "AnswerTooLarge",
    "EdgeInsideBucket",
    "InvalidQuestion",
    "InvalidRule",
    "PluginError",
    "PositionConflict",
    "QuarterHoursPruned",
    "SourceError",
    "StoreBusy",
    "StoreClosed",
    "StoreError",
    "TykEndpointStatsError",
    "UnknownScheme",
    "UnusableStore",
]


class TykEndpointStatsError(Exception):
    """The base of every error this library raises on purpose."""


class InvalidQuestion(TykEndpointStatsError, ValueError):
    """The question can't be asked: an impossible date, an unknown zone, a page that is no number."""


class InvalidRule(TykEndpointStatsError, ValueError):
    """A rule for counting can't be followed: a pattern that is none, a normalisation that is not known."""


class StoreError(TykEndpointStatsError):
    """A store could not do what it was asked to; what it holds is still whole."""


class PositionConflict(StoreError):
    """A batch does not begin where its source stands in the store; nothing was changed.

    Attributes:
        stored: where the source stands, ``None`` if the store has never met it.
    """

    def __init__(self, source: str, begins: str | None, stored: str | None) -> None:
        self.source = source
        self.begins = begins
        self.stored = stored
        super().__init__(
            f"source {source!r} stands at {stored!r} in this store, but the batch begins at {begins!r}; "
            "ask position() again and go on from there"
        )


class StoreBusy(StoreError):
    """A wait ended at its deadline: for the write lock, a reading connection, or an answer. Try again."""


class StoreClosed(StoreError):
    """The store was closed, or it was opened before a fork: open it again in this process."""


class QuarterHoursPruned(StoreError):
    """The question has an edge inside a UTC day whose quarter hours were pruned.

    Whole UTC days of that time can still be asked for; an answer that is silently too small is never given.
    """

    def __init__(self) -> None:
        super().__init__(
            "the range has an edge inside a UTC day whose quarter hours were pruned; "
            "ask for whole UTC days of that time"
        )


class EdgeInsideBucket(StoreError):
    """The question has an edge inside a time that somebody else's data holds as one number, such as an hour.

    An answer that counts it whole or not at all would be too large or too small, and is never given.
    """


class AnswerTooLarge(StoreError):
    """The answer is larger than whoever asks allows for; one that is silently too short is never given.

    Attributes:
        limit: how large it might have been, in words: ``10,000 rows``.
    """

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(f"the answer has more than {limit}; ask for fewer days or for one API, or allow for more")


class UnusableStore(StoreError):
    """What the URL names can't serve as a store; it was left untouched."""


class SourceError(TykEndpointStatsError):
    """A source can't be read; nothing of it was counted by this call beyond what was reported."""


class PluginError(TykEndpointStatsError):
    """A plugin, a URL or a scheme can't be used."""


class UnknownScheme(PluginError, LookupError):
    """No installed plugin knows the URL's scheme."""

"""The table ``history``: which tables these are, how often they were changed, and how far they were pruned."""

from uuid import UUID

from msgspec import Struct

from tyk_endpoint_stats_postgresql.connections import Connection

__all__ = ["History", "change", "read_history"]


class History(Struct, frozen=True):
    """The only row of the table.

    Attributes:
        step: the last of ``schema.STEPS`` that was taken.
        changes: how often the store was changed.
        token: random, another one after each change.
        pruned_before_day: quarter hours of earlier days are gone.
    """

    step: str
    changes: int
    token: UUID
    pruned_before_day: int | None

    @property
    def version(self) -> str:
        """As the contract has it."""
        return f"{self.changes}-{self.token.hex}"


def read_history(connection: Connection) -> History:
    """What it is in the caller's transaction."""
    (row,) = connection.execute("SELECT step, changes, token, pruned_before_day FROM history").fetchall()
    return History(*row)


def change(connection: Connection, token: UUID) -> None:
    """The last statement of whatever changes the store: others wait for this row until the commit."""
    connection.execute("UPDATE history SET changes = changes + 1, token = %s", (token,))

"""Something that happens just before a command is sent to a server."""

from collections.abc import Callable

import pymongo
from pymongo.monitoring import CommandListener

__all__ = ["AtCommand"]


class AtCommand(CommandListener):
    """Does something just before the ``number``-th command is sent."""

    def __init__(self, number: int, act: Callable[[str], None]) -> None:
        self.left, self.act = number, act

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        self.left -= 1
        if self.left == -1:
            self.act(event.command_name)

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...

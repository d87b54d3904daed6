"""Variants of merging that are wrong on purpose: each fault test must catch one.

- ``unfenced``: a state is merged whatever marks it bears (plain ``$inc`` with retry);
- ``position_apart``: the position is written outside of the transaction;
- ``lane_a_process``: a source's lane depends on who reads it;
- ``duplicates_are_done``: a document that another made at the same moment is taken as written.
"""

import os
from typing import Any

import pymongo
import pytest
import tyk_endpoint_stats_mongodb.lanes as lanes_module
import tyk_endpoint_stats_mongodb.sources as sources_module
from tyk_endpoint_stats_mongodb.layout import LANES

__all__ = ["duplicates_are_done", "lane_a_process", "position_apart", "unfenced"]

Patch = pytest.MonkeyPatch


def unfenced(patch: Patch) -> None:
    fenced = lanes_module.fenced_writes

    def writes(wanted: Any, known: Any, lane: int, seq: int) -> list[Any]:
        made = fenced(wanted, known, lane, seq)
        for write in made:
            if isinstance(write, pymongo.UpdateOne):
                write._filter.pop("$or")
        return made

    patch.setattr(lanes_module, "fenced_writes", writes)


def position_apart(patch: Patch) -> None:
    apply = sources_module.Advance.apply
    patch.setattr(sources_module.Advance, "apply", lambda self, sources, session=None: apply(self, sources))


def lane_a_process(patch: Patch) -> None:
    patch.setattr(lanes_module, "lane_of", lambda source: os.getpid() % LANES)


def duplicates_are_done(patch: Patch) -> None:
    refused = lanes_module._refused

    def none(*arguments: Any) -> list[int]:
        refused(*arguments)
        return []

    patch.setattr(lanes_module, "_refused", none)

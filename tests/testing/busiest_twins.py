"""Stores that are broken in how they answer with the busiest groups alone: twins that the exam must catch."""

from msgspec.structs import replace

from tyk_endpoint_stats.core.stats import EndpointStats
from tyk_endpoint_stats.stores.memory import MemoryStore


class _Cuts(MemoryStore):
    def read(self, selection):
        if selection.busiest is None:
            return super().read(selection)
        answer = super().read(selection)
        return self.cut(answer, super().read(replace(selection, busiest=None)), selection.busiest)


class CutsTies(_Cuts):
    """Of groups with equally many hits it gives the last."""

    def cut(self, answer, whole, busiest):
        if answer[0][0].groups is None:
            return answer
        return [answer[0], *sorted(whole, key=lambda item: (-item[1].hits, item[1].last_hit_us))[:busiest]]


class AddsUpTheBusiest(_Cuts):
    """Its total is that of the groups it gives."""

    def cut(self, answer, whole, busiest):
        if answer[0][0].groups is None:
            return answer
        total = EndpointStats()
        for _, stats in answer[1:]:
            total.merge(stats)
        return [(answer[0][0], total), *answer[1:]]


class CutsWithoutTotal(_Cuts):
    """What it leaves out it does not even count."""

    def cut(self, answer, whole, busiest):
        return answer[1:] if answer[0][0].groups is not None else answer

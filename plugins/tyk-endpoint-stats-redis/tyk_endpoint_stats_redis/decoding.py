"""From a list's elements to a chunk: quickly, and with a second look at what the quick decoder refuses."""

from collections.abc import Callable, Sequence
from importlib import import_module

from msgspec import DecodeError, Struct

from tyk_endpoint_stats.core.lenient_record import MalformedRecord
from tyk_endpoint_stats.core.record import Record
from tyk_endpoint_stats.sources.contract import Chunk, Rejected
from tyk_endpoint_stats_redis.lists import Serializer
from tyk_endpoint_stats_redis.times import instant_of

__all__ = ["Decoder", "decode_elements", "decoder_of"]

_UNDECODABLE = (DecodeError, ValueError, RecursionError)
"""msgspec's error was no ``ValueError`` at first."""


class Decoder(Struct, frozen=True):
    """One serializer's decoder.

    Attributes:
        decode: gives the record of an element; raises one of ``_UNDECODABLE`` where it needs another look.
        look_again: gives the record and whether something was mended; raises ``MalformedRecord``.
    """

    decode: Callable[[bytes], Record]
    look_again: Callable[[bytes], tuple[Record, bool]]


class _ElementsChunk(Chunk):
    list_name: str = ""
    first: int = 1
    elements: Sequence[bytes] = ()
    numbers: Sequence[int] | None = None

    def locate(self, index: int) -> Rejected:
        number = index if self.numbers is None else self.numbers[index]
        return Rejected(f"{self.list_name}, record {self.first + number}", "", self.elements[number])


def decoder_of(serializer: Serializer) -> Decoder:
    """The decoder of a serializer; only its library is loaded."""
    module = import_module(f"tyk_endpoint_stats_redis.{serializer}_records")
    return Decoder(module.decode, module.look_again)


def decode_elements(decoder: Decoder, list_name: str, first: int, elements: Sequence[bytes], ends: str) -> Chunk:
    """The chunk of some elements, the first of which is the ``first`` of its list, counted from 1."""
    size = sum(map(len, elements))
    decode = decoder.decode
    try:
        # Nearly always all are good, and then they need neither numbers nor a try each.
        return _ElementsChunk(
            [decode(element) for element in elements],
            ends,
            size,
            instant_of=instant_of,
            list_name=list_name,
            first=first,
            elements=elements,
        )
    except _UNDECODABLE:
        pass
    records: list[Record] = []
    numbers: list[int] = []
    repaired: list[int] = []
    rejected: list[Rejected] = []
    for number, element in enumerate(elements):
        try:
            records.append(decode(element))
        except _UNDECODABLE:
            try:
                record, changed = decoder.look_again(element)
            except MalformedRecord as problem:
                rejected.append(Rejected(f"{list_name}, record {first + number}", problem.reason, element))
                continue
            if changed:
                repaired.append(len(records))
            records.append(record)
        numbers.append(number)
    return _ElementsChunk(
        records,
        ends,
        size,
        repaired,
        rejected=rejected,
        instant_of=instant_of,
        list_name=list_name,
        first=first,
        elements=elements,
        numbers=numbers,
    )

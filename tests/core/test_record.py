"""What is decoded of a record, and that the rest is not."""

import msgspec
import pytest
from msgspec import json

from tyk_endpoint_stats.core.record import Latency, Record

LINE = (
    b'{"method":"GET","path":"/get","raw_request":"UE9TVCAv","response_code":200,"api_key":"k",'
    b'"timestamp":"2020-10-13T10:00:00.123456789Z","api_name":"API","api_id":"a","org_id":"o","oauth_id":"c",'
    b'"request_time":7,"latency":{"total":6,"upstream":5,"gateway":1},"alias":"Ann","track_path":true,'
    b'"graphql_stats":{"IsGraphQL":true,"Errors":null},"mcp_stats":{"is_mcp":true},"tags":null,"geo":{"city":{}}}'
)


def test_the_members_that_matter_are_read():
    record = json.decode(LINE, type=Record)
    assert msgspec.structs.astuple(record)[:8] == (
        *("/get", 200, "k", "2020-10-13T10:00:00.123456789Z", "API", "a", "o", "c"),
    )
    assert (record.request_time, record.latency, record.alias, record.track_path) == (7, Latency(6, 5), "Ann", True)
    assert record.graphql_stats.is_graphql
    assert record.mcp_stats.is_mcp


def test_an_absent_member_is_zero_or_empty():
    record = json.decode(b"{}", type=Record)
    assert record == Record("", 0, "", "", "", "", "", "", 0, Latency(0, 0), "", False)


def test_bodies_never_become_objects():
    names = {field.encode_name for field in msgspec.structs.fields(Record)}
    assert not names & {"raw_request", "raw_response", "user_agent", "ip_address"}


def test_the_order_of_members_does_not_matter():
    members = json.decode(LINE)
    turned = json.encode(dict(reversed(members.items())))
    assert json.decode(turned, type=Record) == json.decode(LINE, type=Record)


@pytest.mark.parametrize(
    "member",
    [
        b'"response_code":2147483648',
        b'"response_code":"200"',
        b'"response_code":200.5',
        b'"request_time":-1',
        b'"request_time":1000000000001',
        b'"latency":{"total":-1}',
        b'"latency":5',
        b'"track_path":1',
        b'"path":null',
        b'"path":5',
    ],
)
def test_what_needs_a_second_look_is_refused(member):
    with pytest.raises(msgspec.ValidationError):
        json.decode(b"{" + member + b"}", type=Record)

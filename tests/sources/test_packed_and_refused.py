"""Files that are packed, and what is refused, by name."""

import bz2
import gzip
import json
import lzma
import re

import pytest
import zstandard

from tests.sources.test_wrappers import RECORD, TEXT_LOG
from tyk_endpoint_stats.errors import SourceError
from tyk_endpoint_stats.ingest.parallel import ingest_all
from tyk_endpoint_stats.sources.file import FileSource
from tyk_endpoint_stats.sources.forms import compressed
from tyk_endpoint_stats.stores.memory import MemoryStore


@pytest.mark.parametrize(
    ("head", "looks"),
    [
        (b"\x02\x21\x4c\x18", "lz4-compressed"),
        (b"PGDMP\x01", "a dump of pg_dump's"),
        (b"\xff\xfe\x00\x00{\x00\x00\x00", "UTF-32"),
        (b"\x6d\xe2\x99\x81\x30", "an archive of mongodump's"),
        (b"ORC", "an ORC file"),
        (b"<!DOCTYPE html>\n<html>", "a page or XML"),
        (b'{"path":"/r"}\r{"path":"/r"}\r', "lines that end in CR alone"),
        (b"\xd4\xc3\xb2\xa1\x02\x04\x01\x06" * 9, "bytes that are no text"),
        (b'\'{"path":"/r"}\'\n', "something else around it"),
        (b'{\n    "path" => "/r",\n    "response_code" => 200\n}\n', "Logstash's rubydebug"),
        (b"{'path': '/r', 'response_code': 200}\n", "single quotes, as Python"),
        (b"[{'path': '/r', 'response_code': 200}]", "single quotes, as Python"),
        (b"{ _id: ObjectId('5f85'), path: '/r' }\n", "MongoDB's shell prints .*use mongoexport"),
        (b"{Method:GET Path:/r}\n", "names have no quotes"),
        (b"\x82\xa6Method\xa3GET\xa4Path\xa2/r", "MessagePack, .*redis://HOST"),
        (b'1) "\\x82\\xa6Method\\xa3GET"\n', "MessagePack"),
        (b"- path: /r\n  response_code: 200\n", "YAML; export JSON"),
        (b"---\npath: /r\nresponse_code: 200\n", "YAML"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n", "encrypted file; decrypt it first"),
        (b"\x85\x01\x0c\x03\x01\x02", "encrypted file"),
        (b'2020-10-13T10:00:05.1+00:00 pump/1 {\n    "path": "/r"\n}\n', "use --format short"),
        (b"INSERT INTO tyk_analytics VALUES ('/r', 200);\n", "a dump in SQL"),
        (b"-[ RECORD 1 ]-+--\npath | /r\n", "psql's expanded output"),
        (b"+------+\n| path |\n+------+\n", "a table as a database's client prints it"),
        (b"   path = /r\n  code = 200\n", "one column a line"),
        (b"{&quot;path&quot;:1}\n", "&quot; for its quotes"),
        (b'{\\"path\\":1}\n', "for its quotes, cut out"),
        (b"eyJwYXRoIjoiL3IiLCJyZXNwb25zZV9jb2RlIjoyMDB9\n", "base64; decode it first"),
        (b"%7B%22path%22%3A1%7D\n", "URL-encoded"),
        (b'[{"path":"/r","response_code":200},{"path":"/s"', "a JSON array on one line that has no end"),
        (
            b'{"path":["/r","/s"],"response_code":200,"timestamp":"2020-10-13T10:00:00Z"}\n',
            "can't be read .path is no",
        ),
    ],
)
def test_what_can_not_be_read_is_called_by_its_name(tmp_path, head, looks):
    (tmp_path / "file").write_bytes(head)
    with MemoryStore() as store:
        ((_, problem),) = ingest_all(store, [FileSource(str(tmp_path / "file"))])
    assert re.search(looks, str(problem))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_a_packed_file_is_the_plain_one_and_refused_whole_where_it_is_not_sound(kit, tmp_path, pack):
    lines = b"".join(kit.make_line(f"/{number}") for number in range(300))
    plain, packed = tmp_path / "log", tmp_path / "log.1"
    plain.write_bytes(lines)
    packed.write_bytes(pack(lines))
    with MemoryStore() as store:
        assert kit.take(store, packed).counts.counted == 300
        assert kit.take(store, plain).read == 0
        packed.write_bytes(pack(lines) + pack(kit.make_line("/more")))
        assert kit.take(store, packed).counts.counted == 1
    for broken in (pack(lines)[:-3], pack(lines) + b"junk", pack(lines)[:60]):
        packed.write_bytes(broken)
        with MemoryStore() as store, pytest.raises(SourceError, match="is cut off or corrupt"):
            kit.take(store, packed)


def test_zstd_is_read_where_something_can_and_refused_by_name_elsewhere(kit, tmp_path, monkeypatch):
    lines = b"".join(kit.make_line(f"/{number}") for number in range(3_000))
    packed = tmp_path / "log.zst"
    packed.write_bytes(zstandard.compress(lines) * 2)
    with MemoryStore() as store:
        assert kit.take(store, packed).counts.counted == 6_000
    packed.write_bytes(zstandard.compress(lines)[:-9])
    with MemoryStore() as store, pytest.raises(SourceError, match="zstd file is cut off or corrupt"):
        kit.take(store, packed)

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(compressed, "import_module", missing)
    with (
        MemoryStore() as store,
        pytest.raises(SourceError, match="zstd-compressed; unpack it first, or pip install"),
    ):
        kit.take(store, packed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{}\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"PK\x03\x04" + bytes(100), "a zip archive"),
        (bytes(257) + b"ustar" + bytes(300), "a tar archive"),
        (gzip.compress(bytes(257) + b"ustar" + bytes(300)), "a tar archive"),
        (b"\x04\x22\x4d\x18abc", "lz4-compressed; unpack it first"),
    ],
    ids=["UTF-16", "zip", "tar", "tar in gzip", "lz4"],
)
def test_what_is_known_and_not_read_is_refused_by_its_name(tmp_path, data, message):
    file = tmp_path / "file"
    file.write_bytes(data)
    with MemoryStore() as store, pytest.raises(SourceError, match=message):
        store.ingest(FileSource(str(file)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f"{TEXT_LOG}\n", "log lines alone"),
        (
            '198.51.100.7 - - [13/Oct/2020:08:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"\n',
            "an access log of nginx",
        ),
        ("a,b,c\n1,2,3\n", "a CSV without Tyk Pump's columns"),
        ("hello\n", "text that is no JSON"),
        (json.dumps(RECORD)[:-9] + "\n", "cut off or broken"),
    ],
)
def test_a_source_of_which_nothing_could_be_counted_says_what_it_looks_like(tmp_path, data, message):
    file = tmp_path / "file"
    file.write_text(data)
    source = FileSource(str(file))
    with MemoryStore() as store:
        (problem,) = store.ingest(source).problems
    assert message in problem

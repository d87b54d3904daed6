"""What an ingest did, and how far it is, in words."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from tyk_endpoint_stats.cli.escaping import printable
from tyk_endpoint_stats.cli.growth import growth_texts
from tyk_endpoint_stats.ingest.report import IngestReport
from tyk_endpoint_stats.questions.growth import months_of

__all__ = ["minute_line", "progress_text", "reasons", "report_lines", "sums"]

_MANY_ENDPOINTS = 10_000
"""In one batch; more are worth a word."""


def report_lines(reports: Sequence[IngestReport], rejects_kept: bool) -> Iterator[str]:
    """The final report: a line a source where there are several, then the sum."""
    if len(reports) != 1:
        for report in reports:
            yield f"{printable(report.label)}: {_short(report)}"
        label = f"{len(reports)} sources"
    else:
        label = printable(reports[0].label)
    total = IngestReport(label)
    for report in reports:
        total.merge(report)
    counts = total.counts
    rate = f", {total.read / total.seconds:,.0f} records/s" if total.read and total.seconds else ""
    yield f"{label}: {total.read:,} read in {total.seconds:.1f} s{rate}"
    yield f"  counted    {counts.counted:>13,}" + (f"  ({counts.repaired:,} repaired)" if counts.repaired else "")
    yield f"  skipped    {sum(counts.skipped.values()):>13,}" + reasons(counts.skipped)
    yield f"  malformed  {sum(counts.malformed.values()):>13,}" + reasons(counts.malformed)
    yield f"  duplicate  {total.duplicate:>13,}"
    for report in reports:
        if report.waiting:
            yield f"  {printable(report.label)}: {report.waiting:,} bytes wait for their end"
    for report in reports:
        for found in report.named:
            yield f"    {printable(report.label)}: {printable(found.where)}: {printable(found.reason)}"
    if counts.malformed and not rejects_kept:
        yield "  (--rejects FILE keeps malformed lines)"
    grown = growth_texts(months_of(total.growth))
    yield from (f"  {'' if number else 'grew':<11}{text}" for number, text in enumerate(grown))
    yield from _many_paths(total)


def minute_line(report: IngestReport) -> str:
    """Where following stands: the sums so far, and how old the newest hit is."""
    seconds = _lag_s(report)
    lag = "-" if seconds is None else f"{seconds:,.0f} s"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{now} {_short(report)}, lag {lag}"


def sums(report: IngestReport) -> dict[str, int | float | None]:
    """What ``minute_line`` says, for programs."""
    lag_s = _lag_s(report)
    return {**_outcomes(report), "lag_s": None if lag_s is None else round(lag_s, 1)}


def progress_text(report: IngestReport, share: float | None) -> str:
    """How far an ingest is; ``share``: of the source that it reads now, where that can be told."""
    mebibytes = report.bytes / 2**20
    rate = mebibytes / report.seconds if report.seconds else 0.0
    text = f"{printable(report.label)}  {mebibytes:,.0f} MiB  {rate:,.0f} MiB/s  {report.read:,} merged"
    return text if share is None else f"{text}  {min(1.0, share):.0%}"


def _lag_s(report: IngestReport) -> float | None:
    return None if report.newest_us is None else time.time() - report.newest_us / 1e6


def _many_paths(report: IngestReport) -> Iterator[str]:
    if report.max_endpoints_a_batch > _MANY_ENDPOINTS:
        yield f"  {report.max_endpoints_a_batch:,} distinct paths in one batch"
        yield "  (ids in paths? --normalise uuid,ulid,number leaves them out, --pattern REGEX whatever it matches)"


def _short(report: IngestReport) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in _outcomes(report).items())


def _outcomes(report: IngestReport) -> dict[str, int]:
    return {
        "read": report.read,
        "counted": report.counts.counted,
        "skipped": sum(report.counts.skipped.values()),
        "malformed": sum(report.counts.malformed.values()),
        "duplicate": report.duplicate,
    }


def reasons(counts: dict[str, int]) -> str:
    """Counts by reason in brackets, the most frequent first; nothing where there is none."""
    if not counts:
        return ""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "  (" + ", ".join(f"{printable(reason)} {count:,}" for reason, count in ranked) + ")"

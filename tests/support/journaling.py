"""Journals with the records that a test needs."""

import dataclasses
import json
import time

from runner.state.journal import first_check
from runner.state.records import decode, encode


def append(folder, *records):
    """Add records to the journal of an attempt, which need not be there yet."""
    folder.path.mkdir(parents=True, exist_ok=True)
    lines = folder.journal.read_bytes().splitlines() if folder.journal.exists() else []
    check = json.loads(lines[-1])["check"] if lines else first_check(folder)
    with open(folder.journal, "ab") as file:
        for record in records:
            now = time.time_ns() // 1_000_000
            timed = record if record.time_ms else dataclasses.replace(record, time_ms=now)
            line, check = encode(timed, check)
            file.write(line)


def records_of(folder):
    """The records of an attempt's journal, in their order."""
    records, check = [], first_check(folder)
    for line in folder.journal.read_bytes().splitlines():
        record, check = decode(line, check)
        records.append(record)
    return records

"""Journals with the records that a test needs."""

from runner.state.journal import JournalWriter


def append(journal, *records):
    """Add records to the journal at a path, which need not be there yet."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    writer = JournalWriter(journal)
    for record in records:
        writer.write(record)
    writer.close()

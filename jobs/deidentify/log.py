"""The log of what was done to which attribute, as rows of `curated.deid_log`."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.dicom.log import LogEntry
from jobs.frames import Row


def log_rows(file_key: str, site_key: str, entries: Iterable[LogEntry]) -> list[Row]:
    """One row an attribute path of a file, with how often it was met; of several decisions the first is named.

    The device is not known yet.
    """
    rows: dict[str, Row] = {}
    for entry in entries:
        row = rows.setdefault(
            entry.path,
            {
                "file_key": file_key,
                "attribute_path": entry.path,
                "action": entry.action,
                "rule": entry.rule,
                "code": entry.code,
                "site_key": site_key,
                "device_key": None,
                "occurrences": 0,
            },
        )
        row["occurrences"] += 1
    return list(rows.values())

"""Looking through the pixels of one file for burned-in text; light to import, as most runs do not look."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from jobs.dicom import log
from jobs.dicom.log import LogEntry
from schemas.looks import PIXELS, Look


class Inspection:
    """Looks through one file when it is called, and remembers how far it came."""

    def __init__(self, opened: Callable[[], BinaryIO], *, wanted: bool) -> None:
        """`opened` opens the file, seekable; nothing is looked for unless it is `wanted`."""
        self._opened, self._wanted, self.look = opened, wanted, Look.NOT

    def __call__(self) -> bool:
        """Whether all pixels were looked through and hold no text; raises `BadInput` BURNED_IN_TEXT."""
        if self._wanted:
            from jobs.deidentify.burned_in import look

            self.look = look(self._opened)
        return self.look is Look.WHOLE

    @property
    def entry(self) -> LogEntry:
        """What the log says of it."""
        return LogEntry(PIXELS, log.KEPT, self.look)

"""Every error that HemaLake raises on purpose, under one base class.

HemalakeError
├── UsageError            the command line or a setting is wrong            exit code 2
│   └── SettingsError
├── BadInput              one unit cannot be used; it goes to quarantine with its reason
├── StoreError            bytes cannot be read or written at a URI          exit code 1, worth a retry
│   └── StoreUnreachable
├── LakeError             the tables are not as the code needs them
│   ├── UnknownTable
│   ├── LakeTooNew        written by a later version of HemaLake
│   ├── ContractMismatch  a table differs from its contract and no migration is known
│   ├── StaleOutput       made under other settings, another key or an older stage
│   ├── WrongKey          the pseudonym key is not the one this lake was made with
│   └── LeaseHeld         another process is writing this stage
├── GateFailed            a critical expectation failed; the good tables stay as they were
├── AccountingError       units that came in are neither out nor in quarantine
├── SignOffError          the release is not signed, refused, or differs from what was signed
└── StageFailed           anything else, with every value taken out of it

Texts say what, where and what to do. They never hold a value from the data: no patient, file name or cell content.
"""

from __future__ import annotations

import traceback

from schemas.reasons import Reason


class HemalakeError(Exception):
    """Base class of all errors that HemaLake raises on purpose."""

    exit_code = 1
    retry = False
    """Whether the cause is infrastructure, so that running again may help."""


class UsageError(HemalakeError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing, unknown or out of range."""


class BadInput(HemalakeError):
    """One unit of input cannot be used; the stage holds it back under `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadInput], tuple[Reason]]:
        return (BadInput, (self.reason,))


class StoreError(HemalakeError):
    """Bytes cannot be read or written at a URI."""


class StoreUnreachable(StoreError):
    """The store does not answer."""

    retry = True


class LakeError(HemalakeError):
    """The tables of the lake are not as the code needs them."""


class UnknownTable(LakeError):
    """No contract has this name."""

    exit_code = 2


class LakeTooNew(LakeError):
    """The lake was written by a later version of HemaLake."""


class ContractMismatch(LakeError):
    """A table differs from its contract and no migration is known."""


class StaleOutput(LakeError):
    """Existing rows were made under other settings, another key or an older stage."""


class WrongKey(LakeError):
    """The pseudonym key is not the one this lake was made with."""


class LeaseHeld(LakeError):
    """Another process is writing this stage."""


class GateFailed(HemalakeError):
    """A critical expectation failed, so nothing was committed."""


class AccountingError(HemalakeError):
    """Units that came in are neither passed on nor in quarantine."""


class SignOffError(HemalakeError):
    """The release is not signed, was refused, or differs from what was signed."""


class StageFailed(HemalakeError):
    """An error from below, with every value taken out of it."""


def without_values(error: BaseException) -> HemalakeError:
    """Return `error` itself when it is ours, else a `StageFailed` that says only what kind it is and where.

    Messages of Spark, Delta and pydicom quote the data (a CHECK violation prints the row, an ANSI cast the value),
    so only the type, Spark's error condition and the place in our own code survive.
    """
    if isinstance(error, HemalakeError):
        return error
    condition = _spark_condition(error)
    kind = type(error).__name__ + (f" [{condition}]" if condition else "")
    failed = StageFailed(f"{kind} at {_place(error)}. The message is withheld because it may quote data.")
    failed.retry = isinstance(error, (ConnectionError, TimeoutError))
    return failed


def _spark_condition(error: BaseException) -> str:
    """Spark's name for the kind of error, such as DIVIDE_BY_ZERO; empty where it has none."""
    try:
        return str(getattr(error, "getCondition", lambda: "")() or "")
    except Exception:
        return ""


def _place(error: BaseException) -> str:
    """The innermost line of our own code that the error passed through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    ours = [f for f in frames if any(part in f.filename for part in ("jobs", "expectations", "schemas"))]
    if not frames:
        return "an unknown place"
    last = (ours or frames)[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno} in {last.name}"

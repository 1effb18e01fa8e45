"""What a scheduler runs: one `hemalake` command, by `spark-submit` where it needs Spark.

It differs from the command in its exit code alone: 75 says that the cause is infrastructure and that another try may
help, so that a scheduler need not guess it from words. 0, 1 and 2 mean what they mean everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an error is one line on standard error, without values."""
    from jobs.cli import parser
    from jobs.errors import without_values

    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except Exception as error:
        failed = without_values(error)
        print(f"hemalake: {failed}", file=sys.stderr)
        return TEMPORARY if failed.retry else failed.exit_code


if __name__ == "__main__":
    # A script's folder comes first on the path, where `airflow.py` and others would hide packages of the same name.
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    sys.exit(run(sys.argv[1:]))

"""Every command has help with an example; wrong use ends with 2, and starts no Spark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.cli import main, parser
from schemas.stages import STAGES

ROOT = Path(__file__).parents[2]
COMMANDS = next(a.choices for a in parser()._actions if a.choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "Example: hemalake" in capsys.readouterr().out


def test_every_stage_is_a_command():
    assert {stage.name for stage in STAGES} <= set(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], [], ["ingest", "--settings", "no-such-file.toml"], ["review", "--approve", "--refuse"]],
)
def test_wrong_use_ends_with_2(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert capsys.readouterr().err


def test_neither_help_nor_a_look_starts_spark():
    code = "import sys, jobs.cli, jobs.commands, jobs.pipeline, jobs.lake; print('pyspark' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "False"

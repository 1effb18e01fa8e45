"""No value leaves through an error."""

from __future__ import annotations

import pickle

import pytest

from jobs import errors
from jobs.errors import BadInput, HemalakeError, UsageError, without_values
from schemas.reasons import Reason


def test_the_message_of_a_foreign_error_is_withheld():
    with pytest.raises(ValueError, match="Virtanen") as caught:
        raise ValueError("invalid literal: 'Virtanen, Aino'")
    told = str(without_values(caught.value))
    assert "Virtanen" not in told
    assert "ValueError at test_errors.py" in told


def test_our_own_errors_pass_as_they_are():
    own = UsageError("say --officer NAME")
    assert without_values(own) is own


def test_a_bad_input_travels_between_processes():
    assert pickle.loads(pickle.dumps(BadInput(Reason.TRUNCATED))).reason is Reason.TRUNCATED


def test_every_error_stands_in_the_tree_at_the_top():
    ours = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, HemalakeError)]
    assert all(error.__name__ in (errors.__doc__ or "") for error in ours)
    assert {error.exit_code for error in ours} == {1, 2}


def test_every_reason_has_its_sentence():
    assert all(reason.sentence.endswith(".") for reason in Reason)

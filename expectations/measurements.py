"""What must hold of a laboratory value beyond its contract."""

from __future__ import annotations

from expectations.rules import Rule, keyed

SUITE: tuple[Rule, ...] = (
    keyed("patient_key"),
    Rule("code_is_loinc", "code RLIKE '^[0-9]{1,6}-[0-9]$'", "The code is a LOINC code.", {"code": "Hb"}),
    Rule(
        "there_is_a_result",
        "value IS NOT NULL OR result IS NOT NULL",
        "There is a number, or another result.",
        {"value": None, "result": None},
    ),
    Rule(
        "result_is_no_sentence",
        "result NOT RLIKE '[^ ]+ [^ ]+ [^ ]+' AND length(result) <= 400",
        "A result is a titre, a grade, a code or one or two words.",
        {"result": "seen by J. Doe"},
    ),
    Rule(
        "value_is_not_negative",
        "value >= 0 OR unit NOT IN ('10*9/L', '10*12/L', 'g/L')",
        "A count or mass concentration is not negative; a base excess may be.",
        {"value": -1.0, "unit": "g/L"},
    ),
)

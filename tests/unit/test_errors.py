"""The exception tree and its messages."""

import inspect
import pickle
import re

import pytest

from pgmel import errors
from pgmel.errors import DataError, MissingExtraError, PgmelError, SettingError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, PgmelError)]
RAISED = [DataError("rule", "file", "line 3", "Fix it"), MissingExtraError("pyarrow", "data", "Parquet"), SettingError("wrong")]


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted([*(cls.__name__ for cls in CLASSES if cls is not PgmelError), "TrainingInterruptedError"])
    assert all(cls.__bases__[0] is PgmelError for cls in CLASSES if cls is not PgmelError)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("PgmelError", 1),
        ("SettingError", 2),
        ("DataError", 3),
        ("KnowledgeBaseError", 4),
        ("IndexFileError", 4),
        ("BundleError", 4),
        ("CheckpointError", 4),
        ("EncoderError", 5),
        ("MissingExtraError", 5),
    ],
)
def test_exit_codes_are_those_of_the_manual(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_every_class_has_its_exit_code_tested() -> None:
    assert len(CLASSES) == 9


def test_python_callers_may_catch_the_usual_classes() -> None:
    assert issubclass(SettingError, ValueError)
    assert issubclass(DataError, ValueError)
    assert issubclass(MissingExtraError, ImportError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("the rule",), "the rule"),
        (("the rule", "kb.jsonl"), "kb.jsonl: the rule"),
        (("the rule", "kb.jsonl", "line 3"), "kb.jsonl, line 3: the rule"),
        (("the rule", None, "line 3"), "line 3: the rule"),
        (("the rule", "kb.jsonl", "line 3", "Remove it"), "kb.jsonl, line 3: the rule. Remove it"),
    ],
)
def test_data_error_says_where_what_and_what_to_do(arguments: tuple[str, ...], message: str) -> None:
    assert str(DataError(*arguments)) == message


def test_data_error_keeps_its_parts() -> None:
    error = DataError("rule", "file", "line 3", "Fix it")
    assert (error.rule, error.file, error.place, error.fix) == ("rule", "file", "line 3", "Fix it")


def test_missing_extra_names_package_purpose_and_command() -> None:
    message = str(MissingExtraError("pyarrow", "data", "reading Parquet"))
    assert message == "reading Parquet needs the package 'pyarrow', which is not installed; install it with: pip install 'pgmel[data]'"


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_errors_come_whole_from_another_process(error: PgmelError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))

"""What people pass to the package, checked before Python takes it for something else.

To Python a text is a list of letters, bytes are whole numbers and True is 1. Each check
gives the value in its plain form, or raises a ValueError that names the argument, what
was passed and what is expected.
"""

from __future__ import annotations

import operator
from dataclasses import fields


def token_ids(name: str, value: object) -> list[int]:
    """A plain list of ids, from a list, a tuple, an array or a tensor (T,).

    Raises:
        ValueError: a text, or something that holds other things than ids.
    """
    if isinstance(value, str):
        shown = _short(value)
        raise ValueError(f"{name} is the text {shown}; pass tokenizer.encode(text)")
    if hasattr(value, "tolist"):  # a tensor or an array
        value = value.tolist()
    expected = "one flat sequence of ids, such as tokenizer.encode(text)"
    ids = _items(name, value, expected)
    if all(type(item) is int for item in ids):
        return ids
    return [_whole(item, f"{name} holds {item!r}", expected) for item in ids]


def rows_of_ids(name: str, value: object, row: str) -> list[list[int]]:
    """Several sequences of ids, each as `token_ids` gives it.

    Args:
        name: of the argument.
        value: what was passed.
        row: what a message calls one of them, with {} for its number.

    Raises:
        ValueError: no sequence of sequences of ids.
    """
    expected = "a list with a list of ids for each text"
    if isinstance(value, str):
        raise ValueError(f"{name} is the text {_short(value)}; it must be {expected}")
    rows = _items(name, value, expected)
    return [token_ids(row.format(i), ids) for i, ids in enumerate(rows)]


def texts(name: str, value: object) -> list[str]:
    """A list of texts, from any sequence of them.

    Raises:
        ValueError: one text, which would be a list of letters, or other things.
    """
    expected = "a list of texts"
    if isinstance(value, str):
        raise ValueError(f"{name} is the text {_short(value)}; it must be {expected}")
    found = _items(name, value, expected)
    for item in found:
        if not isinstance(item, str):
            raise ValueError(f"{name} holds {_short(item)}; it must be {expected}")
    return found


def whole_number(name: str, value: object, least: int) -> int:
    """A whole number, not below `least`.

    Raises:
        ValueError: a smaller one, or something else, such as 3.0, "3" and True.
    """
    expected = f"a whole number of at least {least}"
    number = _whole(value, f"{name} is {_short(value)}", expected)
    if number < least:
        raise ValueError(f"{name} is {number}; it must be {expected}")
    return number


def number(name: str, value: object) -> float:
    """A number as it is.

    Raises:
        ValueError: a text, None, True or anything else that is no number.
    """
    try:
        if isinstance(value, (str, bytes, bytearray)) or _is_bool(value):
            raise TypeError
        float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(f"{name} is {_short(value)}; it must be a number") from None
    return value


def check_fields(config: object) -> None:
    """Check the fields of a frozen dataclass, and make their numbers plain ones.

    A field that is annotated int, float, int | None or bool holds what it says: no 2.5
    steps, no "3", no True for a number and no "no" for False. A seed is one that numpy
    takes as well.

    Raises:
        ValueError: another value; the message names the field.
    """
    for field in fields(config):
        value = getattr(config, field.name)
        if field.type == "float":
            value = number(field.name, value)
            value = value if isinstance(value, (int, float)) else float(value)
        elif field.type == "int" or (field.type == "int | None" and value is not None):
            said = f"{field.name} is {_short(value)}"
            value = _whole(value, said, "a whole number")
        elif field.type == "bool" and not isinstance(value, bool):
            raise ValueError(
                f"{field.name} is {_short(value)}; it must be True or False"
            )
        object.__setattr__(config, field.name, value)
        if field.name == "seed" and not 0 <= value < 2**32:
            raise ValueError(f"seed is {value}; it must lie between 0 and {2**32 - 1}")


def _items(name: str, value: object, expected: str) -> list:
    try:
        if isinstance(value, (bytes, bytearray)):
            raise TypeError
        return value if type(value) is list else list(value)
    except TypeError:
        raise ValueError(f"{name} is {_short(value)}; it must be {expected}") from None


def _whole(value: object, said: str, expected: str) -> int:
    try:
        if _is_bool(value):
            raise TypeError
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{said}; it must be {expected}") from None


def _is_bool(value: object) -> bool:
    """Whether it is True or False, also as a scalar of numpy or torch."""
    return isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."

"""Dataclasses from JSON and back: what a field's type says is what a file must hold there."""

import dataclasses
from collections.abc import Callable, Iterator
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ser_plugins.errors import SerError

Noun = TypeVar("Noun")
Refusal = Callable[[str, str], SerError]  # (got, expected) -> what is raised
_LARGEST = 1e300  # also keeps out what is not finite
_WORDS = {str: "a text", int: "a whole number", float: "a finite number", bool: "true or false"}


def read_noun(noun: type[Noun], values: dict, refusal: Refusal, place: str = "") -> Noun:
    """A dataclass from the object that a file holds; keys that it does not know are passed over.

    A field is one of ``str``, ``int``, ``float`` (finite), ``bool``, ``tuple[kind, ...]`` (a list),
    ``tuple[kind, kind]`` (a list of two), ``dict[str, kind]``, another dataclass, ``kind | None``, or ``Any``. A field
    with a default may be missing.

    Arguments
    ---------
    noun : type
        The dataclass.
    values : dict
        The object, or one in which fields are dataclasses already.
    refusal : callable
        ``(got, expected) -> SerError``, which names the file.
    place : str
        Where the object stands in the file, with a dot behind it.

    Raises
    ------
    SerError
        Naming all keys that are missing, or the first that holds another kind of value.

    Example
    -------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Speaker:
    ...     name: str
    ...     age: int | None
    >>> def refusal(got, expected):
    ...     return SerError(got=f"speaker.json: {got}", expected=expected, remedy="correct the file")
    >>> read_noun(Speaker, {"name": "spk03", "age": 31}, refusal)
    Speaker(name='spk03', age=31)
    >>> read_noun(Speaker, {"name": "spk03", "age": "31"}, refusal)
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: speaker.json: age: '31'; expected: age: a whole number, or null; remedy: correct \
the file
    """
    if missing := list(_missing(noun, values, place)):
        raise refusal(f"no {', '.join(missing)}", "all the keys that belong there")
    kinds = get_type_hints(noun)
    fields = [field.name for field in dataclasses.fields(noun) if field.name in values]  # type: ignore[arg-type]
    return noun(**{name: _read(kinds[name], values[name], place + name, refusal) for name in fields})


def noun_json(noun: Any) -> dict:
    """A dataclass as a file has it; a field that holds its default is left out.

    Example
    -------
    >>> @dataclasses.dataclass(frozen=True)
    ... class Fold:
    ...     name: str
    ...     speakers: tuple[str, ...]
    ...     note: str | None = None
    >>> noun_json(Fold("a", ("spk03",)))
    {'name': 'a', 'speakers': ['spk03']}
    """
    values = [(field, getattr(noun, field.name)) for field in dataclasses.fields(noun)]
    return {field.name: _plain(value) for field, value in values if _required(field) or value != _default(field)}


def _missing(noun, values: dict, place: str) -> Iterator[str]:
    kinds = get_type_hints(noun)
    for field in dataclasses.fields(noun):
        name, kind = f"{place}{field.name}", kinds[field.name]
        if field.name not in values:
            if _required(field):
                yield name
        elif dataclasses.is_dataclass(kind) and isinstance(values[field.name], dict):
            yield from _missing(kind, values[field.name], f"{name}.")


def _required(field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field):
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _read(kind, value, place: str, refusal: Refusal):
    """A value of the kind that a field says."""
    if kind is Any:
        return value
    if get_origin(kind) in (Union, UnionType):
        (inner,) = (option for option in get_args(kind) if option is not NoneType)
        return None if value is None else _read(inner, value, place, _or_null(refusal))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if isinstance(value, kind):
            return value
        _check(isinstance(value, dict), value, place, "an object", refusal)
        return read_noun(kind, value, refusal, f"{place}.")
    if get_origin(kind) is tuple:
        inner, *others = get_args(kind)
        _check(isinstance(value, (list, tuple)), value, place, "a list", refusal)
        if Ellipsis not in others:
            _check(len(value) == 1 + len(others), value, place, f"a list of {1 + len(others)}", refusal)
        return tuple(_read(inner, entry, f"{place}[{number}]", refusal) for number, entry in enumerate(value))
    if get_origin(kind) is dict:
        _check(isinstance(value, dict), value, place, "an object", refusal)
        inner = get_args(kind)[1]
        return {key: _read(inner, entry, f"{place}.{key}", refusal) for key, entry in value.items()}
    _check(_fits(kind, value), value, place, _WORDS[kind], refusal)
    return value


def _or_null(refusal: Refusal) -> Refusal:
    return lambda got, expected: refusal(got, f"{expected}, or null")


def _fits(kind, value) -> bool:
    if kind in (str, bool):
        return isinstance(value, kind)
    numbers = int if kind is int else (int, float)
    return isinstance(value, numbers) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _check(right: bool, value, place: str, words: str, refusal: Refusal) -> None:
    if not right:
        raise refusal(f"{place:.100}: {value!a:.100}", f"{place:.100}: {words}")


def _plain(value):
    """A value of a field as JSON has it."""
    if dataclasses.is_dataclass(value):
        return noun_json(value)
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value

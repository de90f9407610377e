"""What is said to a client: outcomes in strict JSON, every error in three parts."""

import json

from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.exceptions import HTTPException

from ser_plugins.errors import SerError


def strict_json(content: dict) -> str:
    """JSON without NaN and infinity, which :class:`SerError` is raised for.

    Example
    -------
    >>> strict_json({"score": 0.5})
    '{"score":0.5}'
    """
    try:
        return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        raise SerError(
            got="NaN or infinity in what the model gives",
            expected="finite numbers",
            remedy="check the samples of the recording, and the model with ser classify",
        ) from None


def parts_of(error: Exception) -> tuple[dict[str, str], int]:
    """``got``, ``expected`` and ``remedy`` of any error, and its HTTP status.

    Example
    -------
    >>> parts_of(KeyError("secret"))
    ({'got': 'a fault of the service', 'expected': 'none', 'remedy': 'see its log, and report it'}, 500)
    """
    status = 422
    if isinstance(error, SerError):
        status = getattr(error, "status", status)
        parts = (error.got, error.expected, error.remedy)
    elif isinstance(error, (RequestValidationError, WebSocketRequestValidationError)):
        wrong = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors())
        parts = (wrong, "the parameters of /docs", "correct the address")
    elif isinstance(error, HTTPException):
        status = error.status_code
        parts = (error.detail, "a path and a method of /docs", "correct the address")
    else:
        status = 500
        parts = ("a fault of the service", "none", "see its log, and report it")
    return dict(zip(("got", "expected", "remedy"), parts, strict=True)), status

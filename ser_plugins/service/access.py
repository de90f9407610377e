"""Who may ask, and whether the question is one: checked before a body is read."""

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from ser_plugins.errors import SerError
from ser_plugins.service.forms import FORM, is_form
from ser_plugins.service.uploads import Refusal

BYTES = ("application/octet-stream", "application/x-www-form-urlencoded")  # curl --data-binary says the second


def refuse_other_types(connection: HTTPConnection) -> None:
    """Raise :class:`Refusal` for a body that is announced as something else than sound or a form."""
    announced = connection.headers.get("content-type", "")
    kind = announced.split(";")[0].strip().lower()
    is_sound = kind.startswith(("audio/", "video/")) or kind in BYTES
    if kind and not is_sound and not is_form(announced):
        raise Refusal(
            415,
            got=f"Content-Type: {kind}",
            expected="audio/wav, another audio/ or video/ type, application/octet-stream, with the file itself as the "
            f"body; or {FORM}",
            remedy="curl --data-binary @speech.wav URL, or curl -F file=@speech.wav URL",
        )


def refuse_strangers(connection: HTTPConnection, hosts) -> None:
    """Raise :class:`Refusal` for another host's name, and for a page of another site."""
    origin, address = connection.headers.get("origin"), connection.headers.get("host")
    if hosts is not None and address is not None and _host_name(address) not in hosts:
        raise Refusal(
            403, got=f"Host: {address}", expected=" or ".join(hosts), remedy="use one of these in the address"
        )
    if origin is not None and origin.partition("://")[2] != address:  # a proxy may speak another scheme than we do
        raise Refusal(
            403,
            got=f"a request from a page of {origin or 'nowhere'}",
            expected="one from the service's own page, or from a program",
            remedy="open the service's own page",
        )


def _host_name(address: str) -> str | None:
    """Of ``Host``, without the port; None where it is no address."""
    try:
        return urlsplit(f"//{address}").hostname
    except ValueError:
        return None


def refuse_unknown_parameters(connection: HTTPConnection) -> None:
    """Raise :class:`SerError` for a parameter of the address that its path does not know, such as a mistyped one."""
    route = connection.scope["route"]
    known = _parameters(route.dependant)
    unknown = [name for name in connection.query_params if name not in known]
    if unknown and getattr(route, "include_in_schema", True):
        raise SerError(
            got=f"the parameter {unknown[0][:80]!r} of {route.path}",
            expected=", ".join(known) or "no parameters",
            remedy="correct the address",
        )


def _parameters(dependant) -> list[str]:
    return [
        *(field.alias for field in dependant.query_params),
        *(name for part in dependant.dependencies for name in _parameters(part)),
    ]

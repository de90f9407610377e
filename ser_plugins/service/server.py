"""The service on a socket: uvicorn, with bounds on connections, on the time that headers take, and on its log."""

import errno
import json
import logging
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ser_plugins.errors import SerError
from ser_plugins.machine import open_files

HEADER_SECONDS = 5.0  # for the headers of a request, from the connection or from the reply before
LEAVING_SECONDS = 30.0  # to take what has been sent, once a connection is to be closed
READ_BYTES = 2**16  # at once from a connection: a hundred that send much leave time for one that asks
RESERVED_FILES = 64  # beyond connections: what the process has open besides
SAME_LINE_SECONDS = 60.0  # between two lines of one kind in the log
LOGGERS = ("asyncio", "uvicorn.error")


def run_app(app, sockets: list, limits) -> None:
    """Serve on sockets of :func:`listening` until a signal comes; what was accepted by then is answered.

    Arguments
    ---------
    app : fastapi.FastAPI
        Of :func:`ser_plugins.service.app.create_app`.
    sockets : list of socket.socket
        Bound.
    limits : ser_plugins.service.uploads.Limits
        On connections, and on the time that a stop takes.
    """
    with quiet_log():
        uvicorn.Server(configuration(app, limits)).run(sockets)


def configuration(app, limits, **options) -> uvicorn.Config:
    """What uvicorn is told; ``options`` on top."""
    connections = Connections(most_connections(limits.connections))
    defaults = {
        "http": partial(BoundedProtocol, connections),
        "ws": partial(BoundedWebSocket, connections),
        "ws_max_size": 2 * limits.frame,  # between once and twice the app says what is too much
        "ws_per_message_deflate": False,  # a frame takes no more memory than it has bytes
        "log_level": "warning",
        # asyncio accepts so many at once, before any of them can be refused.
        "backlog": max(8, min(128, connections.most // 4)),
        "timeout_keep_alive": HEADER_SECONDS,
        "timeout_graceful_shutdown": round(limits.timeout) + 1,
    }
    return uvicorn.Config(app, **defaults | options)


def most_connections(wanted: int) -> int:
    """As many as are wanted, or as the system's limit on open files leaves room for."""
    files = open_files()
    return wanted if files is None else max(1, min(wanted, (files - RESERVED_FILES) // 2))


class Connections:
    """The open connections of a server. When there are too many, that one gives way which has waited for longest.

    Arguments
    ---------
    most : int
        How many.
    """

    def __init__(self, most: int):
        self.most, self.open, self.waiting = most, set(), {}  # those without a request, in the order of their waiting

    def admit(self, connection) -> None:
        """Count a new connection; that, or another one, is refused where it is one too many."""
        if len(self.open) >= self.most:
            oldest = next(iter(self.waiting), None)
            (oldest or connection).refuse_full()
            if oldest is None:
                return
        self.open.add(connection)

    def leave(self, connection) -> None:
        """Count it no longer."""
        self.open.discard(connection)
        self.waiting.pop(connection, None)


class BoundedProtocol(H11Protocol):
    """Closes connections that are too many or too slow, and says every error in three parts of JSON."""

    def __init__(self, connections: Connections, **options):
        super().__init__(**options)
        self.bound = connections
        self.deadline = None
        self.upgraded = False

    def connection_made(self, transport):
        """Admit it, or refuse it or another one."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # asyncio's, but on Windows
            transport.max_size = READ_BYTES
        self.bound.admit(self)
        self._settle()

    def connection_lost(self, exc):
        """Make room for others."""
        self._stop_waiting()
        self.bound.leave(self)
        super().connection_lost(exc)

    def handle_events(self):
        """Take what has come; complete headers stop the clock."""
        super().handle_events()
        self._settle()

    def on_response_complete(self):
        """Wait for the next request."""
        super().on_response_complete()
        self._settle()

    def handle_websocket_upgrade(self, event):
        """Leave the connection to :class:`BoundedWebSocket`."""
        self.upgraded = True
        self._stop_waiting()
        self.bound.leave(self)
        super().handle_websocket_upgrade(event)

    def refuse_full(self):
        """Close at once, for want of room."""
        self.bound.leave(self)
        if self.cycle is None:
            most = f"at most {self.bound.most} connections"
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "one more", most, "try again in a second")
        self._stop_waiting()
        self.transport.abort()

    def send_400_response(self, msg):
        """Answer what is no HTTP, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._say(HTTPStatus.BAD_REQUEST, msg.rstrip("."), "HTTP/1.1", "use a client that speaks it")
        if self.cycle is not None:  # whoever reads its body must hear that nothing more comes
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._leave()

    def _settle(self):
        """Start or stop the clock for headers."""
        if self.transport.is_closing() or self.upgraded:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self.deadline is None:
            self.bound.waiting[self] = None
            self.deadline = self.loop.call_later(HEADER_SECONDS, self._expire)

    def _stop_waiting(self):
        self.bound.waiting.pop(self, None)
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _expire(self):
        if self.cycle is None:
            seconds = f"{HEADER_SECONDS:g} s"
            self._say(HTTPStatus.REQUEST_TIMEOUT, f"no headers within {seconds}", f"them within {seconds}", "send them")
        self._leave()

    def _leave(self):
        """Close, once what was sent has been taken; but not later than in a while."""
        if self.deadline is not None:
            self.deadline.cancel()
        self.transport.close()
        self.deadline = self.loop.call_later(LEAVING_SECONDS, self.transport.abort)

    def _say(self, status, got, expected, remedy):
        body = json.dumps({"got": got, "expected": expected, "remedy": remedy}).encode()
        head = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Retry-After: 1",
            "Connection: close",
        ]
        self.transport.write("\r\n".join([*head, "", ""]).encode() + body)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is counted as a connection, and gives way to others once its stream has ended."""

    def __init__(self, connections: Connections, **options):
        super().__init__(**options)
        self.bound = connections

    def connection_made(self, transport):
        """Take the place of the connection that it was."""
        super().connection_made(transport)
        self.bound.open.add(self)

    def connection_lost(self, exc):
        """Make room for others."""
        self.bound.leave(self)
        super().connection_lost(exc)

    def on_task_complete(self, task):
        """Wait for the client to take what was sent, and to say goodbye."""
        super().on_task_complete(task)
        if self in self.bound.open:
            self.bound.waiting[self] = None

    def refuse_full(self):
        """Close at once, for want of room."""
        self.bound.leave(self)
        self.transport.abort()


@contextmanager
def listening(host: str, port: int) -> Iterator[list]:
    """Sockets on every address of ``host``, closed at the end.

    Raises
    ------
    SerError
        The port is taken or not allowed, or the host is none of this machine.
    """
    sockets, errors = [], []
    with ExitStack() as stack:
        for family, address in _addresses(host, port):
            try:
                sockets.append(stack.enter_context(socket.create_server(address, family=family)))
            except OSError as error:
                errors.append(error)
        # A name often has an IPv6 address on machines that do not speak it.
        serious = [error for error in errors if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)]
        if serious or not sockets:
            raise _cannot_listen(host, port, (serious or errors)[0])
        yield sockets


def _addresses(host, port):
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, error) from None
    return dict.fromkeys((family, address) for family, _, _, _, address in addresses)


def _cannot_listen(host, port, error):
    return SerError(
        got=f"{host}, port {port}: {getattr(error, 'strerror', None) or error}",
        expected="an address of this machine, and a port that no other program listens on",
        remedy="stop the other program, or choose another one with --port",
    )


@contextmanager
def quiet_log() -> Iterator[None]:
    """No line of one kind more than once a minute: what clients can cause must not fill a disk."""
    lines = _OncePerMinute()
    for name in LOGGERS:
        logging.getLogger(name).addFilter(lines)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(lines)


class _OncePerMinute(logging.Filter):
    def __init__(self):
        super().__init__()
        self.last = {}
        self.dropped = Counter()

    def filter(self, record):
        kind = str(record.msg).split("\n", 1)[0]
        now = time.monotonic()
        if now - self.last.get(kind, -SAME_LINE_SECONDS) < SAME_LINE_SECONDS:
            self.dropped[kind] += 1
            return False
        self.last[kind] = now
        if self.dropped[kind]:
            record.msg = f"{record.msg} ({self.dropped.pop(kind):,} more of these)"
        return True

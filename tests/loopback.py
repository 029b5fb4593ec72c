"""A server of a test, on a port of loopback."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def listening(
    kind: type[socketserver.TCPServer], session: type, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve until the end; yield the port. What goes wrong in a session is not told."""

    class Server(kind):  # type: ignore[misc, valid-type]
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), session)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

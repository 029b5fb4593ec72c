"""Mail servers of every kind, on loopback: each is a script of what it says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Script = Callable[["Wire"], Awaitable[None]]


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, text: str) -> None:
        self.writer.write(text.replace("\n", "\r\n").encode())
        await self.writer.drain()

    async def go(self, context: ssl.SSLContext, reply: str = "220 go ahead\n") -> None:
        self.writer.transport.pause_reading()  # what comes next is for TLS
        await self.say(reply)
        await self.writer.start_tls(context)

    async def hear(self) -> str:
        return (await self.reader.readline()).decode()


@asynccontextmanager
async def serving(scripts: dict[str, Script], port: int = 0) -> AsyncIterator[int]:
    """Serve a script an address, all on one port (a free one if 0), which is yielded; then end them."""
    talks: set[asyncio.Task[None]] = set()

    def called(script: Script) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        async def talk(wire: Wire) -> None:
            try:
                with suppress(OSError, ssl.SSLError):
                    await script(wire)
            finally:
                wire.writer.transport.abort()

        return lambda reader, writer: talks.add(asyncio.create_task(talk(Wire(reader, writer))))

    servers = []
    for address, script in scripts.items():
        servers.append(await asyncio.start_server(called(script), address, port))
        port = servers[0].sockets[0].getsockname()[1]
    try:
        yield port
    finally:
        for server in servers:
            server.close()
        if talks:
            _, late = await asyncio.wait(talks, timeout=1)
            for task in late:
                task.cancel()
            await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed transports let go of their sockets


REPLIES = "220-mx.example\n220 ESMTP\n", "250-mx.example\n250-PIPELINING\n250 STARTTLS\n", "220 go ahead\n"


def tls(
    chain: tuple[Path, Path],
    *,
    replies: tuple[str, ...] = REPLIES,
    demand: Path | None = None,
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    lines: list[str] | None = None,
    by_name: tuple[str, tuple[Path, Path]] | None = None,
    names: list[str | None] | None = None,
    then: Script | None = None,
) -> Script:
    """Return the script of a server as it should be, or does what is given from the end of the handshake on.

    Its certificate lies in files; under the name in `by_name` it presents another; `names` takes those it is
    asked for by SNI.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)
    context.maximum_version = most
    if by_name:
        other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        other.load_cert_chain(*by_name[1])

    def asked(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if names is not None:
            names.append(name)
        if by_name and name == by_name[0]:
            connection.context = other

    context.sni_callback = asked
    if demand:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demand)

    async def script(wire: Wire) -> None:
        log = lines if lines is not None else []
        for reply in replies[:2]:
            await wire.say(reply)
            log.append(await wire.hear())
        await wire.go(context, replies[2])
        if then:
            return await then(wire)
        log.append(await wire.hear())
        await wire.say("250 mx\n")
        log.append(await wire.hear())
        return None

    return script


def saying(*replies: str, then: float = 0.0) -> Script:
    """Return the script of a server that says each of `replies`, hearing something between two of them."""

    async def script(wire: Wire) -> None:
        for number, reply in enumerate(replies):
            if number:
                await wire.reader.read(4096)
            await wire.say(reply)
        await asyncio.sleep(then)

    return script


def dripping(text: str, every: float) -> Script:
    async def script(wire: Wire) -> None:
        while True:
            for character in text:
                await wire.say(character)
                await asyncio.sleep(every)

    return script

"""Fixes to how the emulator writes to its sockets."""

import socketserver


def no_delay():
    """AWS: an invocation costs about a millisecond on the way.
    MiniStack: its Runtime API leaves Nagle's algorithm on, and every invocation waits 40 ms for an ACK."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def one_write():
    """AWS: an answer's headers and body arrive together.
    MiniStack: they leave in two segments; now and then the AWS SDK for Go takes the connection for broken, although
    the request was applied, and sends it again. Here the headers wait for the first event of the body."""
    import h11
    from hypercorn.events import RawData
    from hypercorn.protocol.h11 import H11Protocol

    async def send(self, event):
        held = self.__dict__.pop("_held_headers", b"")
        try:
            data = self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            data = b""
        if isinstance(event, h11.Response):
            self._held_headers = held + data
        elif held or data:
            await self.send(RawData(data=held + data))

    if not hasattr(H11Protocol, "_send_h11_event"):
        raise AttributeError("hypercorn's H11Protocol has no _send_h11_event any more")
    H11Protocol._send_h11_event = send

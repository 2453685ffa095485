"""A TCP proxy before a broker that loses replies: the broker has done what it was asked, and the client never learns it.

The broker must be started with `advertise=proxy.port`, so that clients come back through the proxy.
"""

import collections
import socket
import struct
import threading


class LossyProxy:
    """Passes frames on. `lose(api_key, count)` drops the next replies to that API and closes their connections instead."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.losses = collections.Counter()
        self.lost = collections.Counter()
        self.lock = threading.Condition()
        self.sockets = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self.lock:
            sockets = list(self.sockets)
        for one in (self.listener, *sockets):
            shut(one)

    @property
    def address(self):
        """HOST:PORT, as clients take it."""
        return f"127.0.0.1:{self.port}"

    def lose(self, api_key, count=1):
        """The next `count` replies to this API do not arrive."""
        with self.lock:
            self.losses[api_key] += count

    def await_lost(self, api_key, count, timeout_s=30):
        """Waits until that many replies have been lost, all told."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.lost[api_key] >= count, timeout_s), f"{self.lost[api_key]} of {count} lost"

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            for one in (client, broker):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.sockets |= {client, broker}
            asked = {}
            for pump in (self._requests, self._replies):
                threading.Thread(target=pump, args=(client, broker, asked), daemon=True).start()

    def _requests(self, client, broker, asked):
        for frame in frames(client):
            api_key, _, correlation_id = struct.unpack_from(">hhi", frame, 4)
            asked[correlation_id] = api_key
            if not sent(broker, frame):
                break
        shut(broker)
        shut(client)

    def _replies(self, client, broker, asked):
        for frame in frames(broker):
            api_key = asked.pop(struct.unpack_from(">i", frame, 4)[0], None)
            if self._loses(api_key) or not sent(client, frame):
                break
        shut(client)
        shut(broker)

    def _loses(self, api_key):
        with self.lock:
            if self.losses[api_key] <= 0:
                return False
            self.losses[api_key] -= 1
            self.lost[api_key] += 1
            self.lock.notify_all()
            return True


def frames(connection):
    """Frames with their length, until the connection ends."""
    try:
        with connection.makefile("rb") as stream:
            while len(head := stream.read(4)) == 4:
                body = stream.read(struct.unpack(">i", head)[0])
                yield head + body
    except (OSError, ValueError):
        return


def sent(connection, data):
    """Sends; False if the connection has ended."""
    try:
        connection.sendall(data)
        return True
    except OSError:
        return False


def shut(connection):
    """Ends a connection, whoever reads it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()

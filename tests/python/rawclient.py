"""The few bytes of Kafka's protocol that a test needs to look at a broker without a client library."""

import socket
import struct

PRODUCE, FETCH, METADATA, API_VERSIONS, CREATE_TOPICS = 0, 1, 3, 18, 19


def string(text):
    """A STRING or, for None, a NULLABLE_STRING."""
    if text is None:
        return struct.pack(">h", -1)
    raw = text.encode()
    return struct.pack(">h", len(raw)) + raw


def header(api_key, version, correlation_id, client_id="raw"):
    """Request header v1."""
    return struct.pack(">hhi", api_key, version, correlation_id) + string(client_id)


def frame(payload):
    """A payload with its length before it."""
    return struct.pack(">i", len(payload)) + payload


class Connection:
    """A socket that speaks frames."""

    def __init__(self, port, timeout_s=10, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the socket."""
        self.socket.close()

    def send(self, raw):
        """Sends bytes as they are."""
        self.socket.sendall(raw)

    def receive_exactly(self, size):
        """Bytes of that size, or None if the broker closes first."""
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.socket.recv(size - len(parts))
            except ConnectionResetError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)

    def receive(self):
        """One frame's payload, or None if the connection was closed."""
        length = self.receive_exactly(4)
        return None if length is None else self.receive_exactly(struct.unpack(">i", length)[0])

    def request(self, api_key, version, body, client_id="raw"):
        """Sends a request with header v1; the answer's body after a response header v0, or None when closed."""
        self.correlation_id += 1
        self.send(frame(header(api_key, version, self.correlation_id, client_id) + body))
        answer = self.receive()
        if answer is None:
            return None
        if struct.unpack_from(">i", answer)[0] != self.correlation_id:
            raise AssertionError("the answer carries another correlation id")
        return answer[4:]

    def is_closed(self):
        """Waits for the broker to close the connection; False if an answer or a time-out comes first."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def api_versions(connection):
    """{api key: (lowest, highest version)} from ApiVersions v0."""
    body = connection.request(API_VERSIONS, 0, b"")
    if body is None:
        return None
    error, count = struct.unpack_from(">hi", body)
    if error:
        raise AssertionError(f"ApiVersions v0 answers error {error}")
    return {key: (low, high) for key, low, high in struct.iter_unpack(">hhh", body[6:6 + 6 * count])}


def broker_count(connection):
    """How many brokers Metadata v1 (without topics) lists."""
    body = connection.request(METADATA, 1, struct.pack(">i", 0))
    return 0 if body is None else struct.unpack_from(">i", body)[0]


def serves(port, host="127.0.0.1"):
    """Whether a broker answers there and knows itself as a member of the cluster."""
    try:
        with Connection(port, timeout_s=5, host=host) as connection:
            return bool(api_versions(connection)) and broker_count(connection) > 0
    except OSError:
        return False

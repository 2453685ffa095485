"""Bytes that no client would send: the broker answers with Kafka's code or closes that connection, and lives on."""

import os
import random
import struct
import threading
import time
import zlib

import pytest
from rawclient import API_VERSIONS, CREATE_TOPICS, METADATA, PRODUCE, Connection, api_versions, frame, header, string

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))
CORRUPT_MESSAGE, INVALID_TOPIC, MESSAGE_TOO_LARGE, INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION, INVALID_RECORD = 2, 17, 10, 21, 35, 87
ROUNDS = 300
# How much resident memory hostile bytes may cost, over what the broker used before.
RSS_GROWTH_KIB = 64 * 1024


@pytest.fixture(scope="module", autouse=True)
def seed():
    """Prints the seed, which alone replays the random tests (SEED=...)."""
    print(f"SEED={SEED}")


@pytest.fixture(autouse=True)
def unaffected(broker):
    """While each test runs, another connection must be served; afterwards the broker must be there, and not swollen."""
    before, stop, failures, served = broker.rss_kib(), threading.Event(), [], [0]

    def watch():
        try:
            with Connection(broker.port) as connection:
                # Once more after the test is over.
                while served[0] == 0 or not stop.wait(0.01):
                    assert api_versions(connection), "the watching connection was closed"
                    served[0] += 1
                assert api_versions(connection), "the watching connection was closed"
        except Exception as failure:  # noqa: BLE001: handed to the test's thread
            failures.append(failure)
    watcher = threading.Thread(target=watch)
    watcher.start()
    yield
    stop.set()
    watcher.join()
    assert not failures and served[0] > 0, failures
    assert broker.alive()
    if broker.name == "highwater":
        assert broker.rss_kib() - before < RSS_GROWTH_KIB


def crc32c(data):
    """CRC-32C, bit by bit: test data is small."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def record_batch(values=(b"x",), count=None, last_delta=None, magic=2, attributes=0, crc=None, length=None, tail=b""):
    """A batch with the given fields wrong; the CRC is right unless given."""
    records = b""
    for i, value in enumerate(values):
        body = b"\x00\x00" + bytes([2 * i]) + b"\x01" + varint(len(value)) + value + b"\x00"
        records += varint(len(body)) + body
    now = int(time.time() * 1000)
    fields = struct.pack(">hiqqqhii", attributes, len(values) - 1 if last_delta is None else last_delta, now, now, -1, -1, -1,
                         len(values) if count is None else count)
    covered = fields + records + tail
    crc = crc32c(covered) if crc is None else crc
    return struct.pack(">qiibI", 0, 9 + len(covered) if length is None else length, -1, magic, crc) + covered


def varint(number):
    """A zigzag varint of a number that is not negative."""
    number, out = number << 1, b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def produce_body(topic, records, acks=-1):
    """A Produce body of versions 3 to 8 for partition 0."""
    return string(None) + struct.pack(">hii", acks, 5000, 1) + string(topic) + struct.pack(">iii", 1, 0, len(records)) + records


def produce_error(connection, topic, records, acks=-1):
    """The error code that Produce v7 answers for these records; None when the connection was closed."""
    answer = connection.request(PRODUCE, 7, produce_body(topic, records, acks))
    return None if answer is None else struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)[0]


@pytest.mark.parametrize("expected, records", [
    (CORRUPT_MESSAGE, record_batch(crc=1)),
    (INVALID_RECORD, record_batch()[:40]),
    (CORRUPT_MESSAGE, record_batch(length=5)),
    (CORRUPT_MESSAGE, record_batch(length=-1)),
    (INVALID_RECORD, record_batch(count=9)),
    (INVALID_RECORD, record_batch(last_delta=7)),
    (INVALID_RECORD, record_batch(attributes=32)),
    (INVALID_RECORD, record_batch() + record_batch()),
    (INVALID_RECORD, b""),
], ids=["wrong CRC", "cut off", "length too small", "negative length", "wrong count", "wrong last offset", "control batch", "two batches", "no batch"])
def test_a_bad_batch_gets_kafkas_code_and_the_connection_lives(broker, make_topic, expected, records):
    topic = make_topic()
    with Connection(broker.port) as connection:
        assert produce_error(connection, topic, records) == expected
        assert produce_error(connection, topic, record_batch()) == 0


def test_a_batch_over_the_limit_is_too_large(broker, make_topic):
    topic = make_topic(configs={"max.message.bytes": "1000"})
    with Connection(broker.port) as connection:
        assert produce_error(connection, topic, record_batch(tail=bytes(2000))) == MESSAGE_TOO_LARGE


def test_acks_of_seven_are_refused(broker, make_topic):
    topic = make_topic()
    with Connection(broker.port) as connection:
        assert produce_error(connection, topic, record_batch(), acks=7) == INVALID_REQUIRED_ACKS


def test_an_error_under_acks_zero_closes_the_connection(broker, make_topic):
    topic = make_topic()
    with Connection(broker.port) as connection:
        connection.send(frame(header(PRODUCE, 7, 1) + produce_body(topic, record_batch(crc=3), acks=0)))
        assert connection.is_closed()


def test_a_small_batch_that_unfolds_to_gigabytes_is_bounded(broker, make_topic):
    # A topic that needs every record decoded (compaction requires keys); the batch's gzip holds 256 MB of zeros.
    topic = make_topic(configs={"cleanup.policy": "compact"})
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(256)) + squeeze.flush()
    bad = record_batch(values=(), count=1, last_delta=0, attributes=1, tail=bomb)
    with Connection(broker.port, timeout_s=60) as connection:
        assert produce_error(connection, topic, bad) not in (0, None)


@pytest.mark.parametrize("version", [4, 6, 100, 32767])
def test_an_unknown_version_of_api_versions_is_answered_in_version_0(broker, version):
    if broker.name == "highwater" and version < 6:
        pytest.skip("served")
    with Connection(broker.port) as connection:
        answer = connection.request(API_VERSIONS, version, b"\x00\x02a\x02b\x00")
        error = struct.unpack_from(">h", answer)[0]
        assert error == (0 if version == 4 else UNSUPPORTED_VERSION)
        assert api_versions(connection)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a/b", "x" * 250, "ä"])
def test_an_illegal_topic_name_is_refused(broker, name):
    body = struct.pack(">i", 1) + string(name) + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 5000, 0)
    with Connection(broker.port) as connection:
        answer = connection.request(CREATE_TOPICS, 2, body)
        assert struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name.encode()))[0] == INVALID_TOPIC


CLOSING = {
    "unknown key": frame(header(1000, 0, 1)), "negative key": frame(header(-3, 0, 1)), "produce 0": frame(header(PRODUCE, 0, 1) + bytes(50)),
    "metadata 99": frame(header(METADATA, 99, 1) + bytes(50)), "empty frame": frame(b""), "negative length": struct.pack(">i", -1),
    "length 2^31-1": struct.pack(">i", 2**31 - 1), "length over the limit": struct.pack(">i", 104857601), "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "array of 2^31-1": frame(header(METADATA, 1, 1) + struct.pack(">i", 2**31 - 1)), "array longer than the frame": frame(header(METADATA, 1, 1) + struct.pack(">i", 50_000_000) + bytes(100)),
    "string longer than the frame": frame(header(METADATA, 1, 1) + struct.pack(">ih", 1, 32767)),
    "compact array of 2^31": frame(header(METADATA, 9, 1) + b"\x00\xff\xff\xff\xff\x0f"), "endless varint": frame(header(METADATA, 9, 1) + b"\x00" + b"\xff" * 20),
    "records longer than the frame": frame(header(PRODUCE, 7, 1) + produce_body("t", b"")[:-4] + struct.pack(">i", 2**31 - 1)),
}


@pytest.mark.parametrize("name", CLOSING)
def test_what_cannot_be_understood_closes_that_connection_alone(broker, name):
    with Connection(broker.port) as connection:
        connection.send(CLOSING[name])
        assert connection.is_closed()


def test_replies_already_due_are_written_before_the_connection_is_closed(broker, make_topic):
    topic = make_topic()
    with Connection(broker.port) as connection:
        requests = [frame(header(PRODUCE, 7, i) + produce_body(topic, record_batch())) for i in range(5)]
        connection.send(b"".join(requests) + CLOSING["unknown key"])
        for i in range(5):
            assert struct.unpack_from(">i", connection.receive())[0] == i
        assert connection.is_closed()


def test_random_bytes_never_end_the_broker(broker):
    generator = random.Random(SEED)
    for _ in range(ROUNDS):
        try_to_send(broker, generator.randbytes(generator.randrange(1, 400)))
        try_to_send(broker, frame(generator.randbytes(generator.randrange(0, 400))))


def test_random_bodies_behind_good_headers_never_end_the_broker(broker):
    generator = random.Random(SEED + 1)
    with Connection(broker.port) as connection:
        served = [(key, version) for key, (low, high) in api_versions(connection).items() for version in range(max(low, 3 if key == 0 else 0), high + 1)]
    for _ in range(2 * ROUNDS):
        key, version = generator.choice(served)
        body = generator.randbytes(generator.randrange(0, 200))
        if generator.random() < 0.5:
            # Small numbers look like lengths and get further.
            body = bytes(generator.choice((0, 0, 1, 2, 3, 255)) for _ in body)
        try_to_send(broker, frame(header(key, version, 1) + body))


def test_cut_and_damaged_produce_requests_never_end_the_broker(broker, make_topic):
    generator = random.Random(SEED + 2)
    topic = make_topic()
    good = header(PRODUCE, 7, 1) + produce_body(topic, record_batch((b"some", b"records")))
    for cut in range(0, len(good), 3):
        try_to_send(broker, frame(good[:cut]))
    for _ in range(ROUNDS):
        damaged = bytearray(good)
        for _ in range(generator.randrange(1, 6)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try_to_send(broker, frame(bytes(damaged)))


def test_many_connections_with_a_promised_frame_cost_little(broker):
    if broker.name == "kafka":
        pytest.skip("Kafka allocates what a frame promises")
    connections = [Connection(broker.port) for _ in range(200)]
    for connection in connections:
        # 100 MB promised, four bytes sent.
        connection.send(struct.pack(">i", 100_000_000) + b"\x00\x00\x00\x07")
    with Connection(broker.port) as another:
        assert api_versions(another)
    for connection in connections:
        connection.close()


def try_to_send(broker, data):
    """Sends and hangs up; what comes back does not matter here."""
    with Connection(broker.port) as connection:
        connection.send(data)
        connection.socket.settimeout(0.002)
        try:
            connection.socket.recv(65536)
        except (TimeoutError, ConnectionError):
            pass

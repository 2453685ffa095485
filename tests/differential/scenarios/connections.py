"""What happens to a connection: unknown keys, versions not served, garbage, limits."""

import struct

from session import batch


def head(api_key, version, flexible=False):
    """A request header with an empty client id."""
    return struct.pack(">hhih", api_key, version, 9, -1) + (b"\x00" if flexible else b"")


def healthy(broker, step):
    """Another connection is served."""
    broker.call(f"{step}: another connection", "METADATA", 1, {"topics": []}, connection="healthy")


def scenario_unknown_keys(broker):
    for key in (4, 5, 6, 7, 52, 56, 62, 63, 73, 95, 1000, 32767, -1):
        broker.raw(f"key {key}", head(key, 0) + b"\x00" * 8, connection=f"key {key}")
    healthy(broker, "unknown keys")


def scenario_versions_not_served(broker):
    for key, versions in {0: (0, 1, 2, 14, -1), 1: (0, 3, 19), 2: (0, 12), 3: (14,), 19: (0, 1, 8), 20: (0, 7), 22: (7,), 23: (0, 1, 5),
                          32: (0, 5), 33: (3,), 37: (4,), 44: (2,), 60: (3,), 75: (1,), 10: (7,)}.items():
        for version in versions:
            broker.raw(f"key {key} version {version}", head(key, version) + b"\x00" * 64, connection=f"{key} {version}")
    healthy(broker, "versions")


def scenario_bodies_that_do_not_decode(broker):
    frames = {
        "empty body": head(3, 1), "array longer than the frame": head(3, 1) + struct.pack(">i", 1000000),
        "huge array": head(3, 1) + struct.pack(">i", 2147483647), "negative array": head(3, 1) + struct.pack(">i", -5),
        "string longer than the frame": head(3, 1) + struct.pack(">ih", 1, 30000) + b"abc",
        "compact array of 2^31": head(3, 9, True) + b"\xff\xff\xff\xff\x0f", "varint without end": head(3, 9, True) + b"\xff" * 12,
        "tags without end": head(3, 9, True) + b"\x01\x00\x00\x00\xff\xff\xff\xff\x0f",
        "trailing bytes": head(3, 1) + struct.pack(">i", 0) + b"left over",
        "produce cut off": head(0, 9, True) + b"\x00\xff\xff", "fetch cut off": head(1, 12, True) + b"\x00" * 5,
        "header cut off": b"\x00\x03\x00", "header without client id": b"\x00\x03\x00\x01\x00\x00\x00\x01",
        "client id longer than the frame": struct.pack(">hhih", 3, 1, 9, 20000) + b"abc", "client id not UTF-8": struct.pack(">hhih", 3, 1, 9, 2) + b"\xff\xfe" + struct.pack(">i", 0),
    }
    for step, payload in frames.items():
        broker.raw(step, payload, connection=step)
    healthy(broker, "bad bodies")


def scenario_bad_frames(broker):
    for step, data in (("length 0", struct.pack(">i", 0)), ("length -1", struct.pack(">i", -1)), ("length over the limit", struct.pack(">i", 104857601)),
                       ("length 2^31-1", struct.pack(">i", 2147483647)), ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64)):
        broker.raw(step, data, connection=step, framed=False, timeout_ms=2000)
    healthy(broker, "bad frames")


def scenario_due_replies_come_first(broker):
    broker.topic("connection-order")
    first = broker.send("PRODUCE", 9, broker.produce_body("connection-order", [batch("x")]), connection="order")
    second = broker.send("METADATA", 1, {"topics": [{"name": "connection-order"}]}, connection="order")
    broker.bridge.run("raw", connection="order", hex=(struct.pack(">i", 12) + head(1000, 0) + b"\x00\x00").hex())
    broker.receive("first", first)
    broker.receive("second", second)
    broker.receive("then closed", second)


def scenario_replies_in_order(broker):
    broker.topic("connection-pipeline")
    sent = []
    for i in range(5):
        sent.append(broker.send("PRODUCE", 9, broker.produce_body("connection-pipeline", [batch(f"{i}")]), connection="pipeline"))
        sent.append(broker.send("METADATA", 1, {"topics": [{"name": "connection-pipeline"}]}, connection="pipeline"))
    for i, one in enumerate(sent):
        broker.receive(f"reply {i}", one)


def scenario_client_ids(broker):
    for step, client in (("empty", ""), ("long", "c" * 1000), ("odd", "ä/☃ \n")):
        broker.quiet("API_VERSIONS", 0, client_id=client, connection=step)
        broker.call(f"client id {step}", "METADATA", 9, {"topics": []}, client_id=client, connection=step)

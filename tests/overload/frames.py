"""Frames that the tests of overload send by the thousand: built once, sent as bytes."""

import struct
import time

import crc32c
from rawclient import API_VERSIONS, FETCH, PRODUCE, frame, header, string

HEARTBEAT = 12


def batch(size):
    """A record batch of one record whose value takes `size` bytes."""
    body = b"\x00\x00\x00\x01" + varint(size) + bytes(size) + b"\x00"
    records = varint(len(body)) + body
    now = int(time.time() * 1000)
    covered = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + records
    return struct.pack(">qiibI", 0, 9 + len(covered), -1, 2, crc32c.crc32c(covered)) + covered


def varint(number):
    """A zigzag varint of a number that is not negative."""
    number, out = number << 1, b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def api_versions():
    """ApiVersions v0."""
    return frame(header(API_VERSIONS, 0, 1))


def produce(topic, records, acks=-1, partition=0, timeout_ms=30_000):
    """Produce v7 of one batch."""
    body = string(None) + struct.pack(">hii", acks, timeout_ms, 1) + string(topic) + struct.pack(">iii", 1, partition, len(records))
    return frame(header(PRODUCE, 7, 1) + body + records)


def produce_code(answer):
    """The error code in the answer to `produce`."""
    return partition_code(answer, skip=0)


def fetch(topic, offset, max_bytes, max_wait_ms=0, partition=0):
    """Fetch v4 of one partition."""
    body = struct.pack(">iiiibi", -1, max_wait_ms, 1, max_bytes, 0, 1) + string(topic) + struct.pack(">iiqi", 1, partition, offset, max_bytes)
    return frame(header(FETCH, 4, 1) + body)


def fetch_code(answer):
    """The error code in the answer to `fetch`."""
    return partition_code(answer, skip=4)


def partition_code(answer, skip):
    """The error code of the one partition of an answer: after its correlation id, `skip` bytes, and the topic's name."""
    topic_size = struct.unpack_from(">h", answer, 8 + skip)[0]
    return struct.unpack_from(">h", answer, 8 + skip + 2 + topic_size + 8)[0]


def heartbeat(group, generation, member):
    """Heartbeat v0."""
    return frame(header(HEARTBEAT, 0, 1) + string(group) + struct.pack(">i", generation) + string(member))


def heartbeat_code(answer):
    """The error code in the answer to `heartbeat`."""
    return struct.unpack_from(">h", answer, 4)[0]

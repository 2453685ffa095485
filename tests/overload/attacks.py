"""Hostile and clumsy peers, in a process of their own and with little right to the processor: what they cost is the broker's work, not theirs.

    attacks.py NAME PORT HTTP_PORT COUNT

An attack is a coroutine `attack_*(target)` that returns when it is ended. It says `ready` once it is at full strength; `COUNT` is its strength. What it
counted is printed as it ends (SIGTERM).
"""

import asyncio
import collections
import os
import signal
import socket
import struct
import sys

import frames
from rawclient import METADATA, frame, header, string

# A priority that leaves the processor to the broker and to those who are measured.
NICE = 15
# Connections that are being made at a time.
CONNECTING_MAX = 100
# An attack counts as begun by then, even if the broker does not let all of it in.
STRENGTH_S = 15
# How soon a peer that was closed comes back.
RETURN_S = 5
# So that one address does not run out of ports.
ADDRESSES = 20
FULL_TOPIC, QUIET_TOPIC = "full", "quiet"
# What an attacker's own machine keeps for it would be memory and work of the broker's here.
SEND_BUFFER = 64 << 10
MAX_REQUEST = 100 << 20
SWELLING_SIZE = 20 << 20
DESCRIBE_CONFIGS, JOIN_GROUP, SYNC_GROUP, LEAVE_GROUP = 32, 11, 14, 13


class Target:
    """The broker, the strength of the attack, and what came of it."""

    def __init__(self, port, http_port, count):
        self.port, self.http_port, self.count = port, http_port, count
        self.counted = collections.Counter()
        self.connecting = asyncio.Semaphore(CONNECTING_MAX)

    async def connect(self, number=0, receive_buffer=None, port=None):
        """A connected socket. A small receive buffer leaves unread bytes at the broker."""
        raw = socket.socket()
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        raw.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            async with self.connecting:
                await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port or self.port))
        except BaseException:
            raw.close()
            raise
        self.counted["connected"] += 1
        return raw

    async def crowd(self, count, member):
        """Runs `member(number)` so many times at once, each anew when the broker closed its connection."""
        async def live(number):
            while True:
                try:
                    await member(number)
                except OSError as error:
                    self.counted[type(error).__name__] += 1
                self.counted["ended"] += 1
                # Whoever is closed at once shall not become a reconnect storm, nor a hoard a flood.
                await asyncio.sleep(RETURN_S)
        await asyncio.gather(self._tell_strength(count), *(live(number) for number in range(count)))

    async def _tell_strength(self, count):
        deadline = loop().time() + STRENGTH_S
        while self.counted["connected"] < count and loop().time() < deadline:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        print("ready", flush=True)


def loop():
    """The running loop."""
    return asyncio.get_running_loop()


async def until_closed(raw):
    """Reads and throws away until the broker closes."""
    while await loop().sock_recv(raw, 1 << 16):
        pass


async def attack_idle(target):
    """Connections on which nothing happens after the first request."""
    async def member(number):
        with await target.connect(number) as raw:
            await loop().sock_sendall(raw, frames.api_versions())
            await until_closed(raw)
    await target.crowd(target.count, member)


async def attack_slow_senders(target):
    """One byte a second: every other within a frame that announced a megabyte, the others within one of 16 KiB."""
    async def member(number):
        size = 1 << 20 if number % 2 else 16 << 10
        with await target.connect(number) as raw:
            await loop().sock_sendall(raw, struct.pack(">i", size) + header(0, 7, 1))
            while True:
                await asyncio.sleep(1)
                await loop().sock_sendall(raw, b"\0")
    await target.crowd(target.count, member)


async def attack_hoarders(target):
    """Each sends all but the last byte of a frame of a megabyte, and then a byte a second: this holds memory for nothing."""
    begun = struct.pack(">i", 1 << 20) + header(0, 7, 1)
    begun += bytes((1 << 20) - len(begun) - 1000)

    async def member(number):
        with await target.connect(number) as raw:
            await loop().sock_sendall(raw, begun)
            while True:
                await asyncio.sleep(1)
                await loop().sock_sendall(raw, b"\0")
    await target.crowd(target.count, member)


async def attack_slow_readers(target):
    """Each asks for 50 MB and reads none of it."""
    async def member(number):
        with await target.connect(number, receive_buffer=4096) as raw:
            await loop().sock_sendall(raw, frames.fetch(FULL_TOPIC, 0, 50 << 20))
            await asyncio.sleep(3600)
    await target.crowd(target.count, member)


async def attack_unread_answers(target):
    """Pipelines requests with large answers and reads none: metadata and settings of all topics."""
    metadata = frame(header(METADATA, 1, 1) + struct.pack(">i", -1))
    configs = frame(header(DESCRIBE_CONFIGS, 1, 1) + struct.pack(">ib", 1, 2) + string(QUIET_TOPIC) + struct.pack(">ib", -1, 1))

    async def member(number):
        with await target.connect(number, receive_buffer=4096) as raw:
            while True:
                await loop().sock_sendall(raw, metadata + configs)
    await target.crowd(target.count, member)


async def without_end(target, request, at_once):
    """Sends a request so many times at once, again and again, without waiting, and reads the answers."""
    requests = request * at_once

    async def member(number):
        with await target.connect(number) as raw:
            async def send():
                while True:
                    await loop().sock_sendall(raw, requests)
                    target.counted["requests"] += at_once
            sending = asyncio.ensure_future(send())
            try:
                await until_closed(raw)
            finally:
                sending.cancel()
    await target.crowd(target.count, member)


async def attack_pipelining(target):
    """Sends requests without end and reads the answers: as much work as the broker will take."""
    await without_end(target, frames.api_versions(), 50)


async def attack_pipelined_produce(target):
    """Appends 16 KB batches without waiting for an answer."""
    await without_end(target, frames.produce(QUIET_TOPIC, frames.batch(16_000)), 8)


async def attack_large_requests(target):
    """Requests of the largest size, all at once: together many times what the broker may hold."""
    body = header(0, 7, 1) + string(None) + struct.pack(">hii", -1, 1000, 1) + string("nowhere") + struct.pack(">iii", 1, 0, 0)
    piece = bytes(1 << 20)
    rest = MAX_REQUEST - 1024 - len(body)

    async def member(number):
        with await target.connect(number) as raw:
            await loop().sock_sendall(raw, struct.pack(">i", len(body) + rest) + body)
            for _ in range(rest // len(piece)):
                await loop().sock_sendall(raw, piece)
            await loop().sock_sendall(raw, bytes(rest % len(piece)))
            target.counted["sent whole"] += 1
            await until_closed(raw)
    await target.crowd(target.count, member)


async def attack_swelling_requests(target):
    """Requests of 20 MB that become many times larger when they are decoded: short names of topics that do not exist."""
    names = b"".join(string(f"{number:x}") for number in range(SWELLING_SIZE // 8))
    request = frame(header(METADATA, 4, 1) + struct.pack(">i", SWELLING_SIZE // 8) + names + b"\0")

    async def member(number):
        with await target.connect(number) as raw:
            while True:
                await loop().sock_sendall(raw, request)
                target.counted["sent whole"] += 1
                if not await loop().sock_recv(raw, 1 << 16):
                    return
    await target.crowd(target.count, member)


async def attack_reconnects(target):
    """Connects, asks, and goes away at once, half of them by a reset."""
    async def member(number):
        while True:
            with await target.connect(number) as raw:
                await loop().sock_sendall(raw, frames.api_versions())
                if number % 2:
                    # Port and connection are free at once.
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await loop().sock_recv(raw, 1 << 16)
    await target.crowd(target.count, member)


async def attack_garbage(target):
    """Connections that send what is no request: each is a line for the log."""
    async def member(number):
        while True:
            with await target.connect(number) as raw:
                await loop().sock_sendall(raw, b"GET / HTTP/1.1\r\n\r\n")
                await until_closed(raw)
                target.counted["closed"] += 1
    await target.crowd(target.count, member)


async def attack_large_groups(target):
    """Members of groups of one whose subscriptions and assignments are as large as requests may be."""
    large = bytes(20 << 20)

    async def call(raw, payload):
        await loop().sock_sendall(raw, frame(payload))
        return await receive_exactly(raw, struct.unpack(">i", await receive_exactly(raw, 4))[0])

    async def member(number):
        group = string(f"large-{number}")
        head = header(JOIN_GROUP, 3, 1) + group + struct.pack(">ii", 30_000, 30_000) + string("") + string("consumer")
        with await target.connect(number) as raw:
            while True:
                metadata = large if number % 2 else b""
                answer = await call(raw, head + struct.pack(">i", 1) + string("range") + struct.pack(">i", len(metadata)) + metadata)
                error, generation = struct.unpack_from(">hi", answer, 8)
                target.counted[f"join answered {error}"] += 1
                if error:
                    continue
                member_id = joined_id(answer)
                assignment = member_id + struct.pack(">i", len(large)) + large
                answer = await call(raw, header(SYNC_GROUP, 1, 1) + group + struct.pack(">i", generation) + member_id + struct.pack(">i", 1) + assignment)
                target.counted[f"sync answered {struct.unpack_from('>h', answer, 8)[0]}"] += 1
                await call(raw, header(LEAVE_GROUP, 1, 1) + group + member_id)
    await target.crowd(target.count, member)


def joined_id(answer):
    """The member id in a JoinGroup v3 answer, as a STRING: behind protocol and leader."""
    at = 8 + 2 + 4
    for _ in range(2):
        at += 2 + struct.unpack_from(">h", answer, at)[0]
    return bytes(answer[at:at + 2 + struct.unpack_from(">h", answer, at)[0]])


async def attack_slow_http(target):
    """Clients of the status page that send their head a byte a second."""
    async def member(number):
        with await target.connect(number, port=target.http_port) as raw:
            await loop().sock_sendall(raw, b"GET /metrics HTTP/1.1\r\nHost: ")
            while True:
                await asyncio.sleep(1)
                await loop().sock_sendall(raw, b"x")
    await target.crowd(target.count, member)


async def attack_unread_http(target):
    """Clients that pipeline requests for pages and read nothing."""
    async def member(number):
        with await target.connect(number, receive_buffer=4096, port=target.http_port) as raw:
            while True:
                await loop().sock_sendall(raw, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
    await target.crowd(target.count, member)


async def attack_cold_read(target):
    """Reads everything that is stored, from the device, as fast as it comes."""
    async def member(number):
        with await target.connect(number) as raw:
            offset = 0
            while True:
                await loop().sock_sendall(raw, frames.fetch(FULL_TOPIC, offset, 50 << 20))
                size = struct.unpack(">i", await receive_exactly(raw, 4))[0]
                answer = await receive_exactly(raw, size)
                target.counted["MB"] += size >> 20
                last = last_offset(answer)
                if last is None:
                    target.counted["read to the end"] += 1
                    offset = 0
                else:
                    offset = last + 1
    await target.crowd(target.count, member)


async def receive_exactly(raw, size):
    """So many bytes."""
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        read = await loop().sock_recv_into(raw, view[filled:])
        if read == 0:
            raise ConnectionResetError
        filled += read
    return buffer


def last_offset(answer):
    """The last offset in a fetch's answer of one partition; None when it has no records."""
    at = 12 + 2 + struct.unpack_from(">h", answer, 12)[0] + 4 + 4 + 2 + 8 + 8
    aborted = struct.unpack_from(">i", answer, at)[0]
    at += 4 + 16 * max(aborted, 0)
    end = at + 4 + struct.unpack_from(">i", answer, at)[0]
    at, last = at + 4, None
    while at + 61 <= end:
        base, length, delta = *struct.unpack_from(">qi", answer, at), struct.unpack_from(">i", answer, at + 23)[0]
        last, at = base + delta, at + 12 + length
    return last


ATTACKS = {name.removeprefix("attack_"): attack for name, attack in list(globals().items()) if name.startswith("attack_")}


async def main():
    name, port, http_port, count = sys.argv[1], *map(int, sys.argv[2:])
    target = Target(port, http_port, count)
    attack = asyncio.ensure_future(ATTACKS[name](target))
    loop().add_signal_handler(signal.SIGTERM, attack.cancel)
    try:
        await attack
    except asyncio.CancelledError:
        pass
    print(", ".join(f"{key} {value}" for key, value in sorted(target.counted.items())), flush=True)
    # Thousands of tasks need not be taken down one by one.
    os._exit(0)


if __name__ == "__main__":
    os.nice(NICE)
    asyncio.run(main())

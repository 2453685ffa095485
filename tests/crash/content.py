"""The bytes of a record, made from its name: nothing has to be remembered to check them byte for byte."""

import random
import zlib

NOISE = random.Random(1).randbytes(1 << 18)
# Of 1000 records: most are small, some fill a batch, a few fill a good part of a segment.
SIZES = ((940, 20, 600), (995, 2_000, 12_000), (1000, 60_000, 180_000))


def value(name):
    """What the record `name` holds."""
    number = zlib.crc32(name.encode())
    chosen, spread = number % 1000, number // 1000
    low, high = next((low, high) for below, low, high in SIZES if chosen < below)
    size, start = low + spread % (high - low), number % (len(NOISE) - high)
    # Half noise, half the same byte: something to compress, and something not.
    return name.encode() + b":" + NOISE[start:start + size // 2] + b"." * (size - size // 2)


def name(raw):
    """The name of the record that holds `raw`; one that nobody sent if a byte differs."""
    text = raw[:80].partition(b":")[0].decode(errors="replace")
    return text if value(text) == raw else f"{text}?{zlib.crc32(raw):08x}"

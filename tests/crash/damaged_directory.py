"""Breaks a data directory between a kill and the start, as a disk that lies would: to see that the run finds it."""

import shutil
import struct

KINDS = ("lost-tail", "old-metadata")
BATCH_OVERHEAD = 12


def damage(data_dir, kind, random):
    """Breaks one thing of the directory of a broker that does not run."""
    if kind == "lost-tail":
        lose_tail(data_dir, random)
    else:
        old_metadata(data_dir)


def lose_tail(data_dir, random):
    """Cuts the last batch off a partition that clients write to."""
    partitions = [path for path in sorted(data_dir.iterdir()) if path.name.startswith(("exact-", "plain-")) and path.suffix != ".delete"]
    segments = [max(path.glob("*.log"), key=lambda file: file.name) for path in partitions if any(path.glob("*.log"))]
    filled = [(segment, start) for segment in segments if (start := last_batch(segment.read_bytes())) is not None]
    if filled:
        segment, start = random.choice(filled)
        with open(segment, "r+b") as file:
            file.truncate(start)


def last_batch(raw):
    """Where the last whole batch starts; None if there is none."""
    last, position = None, 0
    while position + BATCH_OVERHEAD <= len(raw):
        size = BATCH_OVERHEAD + struct.unpack_from(">i", raw, position + 8)[0]
        if size <= BATCH_OVERHEAD or position + size > len(raw):
            break
        last, position = position, position + size
    return last


def old_metadata(data_dir):
    """Puts the metadata back to what it was after an earlier kill."""
    now, kept = data_dir / "meta.redb", data_dir.parent / "meta.redb.old"
    if kept.exists():
        shutil.copy(kept, now)
    else:
        shutil.copy(now, kept)

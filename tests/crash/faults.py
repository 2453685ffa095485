"""How the broker dies: at a random moment, in the middle of something, and again while it recovers."""

import os
import time

ROLL_WAIT_S = 0.5
# Kills during one recovery, at most.
MOST_KILLS = 3


def aimed(broker, change, connection, random):
    """Sends a change and kills the broker while it is under way. The change counts as answered if the answer came in time."""
    change.asked()
    connection.post(change.request)
    # Most changes take a few milliseconds: from before it was read to after it was answered.
    time.sleep(random.choice((0, random.uniform(0, 0.002), random.uniform(0, 0.02))))
    broker.kill()
    try:
        answer = connection.take(change.request)
    except (OSError, TimeoutError):
        answer = None
    if answer is not None:
        change.answered(answer)
    return answer is not None


def in_a_roll(broker, random):
    """Kills as soon as a partition has a new segment; at random if none comes soon."""
    deadline = time.monotonic() + ROLL_WAIT_S
    before = segments(broker.data_dir)
    while time.monotonic() < deadline:
        if segments(broker.data_dir) - before:
            time.sleep(random.choice((0, random.uniform(0, 0.005))))
            break
    broker.kill()


def segments(data_dir):
    """(directory, file) of every segment."""
    found = set()
    for directory in os.scandir(data_dir):
        if directory.is_dir():
            try:
                found.update((directory.name, file.name) for file in os.scandir(directory.path) if file.name.endswith(".log"))
            except FileNotFoundError:
                # Deleted meanwhile.
                continue
    return found


def in_recovery(broker, random, usual_s):
    """Starts and kills again before it serves, up to `MOST_KILLS` times. Returns how often."""
    kills = random.randint(1, MOST_KILLS)
    for _ in range(kills):
        broker.launch()
        time.sleep(random.uniform(0, usual_s))
        broker.kill()
    return kills

"""Lets Kafka's Java classes encode messages with random content: the file that tests/codec/tests/java.rs reads.

    vectors.py FILE [SEED]
"""

import random
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("differential", "python")]

from bridge import Bridge  # noqa: E402

# Every API that may be served, with the newest version that Kafka calls stable.
APIS = {"PRODUCE": (3, 13), "FETCH": (4, 18), "LIST_OFFSETS": (1, 11), "METADATA": (0, 13), "FIND_COORDINATOR": (0, 6), "API_VERSIONS": (0, 5),
        "CREATE_TOPICS": (2, 7), "DELETE_TOPICS": (1, 6), "DELETE_RECORDS": (0, 2), "INIT_PRODUCER_ID": (0, 5), "OFFSET_FOR_LEADER_EPOCH": (2, 4),
        "DESCRIBE_CONFIGS": (1, 4), "ALTER_CONFIGS": (0, 2), "CREATE_PARTITIONS": (0, 3), "INCREMENTAL_ALTER_CONFIGS": (0, 1),
        "DESCRIBE_CLUSTER": (0, 2), "DESCRIBE_TOPIC_PARTITIONS": (0, 0), "OFFSET_COMMIT": (2, 10), "OFFSET_FETCH": (1, 10), "JOIN_GROUP": (0, 9),
        "HEARTBEAT": (0, 4), "LEAVE_GROUP": (0, 5), "SYNC_GROUP": (0, 5), "DESCRIBE_GROUPS": (0, 6), "LIST_GROUPS": (0, 5), "DELETE_GROUPS": (0, 2),
        "OFFSET_DELETE": (0, 0)}
SAMPLES = 12


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    print(f"SEED={seed}")
    generator = random.Random(seed)
    lines = []
    with Bridge() as bridge:
        for api, (low, high) in APIS.items():
            for version in range(low, high + 1):
                for response in (False, True):
                    for _ in range(SAMPLES):
                        sample = bridge.run("random", api=api, version=version, response=response, seed=generator.randrange(1 << 48))
                        lines.append(f"{sample['name']} {version} {sample['hex']}")
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} messages by the Java classes")


if __name__ == "__main__":
    main()

"""Metadata, CreateTopics, DeleteTopics, CreatePartitions, DescribeTopicPartitions, DescribeCluster."""

from session import ZERO_ID

UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAKg"


def creation(name, partitions=1, replication=1, configs=(), assignments=()):
    """One topic of a CreateTopics body."""
    return {"name": name, "numPartitions": partitions, "replicationFactor": replication,
            "configs": [{"name": k, "value": v} for k, v in configs], "assignments": list(assignments)}


def create(*topics, validate=False):
    """A CreateTopics body."""
    return {"topics": list(topics), "timeoutMs": 10000, "validateOnly": validate}


def scenario_create_each_version(broker):
    for version in range(2, 8):
        broker.call("create", "CREATE_TOPICS", version, create(creation(f"created-{version}", 2, configs=[("retention.ms", "3600000")])))
        broker.await_topic(f"created-{version}", 2)
        broker.call("again", "CREATE_TOPICS", version, create(creation(f"created-{version}")))


def scenario_create_with_defaults(broker):
    for version in range(4, 8):
        broker.call("default counts", "CREATE_TOPICS", version, create(creation(f"defaults-{version}", -1, -1)))


def scenario_create_validate_only(broker):
    broker.each("good", "CREATE_TOPICS", (2, 7), create(creation("only-validated", 3), validate=True))
    broker.each("bad", "CREATE_TOPICS", (2, 7), create(creation("only-validated", 0), validate=True))
    broker.call("not there", "METADATA", 12, {"topics": [{"name": "only-validated"}]})


def scenario_create_bad_names(broker):
    for name in ("", ".", "..", "a b", "a/b", "ä", "a\x00b", "x" * 249, "x" * 250, "a,b", "a:b", "__consumer_offsets", "__transaction_state"):
        label = name if len(name) < 20 else f"{len(name)} characters"
        broker.call(f"name {label!r}", "CREATE_TOPICS", 7, create(creation(name), validate=True))
    broker.call("name '' old", "CREATE_TOPICS", 2, create(creation("")))


def scenario_create_colliding_names(broker):
    broker.topic("collides.a_b")
    broker.call("dot for underscore", "CREATE_TOPICS", 7, create(creation("collides_a.b")))
    broker.call("same", "CREATE_TOPICS", 7, create(creation("collides.a_b")))


def scenario_create_bad_counts(broker):
    for partitions, replication in ((0, 1), (-2, 1), (1, 0), (1, 3), (1, -2), (0, 0)):
        broker.call(f"{partitions} partitions {replication} replicas", "CREATE_TOPICS", 7, create(creation("bad-counts", partitions, replication)))
        broker.call(f"{partitions} partitions {replication} replicas", "CREATE_TOPICS", 2, create(creation("bad-counts", partitions, replication)))


def scenario_create_assignments(broker):
    def assigned(*pairs):
        return [{"partitionIndex": i, "brokerIds": ids} for i, ids in pairs]
    broker.call("good", "CREATE_TOPICS", 7, create(creation("assigned", -1, -1, assignments=assigned((0, [1]), (1, [1])))))
    for step, partitions, pairs in (("unknown broker", -1, [(0, [7])]), ("a gap", -1, [(0, [1]), (2, [1])]), ("twice the broker", -1, [(0, [1, 1])]),
                                    ("no broker", -1, [(0, [])]), ("not from 0", -1, [(1, [1])]), ("with a count", 2, [(0, [1]), (1, [1])])):
        broker.call(step, "CREATE_TOPICS", 7, create(creation("badly-assigned", partitions, -1, assignments=assigned(*pairs))))


def scenario_create_bad_configs(broker):
    for key, value in (("no.such.config", "1"), ("retention.ms", "soon"), ("retention.ms", "-2"), ("cleanup.policy", "burn"), ("segment.bytes", "1"),
                       ("max.message.bytes", "-1"), ("compression.type", "rar"), ("retention.ms", None), ("min.insync.replicas", "0"),
                       ("message.timestamp.type", "Never"), ("remote.storage.enable", "true"), ("flush.messages", "0"), ("cleanup.policy", "compact,delete")):
        broker.call(f"{key}={value}", "CREATE_TOPICS", 7, create(creation("bad-configs", configs=[(key, value)]), validate=True))
        if key == "no.such.config":
            broker.call(f"{key}={value}", "CREATE_TOPICS", 3, create(creation("bad-configs", configs=[(key, value)]), validate=True))


def scenario_create_several(broker):
    broker.call("one bad", "CREATE_TOPICS", 7, create(creation("several-1"), creation("several-2", 0), creation("several-3")))
    broker.await_topic("several-1")
    broker.await_topic("several-3")
    broker.call("the same twice", "CREATE_TOPICS", 7, create(creation("several-4"), creation("several-4")))
    broker.call("none", "CREATE_TOPICS", 7, create())
    broker.call("not there", "METADATA", 9, {"topics": [{"name": "several-2"}, {"name": "several-4"}]})


def scenario_metadata_each_version(broker):
    broker.topic("meta-a", 3)
    for version in range(0, 14):
        broker.call("one topic", "METADATA", version, {"topics": [{"name": "meta-a"}], "allowAutoTopicCreation": False})
        broker.call("unknown topic", "METADATA", version, {"topics": [{"name": "meta-nowhere"}], "allowAutoTopicCreation": False})
        broker.call("illegal topic", "METADATA", version, {"topics": [{"name": "a b"}], "allowAutoTopicCreation": False})
        broker.call("several", "METADATA", version, {"topics": [{"name": "meta-a"}, {"name": "meta-nowhere"}, {"name": "meta-a"}], "allowAutoTopicCreation": False})
        if version > 0:
            broker.call("no topics", "METADATA", version, {"topics": []})
    for version in range(8, 14):
        broker.call("authorized operations", "METADATA", version, {
            "topics": [{"name": "meta-a"}], "includeTopicAuthorizedOperations": True, "includeClusterAuthorizedOperations": True})


def scenario_metadata_all(broker):
    broker.topic("meta-all")
    for version in (0, 1, 8, 12, 13):
        answer = broker.quiet("METADATA", version, {"topics": [] if version == 0 else None})["body"]
        names = sorted(t["name"] for t in answer["topics"])
        broker.note_value(f"all topics has it, v{version}", "meta-all" in names)
        broker.note_value(f"all topics, v{version}", [n for n in names if not n.startswith("__")])


def scenario_metadata_by_id(broker):
    broker.topic("meta-id", 2)
    for version in range(10, 14):
        broker.call("by id", "METADATA", version, {"topics": [{"name": None, "topicId": broker.topic_ids["meta-id"]}]})
        broker.call("unknown id", "METADATA", version, {"topics": [{"name": None, "topicId": UNKNOWN_ID}]})
        broker.call("id and name", "METADATA", version, {"topics": [{"name": "meta-id", "topicId": broker.topic_ids["meta-id"]}]})
        broker.call("neither", "METADATA", version, {"topics": [{"name": None, "topicId": ZERO_ID}]})


def scenario_delete_each_version(broker):
    for version in range(1, 7):
        name = f"deleted-{version}"
        broker.topic(name)
        by_name = {"topicNames": [name], "topics": [{"name": name}], "timeoutMs": 10000}
        broker.call("delete", "DELETE_TOPICS", version, by_name)
        broker.await_gone(name)
        broker.call("again", "DELETE_TOPICS", version, by_name)
        broker.call(f"metadata after v{version}", "METADATA", 12, {"topics": [{"name": name}], "allowAutoTopicCreation": False})
        first = broker.topic_ids[name]
        broker.topic(name)
        broker.note_value(f"a new id after v{version}", broker.topic_ids[name] != first)


def scenario_delete_by_id(broker):
    broker.topic("deleted-by-id")
    identity = broker.topic_ids["deleted-by-id"]
    broker.call("unknown id", "DELETE_TOPICS", 6, {"topics": [{"name": None, "topicId": UNKNOWN_ID}], "timeoutMs": 10000})
    broker.call("neither", "DELETE_TOPICS", 6, {"topics": [{"name": None, "topicId": ZERO_ID}], "timeoutMs": 10000})
    broker.call("both", "DELETE_TOPICS", 6, {"topics": [{"name": "deleted-by-id", "topicId": identity}], "timeoutMs": 10000})
    broker.call("by id", "DELETE_TOPICS", 6, {"topics": [{"name": None, "topicId": identity}], "timeoutMs": 10000})
    broker.await_gone("deleted-by-id")
    broker.call("the id again", "DELETE_TOPICS", 6, {"topics": [{"name": None, "topicId": identity}], "timeoutMs": 10000})
    broker.call("metadata by the old id", "METADATA", 12, {"topics": [{"name": None, "topicId": identity}]})


def scenario_delete_several(broker):
    broker.topic("deleted-a")
    broker.topic("deleted-b")
    broker.call("one unknown", "DELETE_TOPICS", 5, {"topicNames": ["deleted-a", "deleted-nowhere"], "timeoutMs": 10000})
    broker.call("the same twice", "DELETE_TOPICS", 5, {"topicNames": ["deleted-b", "deleted-b"], "timeoutMs": 10000})
    broker.call("name and id of one", "DELETE_TOPICS", 6, {
        "topics": [{"name": "deleted-b"}, {"name": None, "topicId": broker.topic_ids["deleted-b"]}], "timeoutMs": 10000})
    broker.call("none", "DELETE_TOPICS", 5, {"topicNames": [], "timeoutMs": 10000})


def scenario_create_partitions(broker):
    def grow(name, count, assignments=None, validate=False):
        return {"topics": [{"name": name, "count": count, "assignments": assignments}], "timeoutMs": 10000, "validateOnly": validate}
    for version in range(0, 4):
        name = f"grown-{version}"
        broker.topic(name)
        broker.call("validate", "CREATE_PARTITIONS", version, grow(name, 2, validate=True))
        broker.call("to 3", "CREATE_PARTITIONS", version, grow(name, 3))
        broker.await_topic(name, 3)
        broker.call("to 3 again", "CREATE_PARTITIONS", version, grow(name, 3))
        broker.call("to 2", "CREATE_PARTITIONS", version, grow(name, 2))
        broker.call("to 0", "CREATE_PARTITIONS", version, grow(name, 0))
        broker.call("to -1", "CREATE_PARTITIONS", version, grow(name, -1))
        broker.call("unknown topic", "CREATE_PARTITIONS", version, grow("grown-nowhere", 3))
        broker.call("assigned", "CREATE_PARTITIONS", version, grow(name, 4, [{"brokerIds": [1]}]))
        broker.await_topic(name, 4)
        broker.call("too few assigned", "CREATE_PARTITIONS", version, grow(name, 6, [{"brokerIds": [1]}]))
        broker.call("unknown broker", "CREATE_PARTITIONS", version, grow(name, 5, [{"brokerIds": [9]}]))
        broker.call(f"after all of v{version}", "METADATA", 12, {"topics": [{"name": name}]})
    both = {"topics": [{"name": "grown-0", "count": 5, "assignments": None}, {"name": "grown-0", "count": 6, "assignments": None}], "timeoutMs": 10000}
    broker.call("the same twice", "CREATE_PARTITIONS", 3, both)


def scenario_describe_topic_partitions(broker):
    broker.topic("described-a", 3)
    broker.topic("described-b", 2)
    names = [{"name": "described-b"}, {"name": "described-a"}]
    broker.call("two", "DESCRIBE_TOPIC_PARTITIONS", 0, {"topics": names, "responsePartitionLimit": 2000})
    broker.call("unknown", "DESCRIBE_TOPIC_PARTITIONS", 0, {"topics": [{"name": "described-nowhere"}], "responsePartitionLimit": 2000})
    broker.call("illegal name", "DESCRIBE_TOPIC_PARTITIONS", 0, {"topics": [{"name": "a b"}], "responsePartitionLimit": 2000})
    for limit in (1, 2, 3, 4, 5, 0, -1):
        broker.call(f"limit {limit}", "DESCRIBE_TOPIC_PARTITIONS", 0, {"topics": names, "responsePartitionLimit": limit})
    for topic, partition in (("described-a", 1), ("described-b", 0), ("described-a", 3), ("described-aa", 0), ("z", 0), ("described-a", -1)):
        broker.call(f"cursor {topic} {partition}", "DESCRIBE_TOPIC_PARTITIONS", 0, {
            "topics": names, "responsePartitionLimit": 2000, "cursor": {"topicName": topic, "partitionIndex": partition}})
    broker.call("the same twice", "DESCRIBE_TOPIC_PARTITIONS", 0, {"topics": [{"name": "described-a"}] * 2, "responsePartitionLimit": 2000})


def coordinator_is_there(body):
    """Whether a FindCoordinator answer names one."""
    return all(c["errorCode"] != 15 for c in body.get("coordinators", [body]))


def scenario_describe_cluster(broker):
    broker.each("brokers", "DESCRIBE_CLUSTER", (0, 2), {"endpointType": 1})
    broker.each("authorized operations", "DESCRIBE_CLUSTER", (0, 2), {"endpointType": 1, "includeClusterAuthorizedOperations": True})
    broker.each("controllers", "DESCRIBE_CLUSTER", (1, 2), {"endpointType": 2})
    broker.each("no such endpoint type", "DESCRIBE_CLUSTER", (1, 2), {"endpointType": 9})
    broker.call("fenced brokers too", "DESCRIBE_CLUSTER", 2, {"endpointType": 1, "includeFencedBrokers": True})


def scenario_find_coordinator(broker):
    # Kafka makes its internal topics at the first question.
    for version, key in ((3, {"key": "group"}), (4, {"coordinatorKeys": ["group"]}), (6, {"coordinatorKeys": ["group", "other"]})):
        broker.settled("group", "FIND_COORDINATOR", version, key | {"keyType": 0}, coordinator_is_there)
    for kind, key in ((1, "transaction"), (2, "share:AAAAAAAAAAAAAAAAAAAAKg:0")):
        broker.settled(f"type {kind}", "FIND_COORDINATOR", 6, {"coordinatorKeys": [key], "keyType": kind}, coordinator_is_there)
    for version in range(0, 4):
        for key_type in range(0, 3 if version > 0 else 1):
            broker.call(f"empty key, type {key_type}", "FIND_COORDINATOR", version, {"key": "", "keyType": key_type})
    for version in range(4, 7):
        broker.call("no keys", "FIND_COORDINATOR", version, {"coordinatorKeys": [], "keyType": 0})
        broker.call("no such key type", "FIND_COORDINATOR", version, {"coordinatorKeys": ["a"], "keyType": 9})
        broker.call("empty key", "FIND_COORDINATOR", version, {"coordinatorKeys": [""], "keyType": 0})
    broker.call("no such key type", "FIND_COORDINATOR", 2, {"key": "a", "keyType": 9})

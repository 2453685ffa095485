"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs."""

TOPIC, BROKER, LOGGER = 2, 4, 8
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def resource(kind, name, keys=None):
    """One resource of a DescribeConfigs body."""
    return {"resourceType": kind, "resourceName": name, "configurationKeys": keys}


def describe(*resources, synonyms=False, documentation=False):
    """A DescribeConfigs body."""
    return {"resources": list(resources), "includeSynonyms": synonyms, "includeDocumentation": documentation}


def change(kind, name, *changes, validate=False):
    """An IncrementalAlterConfigs body for one resource; changes are (key, operation, value)."""
    return {"resources": [{"resourceType": kind, "resourceName": name, "configs": [
        {"name": k, "configOperation": op, "value": v} for k, op, v in changes]}], "validateOnly": validate}


def replace(kind, name, *values, validate=False):
    """An AlterConfigs body for one resource."""
    return {"resources": [{"resourceType": kind, "resourceName": name, "configs": [
        {"name": k, "value": v} for k, v in values]}], "validateOnly": validate}


def value_of(key):
    """Takes a config's value out of a DescribeConfigs answer of one resource."""
    def take(body):
        return {c["name"]: c["value"] for c in body["results"][0]["configs"]}.get(key)
    return take


def scenario_describe_topic_all(broker):
    broker.topic("configs-all", configs={"retention.ms": "7200000", "cleanup.policy": "compact"})
    broker.each("all", "DESCRIBE_CONFIGS", (1, 4), describe(resource(TOPIC, "configs-all")))
    broker.each("synonyms", "DESCRIBE_CONFIGS", (1, 4), describe(resource(TOPIC, "configs-all"), synonyms=True))
    broker.each("documentation", "DESCRIBE_CONFIGS", (3, 4), describe(resource(TOPIC, "configs-all", ["retention.ms", "cleanup.policy"]), documentation=True))


def scenario_describe_topic_keys(broker):
    broker.topic("configs-keys")
    broker.each("keys", "DESCRIBE_CONFIGS", (1, 4), describe(resource(TOPIC, "configs-keys", ["retention.ms", "segment.bytes", "no.such"]), synonyms=True))
    broker.each("no keys", "DESCRIBE_CONFIGS", (1, 4), describe(resource(TOPIC, "configs-keys", [])))


def scenario_describe_errors(broker):
    broker.topic("configs-err")
    for step, wanted in (("unknown topic", resource(TOPIC, "configs-nowhere")), ("illegal topic", resource(TOPIC, "a b")), ("empty topic", resource(TOPIC, "")),
                         ("unknown broker", resource(BROKER, "77", ["num.partitions"])), ("broker by word", resource(BROKER, "one", ["num.partitions"])),
                         ("unknown kind", resource(99, "x")), ("kind 0", resource(0, "x")), ("logger of another", resource(LOGGER, "77", ["x"]))):
        broker.call(step, "DESCRIBE_CONFIGS", 4, describe(wanted))
        broker.call(step, "DESCRIBE_CONFIGS", 1, describe(wanted))
    broker.call("good and bad", "DESCRIBE_CONFIGS", 4, describe(resource(TOPIC, "configs-err", ["retention.ms"]), resource(TOPIC, "configs-nowhere")))
    broker.call("the same twice", "DESCRIBE_CONFIGS", 4, describe(*[resource(TOPIC, "configs-err", ["retention.ms"])] * 2))


def scenario_describe_broker(broker):
    keys = ["num.partitions", "log.retention.ms", "log.segment.bytes", "message.max.bytes", "auto.create.topics.enable", "node.id", "log.retention.hours",
            "compression.type", "log.cleanup.policy", "log.message.timestamp.type", "delete.topic.enable", "min.insync.replicas", "no.such"]
    broker.each("keys", "DESCRIBE_CONFIGS", (1, 4), describe(resource(BROKER, "1", keys)))
    broker.call("synonyms", "DESCRIBE_CONFIGS", 4, describe(resource(BROKER, "1", keys), synonyms=True))
    broker.call("cluster default", "DESCRIBE_CONFIGS", 4, describe(resource(BROKER, "")))


def scenario_incremental_alter(broker):
    for version in (0, 1):
        name = f"configs-incremental-{version}"
        broker.topic(name)
        broker.call("validate", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("retention.ms", SET, "60001"), validate=True))
        broker.call("set", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("retention.ms", SET, "60002"), ("segment.bytes", SET, "2097152")))
        wanted = describe(resource(TOPIC, name, ["retention.ms", "segment.bytes", "cleanup.policy"]), synonyms=True)
        broker.settled(f"described after set {version}", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) == "60002")
        broker.call("append", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("cleanup.policy", APPEND, "compact")))
        broker.settled(f"described after append {version}", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("cleanup.policy")(b) == "delete,compact")
        broker.call("append again", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("cleanup.policy", APPEND, "compact")))
        broker.call("subtract", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("cleanup.policy", SUBTRACT, "delete")))
        broker.settled(f"described after subtract {version}", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("cleanup.policy")(b) == "compact")
        broker.call("delete", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("retention.ms", DELETE, None), ("cleanup.policy", DELETE, None)))
        broker.settled(f"described after delete {version}", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) != "60002")
        broker.call("delete what is not set", "INCREMENTAL_ALTER_CONFIGS", version, change(TOPIC, name, ("flush.ms", DELETE, None)))


def scenario_incremental_alter_errors(broker):
    broker.topic("configs-bad")
    cases = (("unknown topic", TOPIC, "configs-nowhere", [("retention.ms", SET, "1000")]), ("illegal topic", TOPIC, "a b", [("retention.ms", SET, "1000")]),
             ("empty topic", TOPIC, "", [("retention.ms", SET, "1000")]),
             ("unknown key", TOPIC, "configs-bad", [("no.such", SET, "1")]), ("not a number", TOPIC, "configs-bad", [("retention.ms", SET, "soon")]),
             ("out of range", TOPIC, "configs-bad", [("retention.ms", SET, "-5")]), ("null", TOPIC, "configs-bad", [("retention.ms", SET, None)]),
             ("append to a number", TOPIC, "configs-bad", [("retention.ms", APPEND, "1")]), ("no such operation", TOPIC, "configs-bad", [("retention.ms", 9, "1")]),
             ("the same key twice", TOPIC, "configs-bad", [("retention.ms", SET, "1000"), ("retention.ms", SET, "2000")]),
             ("one of two bad", TOPIC, "configs-bad", [("retention.ms", SET, "1000"), ("segment.bytes", SET, "x")]),
             ("nothing", TOPIC, "configs-bad", []), ("unknown kind", 99, "x", [("retention.ms", SET, "1")]),
             ("subtract to nothing", TOPIC, "configs-bad", [("cleanup.policy", SUBTRACT, "delete")]),
             ("unknown broker", BROKER, "77", [("log.retention.ms", SET, "1000")]), ("broker by word", BROKER, "one", [("log.retention.ms", SET, "1000")]),
             ("read-only of the broker", BROKER, "1", [("node.id", SET, "5")]), ("bad value of the broker", BROKER, "1", [("log.retention.ms", SET, "soon")]))
    for step, kind, name, changes in cases:
        broker.call(step, "INCREMENTAL_ALTER_CONFIGS", 1, change(kind, name, *changes))
    broker.call("unchanged", "DESCRIBE_CONFIGS", 4, describe(resource(TOPIC, "configs-bad", ["retention.ms", "segment.bytes", "cleanup.policy"])))
    twice = {"resources": change(TOPIC, "configs-bad", ("retention.ms", SET, "1000"))["resources"] * 2, "validateOnly": False}
    broker.call("the same resource twice", "INCREMENTAL_ALTER_CONFIGS", 1, twice)


def scenario_broker_config_reaches_topics(broker):
    broker.topic("configs-inherit")
    wanted = describe(resource(TOPIC, "configs-inherit", ["retention.ms"]), synonyms=True)
    broker.call("set", "INCREMENTAL_ALTER_CONFIGS", 1, change(BROKER, "", ("log.retention.ms", SET, "86400001")))
    broker.settled("set", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) == "86400001")
    broker.call("set for one", "INCREMENTAL_ALTER_CONFIGS", 1, change(BROKER, "1", ("log.retention.ms", SET, "86400002")))
    broker.settled("set for one", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) == "86400002")
    broker.call("delete for one", "INCREMENTAL_ALTER_CONFIGS", 1, change(BROKER, "1", ("log.retention.ms", DELETE, None)))
    broker.settled("deleted for one", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) == "86400001")
    broker.call("delete", "INCREMENTAL_ALTER_CONFIGS", 1, change(BROKER, "", ("log.retention.ms", DELETE, None)))
    broker.settled("deleted", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("retention.ms")(b) == "604800000")


def scenario_alter(broker):
    for version in range(0, 3):
        name = f"configs-replaced-{version}"
        broker.topic(name, configs={"retention.ms": "1000000"})
        wanted = describe(resource(TOPIC, name, ["retention.ms", "segment.bytes"]))
        broker.call("validate", "ALTER_CONFIGS", version, replace(TOPIC, name, ("segment.bytes", "2097152"), validate=True))
        broker.call("replace", "ALTER_CONFIGS", version, replace(TOPIC, name, ("segment.bytes", "2097152")))
        broker.settled(f"replaced {version}", "DESCRIBE_CONFIGS", 4, wanted, lambda b: value_of("segment.bytes")(b) == "2097152")
        broker.call("unknown topic", "ALTER_CONFIGS", version, replace(TOPIC, "configs-nowhere", ("retention.ms", "1")))
        broker.call("unknown key", "ALTER_CONFIGS", version, replace(TOPIC, name, ("no.such", "1")))
        broker.call("not a number", "ALTER_CONFIGS", version, replace(TOPIC, name, ("retention.ms", "soon")))
        broker.call("null", "ALTER_CONFIGS", version, replace(TOPIC, name, ("retention.ms", None)))
        broker.call("unknown kind", "ALTER_CONFIGS", version, replace(99, name, ("retention.ms", "1")))

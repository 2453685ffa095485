"""The newest Java client, and Apache Kafka's command-line tools, against the broker and against its files."""

import re

import pytest
from broker import CLIENT_JARS, ROOT
from confluent_kafka import Producer
from jvm import tool
from waiting import until


def test_the_java_client_produces_and_consumes_in_every_way(broker):
    print(tool(str(ROOT / "tests/java/src/ClientCheck.java"), broker.address, jars=CLIENT_JARS))


def test_console_producer_and_consumer(broker, make_topic):
    topic = make_topic()
    lines = [f"key{i}:value {i}" for i in range(100)]
    tool("org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", broker.address, "--topic", topic,
         "--reader-property", "parse.key=true", "--reader-property", "key.separator=:", text="\n".join(lines) + "\n")
    read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", broker.address, "--topic", topic, "--partition", "0",
                "--offset", "earliest", "--max-messages", "100", "--timeout-ms", "20000",
                "--formatter-property", "print.key=true", "--formatter-property", "key.separator=:")
    assert [line for line in read.splitlines() if line.startswith("key")] == lines
    read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", broker.address, "--topic", topic, "--partition", "0",
                "--offset", "97", "--max-messages", "3", "--timeout-ms", "20000")
    assert re.findall(r"value \d+", read) == ["value 97", "value 98", "value 99"]


def test_topic_command(broker):
    def topics(*arguments):
        return tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker.address, *arguments)
    assert "Created topic tool-topic." in topics("--create", "--topic", "tool-topic", "--partitions", "2", "--config", "retention.ms=100000")
    assert "tool-topic" in topics("--list").split()
    described = topics("--describe", "--topic", "tool-topic")
    assert "PartitionCount: 2" in described and "ReplicationFactor: 1" in described and "retention.ms=100000" in described
    assert "Partition: 1" in described and "Leader: 1" in described and "Isr: 1" in described
    topics("--alter", "--topic", "tool-topic", "--partitions", "3")
    until(lambda: "PartitionCount: 3" in topics("--describe", "--topic", "tool-topic"))
    topics("--delete", "--topic", "tool-topic")
    until(lambda: "tool-topic" not in topics("--list").split())


def test_config_command(broker, make_topic):
    topic = make_topic()

    def configs(*arguments):
        return tool("kafka.admin.ConfigCommand", "--bootstrap-server", broker.address, "--entity-type", "topics", "--entity-name", topic, *arguments)
    assert "Completed updating config" in configs("--alter", "--add-config", "retention.ms=123456,cleanup.policy=[compact,delete]")
    until(lambda: "retention.ms=123456" in configs("--describe"))
    assert "cleanup.policy=compact,delete" in configs("--describe")
    configs("--alter", "--delete-config", "retention.ms")
    until(lambda: "retention.ms" not in configs("--describe"))
    assert "segment.bytes=" in configs("--describe", "--all")


def test_get_offset_shell(broker, make_topic):
    topic = make_topic(2)
    fill(broker, topic, 25, partition=1)
    read = tool("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", broker.address, "--topic", topic)
    assert f"{topic}:0:0" in read.split() and f"{topic}:1:25" in read.split()
    read = tool("org.apache.kafka.tools.GetOffsetShell", "--bootstrap-server", broker.address, "--topic", topic, "--time", "earliest")
    assert f"{topic}:1:0" in read.split()


def test_broker_api_versions_command(broker):
    read = tool("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", broker.address)
    assert "Produce(0): 0 to 13" in read and "Fetch(1): 4 to 18" in read, read


@pytest.mark.parametrize("codec", ["none", "gzip", "lz4", "snappy", "zstd"])
def test_dump_log_segments_reads_our_files_without_complaint(broker, make_topic, codec):
    topic = make_topic(configs={"segment.bytes": "1048576", "index.interval.bytes": "1024"})
    fill(broker, topic, 4000, codec=codec)
    broker.restart()
    fill(broker, topic, 1000, codec=codec)
    broker.stop()
    try:
        check_files(broker.data_dir / f"{topic}-0")
    finally:
        broker.start()


def check_files(directory):
    """Reads each segment with all its records, and checks each index against its segment."""
    logs = sorted(directory.glob("*.log"))
    assert logs
    offsets = []
    read = tool("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, logs)))
    assert_no_complaint(read)
    offsets += [int(n) for n in re.findall(r"^\| offset: (\d+) ", read, re.MULTILINE)]
    assert offsets == list(range(5000))
    assert "isvalid: true" in read
    indexes = sorted([*directory.glob("*.index"), *directory.glob("*.timeindex")])
    assert len(indexes) == 2 * len(logs)
    read = tool("org.apache.kafka.tools.DumpLogSegments", "--files", ",".join(map(str, indexes)))
    assert_no_complaint(read)
    assert "offset: " in read
    read = tool("org.apache.kafka.tools.DumpLogSegments", "--index-sanity-check", "--files", ",".join(map(str, indexes)))
    assert read.count("passed sanity check") == len(indexes), read
    snapshots = sorted(directory.glob("*.snapshot"))
    if snapshots:
        read = tool("org.apache.kafka.tools.DumpLogSegments", "--files", ",".join(map(str, snapshots)))
        assert_no_complaint(read)
        assert "producerId: " in read


# For every segment but a partition's first, the tool itself starts its count at -1, at Kafka's own files too.
FALSE_ALARM = re.compile(r"^Non-consecutive offsets in .*\n\s*-1 is followed by \d+\n", re.MULTILINE)
COMPLAINTS = re.compile(r".*(Mismatches in|Non-consecutive offsets|is followed by|invalid bytes|out of order|corrupt|Exception|Index mismatch|"
                        r"timestamp mismatch|isvalid: false).*")


def assert_no_complaint(read):
    """DumpLogSegments reports what it finds wrong in words."""
    assert [found.group() for found in COMPLAINTS.finditer(FALSE_ALARM.sub("", read))] == []


def fill(broker, topic, count, partition=0, codec="none"):
    """Idempotent batches of some records."""
    failures = []
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True, "compression.codec": codec, "batch.num.messages": 50, "linger.ms": 1})
    for i in range(count):
        producer.produce(topic, value=b"%d " % i * 100, key=b"%d" % i, partition=partition, on_delivery=lambda error, _: error and failures.append(error))
        producer.poll(0)
    assert producer.flush(30) == 0 and not failures

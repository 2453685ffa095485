"""One broker for each test module; HIGHWATER_BROKER=kafka runs the same tests at Apache Kafka."""

import itertools

import broker as brokers
import pytest
from kafka.admin import KafkaAdminClient, NewTopic

SETTINGS = {"auto.create.topics.enable": "false"}
numbers = itertools.count()


@pytest.fixture(scope="module")
def broker():
    """A running broker."""
    with brokers.create(settings=SETTINGS) as server:
        yield server


@pytest.fixture
def make_topic(broker):
    """Creates a topic with a name of its own; `make_topic(partitions, **configs)` returns the name."""
    def make(partitions=1, configs=None):
        name = f"topic-{next(numbers)}"
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs or {})])
        admin.close()
        return name
    return make

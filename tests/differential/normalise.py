"""Replaces what may differ between two right answers (ids, ports, times, texts) by what it stands for, and turns an answer
into `{path: value}`.

Arrays whose elements name themselves (a topic, a partition, an API key ...) become maps, so that order does not matter there.
"""

import re
import time

ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"
# The field by which an array's elements are told apart, first match wins.
NATURAL_KEYS = ("apiKey", "resourceName", "name", "topic", "topicName", "topicId", "partitionIndex", "partition", "index", "nodeId", "brokerId",
                "groupId", "memberId")
TEXTS = {"errorMessage", "batchIndexErrorMessage", "documentation"}
# A member id that a broker made: a client id or an instance id, and a random UUID.
MEMBER_ID = re.compile(r"(.*)-[0-9a-zA-Z_]{8}(-[0-9a-zA-Z_]{4}){3}-[0-9a-zA-Z_]{12}")
HALF_AN_HOUR_MS = 30 * 60 * 1000


class Normaliser:
    """Remembers, for one broker, which number or id stands for what."""

    def __init__(self):
        self.topics = {}
        self.producers = {}
        self.sessions = {}
        self.members = {}

    def learn(self, api, body):
        """Takes note of ids that an answer hands out."""
        if not body:
            return
        if api == "INIT_PRODUCER_ID" and body["producerId"] >= 0:
            self.producers.setdefault(body["producerId"], f"<producer {len(self.producers)}>")
        if api == "FETCH" and body.get("sessionId"):
            self.sessions.setdefault(body["sessionId"], f"<session {len(self.sessions)}>")
        if api == "JOIN_GROUP" and (made := MEMBER_ID.fullmatch(body["memberId"])):
            self.members.setdefault(body["memberId"], f"<member {len(self.members)} of {made[1]}>")
        for topic in body.get("topics", []):
            if isinstance(topic, dict) and topic.get("name") and topic.get("topicId", ZERO_ID) != ZERO_ID:
                self.topics.setdefault(topic["topicId"], f"<id of {topic['name']}>")

    def normalise(self, answer):
        """A flat map of paths to values."""
        flat = {}
        self._flatten("", "", answer, flat)
        return flat

    def _flatten(self, path, field, value, flat):
        if isinstance(value, dict):
            for key, inner in value.items():
                self._flatten(f"{path}.{key}" if path else key, key, inner, flat)
        elif isinstance(value, list):
            self._flatten_list(path, field, value, flat)
        else:
            flat[path] = self._value(field, value, path)

    def _flatten_list(self, path, field, items, flat):
        flat[f"{path}.count"] = len(items)
        labels = [self._label(item) for item in items]
        if None in labels or len(set(labels)) < len(labels):
            labels = range(len(items))
        for label, item in zip(labels, items):
            self._flatten(f"{path}[{label}]", field, item, flat)

    def _label(self, item):
        if not isinstance(item, dict):
            return None
        if "key" in item and "offset" not in item:
            return repr(item["key"])
        for key in NATURAL_KEYS:
            if item.get(key) is not None and item[key] != "" and item[key] != ZERO_ID:
                return self._value(key, item[key], "")
        return None

    def _value(self, field, value, path):
        if field == "topicId":
            return self.topics.get(value, value)
        if field == "producerId":
            return self.producers.get(value, value)
        if field in ("memberId", "leader") and isinstance(value, str):
            return self.members.get(value, value)
        if field == "sessionId":
            return self.sessions.get(value, value)
        if field in TEXTS:
            return value and "<text>"
        if field == "clusterId":
            return value and "<cluster id>"
        if field == "host":
            return value and "<host>"
        if field == "port":
            return value if value is None or value <= 0 else "<port>"
        if field in ("timestamp", "maxTimestamp") and abs(value - time.time() * 1000) < HALF_AN_HOUR_MS:
            return "<now>"
        if field == "throttleTimeMs":
            return "<throttle>"
        if field == "logAppendTimeMs" or field == "finalizedFeaturesEpoch":
            return value if value < 0 else f"<{field}>"
        if field == "failure":
            return re.sub(r"[0-9A-Za-z_-]{22}", "<id>", re.sub(r"\b\d{4,}\b", "<number>", str(value)))
        return value

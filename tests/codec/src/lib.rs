//! Nothing but a place for `tests/`: what Kafka's Java classes encode is decoded and encoded again, byte for byte the same.

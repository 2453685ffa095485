//! The agent of the rdkafka crate for the client proof: `produce`, `group` and `version` as tests/clients/README.md
//! defines them. Not here: any check, which the driver makes.

mod base64;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::BufRead;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use serde_json::{Value, json};

const POLL: Duration = Duration::from_millis(100);
const FLUSH: Duration = Duration::from_secs(300);

type Outcome = Result<(), Box<dyn Error>>;

/// The command line: a verb, then `--name value` pairs.
struct Options(BTreeMap<String, String>);

impl Options {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.get("--bootstrap")).set("client.id", self.get("--client-id"));
        config
    }
}

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().ok_or("usage: agent version|produce|group --option value ...")?;
    let rest: Vec<String> = arguments.collect();
    let pairs = rest.chunks_exact(2).filter_map(|pair| Some((pair.first()?.clone(), pair.last()?.clone())));
    let options = Options(pairs.collect());
    match verb.as_str() {
        "version" => {
            let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
            emit(
                &json!({"client": "rdkafka", "version": format!("{} (librdkafka {librdkafka})", crate_version())}),
            );
            return Ok(());
        }
        "produce" => produce(&options)?,
        "group" => group(&options)?,
        _ => return Err(format!("unknown verb {verb}").into()),
    }
    emit(&json!({"event": "closed"}));
    Ok(())
}

/// The version of the crate that was built in: the library tells librdkafka's only.
fn crate_version() -> &'static str {
    let locked = include_str!("../../../../Cargo.lock").split_once("name = \"rdkafka\"\nversion = \"");
    locked.and_then(|(_, rest)| rest.split('"').next()).unwrap_or("unknown")
}

/// Prints one event; stdout is flushed at each line's end.
fn emit(event: &Value) {
    println!("{event}");
}

/// The lines of stdin, read by a thread of their own.
fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn bytes(value: Option<&Value>) -> Option<Vec<u8>> {
    base64::decode(value?.as_str()?)
}

fn text(data: Option<&[u8]>) -> Value {
    data.map_or(Value::Null, |data| base64::encode(data).into())
}

/// Tells each delivery; the record's `id` travels with it.
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<i64>;

    fn delivery(&self, result: &DeliveryResult<'_>, id: Self::DeliveryOpaque) {
        match result {
            Ok(done) => emit(
                &json!({"event": "acked", "id": *id, "partition": done.partition(), "offset": done.offset()}),
            ),
            Err((error, _)) => emit(&json!({"event": "failed", "id": *id, "error": error.to_string()})),
        }
    }
}

fn produce(options: &Options) -> Outcome {
    let mut config = options.config();
    config.set("compression.type", options.get("--codec")).set("enable.idempotence", "true");
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries)?;
    let found = lines();
    loop {
        producer.poll(Duration::ZERO);
        match found.recv_timeout(POLL) {
            Ok(line) => send(&producer, options.get("--topic"), &serde_json::from_str(&line)?)?,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    producer.flush(FLUSH)?;
    Ok(())
}

fn send(producer: &BaseProducer<Deliveries>, topic: &str, line: &Value) -> Outcome {
    let id = line.get("id").and_then(Value::as_i64).ok_or("no id")?;
    let partition = line.get("partition").and_then(Value::as_i64).ok_or("no partition")?;
    let (key, value) = (bytes(line.get("key")), bytes(line.get("value")));
    let mut headers = OwnedHeaders::new();
    for pair in line.get("headers").and_then(Value::as_array).into_iter().flatten() {
        let data = bytes(pair.get(1));
        headers = headers
            .insert(Header { key: pair.get(0).and_then(Value::as_str).unwrap_or(""), value: data.as_ref() });
    }
    let mut record =
        BaseRecord::with_opaque_to(topic, Box::new(id)).partition(i32::try_from(partition)?).headers(headers);
    record.key = key.as_ref();
    record.payload = value.as_ref();
    producer.send(record).map_err(|(error, _)| error.into())
}

/// What the agent knows of its place in the group: the partitions it owns, and the offset after the last record printed of each.
#[derive(Default)]
struct Place {
    owned: BTreeSet<i32>,
    ends: BTreeMap<i32, i64>,
}

/// Tells each change of the assignment.
#[derive(Clone, Default)]
struct Member(Arc<Mutex<Place>>);

impl Member {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self, partitions: &TopicPartitionList, owns: bool) {
        let mut place = self.place();
        for element in partitions.elements() {
            place.ends.remove(&element.partition());
            if owns {
                place.owned.insert(element.partition());
            } else {
                place.owned.remove(&element.partition());
            }
        }
        emit(&json!({"event": "assigned", "partitions": place.owned}));
    }
}

impl ClientContext for Member {}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => self.changed(partitions, true),
            Rebalance::Revoke(partitions) => self.changed(partitions, false),
            Rebalance::Error(error) => emit(&json!({"event": "note", "text": error.to_string()})),
        }
    }
}

fn group(options: &Options) -> Outcome {
    let member = Member::default();
    let mut config = options.config();
    config
        .set("group.id", options.get("--group"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false");
    let consumer: BaseConsumer<Member> = config.create_with_context(member.clone())?;
    consumer.subscribe(&[options.get("--topic")])?;
    let found = lines();
    loop {
        match found.try_recv() {
            Ok(line) if line == "commit" => emit(&commit(&consumer, &member, options.get("--topic"))),
            Ok(_) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        match consumer.poll(POLL) {
            Some(Ok(message)) => note(&member, &message),
            Some(Err(error)) => emit(&json!({"event": "note", "text": error.to_string()})),
            None => {}
        }
    }
    // Dropping the consumer leaves the group.
    Ok(())
}

fn note(member: &Member, message: &impl Message) {
    let headers: Vec<Value> = match message.headers() {
        Some(headers) => headers.iter().map(|header| json!([header.key, text(header.value)])).collect(),
        None => Vec::new(),
    };
    member.place().ends.insert(message.partition(), message.offset() + 1);
    emit(&json!({
        "event": "record", "partition": message.partition(), "offset": message.offset(),
        "key": text(message.key()), "value": text(message.payload()), "headers": headers,
    }));
}

fn commit(consumer: &BaseConsumer<Member>, member: &Member, topic: &str) -> Value {
    let ends = member.place().ends.clone();
    let mut offsets = TopicPartitionList::new();
    let committed = ends
        .iter()
        .try_for_each(|(partition, end)| {
            offsets.add_partition_offset(topic, *partition, Offset::Offset(*end))
        })
        .and_then(|()| if ends.is_empty() { Ok(()) } else { consumer.commit(&offsets, CommitMode::Sync) });
    match committed {
        Ok(()) => json!({"event": "committed", "offsets": ends}),
        Err(error) => json!({"event": "commit_failed", "error": error.to_string()}),
    }
}

// The agent of kafkajs; see tests/clients/README.md.
"use strict";

const path = require("path");
const readline = require("readline");
const { createRequire } = require("module");
const { parseArgs } = require("util");

const installed = createRequire(path.resolve(__dirname, "../../../.cache/clients/node/package.json"));
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = installed("kafkajs");

const CODECS = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD };

// The library brings gzip; the others are plugins that an application registers like this.
function registerCodecs() {
  const lz4 = installed("lz4-napi");
  const zstd = installed("@bokuweb/zstd-wasm");
  const codec = (compress, decompress) => () => ({
    compress: async (encoder) => Buffer.from(await compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(await decompress(buffer)),
  });
  const ready = zstd.init();
  CompressionCodecs[CompressionTypes.Snappy] = installed("kafkajs-snappy");
  CompressionCodecs[CompressionTypes.LZ4] = codec(lz4.compressFrame, lz4.decompressFrame);
  CompressionCodecs[CompressionTypes.ZSTD] = codec(async (data) => (await ready, zstd.compress(data)), async (data) => (await ready, zstd.decompress(data)));
}

function emit(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

const encode = (data) => (data === null || data === undefined ? null : Buffer.from(data).toString("base64"));
const decode = (text) => (text === null ? null : Buffer.from(text, "base64"));

// A repeated header is an array in this library.
function toObject(pairs) {
  const headers = {};
  for (const [name, text] of pairs) {
    const value = decode(text);
    headers[name] = name in headers ? [].concat(headers[name], value) : value;
  }
  return headers;
}

function toPairs(headers) {
  return Object.entries(headers ?? {}).flatMap(([name, value]) => [].concat(value).map((one) => [name, encode(one)]));
}

function client(options) {
  const toStderr = () => ({ namespace, level, log }) => process.stderr.write(JSON.stringify({ namespace, level, ...log }) + "\n");
  return new Kafka({ clientId: options["client-id"], brokers: [options.bootstrap], logLevel: logLevel.WARN, logCreator: toStderr });
}

// Sends what has arrived while the send before was under way: the library itself does not gather records.
async function produce(options) {
  const producer = client(options).producer();
  await producer.connect();
  let waiting = [];
  let sending = Promise.resolve();
  const sendAll = async () => {
    const records = waiting;
    waiting = [];
    if (records.length > 0) await sendRecords(producer, options, records);
  };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    waiting.push(JSON.parse(line));
    sending = sending.then(sendAll);
  }
  await sending;
  await producer.disconnect();
  emit("closed");
}

async function sendRecords(producer, options, records) {
  const messages = records.map(({ partition, key, value, headers }) => ({ partition, key: decode(key), value: decode(value), headers: toObject(headers) }));
  try {
    const answers = await producer.send({ topic: options.topic, acks: -1, compression: CODECS[options.codec], messages });
    const next = new Map(answers.map((answer) => [answer.partition, Number(answer.baseOffset)]));
    for (const { id, partition } of records) {
      emit("acked", { id, partition, offset: next.get(partition) });
      next.set(partition, next.get(partition) + 1);
    }
  } catch (error) {
    for (const { id } of records) emit("failed", { id, error: String(error) });
  }
}

async function group(options) {
  const consumer = client(options).consumer({ groupId: options.group });
  let ends = new Map();
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    ends = new Map();
    emit("assigned", { partitions: (payload.memberAssignment[options.topic] ?? []).slice().sort((a, b) => a - b) });
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    emit("note", { text: `crash, restarts by itself: ${payload.restart}: ${payload.error}` });
    if (!payload.restart) process.exit(1);
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [options.topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      ends.set(partition, Number(message.offset) + 1);
      emit("record", { partition, offset: Number(message.offset), key: encode(message.key), value: encode(message.value), headers: toPairs(message.headers) });
    },
  });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === "stop") break;
    await commit(consumer, options.topic, new Map(ends));
  }
  await consumer.disconnect();
  emit("closed");
}

async function commit(consumer, topic, ends) {
  try {
    await consumer.commitOffsets([...ends].map(([partition, end]) => ({ topic, partition, offset: String(end) })));
    emit("committed", { offsets: Object.fromEntries(ends) });
  } catch (error) {
    emit("commit_failed", { error: String(error) });
  }
}

async function version() {
  emit("version", { client: "kafkajs", version: installed("kafkajs/package.json").version });
}

async function main() {
  const names = ["bootstrap", "topic", "codec", "group", "client-id"];
  const { values } = parseArgs({ args: process.argv.slice(3), options: Object.fromEntries(names.map((name) => [name, { type: "string" }])) });
  registerCodecs();
  await { version, produce, group }[process.argv[2]](values);
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

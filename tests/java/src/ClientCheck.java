import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Checks a broker (argument: HOST:PORT) with the Java client: each check prints a line, the last line counts them. */
public class ClientCheck {
    private static final int RECORDS = 1000;
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static int passed = 0, failed = 0;
    private final String address;

    private ClientCheck(String address) {
        this.address = address;
    }

    public static void main(String[] args) throws Exception {
        ClientCheck check = new ClientCheck(args[0]);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            for (boolean idempotent : new boolean[] {true, false})
                check.run("round trip, " + codec + (idempotent ? ", idempotent" : ""), () -> check.roundTrip(codec, idempotent));
        for (String acks : List.of("0", "1", "all")) check.run("acks " + acks, () -> check.acks(acks));
        check.run("positions", check::positions);
        check.run("an offset out of range", check::outOfRange);
        check.run("several partitions", check::severalPartitions);
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private interface Check {
        void run() throws Exception;
    }

    private void run(String name, Check check) {
        try {
            check.run();
            passed++;
            System.out.println("ok      " + name);
        } catch (Exception | AssertionError failure) {
            failed++;
            System.out.println("FAILED  " + name);
            failure.printStackTrace(System.out);
        }
    }

    private void roundTrip(String codec, boolean idempotent) throws Exception {
        String topic = topic("java-" + codec + "-" + idempotent, 1);
        long base = System.currentTimeMillis() - 100_000;
        List<ProducerRecord<String, String>> sent = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            ProducerRecord<String, String> record = new ProducerRecord<>(
                topic, 0, base + i, i % 3 == 0 ? null : "key " + i, i % 7 == 0 ? null : "value " + i + "x".repeat(i));
            if (i % 5 == 0) record.headers().add(new RecordHeader("a", ("header " + i).getBytes())).add(new RecordHeader("null", null));
            sent.add(record);
        }
        send(sent, Map.of("compression.type", codec, "enable.idempotence", idempotent, "linger.ms", 5));
        List<ConsumerRecord<String, String>> read = read(new TopicPartition(topic, 0), 0, RECORDS);
        for (int i = 0; i < RECORDS; i++) {
            ConsumerRecord<String, String> got = read.get(i);
            same("offset", (long) i, got.offset());
            same("key", sent.get(i).key(), got.key());
            same("value", sent.get(i).value(), got.value());
            same("timestamp", base + i, got.timestamp());
            same("headers", sent.get(i).headers(), got.headers());
        }
    }

    private void acks(String acks) throws Exception {
        String topic = topic("java-acks-" + acks, 1);
        List<ProducerRecord<String, String>> sent = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) sent.add(new ProducerRecord<>(topic, 0, null, "" + i));
        send(sent, Map.of("acks", acks, "enable.idempotence", false, "max.in.flight.requests.per.connection", 1));
        List<ConsumerRecord<String, String>> read = read(new TopicPartition(topic, 0), 0, RECORDS);
        for (int i = 0; i < RECORDS; i++) same("value", "" + i, read.get(i).value());
    }

    private void positions() throws Exception {
        String topic = topic("java-positions", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        long base = System.currentTimeMillis() - 1_000_000;
        List<ProducerRecord<String, String>> sent = new ArrayList<>();
        for (int i = 0; i < 100; i++) sent.add(new ProducerRecord<>(topic, 0, base + 1000 * i, "k", "" + i));
        send(sent, Map.of("batch.size", 200));
        try (KafkaConsumer<String, String> consumer = consumer()) {
            same("first", Map.of(partition, 0L), consumer.beginningOffsets(List.of(partition)));
            same("end", Map.of(partition, 100L), consumer.endOffsets(List.of(partition)));
            same("by time", 43L, consumer.offsetsForTimes(Map.of(partition, base + 42_500)).get(partition).offset());
            same("by a late time", null, consumer.offsetsForTimes(Map.of(partition, base + 10_000_000)).get(partition));
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            same("position at the end", 100L, consumer.position(partition));
            send(List.of(new ProducerRecord<>(topic, 0, null, "new")), Map.of());
            same("from the end", "new", poll(consumer, 1).get(0).value());
            consumer.seek(partition, 43);
            same("from an offset", "43", poll(consumer, 1).get(0).value());
            consumer.seekToBeginning(List.of(partition));
            same("from the beginning", "0", poll(consumer, 1).get(0).value());
        }
    }

    private void outOfRange() throws Exception {
        TopicPartition partition = new TopicPartition(topic("java-range", 1), 0);
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, 55);
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (System.nanoTime() < deadline) consumer.poll(Duration.ofMillis(200));
            throw new AssertionError("no OffsetOutOfRangeException");
        } catch (OffsetOutOfRangeException expected) {
            same("partitions", Collections.singleton(partition), expected.partitions());
        }
    }

    private void severalPartitions() throws Exception {
        String topic = topic("java-several", 10);
        List<ProducerRecord<String, String>> sent = new ArrayList<>();
        for (int i = 0; i < 5 * RECORDS; i++) sent.add(new ProducerRecord<>(topic, i % 10, null, "" + i));
        send(sent, Map.of("linger.ms", 2));
        try (KafkaConsumer<String, String> consumer = consumer()) {
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < 10; p++) all.add(new TopicPartition(topic, p));
            consumer.assign(all);
            consumer.seekToBeginning(all);
            for (ConsumerRecord<String, String> record : poll(consumer, 5 * RECORDS))
                same("value", "" + (record.offset() * 10 + record.partition()), record.value());
        }
    }

    private String topic(String name, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
        }
        return name;
    }

    private void send(List<ProducerRecord<String, String>> records, Map<String, Object> options) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        options.forEach((key, value) -> properties.put(key, value.toString()));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            List<Future<RecordMetadata>> pending = new ArrayList<>();
            for (ProducerRecord<String, String> record : records) pending.add(producer.send(record));
            for (Future<RecordMetadata> one : pending) one.get();
        }
    }

    private KafkaConsumer<String, String> consumer() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", address);
        properties.put("auto.offset.reset", "none");
        properties.put("isolation.level", "read_committed");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    private List<ConsumerRecord<String, String>> read(TopicPartition partition, long from, int count) {
        try (KafkaConsumer<String, String> consumer = consumer()) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, from);
            return poll(consumer, count);
        }
    }

    private static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (found.size() < count && System.nanoTime() < deadline)
            consumer.poll(Duration.ofMillis(200)).forEach(found::add);
        if (found.size() < count) throw new AssertionError(found.size() + " of " + count + " records in " + PATIENCE);
        return found;
    }

    private static void same(String what, Object expected, Object actual) {
        if (!java.util.Objects.equals(expected, actual)) throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }
}

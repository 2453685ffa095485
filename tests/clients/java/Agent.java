import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The agent of the Java client, from 2.8 to the newest; the protocol is in tests/clients/README.md. */
public class Agent {
    private static final Duration POLL = Duration.ofMillis(100);
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 1; i + 1 < arguments.length; i += 2) options.put(arguments[i].substring(2), arguments[i + 1]);
        switch (arguments[0]) {
            case "version": version(); break;
            case "produce": produce(options); break;
            case "group": new Member(options).run(); break;
            default: throw new IllegalArgumentException("no verb " + arguments[0]);
        }
    }

    private static void version() throws IOException {
        Properties own = new Properties();
        try (InputStream file = KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            own.load(file);
        }
        print(Map.of("client", "kafka-clients", "version", own.getProperty("version")));
    }

    /** Sends each record of stdin at once; the client tells of delivery on its own thread. */
    private static void produce(Map<String, String> options) throws IOException {
        Map<String, Object> settings = settings(options);
        settings.put("acks", "all");
        settings.put("enable.idempotence", true);
        settings.put("compression.type", options.get("codec"));
        String topic = options.get("topic");
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
             BufferedReader lines = stdin()) {
            for (String line; (line = lines.readLine()) != null;) send(producer, topic, JSON.readTree(line));
            producer.flush();
        }
        emit("closed", Map.of());
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, JsonNode asked) {
        int id = asked.get("id").asInt();
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(topic, asked.get("partition").asInt(), decode(asked.get("key")), decode(asked.get("value")));
        for (JsonNode header : asked.get("headers")) record.headers().add(header.get(0).asText(), decode(header.get(1)));
        try {
            producer.send(record, (done, error) -> {
                if (error != null) emit("failed", Map.of("id", id, "error", error.toString()));
                else emit("acked", Map.of("id", id, "partition", done.partition(), "offset", done.offset()));
            });
        } catch (KafkaException error) {
            emit("failed", Map.of("id", id, "error", error.toString()));
        }
    }

    /** A member of a group: one thread polls and commits, another reads stdin. */
    private static class Member implements ConsumerRebalanceListener {
        private final LinkedBlockingQueue<String> commands = new LinkedBlockingQueue<>();
        private final TreeSet<Integer> owned = new TreeSet<>();
        /** For each partition, the offset after the last record printed since it was assigned. */
        private final TreeMap<Integer, Long> ends = new TreeMap<>();
        private final Map<String, String> options;

        Member(Map<String, String> options) {
            this.options = options;
        }

        void run() {
            Thread reader = new Thread(this::readCommands, "stdin");
            reader.setDaemon(true);
            reader.start();
            Map<String, Object> settings = settings(options);
            settings.put("group.id", options.get("group"));
            settings.put("auto.offset.reset", "earliest");
            settings.put("enable.auto.commit", false);
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.subscribe(List.of(options.get("topic")), this);
                for (String command; !"stop".equals(command = commands.poll());) {
                    if ("commit".equals(command)) commit(consumer);
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) tell(record);
                }
            }
            emit("closed", Map.of());
        }

        private void readCommands() {
            try (BufferedReader lines = stdin()) {
                for (String line; (line = lines.readLine()) != null;) commands.add(line.trim());
            } catch (IOException error) {
                error.printStackTrace();
            }
            commands.add("stop");
        }

        private void commit(KafkaConsumer<byte[], byte[]> consumer) {
            Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
            ends.forEach((partition, end) -> wanted.put(new TopicPartition(options.get("topic"), partition), new OffsetAndMetadata(end)));
            // The listener may run during the commit, so what was asked for is kept.
            Map<Integer, Long> asked = new TreeMap<>(ends);
            try {
                if (!wanted.isEmpty()) consumer.commitSync(wanted);
                emit("committed", Map.of("offsets", asked));
            } catch (KafkaException error) {
                emit("commit_failed", Map.of("error", error.toString()));
            }
        }

        private void tell(ConsumerRecord<byte[], byte[]> record) {
            ends.put(record.partition(), record.offset() + 1);
            List<List<String>> headers = new ArrayList<>();
            for (Header header : record.headers()) {
                List<String> pair = new ArrayList<>();
                pair.add(header.key());
                pair.add(encode(header.value()));
                headers.add(pair);
            }
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("partition", record.partition());
            fields.put("offset", record.offset());
            fields.put("key", encode(record.key()));
            fields.put("value", encode(record.value()));
            fields.put("headers", headers);
            emit("record", fields);
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
            assigned.forEach(one -> owned.add(one.partition()));
            changed(assigned);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
            revoked.forEach(one -> owned.remove(one.partition()));
            changed(revoked);
        }

        private void changed(Collection<TopicPartition> partitions) {
            partitions.forEach(one -> ends.remove(one.partition()));
            emit("assigned", Map.of("partitions", owned));
        }
    }

    private static Map<String, Object> settings(Map<String, String> options) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", options.get("bootstrap"));
        settings.put("client.id", options.get("client-id"));
        return settings;
    }

    private static BufferedReader stdin() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    }

    private static void emit(String event, Map<String, Object> fields) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("event", event);
        line.putAll(fields);
        try {
            print(line);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void print(Map<String, ?> line) throws IOException {
        String text = JSON.writeValueAsString(line);
        synchronized (OUT) {
            OUT.print(text + "\n");
            OUT.flush();
        }
    }

    private static byte[] decode(JsonNode text) {
        return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    private static String encode(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }
}

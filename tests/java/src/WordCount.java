import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Counts words of the topic `lines` into the topic `counts`, and by windows into `windowed`, with at_least_once. Grouping
 * by word makes repartition topics, the stores make changelogs (one compacted, one compacted and deleted).
 * Arguments: HOST:PORT, application id, state directory. Prints `state STATE` at each change; ends with its stdin.
 */
public class WordCount {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", args[0], "application.id", args[1], "state.dir", args[2], "processing.guarantee", "at_least_once",
            "commit.interval.ms", "500", "num.stream.threads", "2"));
        // Streams does not leave its group when it is closed: the next instance waits for this.
        settings.put("consumer.session.timeout.ms", "8000");
        settings.put("default.key.serde", Serdes.StringSerde.class);
        settings.put("default.value.serde", Serdes.StringSerde.class);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> words = builder.<String, String>stream("lines").flatMapValues(line -> Arrays.asList(line.split(" ")));
        words.groupBy((key, word) -> word, Grouped.as("by-word")).count(Materialized.as("totals"))
            .toStream().mapValues(count -> Long.toString(count)).to("counts");
        words.groupBy((key, word) -> word, Grouped.as("by-word-windowed")).windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofHours(1)))
            .count(Materialized.as("hourly")).toStream((window, count) -> window.key() + "@" + window.window().start())
            .mapValues(count -> Long.toString(count)).to("windowed", Produced.with(Serdes.String(), Serdes.String()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch broken = new CountDownLatch(1);
        streams.setStateListener((now, before) -> {
            System.out.println("state " + now);
            if (now == KafkaStreams.State.ERROR) broken.countDown();
        });
        streams.start();
        Thread stdin = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
                System.out.println("closed " + streams.close(PATIENCE));
                System.exit(0);
            } catch (java.io.IOException error) {
                System.exit(1);
            }
        });
        stdin.start();
        broken.await();
        System.exit(1);
    }
}

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Checks consumer groups of a broker (argument: HOST:PORT) with the Java client: a line for each check, the last one counts them. */
public class GroupCheck {
    private static final Duration PATIENCE = Duration.ofSeconds(40);
    /** Far below the session timeout (45 s): who left is gone because it said so. */
    private static final Duration PROMPTLY = Duration.ofSeconds(15);
    private static final Map<String, Object> COOPERATIVE = Map.of("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
    private static final Map<String, Object> RANGE = Map.of("partition.assignment.strategy", RangeAssignor.class.getName());
    private static int passed = 0, failed = 0;
    private final String address;
    private final Admin admin;

    private GroupCheck(String address) {
        this.address = address;
        this.admin = Admin.create(Map.of("bootstrap.servers", address));
    }

    public static void main(String[] args) throws Exception {
        GroupCheck check = new GroupCheck(args[0]);
        check.run("a static member comes back without a rebalance", check::staticMembership);
        check.run("a second member with the same instance id fences the first", check::fencing);
        check.run("a static member is removed by an administrator", check::removal);
        check.run("cooperative members keep what does not move", check::cooperative);
        check.run("a live group goes from eager to cooperative, as its members are replaced", check::upgrade);
        check.run("close leaves the group", check::closing);
        check.run("a member that stops polling loses its partitions", check::slowMember);
        check.run("committed offsets", check::commits);
        check.run("groups are listed and described", check::listing);
        check.run("offsets are altered and deleted by an administrator", check::administration);
        check.run("a subscription by pattern follows topics", check::pattern);
        check.run("positions from times, committed", check::times);
        check.admin.close();
        System.out.println(passed + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    private void staticMembership() throws Exception {
        String topic = topic("java-static", 4);
        Member other = new Member("java-static", topic, with(RANGE, "group.instance.id", "b"));
        Member first = new Member("java-static", topic, with(RANGE, "group.instance.id", "a"));
        await("both members own two", () -> first.owned().size() == 2 && other.owned().size() == 2);
        Set<Integer> owned = first.owned();
        int changes = other.changes.size();
        first.close();
        same("members after a static member closed", 2, describe("java-static").members().size());
        try (Member again = new Member("java-static", topic, with(RANGE, "group.instance.id", "a"))) {
            await("the old partitions", () -> again.owned().equals(owned));
            produce(topic, 4);
            await("records", () -> again.read.get() + other.read.get() == 4);
            same("changes that the other member saw", changes, other.changes.size());
            same("instance ids", Set.of("a", "b"), describe("java-static").members().stream().map(m -> m.groupInstanceId().orElse("")).collect(Collectors.toSet()));
        }
        other.close();
    }

    private void fencing() throws Exception {
        String topic = topic("java-fenced", 2);
        try (Member first = new Member("java-fenced", topic, Map.of("group.instance.id", "same"))) {
            await("the first owns all", () -> first.owned().size() == 2);
            try (Member second = new Member("java-fenced", topic, Map.of("group.instance.id", "same"))) {
                await("the second owns all", () -> second.owned().size() == 2);
                await("the first is fenced", () -> first.failure instanceof FencedInstanceIdException);
                produce(topic, 2);
                await("records", () -> second.read.get() == 2);
                same("failure of the second", null, second.failure);
            }
        }
    }

    private void removal() throws Exception {
        String topic = topic("java-removed", 2);
        new Member("java-removed", topic, Map.of("group.instance.id", "gone")).awaitOwned(2).close();
        same("state", GroupState.STABLE, describe("java-removed").groupState());
        admin.removeMembersFromConsumerGroup("java-removed", new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("gone")))).all().get();
        same("state", GroupState.EMPTY, describe("java-removed").groupState());
        refused(UnknownMemberIdException.class, () -> admin.removeMembersFromConsumerGroup(
            "java-removed", new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("gone")))).memberResult(new MemberToRemove("gone")).get());
    }

    private void cooperative() throws Exception {
        String topic = topic("java-cooperative", 6);
        try (Member first = new Member("java-cooperative", topic, COOPERATIVE).awaitOwned(6)) {
            Member second = new Member("java-cooperative", topic, COOPERATIVE).awaitOwned(3);
            await("three are left", () -> first.owned().size() == 3);
            same("what the first gave up", second.owned(), first.revoked());
            same("assignor", "cooperative-sticky", describe("java-cooperative").partitionAssignor());
            Set<Integer> kept = first.owned();
            second.close();
            await("the first has all again", () -> first.owned().size() == 6);
            same("what it gave up of what it kept", Set.of(), intersection(first.revoked(), kept));
        }
    }

    private void upgrade() throws Exception {
        String topic = topic("java-upgrade", 4);
        String both = CooperativeStickyAssignor.class.getName() + "," + RangeAssignor.class.getName();
        Member old = new Member("java-upgrade", topic, RANGE).awaitOwned(4);
        Member between = new Member("java-upgrade", topic, Map.of("partition.assignment.strategy", both)).awaitOwned(2);
        same("assignor that all know", "range", describe("java-upgrade").partitionAssignor());
        old.close();
        between.awaitOwned(4);
        await("the assignor of those that are left", () -> describe("java-upgrade").partitionAssignor().equals("cooperative-sticky"));
        refused(InconsistentGroupProtocolException.class, () -> {
            try (KafkaConsumer<String, String> odd = consumer("java-upgrade", Map.of("partition.assignment.strategy", RoundRobinAssignor.class.getName()))) {
                odd.subscribe(List.of(topic));
                odd.poll(PATIENCE);
            }
        });
        between.close();
    }

    private void closing() throws Exception {
        String topic = topic("java-closing", 4);
        try (Member stays = new Member("java-closing", topic, RANGE); Member leaves = new Member("java-closing", topic, RANGE)) {
            await("both own two", () -> stays.owned().size() == 2 && leaves.owned().size() == 2);
            long began = System.nanoTime();
            leaves.close();
            stays.awaitOwned(4);
            long took = System.nanoTime() - began;
            if (took > PROMPTLY.toNanos()) throw new AssertionError("taken over after " + took / 1_000_000 + " ms");
            same("members", 1, describe("java-closing").members().size());
        }
        same("state", GroupState.EMPTY, describe("java-closing").groupState());
    }

    private void slowMember() throws Exception {
        String topic = topic("java-slow", 2);
        try (KafkaConsumer<String, String> slow = consumer("java-slow", Map.of("max.poll.interval.ms", 3000))) {
            slow.subscribe(List.of(topic));
            produce(topic, 2);
            awaitRecords(slow, 2);
            try (Member other = new Member("java-slow", topic, Map.of())) {
                other.awaitOwned(2);
                try {
                    slow.commitSync();
                    throw new AssertionError("the commit of a member that was put out succeeded");
                } catch (CommitFailedException expected) {
                    same("committed", Map.of(), committed("java-slow"));
                }
            }
        }
    }

    private void commits() throws Exception {
        String topic = topic("java-commits", 2);
        TopicPartition zero = new TopicPartition(topic, 0), one = new TopicPartition(topic, 1);
        produce(topic, 10);
        try (KafkaConsumer<String, String> consumer = consumer("java-commits", Map.of())) {
            consumer.subscribe(List.of(topic));
            awaitRecords(consumer, 10);
            consumer.commitSync();
            same("committed", Map.of(zero, 5L, one, 5L), committed("java-commits"));
            consumer.commitSync(Map.of(zero, new OffsetAndMetadata(3, Optional.of(0), "some ünïcode metadata")));
            OffsetAndMetadata kept = consumer.committed(Set.of(zero)).get(zero);
            same("offset, metadata, epoch", List.of(3L, "some ünïcode metadata", 0), List.of(kept.offset(), kept.metadata(), kept.leaderEpoch().orElse(-1)));
            boolean[] answered = {false};
            consumer.commitAsync(Map.of(one, new OffsetAndMetadata(4)), (offsets, error) -> answered[0] = error == null);
            await("the answer to an asynchronous commit", () -> {
                consumer.poll(Duration.ofMillis(50));
                return answered[0];
            });
            same("committed", Map.of(zero, 3L, one, 4L), committed("java-commits"));
        }
        try (KafkaConsumer<String, String> simple = consumer("java-simple", Map.of())) {
            simple.assign(List.of(zero));
            same("nothing committed", null, simple.committed(Set.of(zero)).get(zero));
            simple.commitSync(Map.of(zero, new OffsetAndMetadata(2)));
            same("position from the commit", 2L, simple.position(zero));
            same("committed", Map.of(zero, 2L), committed("java-simple"));
        }
    }

    // listConsumerGroups: what applications of today call.
    @SuppressWarnings("removal")
    private void listing() throws Exception {
        String topic = topic("java-listed", 2);
        try (Member member = new Member("java-listed", topic, with(RANGE, "client.id", "java-listed-client")).awaitOwned(2)) {
            try (KafkaConsumer<String, String> simple = consumer("java-offsets-only", Map.of())) {
                simple.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
            }
            Map<String, GroupListing> all = listed(new ListGroupsOptions());
            same("state", GroupState.STABLE, all.get("java-listed").groupState().get());
            same("type", GroupType.CLASSIC, all.get("java-listed").type().get());
            same("protocol", "consumer", all.get("java-listed").protocol());
            same("offsets only", List.of(GroupState.EMPTY, GroupType.CLASSIC, ""),
                List.of(all.get("java-offsets-only").groupState().get(), all.get("java-offsets-only").type().get(), all.get("java-offsets-only").protocol()));
            Map<String, GroupListing> stable = listed(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)));
            same("stable ones", List.of(true, false), List.of(stable.containsKey("java-listed"), stable.containsKey("java-offsets-only")));
            same("classic ones", all.keySet(), listed(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))).keySet());
            same("of another type", Set.of(), listed(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))).keySet());
            same("consumer groups", true, admin.listConsumerGroups().all().get().stream().anyMatch(group -> group.groupId().equals("java-listed")));
            ConsumerGroupDescription described = describe("java-listed");
            same("coordinator", address, described.coordinator().host() + ":" + described.coordinator().port());
            same("assignor", "range", described.partitionAssignor());
            MemberDescription only = described.members().iterator().next();
            same("member", List.of("java-listed-client", "/127.0.0.1"), List.of(only.clientId(), only.host()));
            same("assignment", Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)), only.assignment().topicPartitions());
            same("classic description", "consumer", admin.describeClassicGroups(List.of("java-listed")).all().get().get("java-listed").protocol());
        }
        refused(GroupIdNotFoundException.class, () -> describe("java-no-such-group"));
    }

    private void administration() throws Exception {
        String topic = topic("java-administered", 2), group = "java-administered";
        TopicPartition zero = new TopicPartition(topic, 0), one = new TopicPartition(topic, 1);
        Map<TopicPartition, OffsetAndMetadata> wanted = Map.of(zero, new OffsetAndMetadata(7), one, new OffsetAndMetadata(8, "by hand"));
        admin.alterConsumerGroupOffsets(group, wanted).all().get();
        same("altered, of a group that was not", wanted, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
        try (Member member = new Member(group, topic, Map.of("auto.offset.reset", "earliest")).awaitOwned(2)) {
            refused(UnknownMemberIdException.class, () -> admin.alterConsumerGroupOffsets(group, wanted).all().get());
            refused(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            refused(GroupSubscribedToTopicException.class, () -> admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get());
        }
        admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get();
        same("what is left", Set.of(one), committed(group).keySet());
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(1))).all().get();
        same("altered", 1L, committed(group).get(zero));
        refused(UnknownTopicOrPartitionException.class,
            () -> admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition("java-no-such-topic", 0), new OffsetAndMetadata(1))).all().get());
        admin.deleteConsumerGroups(List.of(group)).all().get();
        refused(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        same("after the deletion", Map.of(), committed(group));
    }

    private void pattern() throws Exception {
        topic("java-pattern-a", 1);
        try (Member member = new Member("java-pattern", Pattern.compile("java-pattern-.*"), Map.of("metadata.max.age.ms", 500))) {
            member.awaitOwned(1);
            topic("java-pattern-b", 2);
            await("the new topic's partitions", () -> member.ownedPartitions().size() == 3);
            admin.deleteTopics(List.of("java-pattern-a")).all().get();
            await("the deleted topic is gone", () -> member.ownedPartitions().size() == 2);
        }
    }

    private void times() throws Exception {
        String topic = topic("java-times", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        long base = System.currentTimeMillis() - 1_000_000;
        try (KafkaProducer<String, String> producer = producer()) {
            for (int i = 0; i < 100; i++) producer.send(new ProducerRecord<>(topic, 0, base + 1000 * i, "k", "" + i)).get();
        }
        try (KafkaConsumer<String, String> consumer = consumer("java-times", Map.of())) {
            long offset = consumer.offsetsForTimes(Map.of(partition, base + 42_500)).get(partition).offset();
            same("by time", 43L, offset);
            same("by an administrator", 43L, admin.listOffsets(Map.of(partition, OffsetSpec.forTimestamp(base + 42_500))).partitionResult(partition).get().offset());
            same("of the latest time", 99L, admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset());
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(offset)));
            consumer.subscribe(List.of(topic));
            same("first record", "43", awaitRecords(consumer, 57).get(0));
            same("lag", 0L, consumer.currentLag(partition).orElse(-1));
        }
    }

    /** A consumer that a thread of its own polls, with what happened to it. */
    private class Member implements ConsumerRebalanceListener, AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final ConcurrentLinkedQueue<String> changes = new ConcurrentLinkedQueue<>();
        final AtomicInteger read = new AtomicInteger();
        private final Set<TopicPartition> owned = new HashSet<>();
        private final Set<Integer> revoked = new TreeSet<>();
        private final Thread thread;
        volatile Exception failure = null;
        private volatile boolean closing = false;

        Member(String group, String topic, Map<String, Object> options) {
            consumer = consumer(group, options);
            consumer.subscribe(List.of(topic), this);
            thread = new Thread(this::poll);
            thread.start();
        }

        Member(String group, Pattern topics, Map<String, Object> options) {
            consumer = consumer(group, options);
            consumer.subscribe(topics, this);
            thread = new Thread(this::poll);
            thread.start();
        }

        private void poll() {
            try (consumer) {
                while (!closing) read.addAndGet(consumer.poll(Duration.ofMillis(100)).count());
            } catch (Exception error) {
                failure = error;
            }
        }

        Member awaitOwned(int count) throws Exception {
            await(count + " partitions", () -> owned().size() == count);
            return this;
        }

        synchronized Set<Integer> owned() {
            return owned.stream().map(TopicPartition::partition).collect(Collectors.toCollection(TreeSet::new));
        }

        synchronized Set<TopicPartition> ownedPartitions() {
            return Set.copyOf(owned);
        }

        synchronized Set<Integer> revoked() {
            return new TreeSet<>(revoked);
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            owned.addAll(partitions);
            changes.add("assigned " + partitions);
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            owned.removeAll(partitions);
            partitions.forEach(one -> revoked.add(one.partition()));
            changes.add("revoked " + partitions);
        }

        @Override
        public void close() throws InterruptedException {
            closing = true;
            thread.join();
        }
    }

    private interface Check {
        void run() throws Exception;
    }

    private void run(String name, Check check) {
        long began = System.nanoTime();
        try {
            check.run();
            passed++;
            System.out.println("ok      " + name + ", " + (System.nanoTime() - began) / 1_000_000 + " ms");
        } catch (Exception | AssertionError failure) {
            failed++;
            System.out.println("FAILED  " + name);
            failure.printStackTrace(System.out);
        }
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static void await(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) throw new AssertionError("waited " + PATIENCE + " for " + what);
            Thread.sleep(20);
        }
    }

    private static void refused(Class<?> expected, Check check) throws Exception {
        try {
            check.run();
        } catch (ExecutionException error) {
            if (expected.isInstance(error.getCause())) return;
            throw error;
        } catch (RuntimeException error) {
            if (expected.isInstance(error)) return;
            throw error;
        }
        throw new AssertionError("no " + expected.getSimpleName());
    }

    private static List<String> awaitRecords(KafkaConsumer<String, String> consumer, int count) throws Exception {
        List<String> found = new ArrayList<>();
        await(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(record -> found.add(record.value()));
            return found.size() >= count;
        });
        return found;
    }

    private ConsumerGroupDescription describe(String group) throws Exception {
        return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private Map<String, GroupListing> listed(ListGroupsOptions options) throws Exception {
        return admin.listGroups(options).all().get().stream().collect(Collectors.toMap(GroupListing::groupId, one -> one));
    }

    private Map<TopicPartition, Long> committed(String group) throws Exception {
        Map<TopicPartition, Long> found = new HashMap<>();
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((partition, one) -> found.put(partition, one.offset()));
        return found;
    }

    private String topic(String name, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
        await("the topic " + name, () -> admin.listTopics().names().get().contains(name));
        return name;
    }

    /** Records in turns over two partitions. */
    private void produce(String topic, int count) throws Exception {
        try (KafkaProducer<String, String> producer = producer()) {
            for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, i % 2, null, "" + i)).get();
        }
    }

    private KafkaProducer<String, String> producer() {
        return new KafkaProducer<>(Map.of("bootstrap.servers", address), new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> options) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", address, "group.id", group, "enable.auto.commit", false, "auto.offset.reset", "earliest"));
        settings.putAll(options);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private static Map<String, Object> with(Map<String, Object> options, String key, Object value) {
        Map<String, Object> all = new HashMap<>(options);
        all.put(key, value);
        return all;
    }

    private static Set<Integer> intersection(Set<Integer> one, Set<Integer> other) {
        Set<Integer> common = new TreeSet<>(one);
        common.retainAll(other);
        return common;
    }

    private static void same(String what, Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }
}

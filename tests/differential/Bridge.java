import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.internals.ByteBufferOutputStream;

/**
 * Speaks Kafka's protocol for the Python scenarios: one JSON command a line on stdin, one JSON answer a line on stdout.
 *
 * Messages are encoded and decoded by kafka-clients' own generated classes; the JSON form is that of its JsonConverter
 * classes. Fields that a command leaves out take the schema's defaults, fields that the version does not have are
 * ignored, so that one body serves every version of an API.
 */
public class Bridge {
    private static final ObjectMapper MAPPER =
        new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private final Map<String, Socket> connections = new HashMap<>();
    private int correlationId = 100;

    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err);
        Bridge bridge = new Bridge();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            ObjectNode answer;
            try {
                answer = bridge.run(MAPPER.readTree(line));
            } catch (Throwable failure) {
                answer = NODES.objectNode().put("failure", failure.toString());
            }
            answers.println(MAPPER.writeValueAsString(answer));
            answers.flush();
        }
    }

    private ObjectNode run(JsonNode command) throws Exception {
        ObjectNode answer = NODES.objectNode();
        switch (command.get("op").asText()) {
            case "open" -> open(command);
            case "close" -> connections.remove(command.get("connection").asText()).close();
            case "send" -> answer.put("correlation", send(command));
            case "receive" -> receive(command, answer);
            case "call" -> {
                ObjectNode with = command.deepCopy();
                try {
                    with.put("correlation", send(command));
                    receive(with, answer);
                } catch (SocketException closed) {
                    answer.put("closed", true);
                }
            }
            case "raw" -> raw(command);
            case "receive_raw" -> receiveRaw(command, answer);
            case "encode" -> answer.put("hex", HexFormat.of().formatHex(encodeBody(command)));
            case "decode" -> decode(command, answer);
            case "random" -> random(command, answer);
            case "records" -> answer.put("base64", Base64.getEncoder().encodeToString(records(command.get("batches"))));
            default -> throw new IllegalArgumentException("unknown op " + command.get("op"));
        }
        return answer;
    }

    // ---- connections

    private void open(JsonNode command) throws IOException {
        Socket socket = new Socket();
        socket.connect(new InetSocketAddress("127.0.0.1", command.get("port").asInt()), 5000);
        socket.setTcpNoDelay(true);
        Socket previous = connections.put(command.get("connection").asText(), socket);
        if (previous != null) previous.close();
    }

    private Socket connection(JsonNode command) throws IOException {
        Socket socket = connections.get(command.get("connection").asText());
        socket.setSoTimeout(command.path("timeout_ms").asInt(15000));
        return socket;
    }

    /** One frame's payload; null when the broker closed the connection; a zero-length one never occurs. */
    private static byte[] readFrame(Socket socket) throws IOException {
        try {
            DataInputStream input = new DataInputStream(socket.getInputStream());
            byte[] payload = new byte[input.readInt()];
            input.readFully(payload);
            return payload;
        } catch (EOFException | SocketException closed) {
            return null;
        }
    }

    private void raw(JsonNode command) throws IOException {
        OutputStream output = connection(command).getOutputStream();
        output.write(HexFormat.of().parseHex(command.get("hex").asText()));
        output.flush();
    }

    private void receiveRaw(JsonNode command, ObjectNode answer) throws IOException {
        try {
            byte[] payload = readFrame(connection(command));
            if (payload == null) answer.put("closed", true);
            else answer.put("hex", HexFormat.of().formatHex(payload));
        } catch (SocketTimeoutException silent) {
            answer.put("silent", true);
        }
    }

    // ---- messages

    private static ApiMessageType api(JsonNode command) {
        return ApiMessageType.valueOf(command.get("api").asText());
    }

    private static short version(JsonNode command) {
        return (short) command.get("version").asInt();
    }

    private static byte[] bytes(ApiMessage message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    private byte[] encodeBody(JsonNode command) throws Exception {
        ApiMessageType api = api(command);
        boolean response = command.path("response").asBoolean(false);
        ApiMessage message = response ? api.newResponse() : api.newRequest();
        short version = version(command);
        ObjectNode body = command.has("body") ? command.get("body").deepCopy() : NODES.objectNode();
        Schema.of(message).fill(body, version);
        Object read = Class.forName(message.getClass().getName() + "JsonConverter")
            .getMethod("read", JsonNode.class, short.class).invoke(null, body, version);
        return bytes((ApiMessage) read, version);
    }

    /** A message whose every field is filled at random. */
    private void random(JsonNode command, ObjectNode answer) throws Exception {
        ApiMessage message = command.get("response").asBoolean() ? api(command).newResponse() : api(command).newRequest();
        ObjectNode body = Schema.of(message).random(new Random(command.get("seed").asLong()), version(command));
        Object read = Class.forName(message.getClass().getName() + "JsonConverter")
            .getMethod("read", JsonNode.class, short.class).invoke(null, body, version(command));
        answer.put("name", message.getClass().getSimpleName().replaceAll("Data$", ""));
        answer.put("hex", HexFormat.of().formatHex(bytes((ApiMessage) read, version(command))));
    }

    private int send(JsonNode command) throws Exception {
        byte[] body = encodeBody(command);
        ApiMessageType api = api(command);
        RequestHeaderData header = new RequestHeaderData()
            .setRequestApiKey(api.apiKey())
            .setRequestApiVersion(version(command))
            .setCorrelationId(++correlationId)
            .setClientId(command.path("client_id").asText("differential"));
        byte[] head = bytes(header, api.requestHeaderVersion(version(command)));
        ByteBuffer frame = ByteBuffer.allocate(4 + head.length + body.length);
        frame.putInt(head.length + body.length).put(head).put(body);
        OutputStream output = connection(command).getOutputStream();
        output.write(frame.array());
        output.flush();
        return correlationId;
    }

    private void receive(JsonNode command, ObjectNode answer) throws Exception {
        byte[] payload;
        try {
            payload = readFrame(connection(command));
        } catch (SocketTimeoutException silent) {
            answer.put("silent", true);
            return;
        }
        if (payload == null) {
            answer.put("closed", true);
            return;
        }
        try {
            decodeResponse(api(command), version(command), ByteBuffer.wrap(payload), command.path("correlation").asInt(-1), answer);
        } catch (RuntimeException failure) {
            if (api(command) != ApiMessageType.API_VERSIONS) throw failure;
            // KIP-511: an unsupported version is answered with a body of version 0.
            decodeResponse(api(command), (short) 0, ByteBuffer.wrap(payload), -1, answer);
        }
    }

    private static void decodeResponse(
            ApiMessageType api, short version, ByteBuffer buffer, int correlation, ObjectNode answer) throws Exception {
        ResponseHeaderData header = new ResponseHeaderData(new ByteBufferAccessor(buffer), api.responseHeaderVersion(version));
        ApiMessage message = api.newResponse();
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) throw new IllegalStateException(buffer.remaining() + " bytes left over");
        answer.put("version", version);
        if (correlation >= 0 && header.correlationId() != correlation) answer.put("wrongCorrelation", header.correlationId());
        if (!message.unknownTaggedFields().isEmpty()) answer.put("unknownTags", message.unknownTaggedFields().size());
        answer.set("body", json(message, version));
    }

    private void decode(JsonNode command, ObjectNode answer) throws Exception {
        boolean response = command.path("response").asBoolean(false);
        ApiMessage message = response ? api(command).newResponse() : api(command).newRequest();
        ByteBuffer buffer = ByteBuffer.wrap(HexFormat.of().parseHex(command.get("hex").asText()));
        message.read(new ByteBufferAccessor(buffer), version(command));
        if (buffer.hasRemaining()) throw new IllegalStateException(buffer.remaining() + " bytes left over");
        answer.set("body", json(message, version(command)));
    }

    private static JsonNode json(ApiMessage message, short version) throws Exception {
        JsonNode body = (JsonNode) Class.forName(message.getClass().getName() + "JsonConverter")
            .getMethod("write", message.getClass(), short.class, boolean.class).invoke(null, message, version, false);
        if (message instanceof FetchResponseData fetch) describeFetched(fetch, body);
        return body;
    }

    // ---- records

    private static void describeFetched(FetchResponseData fetch, JsonNode body) {
        for (int t = 0; t < fetch.responses().size(); t++) {
            List<FetchResponseData.PartitionData> partitions = fetch.responses().get(t).partitions();
            for (int p = 0; p < partitions.size(); p++) {
                ObjectNode node = (ObjectNode) body.get("responses").get(t).get("partitions").get(p);
                node.remove("recordsSizeInBytes");
                BaseRecords records = partitions.get(p).records();
                if (records == null) node.putNull("records");
                else node.set("records", describe((MemoryRecords) records));
            }
        }
    }

    private static ArrayNode describe(MemoryRecords records) {
        ArrayNode batches = NODES.arrayNode();
        for (MutableRecordBatch batch : records.batches()) {
            ObjectNode node = batches.addObject();
            node.put("baseOffset", batch.baseOffset()).put("lastOffset", batch.lastOffset()).put("magic", batch.magic());
            node.put("leaderEpoch", batch.partitionLeaderEpoch()).put("producerId", batch.producerId());
            node.put("producerEpoch", batch.producerEpoch()).put("baseSequence", batch.baseSequence());
            node.put("codec", batch.compressionType().name).put("timestampType", batch.timestampType().name);
            node.put("maxTimestamp", batch.maxTimestamp()).put("control", batch.isControlBatch());
            node.put("transactional", batch.isTransactional()).put("valid", batch.isValid());
            node.put("sizeInBytes", batch.sizeInBytes()).put("count", batch.countOrNull());
            ArrayNode list = node.putArray("records");
            for (Record record : batch) {
                ObjectNode one = list.addObject();
                one.put("offset", record.offset()).put("timestamp", record.timestamp());
                one.put("key", text(record.key())).put("value", text(record.value()));
                for (Header header : record.headers())
                    one.withArray("headers").add(header.key()).add(header.value() == null ? null : new String(header.value(), StandardCharsets.UTF_8));
            }
        }
        // A batch that the limit cut off is no content: clients throw it away.
        return batches;
    }

    private static String text(ByteBuffer buffer) {
        if (buffer == null) return null;
        String text = StandardCharsets.UTF_8.decode(buffer.duplicate()).toString();
        return text.length() <= 64 ? text : text.substring(0, 32) + "... " + text.length() + " characters, hash " + text.hashCode();
    }

    private static byte[] records(JsonNode specifications) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (JsonNode specification : specifications) all.write(batch(specification));
        return all.toByteArray();
    }

    private static byte[] batch(JsonNode spec) {
        byte magic = (byte) spec.path("magic").asInt(2);
        ByteBuffer out = ByteBuffer.allocate(1024);
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(
            new ByteBufferOutputStream(out), magic,
            compression(spec.path("codec").asText("none")),
            TimestampType.CREATE_TIME, spec.path("baseOffset").asLong(0), -1L, spec.path("producerId").asLong(-1),
            (short) spec.path("producerEpoch").asInt(-1), spec.path("baseSequence").asInt(-1),
            spec.path("transactional").asBoolean(false), spec.path("control").asBoolean(false),
            spec.path("leaderEpoch").asInt(-1), Integer.MAX_VALUE);
        long offset = spec.path("baseOffset").asLong(0);
        for (JsonNode record : spec.get("records")) {
            List<Header> headers = new ArrayList<>();
            for (JsonNode header : record.path("headers"))
                headers.add(new RecordHeader(header.get(0).asText(), utf8(header.get(1))));
            ByteBuffer key = wrap(utf8(record.get("key"))), value = wrap(utf8(record.get("value")));
            long timestamp = record.get("timestamp").asLong();
            if (spec.path("control").asBoolean(false)) builder.appendControlRecord(timestamp, ControlRecordType.COMMIT, value);
            else builder.appendWithOffset(offset++, timestamp, key, value, headers.toArray(new Header[0]));
        }
        ByteBuffer built = builder.build().buffer();
        byte[] bytes = new byte[built.remaining()];
        built.get(bytes);
        return spec.has("patch") ? patch(bytes, spec) : bytes;
    }

    private static Compression compression(String name) {
        return Compression.of(CompressionType.forName(name)).build();
    }

    private static byte[] utf8(JsonNode text) {
        return text == null || text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }

    private static ByteBuffer wrap(byte[] bytes) {
        return bytes == null ? null : ByteBuffer.wrap(bytes);
    }

    /** Overwrites fields of a magic 2 header; "cut" shortens the bytes; the CRC is made right again unless it was given. */
    private static byte[] patch(byte[] bytes, JsonNode spec) {
        JsonNode patch = spec.get("patch");
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        if (patch.has("batchLength")) buffer.putInt(8, patch.get("batchLength").asInt());
        if (patch.has("magic")) buffer.put(16, (byte) patch.get("magic").asInt());
        if (patch.has("attributes")) buffer.putShort(21, (short) patch.get("attributes").asInt());
        if (patch.has("lastOffsetDelta")) buffer.putInt(23, patch.get("lastOffsetDelta").asInt());
        if (patch.has("baseTimestamp")) buffer.putLong(27, patch.get("baseTimestamp").asLong());
        if (patch.has("maxTimestamp")) buffer.putLong(35, patch.get("maxTimestamp").asLong());
        if (patch.has("producerId")) buffer.putLong(43, patch.get("producerId").asLong());
        if (patch.has("producerEpoch")) buffer.putShort(51, (short) patch.get("producerEpoch").asInt());
        if (patch.has("baseSequence")) buffer.putInt(53, patch.get("baseSequence").asInt());
        if (patch.has("recordsCount")) buffer.putInt(57, patch.get("recordsCount").asInt());
        if (patch.has("lastByte")) buffer.put(bytes.length - 1, (byte) patch.get("lastByte").asInt());
        if (patch.has("crc")) buffer.putInt(17, patch.get("crc").asInt());
        else {
            CRC32C crc = new CRC32C();
            crc.update(bytes, 21, bytes.length - 21);
            buffer.putInt(17, (int) crc.getValue());
        }
        int cut = patch.path("cut").asInt(0);
        return cut == 0 ? bytes : Arrays.copyOf(bytes, bytes.length - cut);
    }

    /** A message's schema, as shipped in the jar: fills in what a JSON body leaves out. */
    private record Schema(JsonNode fields, Map<String, JsonNode> structs) {
        private static final Map<String, Schema> LOADED = new HashMap<>();

        static Schema of(ApiMessage message) {
            String name = message.getClass().getSimpleName().replaceAll("Data$", "");
            return LOADED.computeIfAbsent(name, Schema::load);
        }

        private static Schema load(String name) {
            try (InputStream file = ApiMessageType.class.getResourceAsStream("/common/message/" + name + ".json")) {
                JsonNode schema = MAPPER.readTree(file);
                Map<String, JsonNode> structs = new HashMap<>();
                for (JsonNode struct : schema.path("commonStructs")) structs.put(struct.get("name").asText(), struct.get("fields"));
                return new Schema(schema.get("fields"), structs);
            } catch (IOException failure) {
                throw new IllegalStateException("schema of " + name, failure);
            }
        }

        void fill(ObjectNode body, short version) {
            fill(body, fields, version);
        }

        private void fill(ObjectNode body, JsonNode fields, short version) {
            for (JsonNode field : fields) {
                String name = field.get("name").asText();
                String key = Character.toLowerCase(name.charAt(0)) + name.substring(1);
                String type = field.get("type").asText();
                if (!within(field.get("versions").asText(), version)) {
                    body.remove(key);
                    continue;
                }
                boolean tagged = field.has("tag") && within(field.path("taggedVersions").asText("none"), version);
                if (!body.has(key)) {
                    if (tagged) continue;
                    body.set(key, defaultOf(field, type, version));
                }
                JsonNode inner = struct(field, type.replace("[]", ""));
                if (inner == null) continue;
                if (type.startsWith("[]"))
                    for (JsonNode element : body.get(key)) fill((ObjectNode) element, inner, version);
                else if (body.get(key).isObject()) fill((ObjectNode) body.get(key), inner, version);
            }
        }

        private JsonNode struct(JsonNode field, String type) {
            return field.has("fields") ? field.get("fields") : structs.get(type);
        }

        private JsonNode defaultOf(JsonNode field, String type, short version) {
            String given = field.path("default").asText(null);
            if ("null".equals(given)) return NODES.nullNode();
            if (type.startsWith("[]")) return NODES.arrayNode();
            return switch (type) {
                case "bool" -> NODES.booleanNode(Boolean.parseBoolean(given));
                case "string" -> NODES.textNode(given == null ? "" : given);
                case "uuid" -> NODES.textNode(Uuid.ZERO_UUID.toString());
                case "bytes" -> NODES.textNode("");
                case "records" -> NODES.nullNode();
                case "float64" -> NODES.numberNode(given == null ? 0.0 : Double.parseDouble(given));
                case "int8", "int16", "uint16", "int32", "uint32", "int64" -> NODES.numberNode(given == null ? 0L : Long.decode(given));
                default -> NODES.objectNode();
            };
        }

        ObjectNode random(Random generator, short version) {
            return random(generator, fields, version);
        }

        private ObjectNode random(Random generator, JsonNode fields, short version) {
            ObjectNode body = NODES.objectNode();
            for (JsonNode field : fields) {
                String name = field.get("name").asText();
                String type = field.get("type").asText();
                if (!within(field.get("versions").asText(), version)) continue;
                boolean tagged = field.has("tag") && within(field.path("taggedVersions").asText("none"), version);
                if (tagged && generator.nextBoolean()) continue;
                boolean nullable = within(field.path("nullableVersions").asText("none"), version);
                body.set(Character.toLowerCase(name.charAt(0)) + name.substring(1),
                    nullable && generator.nextInt(4) == 0 ? NODES.nullNode() : random(generator, field, type, version));
            }
            return body;
        }

        private JsonNode random(Random generator, JsonNode field, String type, short version) {
            if (type.startsWith("[]")) {
                ArrayNode list = NODES.arrayNode();
                for (int i = generator.nextInt(4); i > 0; i--) list.add(random(generator, field, type.substring(2), version));
                return list;
            }
            JsonNode inner = struct(field, type);
            if (inner != null) return random(generator, inner, version);
            return switch (type) {
                case "bool" -> NODES.booleanNode(generator.nextBoolean());
                case "string" -> NODES.textNode("é☃ text".substring(generator.nextInt(7)).repeat(generator.nextInt(30)));
                case "uuid" -> NODES.textNode(new Uuid(generator.nextLong(), generator.nextLong()).toString());
                case "bytes", "records" -> {
                    byte[] content = new byte[generator.nextInt(200)];
                    generator.nextBytes(content);
                    yield NODES.textNode(Base64.getEncoder().encodeToString(content));
                }
                case "float64" -> NODES.numberNode(generator.nextDouble());
                case "int8" -> NODES.numberNode((byte) generator.nextInt());
                case "int16" -> NODES.numberNode((short) generator.nextInt());
                case "uint16" -> NODES.numberNode(generator.nextInt(65536));
                case "int32" -> NODES.numberNode(generator.nextInt());
                case "uint32" -> NODES.numberNode(generator.nextInt() & 0xFFFFFFFFL);
                case "int64" -> NODES.numberNode(generator.nextLong());
                default -> throw new IllegalStateException("no such type: " + type);
            };
        }

        private static boolean within(String range, short version) {
            if (range.equals("none")) return false;
            if (range.endsWith("+")) return version >= Integer.parseInt(range.substring(0, range.length() - 1));
            String[] ends = range.split("-");
            return version >= Integer.parseInt(ends[0]) && version <= Integer.parseInt(ends[ends.length - 1]);
        }
    }
}

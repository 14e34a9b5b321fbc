import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client as a writer and as a reader of lots: Interop write|read PLAN. */
public final class Interop {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final int CHECKED_FROM_THE_MIDDLE = 20;
  /** The records are older than the broker would keep them. */
  private static final Map<String, String> TOPIC_CONFIG = Map.of("retention.ms", "-1");

  private record Plan(String bootstrap, List<Lot> lots) {}

  private record Lot(
      String topic,
      int partitions,
      int records,
      long seed,
      long firstTimestampMs,
      String codec,
      String acks,
      boolean idempotent,
      boolean nullHeaderValues) {}

  private record LotRecord(
      int partition, long offset, long timestampMs, byte[] key, byte[] value, List<Header> headers) {}

  private record Result(int records, String problem) {}

  /** xorshift32. */
  private static final class Draws {
    private int state;

    Draws(int state) {
      this.state = state == 0 ? 1 : state;
    }

    int draw() {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state;
    }

    int below(int end) {
      return Integer.remainderUnsigned(draw(), end);
    }

    byte[] bytes(int count) {
      byte[] bytes = new byte[count];
      int word = 0;
      for (int at = 0; at < count; at++) {
        word = at % 4 == 0 ? draw() : word >>> 8;
        bytes[at] = (byte) word;
      }
      return bytes;
    }
  }

  private static LotRecord recordOf(Lot lot, int index) {
    Draws draws = new Draws((int) lot.seed() ^ (index + 1) * 0x9e3779b1);
    byte[] key =
        switch (index % 25) {
          case 7 -> null;
          case 13 -> new byte[0];
          default -> draws.bytes(8 + draws.below(17));
        };
    byte[] value = valueOf(draws, index);
    List<Header> headers = new ArrayList<>();
    int count = draws.below(4);
    for (int place = 0; place < count; place++) {
      String name = index % 10 == 9 ? "same" : "h" + "abc".charAt(place);
      int kind = draws.below(6);
      byte[] bytes =
          kind == 0 && lot.nullHeaderValues()
              ? null
              : kind <= 1 ? new byte[0] : draws.bytes(1 + draws.below(20));
      headers.add(new RecordHeader(name, bytes));
    }
    long timestampMs = lot.firstTimestampMs() + 10L * index - 37 * (index % 7);
    return new LotRecord(index % lot.partitions(), index / lot.partitions(), timestampMs, key, value, headers);
  }

  private static byte[] valueOf(Draws draws, int index) {
    if (index % 25 == 3) return null;
    if (index % 25 == 11) return new byte[0];
    if (index % 625 == 500) {
      byte[] block = draws.bytes(60_000);
      byte[] value = new byte[15 * block.length];
      for (int at = 0; at < value.length; at += block.length) {
        System.arraycopy(block, 0, value, at, block.length);
      }
      return value;
    }
    byte[] value = draws.bytes(draws.below(400));
    for (int at = 0; at < value.length; at++) value[at] = (byte) (97 + (value[at] & 15));
    return value;
  }

  private static List<LotRecord> recordsOf(Lot lot) {
    return IntStream.range(0, lot.records()).mapToObj(index -> recordOf(lot, index)).toList();
  }

  private static void createTopics(Plan plan) throws ExecutionException, InterruptedException {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", plan.bootstrap()))) {
      List<NewTopic> topics =
          plan.lots().stream()
              .map(lot -> new NewTopic(lot.topic(), lot.partitions(), (short) 1).configs(TOPIC_CONFIG))
              .toList();
      admin.createTopics(topics).all().get();
    }
  }

  private static Result write(Plan plan, Lot lot) throws InterruptedException {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", plan.bootstrap());
    config.put("acks", lot.acks());
    config.put("enable.idempotence", lot.idempotent());
    config.put("compression.type", lot.codec());
    config.put("linger.ms", 5);
    config.put("delivery.timeout.ms", (int) TIMEOUT.toMillis());
    config.put("request.timeout.ms", (int) TIMEOUT.toMillis() / 2);
    List<LotRecord> records = recordsOf(lot);
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (LotRecord r : records) {
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    lot.topic(), r.partition(), r.timestampMs(), r.key(), r.value(), r.headers())));
      }
    }
    for (int index = 0; index < sent.size(); index++) {
      long expected = records.get(index).offset();
      try {
        long offset = sent.get(index).get().offset();
        if (!lot.acks().equals("0") && offset != expected) {
          return new Result(index, "appended at " + offset + ", expected " + expected);
        }
      } catch (ExecutionException error) {
        return new Result(index, "offset " + expected + ": " + error.getCause());
      }
    }
    return new Result(sent.size(), null);
  }

  private static Result read(Plan plan, Lot lot) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", plan.bootstrap());
    config.put("enable.auto.commit", false);
    config.put("auto.offset.reset", "none");
    // A fetch that waits holds up the other requests to the broker.
    config.put("fetch.max.wait.ms", 20);
    // Read committed, as most who care set it: without transactions it is the same.
    config.put("isolation.level", "read_committed");
    int records = 0;
    String problem = null;
    try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      for (int partition = 0; partition < lot.partitions(); partition++) {
        Result result = checkPartition(consumer, lot, new TopicPartition(lot.topic(), partition));
        records += result.records();
        if (problem == null) problem = result.problem();
      }
    }
    return new Result(records, problem);
  }

  private static Result checkPartition(KafkaConsumer<byte[], byte[]> consumer, Lot lot, TopicPartition place) {
    List<LotRecord> expected =
        recordsOf(lot).stream().filter(record -> record.partition() == place.partition()).toList();
    consumer.assign(List.of(place));
    long first = consumer.beginningOffsets(List.of(place)).get(place);
    long end = consumer.endOffsets(List.of(place)).get(place);
    if (first != 0) return new Result(0, place + " begins at " + first);
    List<LotRecord> read = readFrom(consumer, place, 0, (int) end);
    String problem = compare(read, expected);
    if (problem == null) {
      int offset = 2 * expected.size() / 5;
      problem = checkMiddle(consumer, place, offset, expected);
    }
    if (problem == null) problem = checkTimes(consumer, place, expected);
    return new Result(read.size(), problem);
  }

  private static String checkMiddle(
      KafkaConsumer<byte[], byte[]> consumer, TopicPartition place, int offset, List<LotRecord> expected) {
    List<LotRecord> read = readFrom(consumer, place, offset, CHECKED_FROM_THE_MIDDLE);
    return compare(read, expected.subList(offset, offset + CHECKED_FROM_THE_MIDDLE));
  }

  private static String checkTimes(
      KafkaConsumer<byte[], byte[]> consumer, TopicPartition place, List<LotRecord> expected) {
    long timestampMs = expected.get(3 * expected.size() / 5).timestampMs() + 1;
    long late = expected.stream().mapToLong(LotRecord::timestampMs).max().orElseThrow() + 1;
    long offset =
        expected.stream().filter(record -> record.timestampMs() >= timestampMs).findFirst().orElseThrow().offset();
    List<Long> found = new ArrayList<>();
    for (long time : List.of(timestampMs, 0L, late)) {
      OffsetAndTimestamp answer = consumer.offsetsForTimes(Map.of(place, time)).get(place);
      found.add(answer == null ? -1 : answer.offset());
    }
    List<Long> wanted = List.of(offset, 0L, -1L);
    if (!found.equals(wanted)) return place + ": offsets by time " + found + ", not " + wanted;
    return checkMiddle(consumer, place, (int) offset, expected);
  }

  private static List<LotRecord> readFrom(
      KafkaConsumer<byte[], byte[]> consumer, TopicPartition place, long offset, int count) {
    consumer.seek(place, offset);
    List<LotRecord> read = new ArrayList<>();
    while (read.size() < count) {
      var polled = consumer.poll(TIMEOUT);
      if (polled.isEmpty()) break;
      for (ConsumerRecord<byte[], byte[]> r : polled) {
        if (read.size() == count) break;
        List<Header> headers = Arrays.asList(r.headers().toArray());
        read.add(new LotRecord(r.partition(), r.offset(), r.timestamp(), r.key(), r.value(), headers));
      }
    }
    return read;
  }

  /** The first difference, or null. */
  private static String compare(List<LotRecord> read, List<LotRecord> expected) {
    for (int index = 0; index < Math.min(read.size(), expected.size()); index++) {
      LotRecord r = read.get(index);
      LotRecord e = expected.get(index);
      String at = "partition " + e.partition() + ", offset " + e.offset();
      if (r.partition() != e.partition() || r.offset() != e.offset()) {
        return "expected " + at + ", read partition " + r.partition() + ", offset " + r.offset();
      }
      if (r.timestampMs() != e.timestampMs()) return at + ": timestamp " + r.timestampMs();
      if (!Arrays.equals(r.key(), e.key())) return at + ": key";
      if (!Arrays.equals(r.value(), e.value())) return at + ": value";
      if (!sameHeaders(r.headers(), e.headers())) return at + ": headers";
    }
    if (read.size() == expected.size()) return null;
    return "read " + read.size() + " records, expected " + expected.size();
  }

  private static boolean sameHeaders(List<Header> read, List<Header> expected) {
    return read.size() == expected.size()
        && IntStream.range(0, read.size())
            .allMatch(
                place ->
                    read.get(place).key().equals(expected.get(place).key())
                        && Arrays.equals(read.get(place).value(), expected.get(place).value()));
  }

  private static void report(Lot lot, Result result) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("topic", lot.topic());
    line.put("records", result.records());
    line.put("problem", result.problem());
    System.out.write((JSON.writeValueAsString(line) + "\n").getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2 || !List.of("write", "read").contains(arguments[0])) {
      System.err.println("usage: Interop write|read PLAN");
      System.exit(2);
    }
    boolean writes = arguments[0].equals("write");
    Plan plan = JSON.readValue(new File(arguments[1]), Plan.class);
    if (writes) createTopics(plan);
    for (Lot lot : plan.lots()) report(lot, writes ? write(plan, lot) : read(plan, lot));
  }
}

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/** The Java client as a member of a group: Member member PLAN. What it prints, ../../README.md says. */
public final class Member implements ConsumerRebalanceListener {
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Map<String, String> ASSIGNORS =
      Map.of(
          "range", "org.apache.kafka.clients.consumer.RangeAssignor",
          "cooperative", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

  private record Plan(
      String bootstrap,
      String group,
      String topic,
      String assignor,
      String instanceId,
      String clientId,
      int sessionTimeoutMs,
      int heartbeatIntervalMs,
      int commitIntervalMs) {}

  private final Plan plan;
  private final KafkaConsumer<String, String> consumer;

  /** What is processed and not committed: the ends, by partition. */
  private final Map<Integer, Long> uncommitted = new TreeMap<>();

  private volatile boolean stopped;

  private Member(Plan plan) {
    this.plan = plan;
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", plan.bootstrap());
    config.put("client.id", plan.clientId());
    config.put("group.id", plan.group());
    config.put("group.protocol", "classic");
    config.put("partition.assignment.strategy", ASSIGNORS.get(plan.assignor()));
    config.put("session.timeout.ms", plan.sessionTimeoutMs());
    config.put("heartbeat.interval.ms", plan.heartbeatIntervalMs());
    config.put("enable.auto.commit", false);
    config.put("auto.offset.reset", "earliest");
    config.put("fetch.max.wait.ms", (int) POLL.toMillis());
    if (plan.instanceId() != null) config.put("group.instance.id", plan.instanceId());
    consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  private static void say(String line) {
    byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
    System.out.write(bytes, 0, bytes.length);
    System.out.flush();
  }

  private static String numbers(Collection<TopicPartition> places) {
    if (places.isEmpty()) return "-";
    return places.stream().map(place -> String.valueOf(place.partition())).collect(Collectors.joining(","));
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
    say("assigned " + numbers(assigned));
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
    commit();
    gone("revoked", revoked);
  }

  @Override
  public void onPartitionsLost(Collection<TopicPartition> lost) {
    gone("lost", lost);
  }

  private void gone(String how, Collection<TopicPartition> places) {
    for (TopicPartition place : places) uncommitted.remove(place.partition());
    say(how + " " + numbers(places));
  }

  private void commit() {
    if (uncommitted.isEmpty()) return;
    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
    uncommitted.forEach(
        (partition, end) -> offsets.put(new TopicPartition(plan.topic(), partition), new OffsetAndMetadata(end)));
    try {
      consumer.commitSync(offsets);
    } catch (KafkaException error) {
      say("commit-failed " + error.toString().replace('\n', ' '));
      return;
    }
    List<String> ends =
        uncommitted.entrySet().stream().map(entry -> entry.getKey() + ":" + entry.getValue()).toList();
    say("committed " + String.join(",", ends));
    uncommitted.clear();
  }

  private void run() {
    consumer.subscribe(List.of(plan.topic()), this);
    long dueNs = System.nanoTime();
    while (!stopped) {
      for (ConsumerRecord<String, String> r : consumer.poll(POLL)) {
        say("record " + r.partition() + " " + r.offset() + " " + r.key() + " " + r.value());
        uncommitted.put(r.partition(), r.offset() + 1);
      }
      if (System.nanoTime() - dueNs >= 0) {
        commit();
        dueNs = System.nanoTime() + Duration.ofMillis(plan.commitIntervalMs()).toNanos();
      }
    }
    // Revokes, which commits.
    consumer.close();
    say("left");
  }

  /** Standard input ends when the member is to leave. */
  private void stopWithInput() {
    Thread waiting =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {}
              } catch (IOException error) {
                say("problem " + error);
              }
              stopped = true;
            });
    waiting.setDaemon(true);
    waiting.start();
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length != 2 || !arguments[0].equals("member")) {
      System.err.println("usage: Member member PLAN");
      System.exit(2);
    }
    Member member = new Member(new ObjectMapper().readValue(arguments[1], Plan.class));
    member.stopWithInput();
    member.run();
  }
}

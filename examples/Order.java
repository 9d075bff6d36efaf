// Orders a certificate and waits until it is stored. Needs RabbitMQ's client (Debian: apt-get install -y librabbitmq-client-java):
// AMQP_URL=amqp://… java -cp '/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar' Order.java www.example.org
import com.rabbitmq.client.*;
import java.nio.charset.StandardCharsets;
import java.util.*; import java.util.concurrent.*;
public class Order {
  static final String ENDS = "certificate.stored|command.(rejected|failed)|order.(rejected|cancelled|review)";
  public static void main(String[] arguments) throws Exception {
    String id = UUID.randomUUID().toString(); // of this order: keep it when sending again
    byte[] command = String.format("{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"//shop.example/java\","
        + "\"type\":\"certline.command.order.v1\",\"data\":{\"common_name\":\"%s\",\"term\":90,"
        + "\"organization\":\"Nordhafen University\",\"profile\":\"OV Multi-Domain SSL\"}}", id, arguments[0]).getBytes(StandardCharsets.UTF_8);
    BlockingQueue<String[]> heard = new LinkedBlockingQueue<>();
    ConnectionFactory factory = new ConnectionFactory();
    factory.setUri(System.getenv("AMQP_URL"));
    try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
      String queue = "shop." + id; // starts with the user's name; deleted after a day unused
      channel.queueDeclare(queue, true, false, false, Map.of("x-expires", 86_400_000));
      channel.queueBind(queue, "certline.events", "sender.shop.#"); // what concerns this sender
      channel.confirmSelect();
      AMQP.BasicProperties sent = new AMQP.BasicProperties.Builder().deliveryMode(2).messageId(id).userId("shop").build();
      channel.basicConsume(queue, true, new DefaultConsumer(channel) {
        @Override public void handleDelivery(String tag, Envelope envelope, AMQP.BasicProperties given, byte[] body) {
          heard.add(new String[] {envelope.getRoutingKey(), new String(body, StandardCharsets.UTF_8)});
        }
      });
      String[] event = null; // routing key (the event's type) and body
      while (event == null || !event[1].contains(id) || !event[0].matches(ENDS)) {
        if (event == null) { // first time, or no event for a minute: sending again is always safe
          channel.basicPublish("certline.commands", "order", true, sent, command);
          channel.waitForConfirmsOrDie(10_000);
        }
        event = heard.poll(60, TimeUnit.SECONDS);
        if (event != null && event[1].contains(id)) System.out.println(event[0] + " " + event[1]);
      }
      channel.queueDelete(queue);
      System.exit(event[0].equals("certificate.stored") ? 0 : 1);
    }
  }
}

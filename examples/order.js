// Orders a certificate and waits until it is stored: AMQP_URL=amqp://… node order.js www.example.org
const { randomUUID } = require("node:crypto");
const amqp = require("amqplib");

const command = {
  specversion: "1.0",
  id: randomUUID(), // of this order: keep it when sending again
  source: "//shop.example/javascript",
  type: "certline.command.order.v1",
  data: { common_name: process.argv[2], organization: "Nordhafen University", profile: "OV Multi-Domain SSL", term: 90 },
};
const ends = ["certificate.stored", "command.rejected", "command.failed", "order.rejected", "order.cancelled", "order.review"];

async function main() {
  const connection = await amqp.connect(process.env.AMQP_URL);
  const channel = await connection.createConfirmChannel();
  const queue = `shop.${command.id}`; // starts with the user's name; deleted after a day unused
  await channel.assertQueue(queue, { durable: true, expires: 86_400_000 });
  await channel.bindQueue(queue, "certline.events", "sender.shop.#"); // what concerns this sender
  const send = () => {
    const options = { persistent: true, mandatory: true, messageId: command.id, userId: "shop" };
    channel.publish("certline.commands", "order", Buffer.from(JSON.stringify(command)), options);
    return channel.waitForConfirms();
  };
  await send();
  const again = setInterval(() => send().catch(console.error), 60_000); // sending again is always safe
  const kind = await new Promise((resolve) =>
    channel.consume(queue, (message) => {
      if (message === null) return; // the queue was deleted
      const event = JSON.parse(message.content);
      if (event.correlationid === command.id) console.log(event.type, JSON.stringify(event.data));
      channel.ack(message);
      if (event.correlationid === command.id && ends.includes(event.type)) resolve(event.type);
    }));
  clearInterval(again);
  await channel.deleteQueue(queue);
  await connection.close();
  process.exitCode = kind === "certificate.stored" ? 0 : 1;
}
main().catch((error) => { console.error(error.message); process.exitCode = 1; });

"""Orders a certificate and waits until it is stored: AMQP_URL=amqp://… python order.py www.example.org"""

import json
import os
import sys
import uuid

import pika

order = {"common_name": sys.argv[1], "organization": "Nordhafen University", "term": 90}
command = {
    "specversion": "1.0",
    "id": str(uuid.uuid4()),  # of this order: keep it when sending again
    "source": "//shop.example/python",
    "type": "certline.command.order.v1",
    "data": order | {"profile": "OV Multi-Domain SSL"},
}
ENDS = ("certificate.stored", "command.rejected", "command.failed", "order.rejected")
ENDS += ("order.cancelled", "order.review")

with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    queue = f"shop.{command['id']}"  # starts with the user's name; deleted after a day unused
    channel.queue_declare(queue, durable=True, arguments={"x-expires": 86_400_000})
    channel.queue_bind(queue, "certline.events", "sender.shop.#")  # what concerns this sender
    kind = ""
    while kind not in ENDS:  # no event for a minute: send it again, which is always safe
        properties = pika.BasicProperties(delivery_mode=2, message_id=command["id"], user_id="shop")
        channel.basic_publish("certline.commands", "order", json.dumps(command), properties, True)
        for method, _, body in channel.consume(queue, auto_ack=True, inactivity_timeout=60):
            event = json.loads(body or "{}")
            if event.get("correlationid") == command["id"]:
                kind = event["type"]
                print(kind, json.dumps(event["data"]))
            if method is None or kind in ENDS:
                break
        channel.cancel()
    channel.queue_delete(queue)
sys.exit(kind != "certificate.stored")

#!/bin/sh
# Orders a certificate and waits until it is stored: AMQP_URL=amqp://… sh order.sh www.example.org
# Needs amqp-tools and jq (Debian: apt-get install -y amqp-tools jq).
set -eu
id=$(cat /proc/sys/kernel/random/uuid) # of this order: keep it when sending again
command=$(jq -cn --arg id "$id" --arg name "$1" '{
  specversion: "1.0", id: $id, source: "//shop.example/shell", type: "certline.command.order.v1",
  data: {common_name: $name, organization: "Nordhafen University", profile: "OV Multi-Domain SSL", term: 90}
}')
folder=$(mktemp -d)
mkfifo "$folder/events"

# The queue's name starts with the user's. The queue is deleted with its connection; sending the command again makes
# certline publish its last event again.
amqp-consume -u "$AMQP_URL" -q "shop.$id" -x -e certline.events -r '#' jq . > "$folder/events" &
listener=$!
sleep 1 # most likely enough for it to bind its queue
while amqp-publish -u "$AMQP_URL" -e certline.commands -r order -p -b "$command"; do
  sleep 30 > /dev/null 2>&1 # then send again, which is always safe
done &
sender=$!
trap 'kill "$listener" "$sender" 2> /dev/null || true; rm -r "$folder"' EXIT

jq --unbuffered -r --arg id "$id" 'select(.correlationid == $id) | "\(.type) \(.data)"' < "$folder/events" | {
  while read -r kind data; do
    printf '%s %s\n' "$kind" "$data"
    case $kind in
      certificate.stored) kill "$listener" && exit 0 ;;
      *.rejected | command.failed | order.cancelled | order.review) kill "$listener" && exit 1 ;;
    esac
  done
  exit 1 # the connection to RabbitMQ was lost
}

#!/bin/sh
# Makes the passwords and the secret key of an installation in containers, once: whatever .env lacks is added to it.
# `make up` runs this first. What is there, or set in the environment, is never changed.
set -eu
cd "$(dirname "$0")/.."
umask 077
touch .env
chmod 600 .env
made=

lacks() {
    eval "given=\${$1:-}"
    [ -z "$given" ] && ! grep -Eq "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*[^[:space:]]" .env
}

add() {
    # A last line without its end would swallow the variable.
    [ -z "$(tail -c 1 .env)" ] || echo >> .env
    echo "$1=$2" >> .env
    made="$made $1"
}

if ! lacks CERTLINE_SECRET_KEY && lacks POSTGRES_PASSWORD; then
    echo "note: .env has a secret key, but no passwords. If this installation was started by an earlier version, its" >&2
    echo "      Postgres still has the password 'certline': docs/compose.md#from-a-version-with-default-passwords" >&2
fi
for name in POSTGRES_PASSWORD POSTGRES_APP_PASSWORD POSTGRES_BOARD_PASSWORD BOARD_PASSWORD \
    RABBITMQ_WORKER_PASSWORD RABBITMQ_RELAY_PASSWORD RABBITMQ_INGRESS_PASSWORD GRAFANA_ADMIN_PASSWORD; do
    # 32 bytes in hexadecimal: these become parts of URLs.
    if lacks "$name"; then add "$name" "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')"; fi
done
if lacks CERTLINE_SECRET_KEY; then
    # A Fernet key: 32 bytes, in base64 for URLs.
    add CERTLINE_SECRET_KEY "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')"
    echo "A secret key was made in .env. Keep a copy outside this machine: without it no stored key can be read." >&2
fi
[ -z "$made" ] || echo "Made in .env (readable by its owner only):$made" >&2

"""Write definitions for RabbitMQ in which each part of certline has its password, from the environment.

    RABBITMQ_WORKER_PASSWORD=… … python passwords.py definitions.json OUTPUT

Users of other systems are left out, with their permissions: they have no password in the file, and RabbitMQ would
remove the one that an operator has given them. Only salted hashes are written. Needs the standard library only.
"""

import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

PARTS = "certline-"


def hash_of(password: str, salt: bytes) -> str:
    """Return a password as RabbitMQ stores it: base64 of four bytes of salt, and the SHA-256 of both."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def variable_of(user: str) -> str:
    """Return the name of the variable with the user's password, such as RABBITMQ_WORKER_PASSWORD."""
    return f"RABBITMQ_{user.removeprefix(PARTS).upper().replace('-', '_')}_PASSWORD"


def filled(definitions: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Return the definitions with the parts' passwords, and no other user. Raises KeyError if one is missing."""
    users = [
        user | {"password_hash": hash_of(environment[variable_of(user["name"])], os.urandom(4))}
        for user in definitions["users"]
        if user["name"].startswith(PARTS)
    ]
    names = {user["name"] for user in users}
    kept = {
        what: [each for each in listed if each["user"] in names]
        for what, listed in definitions.items()
        if what in ("permissions", "topic_permissions")
    }
    return definitions | kept | {"users": users}


def main(source: str, output: str) -> None:
    """Read the definitions and write them with passwords; the file is replaced at once."""
    environment = {name: value for name, value in os.environ.items() if value}
    try:
        definitions = filled(json.loads(Path(source).read_text("utf-8")), environment)
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set: RabbitMQ's user would have no password")
    draft = Path(f"{output}.draft")
    draft.write_text(json.dumps(definitions), "utf-8")
    draft.chmod(0o644)  # RabbitMQ runs as a user of its own
    draft.replace(output)


if __name__ == "__main__":
    main(*sys.argv[1:])

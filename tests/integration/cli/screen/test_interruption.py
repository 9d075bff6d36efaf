"""CLI tests of Ctrl-C while waiting: the command goes on, and its id is in the document."""

import json
import os
import signal
import subprocess
import sys

from tests.integration.cli.conftest import Typist
from tests.support.factories import an_account


def test_an_interrupted_wait_leaves_the_id_of_its_command(typist: Typist) -> None:
    with typist.database.transaction() as db:
        an_account(db, name="hafen")
    words = ["sync", "--account", "hafen", "--wait", "--json"]
    # A process that was started in the background ignores Ctrl-C, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "certline", *words],
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    assert "queued" in process.stderr.readline()  # it waits now
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    document = json.loads(out)
    assert process.returncode == 130
    assert (document["type"], document["status"]) == ("sync", "queued")
    assert f"certline command wait {document['id']}" in err
    assert typist.json("command", "show", document["id"])["status"] == "queued"

"""Tests of webhook signatures: the specification's own example, and a receiver's check."""

import base64
import hashlib
import hmac

from certline.workers.webhooks.signature import new_secret, signed


def test_the_specifications_example_has_the_specifications_signature() -> None:
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_new_secret_has_the_form_and_the_length_that_receivers_expect() -> None:
    secret = new_secret()

    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != new_secret()


def test_id_time_and_body_are_all_signed() -> None:
    secret = new_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))

    headers = signed(secret, "01", 17, b"\xff{}")

    wanted = base64.b64encode(hmac.new(key, b"01.17.\xff{}", hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    others = [signed(secret, "02", 17, b"\xff{}"), signed(secret, "01", 18, b"\xff{}")]
    assert headers["webhook-signature"] not in {other["webhook-signature"] for other in others}

"""A real mail server (SMTP, aiosmtpd), which keeps what it has received, and does what a test wants of it."""

import email
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.policy import default

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailServer:
    """What the server has received, and its response to each mail (`250 OK`: it takes it)."""

    port: int = 0
    response: str = "250 OK"
    mails: list[Message] = field(default_factory=list)
    tried: int = 0

    @property
    def url(self) -> str:
        """URL by which notices are sent to it, in plain text."""
        words = "from=certline@nordhafen.example&to=ops@nordhafen.example&mode=insecure"
        return f"mailto://127.0.0.1:{self.port}?{words}"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Keep a mail, unless the response refuses it."""
        self.tried += 1
        if self.response.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.mails.append(email.message_from_bytes(content, policy=default))
        return self.response


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Yield a mail server on a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served = MailServer(port)
    controller = Controller(served, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield served
    finally:
        controller.stop()


def text_of(mail: Message) -> str:
    """Return the text of a mail, with the line ends of Unix."""
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")

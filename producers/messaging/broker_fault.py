"""Words for an error of RabbitMQ or of its client; they end a sentence that begins with RabbitMQ's address."""

import socket
import ssl

from pika.exceptions import (
    AuthenticationError,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)


def broker_fault(error: BaseException) -> str:
    """Return what went wrong, and what to do if the cause is in `CERTLINE_RABBITMQ_URL`."""
    match error:
        case ProbableAuthenticationError() | AuthenticationError():
            return (
                "refuses the login: the user name or the password in CERTLINE_RABBITMQ_URL is wrong "
                "(special characters in them are written percent-encoded)"
            )
        case ProbableAccessDeniedError():
            return (
                "refuses the vhost in CERTLINE_RABBITMQ_URL: it does not exist, or the user has no "
                "permissions in it (its slash is written %2F)"
            )
        case IncompatibleProtocolError():
            return (
                "does not speak AMQP 0-9-1: is it RabbitMQ's port (5672, or 5671 with amqps://), "
                "and does the port expect TLS?"
            )
    inner = _innermost(error)
    match inner:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted: {inner.verify_message}"
        case ssl.SSLError():
            return f"fails in TLS ({inner.reason or 'no reason given'}): is amqps:// right for its port?"
        case socket.gaierror():
            return f"cannot be found: {inner.strerror}"
        case TimeoutError():
            return "does not answer: timed out"
        case OSError() if inner.strerror:
            return f"does not answer: {inner.strerror}"
        case ValueError() | TypeError():
            return (
                "has an address with an invalid option: check CERTLINE_RABBITMQ_URL after its `?`"
            )
    return f"does not answer ({type(inner).__name__})"


def _innermost(error: BaseException) -> BaseException:
    """Return the error that pika has wrapped in others: in `args`, `exception` or `exceptions`."""
    for inner in (
        *getattr(error, "exceptions", ()),
        getattr(error, "exception", None),
        *error.args,
    ):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return error

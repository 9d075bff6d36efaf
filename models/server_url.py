"""URLs of Postgres and RabbitMQ: what is wrong with one, and how to show one, both without its password."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.IGNORECASE)
# A host name, an IPv4 address, or an IPv6 address in brackets.
HOST = re.compile(r"[\w.-]{1,253}|\[[0-9a-f:.]{2,45}(?:%[\w.-]+)?\]", re.IGNORECASE)
PORT = re.compile(r"0*([1-9][0-9]{0,4})")
MOST_PORT = 65_535
# The names of parameters whose value is secret, or contains a secret (pika's `ssl_options`).
SECRET = re.compile(r"pass(?!file)|pwd|secret|token|ssl_options", re.IGNORECASE)
# A parameter of libpq's other form: `host=db password='a secret'`.
KEYWORD = re.compile(r"(\w+)(\s*=\s*)('(?:[^'\\]|\\.)*(?:'|$)|(?:[^\s\\]|\\.)*)", re.DOTALL)
HIDDEN = "***"
ENCODE = (
    "in a user name or password, write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25 "
    "and a blank as %20"
)


@dataclass(frozen=True)
class ServerKind:
    """A kind of server: its name, the schemes of its URLs, and an example of one."""

    name: str
    schemes: tuple[str, ...]
    example: str
    has_socket: bool  # True if a URL without a host means the server's local socket


POSTGRES = ServerKind(
    "Postgres",
    ("postgresql", "postgres", "postgresql+psycopg"),
    "postgresql://user:password@host:5432/database",
    has_socket=True,
)
RABBITMQ = ServerKind(
    "RabbitMQ", ("amqp", "amqps"), "amqp://user:password@host:5672/vhost", has_socket=False
)


def url_fault(url: str, kind: ServerKind) -> str | None:
    """Return what is wrong with a server's URL, and what to do; None if it is well-formed.

    The text contains the scheme at most, because anything else may be a part of a misread password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return f"is not a URL; expected {kind.example}"
    if scheme.lower() not in kind.schemes:
        return f"{scheme.lower()}:// is not a URL of {kind.name}; expected {kind.example}"
    if any(character.isspace() or not character.isprintable() for character in rest):
        return f"contains a blank or a control character; {ENCODE}"
    address, _, query = rest.partition("?")
    authority, _, path = address.partition("/")
    user, at, place = authority.rpartition("@")
    # A password with one of these characters ends the part of the URL that it belongs to too early.
    misread = "@" in path or user.count(":") > 1 or "@" in user or "#" in rest
    if misread or any("@" in part and "=" not in part for part in query.split("&")):
        return f"is ambiguous: {ENCODE}; expected {kind.example}"
    if kind is RABBITMQ and "/" in path.rstrip("/"):
        return "names a vhost with a slash in it; write the slash as %2F"
    return _fault_of_place(place, kind, has_login=bool(at))


def _fault_of_place(place: str, kind: ServerKind, *, has_login: bool) -> str | None:
    """Return what is wrong with `host:port`, or with several of them where Postgres allows that."""
    for each in place.split(",") if kind is POSTGRES else [place]:
        host, port = _split(each)
        if port is not None:
            found = PORT.fullmatch(port)
            if found is None or int(found[1]) > MOST_PORT:
                hint = "" if has_login else f"; {ENCODE}"
                return f"has no valid port: it should be 1 to {MOST_PORT}{hint}"
        if not host and not kind.has_socket:
            return f"names no host; expected {kind.example}"
        # %2F begins the folder of a socket.
        if host and not (HOST.fullmatch(host) or (kind is POSTGRES and host.startswith("%2"))):
            return f"names a host that cannot be one; {ENCODE}; expected {kind.example}"
    return None


def _split(place: str) -> tuple[str, str | None]:
    """Return the host, and the port if there is a colon after the host."""
    end = place.rfind("]")
    colon = place.find(":", end + 1)
    return (place, None) if colon < 0 else (place[:colon], place[colon + 1 :])


def urls_in(text: str) -> list[str]:
    """Return the URLs of a list separated by `;`. A `;` within a password does not separate."""
    # Split only where a scheme or the end of the text follows.
    return [url.strip() for url in re.split(r";(?=\s*(?:\w+://|$))", text) if url.strip()]


def without_password(urls: str) -> str:
    """Return one or several URLs with each password replaced by `***`, fit to be displayed.

    Takes every form that a server's address may have: several URLs or hosts, parameters, libpq's keywords; what is
    ambiguous, such as a password with an unescaped `@`, is hidden rather than shown.
    """
    return ";".join(_without_password(url) for url in urls_in(urls))


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return KEYWORD.sub(_keyword_hidden, url)
    # The last @, because a password may contain one, and `/`, `?` or `#` as well.
    login, at, place = rest.rpartition("@")
    if "?" in login and SECRET.search(unquote(login.partition("?")[2])):
        return f"{scheme}://{HIDDEN}"  # that @ belongs to a parameter's value
    address, question, query = place.partition("?")
    if question:
        query = "&".join(map(_parameter_hidden, query.split("&")))
    if not at:
        address = _hidden_ports(address)
    name, colon, _ = login.partition(":")
    return f"{scheme}://{name}{colon and f':{HIDDEN}'}{at}{address}{question}{query}"


def _hidden_ports(address: str) -> str:
    """Hide what stands in place of a port: the password of a login whose host was forgotten."""
    authority, slash, path = address.partition("/")
    ports = [port for _, port in map(_split, authority.split(","))]
    if any(port is not None and not PORT.fullmatch(port) for port in ports):
        authority = f"{_split(authority)[0]}:{HIDDEN}"
    return f"{authority}{slash}{path}"


def _parameter_hidden(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={HIDDEN}" if equals and SECRET.search(unquote(name)) else parameter


def _keyword_hidden(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{HIDDEN}" if SECRET.search(found[1]) else found[0]

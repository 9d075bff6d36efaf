"""Logins to SCM with a password, a client certificate or an OAuth2 token, each with SCM's URL."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from certline.workers.scm.client_certificate import check_pair

# Sectigo's token endpoint for SCM at admin.enterprise.sectigo.com and admin.hard.sectigo.com.
TOKEN_URL = "https://auth.sso.sectigo.com/auth/realms/apiclients/protocol/openid-connect/token"  # noqa: S105

Headers = dict[str, str | bytes]


@dataclass(frozen=True)
class HeaderLogin:
    """Login of an API account by password; the values are sent as headers `customerUri`, `login`, `password`.

    `url` may be given with or without the final `/api`; it is stored with it. Raises ValueError for an invalid
    field; the text names the field and never shows its value.
    """

    url: str
    customer_uri: str
    login: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _base(self.url))
        _must_be_plain(self, "customer_uri", "login", "password")

    def headers(self) -> Headers:
        """Return the headers sent with every request; SCM keeps no session for this kind of login."""
        return {
            "customerUri": self.customer_uri.encode(),
            "login": self.login.encode(),
            "password": self.password.encode(),
        }

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must not appear in any text."""
        return (self.password,)


Login = HeaderLogin


@dataclass(frozen=True)
class CertificateLogin:
    """Login of an API account by TLS client certificate; the `/api` of `url` becomes `/private/api`.

    `certificate_pem` may include the chain, if the server needs it; `key_pem` must not be encrypted. Raises
    ValueError for an invalid field; the text never shows the key.
    """

    url: str
    customer_uri: str
    login: str
    certificate_pem: str | bytes = field(repr=False)
    key_pem: str | bytes = field(repr=False)

    def __post_init__(self) -> None:
        base = _base(self.url).removesuffix("/api").removesuffix("/private")
        object.__setattr__(self, "url", f"{base}/private/api")
        _must_be_plain(self, "customer_uri", "login")
        check_pair(*self.pair())

    def headers(self) -> Headers:
        """Return the headers sent with every request."""
        return {"customerUri": self.customer_uri.encode(), "login": self.login.encode()}

    def secrets(self) -> tuple[str, ...]:
        """Return nothing: the private key is never sent, so no response can echo it."""
        return ()

    def pair(self) -> tuple[bytes, bytes]:
        """Return the certificate and the key in PEM, as bytes."""
        certificate, key = self.certificate_pem, self.key_pem
        return (
            certificate.encode() if isinstance(certificate, str) else certificate,
            key.encode() if isinstance(key, str) else key,
        )


@dataclass(frozen=True)
class TokenLogin:
    """Login by API key with OAuth2 client credentials; calls carry a short-lived token.

    Raises ValueError for an invalid field; the text names the field and never shows its value.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = TOKEN_URL

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _base(self.url))
        object.__setattr__(self, "token_url", _address(self.token_url, "token_url", TOKEN_URL))
        _must_be_plain(self, "client_id", "client_secret")

    def headers(self) -> Headers:
        """Return nothing: the token changes, so it is added to each call separately."""
        return {}

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must not appear in any text."""
        return (self.client_secret,)

    def form(self) -> dict[str, str]:
        """Return the form fields that are posted to `token_url`."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }


AnyLogin = HeaderLogin | CertificateLogin | TokenLogin


def unencrypted(*addresses: str | None) -> list[str]:
    """Return the URLs to which a secret would go readable by everybody on the way: http:// to another machine."""
    return [url for url in addresses if url is not None and _leaves_readable(url.strip())]


def _leaves_readable(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:  # no URL at all; the login's own check says so
        return False
    return parts.scheme == "http" and not _is_here(host)


def _is_here(host: str) -> bool:
    """Return True if a host is this machine itself, so that nothing leaves it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except (
        ValueError
    ):  # a name; that of another machine is not trusted, whatever it resolves to now
        return host == "localhost"


def _must_be_plain(login: AnyLogin, *names: str) -> None:
    for name in names:
        value = getattr(login, name)
        # requests would reject these too, but its error would show the value.
        if not value or value != value.strip() or not value.isprintable():
            raise ValueError(f"{name} must not be empty or have surrounding blanks or line breaks")


def _base(url: str) -> str:
    address = _address(url, "url", "https://cert-manager.com/api")
    return address if address.endswith("/api") else address + "/api"


def _address(url: str, name: str, example: str) -> str:
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name} must look like {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{name} must not contain a user name or password")
    if parts.query or parts.fragment:
        raise ValueError(f"{name} must not contain a query or fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

"""Who we are at SCM, and where it is: with a password, a client certificate, or a token."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from certline.workers.scm.transport.client_certificate import check_pair

# Sectigo's own, for SCM at admin.enterprise.sectigo.com and admin.hard.sectigo.com.
TOKEN_URL = "https://auth.sso.sectigo.com/auth/realms/apiclients/protocol/openid-connect/token"  # noqa: S105

Headers = dict[str, str | bytes]


@dataclass(frozen=True)
class HeaderLogin:
    """One API account; the values are the headers `customerUri`, `login` and `password`.

    `url` may be given with or without the final `/api`; it is kept with it.
    Raises ValueError, which names the field and never its value.
    """

    url: str
    customer_uri: str
    login: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _base(self.url))
        _must_be_plain(self, "customer_uri", "login", "password")

    def headers(self) -> Headers:
        """The headers every request carries; SCM knows no session and no token here."""
        return {
            "customerUri": self.customer_uri.encode(),
            "login": self.login.encode(),
            "password": self.password.encode(),
        }

    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.password,)


Login = HeaderLogin


@dataclass(frozen=True)
class CertificateLogin:
    """An API account that shows a TLS certificate; `url`'s `/api` becomes `/private/api`.

    PEM, as text or bytes: the certificate, with its chain where the server wants it, and the key,
    not encrypted. Raises ValueError, which never shows a key.
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
        """The headers every request carries."""
        return {"customerUri": self.customer_uri.encode(), "login": self.login.encode()}

    def secrets(self) -> tuple[str, ...]:
        """None: the key is never sent, so nobody can echo it."""
        return ()

    def pair(self) -> tuple[bytes, bytes]:
        """The certificate and the key."""
        certificate, key = self.certificate_pem, self.key_pem
        return (
            certificate.encode() if isinstance(certificate, str) else certificate,
            key.encode() if isinstance(key, str) else key,
        )


@dataclass(frozen=True)
class TokenLogin:
    """An API key for OAuth2's client credentials; calls carry a token that ends soon.

    Raises ValueError, which names the field and never its value.
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
        """None: the token changes, and each call brings it along."""
        return {}

    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.client_secret,)

    def form(self) -> dict[str, str]:
        """What is sent to `token_url`."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }


AnyLogin = HeaderLogin | CertificateLogin | TokenLogin


def _must_be_plain(login: AnyLogin, *names: str) -> None:
    for name in names:
        value = getattr(login, name)
        # requests would refuse these too, and would print the value in its error.
        if not value or value != value.strip() or not value.isprintable():
            raise ValueError(f"{name} must not be empty, nor have blanks around it or line ends")


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
        raise ValueError(f"{name} must not carry a user or a password")
    if parts.query or parts.fragment:
        raise ValueError(f"{name} must not have a query or a fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

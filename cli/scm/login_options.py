"""Options for the three ways to log in at SCM; secrets come from a file, a prompt or standard input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.options import password, whole, without_key
from certline.cli.parameters.text_file import TextFile, TextFileType

if TYPE_CHECKING:
    from certline.models import Account
    from certline.workers.scm import AnyLogin

T = TypeVar("T")


@dataclass(frozen=True)
class Given:
    """The options of a login as the user gave them."""

    url: str
    customer_uri: str | None = None
    login: str | None = None
    password_file: TextFile | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_id: str | None = None
    client_secret_file: TextFile | None = None
    token_url: str | None = None

    def read(self) -> AnyLogin:
        """Return the login, after prompting for its secret. Raises Fault if the options are inconsistent."""
        from certline.workers.scm import CertificateLogin, HeaderLogin, TokenLogin
        from certline.workers.scm.login import TOKEN_URL

        # Any OAuth2 option chooses the API key; options of the other two logins are then refused.
        if self.client_id is not None or self.client_secret_file or self.token_url:
            others = "customer_uri", "login", "password_file", "client_certificate", "client_key"
            _only("--client-id", self, *others)
            who = _needed(self.client_id, "--client-id")
            secret = password(self.client_secret_file, f"Secret of {who}")
            return _made(lambda: TokenLogin(self.url, who, secret, self.token_url or TOKEN_URL))
        customer = _needed(self.customer_uri, "--customer-uri")
        who = _needed(self.login, "--login")
        if self.client_certificate is not None or self.client_key is not None:
            _only("--client-certificate", self, "password_file")
            pair = read_pair(self.client_certificate, self.client_key)
            return _made(lambda: CertificateLogin(self.url, customer, who, *pair))
        secret = password(self.password_file, f"Password of {who} at SCM")
        return _made(lambda: HeaderLogin(self.url, customer, who, secret))


def login_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of all three kinds of login to a command."""
    for decorate in reversed(
        (
            click.option(
                "--customer-uri", metavar="URI", help="The customer URI, as in SCM's address."
            ),
            click.option("--login", metavar="LOGIN", help="The administrator's login."),
            click.option(
                "--password-file",
                type=TextFileType(),
                metavar="FILE",
                help="File whose first line is the password. Default: a prompt, or standard input.",
            ),
            click.option(
                "--client-id",
                metavar="ID",
                help="The client id of an API key (OAuth2), in place of a login.",
            ),
            click.option(
                "--client-secret-file",
                type=TextFileType(),
                metavar="FILE",
                help="File whose first line is the API key's secret. Default: a prompt, or standard input.",
            ),
            click.option(
                "--token-url",
                metavar="URL",
                help="The OAuth2 token endpoint; default: Sectigo's own.",
            ),
        )
    ):
        command = decorate(command)
    return pair_options(command)


def pair_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a client certificate to a command."""
    certificate = click.option(
        "--client-certificate",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A TLS client certificate in PEM, in place of a password.",
    )
    key = click.option(
        "--client-key",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The certificate's private key in PEM, not encrypted; `-` reads standard input.",
    )
    return certificate(key(command))


def insecure_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --insecure to a command that sends a new secret."""
    return click.option(
        "--insecure",
        is_flag=True,
        help="Send the secret to an http:// URL too, where everybody on the way can read it.",
    )(command)


def require_encryption(*addresses: str | None) -> None:
    """Raise Fault if a secret would be sent over http:// to another machine."""
    from certline.workers.scm.login import unencrypted

    for url in unencrypted(*addresses):
        raise Fault(
            f"{url} is not encrypted: everybody on the way to it could read the secret, and order with it. "
            "Nothing was sent",
            code=WRONG_USE,
            hint="Use its https:// URL. For a simulator on another machine or in a container: --insecure",
        )


def read_pair(certificate: Path | None, key: Path | None) -> tuple[str, str]:
    """Return a client certificate and its private key, in PEM. Raises Fault."""
    from certline.workers.scm.client_certificate import parsed_pair

    one = _needed(certificate, "--client-certificate")
    other = _needed(key, "--client-key")
    hint = "Give --client-certificate a file with certificates only; its key goes to --client-key."
    option = "--client-certificate"
    certificate_text = without_key(whole(one, option), option, hint)
    # Only what was parsed goes on: a file may hold other things as well.
    try:
        return parsed_pair(certificate_text.encode(), whole(other, "--client-key").encode())
    except ValueError as wrong:
        raise Fault(str(wrong), code=WRONG_USE) from None


def kept_as(login: AnyLogin) -> dict[str, Any]:
    """Return the columns of an account that store a login, except its secret."""
    from certline.models import LoginKind
    from certline.workers.scm import CertificateLogin, HeaderLogin, TokenLogin

    customer: str | None
    match login:
        case HeaderLogin():
            kind, who, customer = LoginKind.PASSWORD, login.login, login.customer_uri
        case CertificateLogin():
            kind, who, customer = LoginKind.CERTIFICATE, login.login, login.customer_uri
        case TokenLogin():
            kind, who, customer = LoginKind.TOKEN, login.client_id, None
    return {
        # A login by certificate adds /private to the path; the account stores the public address.
        "url": login.url.replace("/private/api", "/api"),
        "login_kind": kind,
        "login": who,
        "customer_uri": customer,
        "client_certificate": _text(login.certificate_pem)
        if isinstance(login, CertificateLogin)
        else None,
        "token_url": login.token_url if isinstance(login, TokenLogin) else None,
    }


def secret_of(login: AnyLogin) -> bytes:
    """Return the secret to encrypt: the password, the API key's secret, or the private key."""
    from certline.workers.scm import CertificateLogin, HeaderLogin, TokenLogin

    match login:
        case HeaderLogin():
            return login.password.encode()
        case CertificateLogin():
            return _text(login.key_pem).encode()
        case TokenLogin():
            return login.client_secret.encode()


def renewed(
    account: Account, file: TextFile | None, pair: tuple[Path | None, Path | None]
) -> AnyLogin:
    """Return an account's login with a new secret of the same kind. Raises Fault."""
    from certline.models import LoginKind
    from certline.workers.scm import CertificateLogin, HeaderLogin, TokenLogin
    from certline.workers.scm.login import TOKEN_URL

    if account.login_kind is LoginKind.CERTIFICATE:
        if file is not None:
            raise Fault(
                f"account {account.name!r} logs in by certificate, not by password",
                code=WRONG_USE,
            )
        certificate, key = read_pair(*pair)
        customer = account.customer_uri or ""
        return _made(
            lambda: CertificateLogin(account.url, customer, account.login, certificate, key)
        )
    if pair != (None, None):
        raise Fault(
            f"account {account.name!r} logs in by {account.login_kind}, not by certificate",
            code=WRONG_USE,
        )
    secret = password(file, f"New secret of {account.login}")
    if account.login_kind is LoginKind.TOKEN:
        address = account.token_url or TOKEN_URL
        return _made(lambda: TokenLogin(account.url, account.login, secret, address))
    return _made(
        lambda: HeaderLogin(account.url, account.customer_uri or "", account.login, secret)
    )


def _made(make: Callable[[], AnyLogin]) -> AnyLogin:
    try:
        return make()
    except ValueError as error:
        raise Fault(str(error), code=WRONG_USE) from None


def _needed(value: T | None, option: str) -> T:
    if value is None:
        raise Fault(f"{option} is missing", code=WRONG_USE)
    return value


def _only(option: str, given: Given, *others: str) -> None:
    for other in others:
        if getattr(given, other) is not None:
            name = "--" + other.replace("_", "-")
            raise Fault(f"{option} and {name} do not go together", code=WRONG_USE)


def _text(pem: str | bytes) -> str:
    return pem if isinstance(pem, str) else pem.decode()

"""Tests of proofs as files below a web server's folder, and of the look for them over HTTP."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from certline.workers.dns import (
    DnsRefused,
    Method,
    Proof,
    Provider,
    Resolution,
    look,
    open_provider,
)
from tests.servers.dns import DnsServer

PLACE = ".well-known/pki-validation"
LINES = "6c2f4a\ncomodoca.com\nuniq01"
SOON = Resolution(within=3)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], folder: Path | None = None) -> Iterator[int]:
    """Run a web server on this machine, over TLS if there is a certificate in the folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if folder is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "expired.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join(5)


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Redirects(Quiet):
    """Answers each request with a redirect."""

    def do_GET(self) -> None:
        """Send the client elsewhere."""
        self.send_response(302)
        self.send_header("Location", "https://elsewhere.example/login")
        self.end_headers()


class Drips(Quiet):
    """Sends a byte now and then."""

    def do_GET(self) -> None:
        """Never come to an end, until the client goes."""
        while True:
            try:
                self.wfile.write(b"H")
                self.wfile.flush()
            except OSError:
                return
            if threading.Event().wait(0.1):
                return


class Floods(Quiet):
    """Sends far more than a proof has."""

    def do_GET(self) -> None:
        """Send a megabyte."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 1_000_000)


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def url(port: int, file: str = "4ab.txt", scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{port}/{PLACE}/{file}"


def provider_of(folder: Path | str) -> Provider:
    return open_provider("folder", {"folder": str(folder), "zones": ["example"]})


def test_a_file_is_published_seen_and_withdrawn(tmp_path: Path) -> None:
    with served(partial(Quiet, directory=str(tmp_path))) as port:  # type: ignore[arg-type]
        proof, provider = Proof(Method.HTTP, url(port), LINES), provider_of(tmp_path)
        assert not look(proof, SOON).seen

        provider.publish(proof)
        provider.publish(proof)

        assert look(proof, SOON).seen
        file = tmp_path / PLACE / "4ab.txt"
        assert file.read_text() == f"{LINES}\n"
        assert file.stat().st_mode & 0o777 == 0o644
        assert names_in(file.parent) == ["4ab.txt"]
        provider.withdraw(proof)
        provider.withdraw(proof)
        assert names_in(file.parent) == []
        assert "found status 404" in look(proof, SOON).said


def test_a_file_of_others_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    file = tmp_path / PLACE / "4ab.txt"
    file.parent.mkdir(parents=True)
    file.write_text("theirs")
    proof = Proof(Method.HTTP, "http://shop.example/" + f"{PLACE}/4ab.txt", LINES)

    with pytest.raises(DnsRefused, match="is there already with another content"):
        provider_of(tmp_path).publish(proof)
    provider_of(tmp_path).withdraw(proof)

    assert file.read_text() == "theirs"
    assert names_in(file.parent) == ["4ab.txt"]


def test_each_host_may_have_a_root_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "shop.example").mkdir()
    provider = provider_of(f"{tmp_path}/{{host}}")

    provider.publish(Proof(Method.HTTPS, f"https://Shop.Example/{PLACE}/4ab.txt", LINES))

    assert (tmp_path / "shop.example" / PLACE / "4ab.txt").exists()
    with pytest.raises(DnsRefused, match="No such file"):
        provider.publish(Proof(Method.HTTP, f"http://other.example/{PLACE}/4ab.txt", LINES))


@pytest.mark.parametrize(
    "name",
    [
        f"http://shop.example/{PLACE}/../../../etc/passwd",
        f"http://shop.example/{PLACE}/sub/4ab.txt",
        f"http://shop.example/{PLACE}/..",
        f"http://shop.example/{PLACE}/.htaccess",
        f"http://shop.example/{PLACE}/a%2Fb",
        f"http://shop.example/{PLACE}/",
        "http://shop.example/index.html",
        f"http://../{PLACE}/4ab.txt",
        f"http:///{PLACE}/4ab.txt",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DnsRefused, match="is no URL of a file"):
        provider_of(f"{tmp_path}/{{host}}").publish(Proof(Method.HTTP, name, LINES))

    assert names_in(tmp_path) == []


@pytest.mark.parametrize("linked", [".well-known", PLACE, f"{PLACE}/4ab.txt"])
def test_no_link_below_the_root_is_followed(tmp_path: Path, linked: str) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    (elsewhere / "pki-validation").mkdir(parents=True)
    (elsewhere / "secret").write_text(f"{LINES}\n")
    link = root / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere / "secret" if linked.endswith(".txt") else elsewhere)
    proof = Proof(Method.HTTP, f"http://shop.example/{PLACE}/4ab.txt", LINES)

    for act in (provider_of(root).publish, provider_of(root).withdraw):
        with pytest.raises(DnsRefused, match="cannot be written or removed"):
            act(proof)

    assert link.is_symlink()
    assert names_in(elsewhere) == ["pki-validation", "secret"]
    assert names_in(elsewhere / "pki-validation") == []


def test_a_record_is_none_of_its_business(tmp_path: Path) -> None:
    with pytest.raises(DnsRefused, match="which a folder cannot hold"):
        provider_of(tmp_path).publish(Proof(Method.TXT, "_a.shop.example", "a"))


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (LINES, True),
        (f"\ufeff{LINES}\r\n".replace("\n", "\r\n").replace("\r\r", "\r"), True),
        (f"{LINES}\n\n", True),
        (f"{LINES}\nmore", False),
        ("6c2f4a comodoca.com uniq01", False),
        ("", False),
    ],
)
def test_lines_are_compared(tmp_path: Path, content: str, seen: bool) -> None:
    file = tmp_path / PLACE / "4ab.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode())

    with served(partial(Quiet, directory=str(tmp_path))) as port:  # type: ignore[arg-type]
        sight = look(Proof(Method.HTTP, url(port), LINES), SOON)

    assert sight.seen is seen
    assert seen or f"found {content!r}" in sight.said


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (Redirects, "found a redirect (302) to 'https://elsewhere.example/login'"),
        (Drips, "no complete answer in time"),
        (Floods, "found more than 16384 bytes"),
    ],
)
def test_an_odd_web_server_is_said(handler: type[Quiet], said: str) -> None:
    with served(handler) as port:
        sight = look(Proof(Method.HTTP, url(port), LINES), Resolution(within=1.5))

    assert not sight.seen
    assert said in sight.said


def test_a_web_server_that_is_away_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    assert (
        "cannot be reached (Connection refused)" in look(Proof(Method.HTTP, url(port), LINES)).said
    )
    nowhere = Proof(Method.HTTP, f"http://nosuch.invalid/{PLACE}/a", LINES)
    assert "nosuch.invalid has no address" in look(nowhere, SOON).said
    assert "this is no URL" in look(Proof(Method.HTTP, "ftp://shop.example/a", LINES)).said


def test_the_host_of_a_url_is_found_by_the_resolver_that_is_named(
    dns_server: DnsServer, how: Resolution, tmp_path: Path
) -> None:
    dns_server.add("www.example.test", "A", "127.0.0.1")
    with served(partial(Quiet, directory=str(tmp_path))) as port:  # type: ignore[arg-type]
        there, nowhere = (
            Proof(Method.HTTP, f"http://{host}.example.test:{port}/{PLACE}/4ab.txt", LINES)
            for host in ("www", "nosuch")
        )
        provider_of(tmp_path).publish(there)

        assert look(there, how).seen
        assert "www.example.test has no address" in look(there, SOON).said
        assert "nosuch.example.test has no address, says the resolver" in look(nowhere, how).said


def test_a_certificate_that_has_expired_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "expired.pem").write_bytes(an_expired_pair())
    served_folder = tmp_path / "root"
    served_folder.mkdir()
    handler = partial(Quiet, directory=str(served_folder))
    with served(handler, tmp_path) as port:  # type: ignore[arg-type]
        proof = Proof(Method.HTTPS, url(port, scheme="https"), LINES)
        provider_of(served_folder).publish(proof)

        assert look(proof, SOON).seen


def an_expired_pair() -> bytes:
    """Return a key and a certificate of itself that ended yesterday (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(pem)

"""A customer of the simulated SCM: places orders, and changes the simulator's settings."""

from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from certline.simulator.server import Simulator

LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}
TIMEOUT = 10

MULTI_DOMAIN = 21790
EC_ONLY = 21792
RSA_ONLY = 21793
ONE_NAME = 21794
IT_SERVICES = 9102
HOSPITAL = 9201
SHOP = "shop.nordhafen.example"

EC_KEY = ec.generate_private_key(ec.SECP256R1())


def csr(
    common_name: str | None = SHOP,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = EC_KEY,
    sans: tuple[str, ...] = (),
) -> str:
    """Return a certificate signing request as PEM."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    if sans:
        general = x509.SubjectAlternativeName([x509.DNSName(name) for name in sans])
        builder = builder.add_extension(general, critical=False)
    request = builder.sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def order(**changes: Any) -> dict[str, Any]:
    """Return the body of a valid order, changed; a field changed to None is left out."""
    body = {"orgId": IT_SERVICES, "certType": MULTI_DOMAIN, "term": 199, "csr": csr(), **changes}
    return {name: value for name, value in body.items() if value is not None}


class Customer:
    """A client of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.url = simulator.url

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API with the login."""
        options.setdefault("headers", LOGIN)
        return requests.request(method, self.url + path, timeout=TIMEOUT, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        """Send a GET request."""
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> requests.Response:
        """Send a POST request."""
        return self.call("POST", path, json=body)

    def enroll(self, **changes: Any) -> int:
        """Order a certificate. Returns its sslId."""
        answer = self.post("/ssl/v1/enroll", order(**changes))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["sslId"])

    def issued(self, **changes: Any) -> int:
        """Order a certificate and have it issued at once. Returns its sslId."""
        ssl_id = self.enroll(**changes)
        self.deed(ssl_id, "issue")
        return ssl_id

    def details(self, ssl_id: int) -> dict[str, Any]:
        """Return a certificate's details."""
        found: dict[str, Any] = self.get(f"/ssl/v1/{ssl_id}").json()
        return found

    def leaf(self, ssl_id: int) -> x509.Certificate:
        """Collect the certificate without its chain."""
        answer = self.get(f"/ssl/v1/collect/{ssl_id}/x509CO")
        assert answer.status_code == 200, answer.text
        return x509.load_pem_x509_certificate(answer.content)

    def door(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Call the control API."""
        return requests.request(method, self.simulator.door + path, json=body, timeout=TIMEOUT)

    def set(self, **settings: Any) -> None:
        """Change the simulator's settings."""
        answer = self.door("POST", "/settings", settings)
        assert answer.status_code == 200, answer.text

    def fault(self, kind: str, path: str, **more: Any) -> None:
        """Make one call fail."""
        answer = self.door("POST", "/faults", [{"kind": kind, "path": path, **more}])
        assert answer.status_code == 200, answer.text

    def deed(self, ssl_id: int, what: str) -> requests.Response:
        """Do to an order what an administrator, the CA or time would do."""
        return self.door("POST", f"/orders/{ssl_id}/{what}")

    def orders(self) -> list[dict[str, Any]]:
        """Return every record that SCM holds."""
        found: list[dict[str, Any]] = self.door("GET", "/orders").json()
        return found


class Colleague(Customer):
    """The same customer with another administrator's login."""

    def __init__(self, simulator: Simulator, login: str) -> None:
        super().__init__(simulator)
        self.login = {**LOGIN, "login": login}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API with that login."""
        return super().call(method, path, **{"headers": self.login, **options})


def refused(answer: requests.Response, code: int, *, status: int = 400) -> bool:
    """Check that SCM refused with that code, in SCM's error format."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return bool(answer.json()["description"])

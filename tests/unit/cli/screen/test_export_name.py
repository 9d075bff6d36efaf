"""Tests of the file names of exports: a name never promises what the file does not contain."""

import pytest

from certline.cli.certificates.export import promises_else, require_fitting_name
from certline.cli.errors import Fault
from certline.models import Certificate


def certificate(*, key: str | None = "K1") -> Certificate:
    """Return a certificate, whose key is stored or not."""
    return Certificate(id="C1", common_name="own.example", key_id=key)


@pytest.mark.parametrize("file", ["own.p12", "OWN.PFX", "/home/ida/own.jks", "own.key"])
def test_without_the_key_no_file_is_written_that_would_need_it(file: str) -> None:
    with pytest.raises(Fault, match=r"own\.example is not stored") as refused:
        require_fitting_name(certificate(key=None), "pem", file)

    assert refused.value.code == 2
    assert "openssl pkcs12 -export" in refused.value.hint
    assert "--format fullchain" in refused.value.hint


@pytest.mark.parametrize(
    ("form", "file", "suggested"),
    [
        ("pkcs12", "www.pem", "pem"),
        ("pkcs12", "www.jks", "jks"),
        ("jks", "www.p12", "pkcs12"),
        ("pem", "www.p12", "pkcs12"),
        ("pem", "www.crt", "fullchain"),  # its key is not expected there
        ("pem", "www.der", "der"),
        ("pkcs12", "www.p7b", "pkcs7"),
    ],
)
def test_a_name_that_promises_something_else_is_refused_with_the_way(
    form: str, file: str, suggested: str
) -> None:
    with pytest.raises(Fault, match=f"would contain {form}") as refused:
        require_fitting_name(certificate(), form, file)

    assert refused.value.code == 2
    assert f"--format {suggested}" in refused.value.hint
    assert promises_else(certificate(), form, file)


@pytest.mark.parametrize(
    ("form", "file", "key"),
    [
        ("pkcs12", "www.p12", "K1"),
        ("pkcs12", "www.PFX", "K1"),
        ("jks", "www.jks", "K1"),
        ("pem", "www.pem", "K1"),
        ("pem", "www.pem", None),
        ("pem", "www.crt", None),  # without a key these are the certificates only
        ("pkcs12", "-", "K1"),
        ("pkcs12", "keystore", "K1"),
        ("pkcs12", "www.2026", "K1"),
    ],
)
def test_a_name_that_fits_or_promises_nothing_is_taken(
    form: str, file: str, key: str | None
) -> None:
    require_fitting_name(certificate(key=key), form, file)

"""Tests of the CA certificates that a process keeps: they are read once, and there are never many."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certline.workers.keys import Unreadable
from certline.workers.keys.known_cas import KnownCas
from tests.unit.keys.authority import Authority


def der(of: Authority) -> bytes:
    return of.cert.public_bytes(Encoding.DER)


def test_the_certificate_of_a_ca_is_read_once() -> None:
    known, root = KnownCas(), Authority.root("Root")
    assert known.read(der(root)) == root.cert
    assert known.read(der(root)) is known.read(der(root))


def test_a_leaf_is_not_kept() -> None:
    known, leaf = KnownCas(), Authority.root("Root").issue("shop.example")
    assert known.read(der(leaf)) == known.read(der(leaf))
    assert known.read(der(leaf)) is not known.read(der(leaf))


def test_no_more_than_the_newest_are_kept() -> None:
    known = KnownCas(most=2)
    roots = [Authority.root(f"Root {n}") for n in range(3)]
    first, *others = [known.read(der(root)) for root in roots]
    assert [known.read(der(root)) for root in roots[1:]] == others
    assert all(known.read(der(root)) is cert for root, cert in zip(roots[1:], others, strict=True))
    assert known.read(der(roots[0])) is not first


def test_what_is_no_certificate_is_not_kept_either() -> None:
    known = KnownCas()
    for _ in range(2):
        with pytest.raises((ValueError, Unreadable)):
            known.read(b"\x30\x03abc")

"""Tests of which chain is taken if the response has several, and of what may end one."""

import random
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from certline.workers.keys import Broken, build_chain, pem, read_certificates
from certline.workers.keys.chain import chain_of, leaf_numbered
from certline.workers.keys.leaf import leaf_columns
from tests.support import odd_certificates as odd
from tests.unit.keys.authority import Authority

OLD = -200  # days: over for a hundred


def issuers(leaf: Authority, *others: Authority) -> list[x509.Certificate]:
    """Return the issuers found in the response; they must be the same in whatever order it comes."""
    certs = [leaf.cert, *(other.cert for other in others)]
    found = {
        build_chain(random.Random(seed).sample(certs * 2, 2 * len(certs)), leaf.sha256).issuers  # noqa: S311
        for seed in range(8)
    }
    assert len(found) == 1
    return list(found.pop())


def test_a_root_signed_with_sha_1_ends_a_chain(tmp_path: Path) -> None:
    """The chain of a public CA: the root's own signature is of an algorithm that is not accepted any more."""
    config = "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n"
    (tmp_path / "x.cnf").write_text(f"{config}[leaf]\nbasicConstraints=critical,CA:FALSE\n")
    usual = "-config x.cnf -newkey rsa:2048 -nodes -batch"
    _openssl(
        tmp_path, f"req -x509 {usual} -keyout root.key -out root.pem -sha1 -extensions ca", "Root"
    )
    for name, issuer, kind in (("issuing", "root", "ca"), ("leaf", "issuing", "leaf")):
        _openssl(tmp_path, f"req {usual} -keyout {name}.key -out {name}.csr", name)
        signer = f"-CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -extfile x.cnf"
        _openssl(tmp_path, f"x509 -req -in {name}.csr -out {name}.pem {signer} -extensions {kind}")
    body = b"".join((tmp_path / f"{name}.pem").read_bytes() for name in ("root", "issuing", "leaf"))

    root, issuing, leaf = read_certificates(body)

    assert chain_of(leaf, [root, issuing, leaf]).issuers == (issuing, root)
    assert chain_of(root, [root]).issuers == ()


def test_the_way_whose_certificates_are_valid_now_is_taken_though_it_is_longer() -> None:
    top = Authority.root("Top")
    expired = Authority.root("R", days=OLD)
    cross = top.issue("R", ca=True, key=expired.key)
    issuing = cross.issue("Issuing", ca=True)
    leaf = issuing.issue("shop.example")

    assert issuers(leaf, expired, top, cross, issuing) == [issuing.cert, cross.cert, top.cert]


def test_of_the_valid_ways_the_shorter_one_is_taken() -> None:
    top = Authority.root("Top")
    root = Authority.root("R")
    cross = top.issue("R", ca=True, key=root.key)
    issuing = root.issue("Issuing", ca=True)
    leaf = issuing.issue("shop.example")

    assert issuers(leaf, top, cross, root, issuing) == [issuing.cert, root.cert]


@pytest.mark.parametrize("other", [OLD, -5])
def test_of_a_ca_issued_again_with_its_key_the_one_valid_longest_is_taken(other: int) -> None:
    root = Authority.root("R")
    issuing = root.issue("Issuing", ca=True)
    older = root.issue("Issuing", ca=True, key=issuing.key, days=other)
    leaf = issuing.issue("shop.example")

    assert issuers(leaf, root, older, issuing) == [issuing.cert, root.cert]


def test_of_a_root_issued_again_with_its_key_the_valid_one_ends_the_chain() -> None:
    root = Authority.root("R")
    older = Authority.root("R", key=root.key, days=OLD)
    issuing = root.issue("Issuing", ca=True)
    leaf = issuing.issue("shop.example")

    assert issuers(leaf, older, root, issuing) == [issuing.cert, root.cert]


def test_a_chain_that_is_over_is_a_chain_where_there_is_no_other() -> None:
    root = Authority.root("R", days=OLD)
    issuing = root.issue("Issuing", ca=True, days=OLD)
    leaf = issuing.issue("shop.example", days=OLD)

    assert issuers(leaf, root, issuing) == [issuing.cert, root.cert]


def test_cas_that_sign_each_other_end_in_no_loop() -> None:
    a, b = Authority.root("A"), Authority.root("B")
    a_by_b, b_by_a = b.issue("A", ca=True, key=a.key), a.issue("B", ca=True, key=b.key)
    leaf = a.issue("shop.example")

    with pytest.raises(Broken, match="in a loop"):
        build_chain([a_by_b.cert, b_by_a.cert, leaf.cert], leaf.sha256)
    assert issuers(leaf, a_by_b, b_by_a, a, b) == [a.cert]


def test_hundreds_of_reissued_cas_are_searched_in_moments() -> None:
    top = Authority.root("L0")
    levels = [[top]]
    for number in range(1, 6):
        above = levels[-1][0]
        first = above.issue(f"L{number}", ca=True)
        more = [above.issue(f"L{number}", ca=True, key=first.key, days=day) for day in range(8)]
        levels.append([first, *more])
    leaf = levels[-1][0].issue("shop.example")
    certs = [one.cert for level in levels for one in level]

    assert len(chain_of(leaf.cert, certs).issuers) == 6


def test_a_self_signed_server_certificate_is_its_own_chain() -> None:
    text = odd.signed(7, odd.SUBJECT, odd.PLAIN, issuer=odd.SUBJECT, key=odd.public(odd.CA_KEY))
    (cert,) = found = read_certificates(text.encode())

    for serial in ("7", None):
        chain = chain_of(leaf_numbered(found, serial), found)
        assert (chain.leaf, chain.issuers) == (cert, ())
    assert leaf_columns(chain)["issuers"] == []


def test_a_self_signed_response_to_an_order_of_ours_is_said_to_be_that() -> None:
    itself = Authority.root("shop.example")

    with pytest.raises(Broken, match=r"CN=shop.example is self-signed: no CA has issued it"):
        build_chain([itself.cert], itself.sha256)


def test_a_certificate_that_only_names_itself_is_said_to_do_that() -> None:
    forged = odd.signed(7, odd.SUBJECT, odd.PLAIN, issuer=odd.SUBJECT)
    (cert,) = read_certificates(forged.encode())

    with pytest.raises(Broken, match="names itself as its issuer, but isn't a CA's"):
        chain_of(cert, [cert])


def test_a_signer_that_is_no_ca_is_said_to_be_that() -> None:
    leaf = Authority.root("R").issue("shop.example")
    forged = leaf.issue("bank.example")

    with pytest.raises(Broken, match=r"CN=shop.example is present but isn't a CA's certificate"):
        build_chain([leaf.cert, forged.cert], forged.sha256)


def test_the_root_of_a_chain_is_known_if_it_was_sent() -> None:
    root = Authority.root("R")
    issuing = root.issue("Issuing", ca=True)
    leaf = issuing.issue("shop.example")

    whole = chain_of(leaf.cert, [root.cert, issuing.cert])
    without = chain_of(leaf.cert, [issuing.cert])

    assert (whole.root, without.root) == (root.cert, None)
    assert whole.below_the_root() == without == without.below_the_root()
    assert pem(root.cert) not in leaf_columns(without)["issuers"]


def _openssl(folder: Path, words: str, common_name: str | None = None) -> None:
    subject = [] if common_name is None else ["-subj", f"/CN={common_name}"]
    subprocess.run(
        ["openssl", *words.split(), *subject],
        cwd=folder,
        capture_output=True,
        check=True,
    )

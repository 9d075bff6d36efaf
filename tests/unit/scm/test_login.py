"""Tests of the login headers."""

import pytest

from certline.workers.scm import HeaderLogin, Login, TokenLogin


@pytest.mark.parametrize(
    "url",
    ["https://cert-manager.com", "https://cert-manager.com/api", " https://cert-manager.com/api/ "],
)
def test_the_address_may_be_given_with_or_without_api(url: str) -> None:
    assert Login(url, "c", "l", "p").url == "https://cert-manager.com/api"


def test_the_path_for_client_certificates_is_kept() -> None:
    login = Login("https://cert-manager.com/private/api", "c", "l", "p")

    assert login.url == "https://cert-manager.com/private/api"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cert-manager.com",
        "ftp://x",
        "https://u:p@x/api",
        "https://x/api?a=b",
        "https://[",
        "http:",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        Login(url, "c", "l", "p")


def test_a_password_shows_nowhere() -> None:
    assert "s3cret" not in repr(Login("https://x", "c", "l", "s3cret"))
    with pytest.raises(ValueError, match="password") as caught:
        Login("https://x", "c", "l", "s3cret\n")
    assert "s3cret" not in str(caught.value)


def test_a_login_with_a_password_is_what_it_was() -> None:
    assert Login is HeaderLogin
    assert {Login("https://x", "c", "l", "p"): 1}[Login("https://x/api", "c", "l", "p")] == 1


def test_a_token_login_has_sectigos_address_and_tells_no_secret() -> None:
    login = TokenLogin("https://admin.enterprise.sectigo.com", "id", "s3cret")

    assert login.url == "https://admin.enterprise.sectigo.com/api"
    assert login.token_url.startswith("https://auth.sso.sectigo.com/")
    assert "s3cret" not in repr(login)
    assert hash(login) == hash(TokenLogin(login.url, "id", "s3cret", login.token_url + "/"))


@pytest.mark.parametrize(
    ("client_id", "secret", "token_url", "field"),
    [
        ("", "s3cret", "https://x", "client_id"),
        ("id", " s3cret", "https://x", "client_secret"),
        ("id", "s3cret", "x", "token_url"),
        ("id", "s3cret", "https://u:p@x", "token_url"),
    ],
)
def test_a_token_login_names_what_is_wrong(
    client_id: str, secret: str, token_url: str, field: str
) -> None:
    with pytest.raises(ValueError, match=field) as caught:
        TokenLogin("https://x", client_id, secret, token_url)
    assert "s3cret" not in str(caught.value)

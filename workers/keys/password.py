"""Rules for the password of a keystore: what Java, Windows and OpenSSL take, for each type of keystore.

Tried with keytool (Java 17) and openssl 3.0 in tests/unit/keys/test_password.py.
"""

from certline.workers.keys.jks import SHORTEST_PASSWORD

# Bytes in UTF-8: OpenSSL, and the library that writes PKCS#12, read no longer one.
LONGEST_PASSWORD = 1023
# A password is read as the first line of a file.
ENDS_A_LINE = frozenset("\r\n\0")


def password_problem(keystore_type: str, password: str) -> str | None:
    """Return why a keystore could not be opened with a password, without repeating it; None if it can be.

    `keystore_type`: PKCS12, JKS or PEM. A PEM file is not encrypted; its password counts when the certificate is
    exported as another type, and is judged then (`pkcs12`, `jks`).
    """
    if not password:
        return "the password is empty"
    if ENDS_A_LINE & set(password):
        return "the password has a line break or NUL in it, which no program reads"
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST_PASSWORD:
        return f"the password has more than {LONGEST_PASSWORD} bytes, which OpenSSL does not read"
    if keystore_type == "PKCS12" and not all(" " <= mark <= "~" for mark in password):
        return (
            "the password of a PKCS#12 keystore may have ASCII letters, digits, punctuation and blanks only "
            "(U+0020 to U+007E): Java opens it with no other; not umlauts, tabs or no-break spaces"
        )
    if keystore_type == "JKS" and len(password) < SHORTEST_PASSWORD:
        return f"the password of a JKS needs at least {SHORTEST_PASSWORD} characters (keytool)"
    return None

"""Names in a signing request: in its subject, and in every attribute that asks for extensions."""

from dataclasses import dataclass, field
from ipaddress import ip_address

from certline.models.csr import der
from certline.models.csr.der import DerError, DerValue

COMMON_NAME = "2.5.4.3"
# Attributes of a subject that hold a name of another kind (PKCS#9): the text is what they are called.
MAIL_ADDRESS = "1.2.840.113549.1.9.1"
# Network devices write their host name or address into these (PKCS#9: unstructuredName, unstructuredAddress).
DEVICE_NAMES = ("1.2.840.113549.1.9.2", "1.2.840.113549.1.9.8")
# PKCS#9's attribute of requested extensions, and Microsoft's older one.
EXTENSION_REQUESTS = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")
ALTERNATIVE_NAME = "2.5.29.17"
# Kinds of a GeneralName (RFC 5280, 4.2.1.6) that are not shown, by the number of their tag.
KINDS = {
    0: "a name of another type",
    3: "an X.400 address",
    4: "a directory name",
    5: "an EDI party name",
    8: "a registered id",
}


@dataclass
class RequestNames:
    """Names in a request, as they are written there. `others`: those that no TLS certificate of SCM can have."""

    common: list[str] = field(default_factory=list)
    alternative: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def names_of(subject: DerValue, attributes: DerValue | None) -> RequestNames:
    """Return every name of a request. Raises DerError if the subject or an extension can't be read."""
    found = RequestNames()
    for name in der.inside(subject, der.SEQUENCE):
        for pair in der.inside(name, der.SET, least=1):
            kind, value = der.inside(pair, der.SEQUENCE, least=2, most=2)
            _add_subject_name(found, der.object_id(kind), der.text(value))
    if attributes is not None:
        for attribute in der.inside(attributes, der.ATTRIBUTES):
            kind, requested = der.inside(attribute, der.SEQUENCE, least=2, most=2)
            if der.object_id(kind) in EXTENSION_REQUESTS:
                for extensions in der.inside(requested, der.SET):
                    _add_extensions(found, extensions)
    return found


def _add_subject_name(found: RequestNames, kind: str, value: str) -> None:
    if kind == COMMON_NAME:
        found.common.append(value)
    elif kind == MAIL_ADDRESS:
        found.others.append(f"the mail address {value} in the subject")
    elif kind in DEVICE_NAMES:
        found.alternative.append(value)


def _add_extensions(found: RequestNames, extensions: DerValue) -> None:
    for extension in der.inside(extensions, der.SEQUENCE):
        kind, *_, value = der.inside(extension, der.SEQUENCE, least=2, most=3)
        if der.object_id(kind) != ALTERNATIVE_NAME:
            continue
        whole, rest = der.first_value(der.content(value, der.OCTET_STRING))
        if rest:
            raise DerError("bytes after the alternative names")
        for name in der.inside(whole, der.SEQUENCE):
            _add_alternative_name(found, name)


def _add_alternative_name(found: RequestNames, name: DerValue) -> None:
    number = name.tag & 0x1F
    if name.tag & 0xC0 != 0x80 or number > 8:
        raise DerError("an alternative name of an unknown kind")
    value = der.printable(name.content.decode("utf-8", "backslashreplace"))
    match number:  # RFC 5280, 4.2.1.6
        case 2:
            found.alternative.append(value)
        case 7 if len(name.content) in (4, 16):
            found.alternative.append(str(ip_address(name.content)))
        case 7:
            found.others.append("an IP address that can't be read")
        case 1:
            found.others.append(f"the mail address {value}")
        case 6:
            found.others.append(f"the URI {value}")
        case _:
            found.others.append(KINDS[number])

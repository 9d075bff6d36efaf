"""Values that people and broken scripts type: each is tried in every option and argument of every command."""

import codecs
from pathlib import Path

import click

from certline.cli.parameters.text_file import TextFileType

LONG = "x" * 65_536
# SCM's orderNumber, of ten digits, is more than an integer column stores.
TOO_LARGE = "2907713345"


# For every option and argument.
TEXTS = {
    "NUL": "a\0b",
    "surrogate": "a\udcff",
    "control characters": "a\x01\x1b[2Jb",
    "line ends": "a\r\nb",
    "emoji": "\U0001f512.example",
    "right to left": "\u202egnp.elpmaxe",
    "empty": "",
    "blanks": "   ",
    "long": LONG,
    "10^30": f"{10**30}",
    "5000 digits": "9" * 5_000,
    "minus one": "-1",
    "beyond int4": TOO_LARGE,
    "beyond int8": "9223372036854775808",
    "sslId beyond int4": f"scm:{TOO_LARGE}",
    "not a number": "nan",
    "infinity": "inf",
    "SQL": '\'; drop table "order"; --',
    "percent": "%s %(x)s %",
    "option": "--",
    "stdin": "-",
    "last date": "9999-12-31T23:59:59-01:00",
    "pair": "a=\x7f",
    "quote": "it's \"quoted\\",
}
# For those that are dates, names of files, or URLs.
DATES = {
    "date too early": "0000-00-00",
    "date too late": "99999-12-31T25:61",
    "first date": "0001-01-01T00:00:00+14:00",
}
URLS = {
    "URL without host": "https://",
    "URL with a bad port": "https://127.0.0.1:99999/",
    "URL with a bad host": "https://a..b:1/",
    "URL of IPv6": "https://[::1/",
    "other scheme": "amqp://guest:hun@ter2@127.0.0.1/",
}


def texts_for(param: click.Parameter, folder: Path) -> list[str]:
    """Return the values to try for a parameter; `folder` holds files with the nasty content."""
    if isinstance(param.type, click.Choice):
        return [TEXTS["surrogate"], TEXTS["empty"], TEXTS["10^30"]]
    own = dict(TEXTS)
    name = param.name or ""
    if name in ("since", "until"):
        own |= DATES
    if "url" in name:
        own |= URLS
    if isinstance(param.type, TextFileType | click.Path) or name == "directory":
        own |= files_in(folder)
    return list(own.values())


def files_in(folder: Path) -> dict[str, str]:
    """Return paths that are no usable text file, written to `folder`."""
    files = {
        "binary file": bytes(range(256)),
        "UTF-16 file": codecs.BOM_UTF16_LE + "hunter2hunter2\n".encode("utf-16-le"),
        "Latin-1 file": b"schl\xfcssel-123456\r\n",
        "empty file": b"",
        "text file": b"\xef\xbb\xbfhunter2hunter2\r\n",
    }
    paths = {}
    for name, content in files.items():
        path = folder / name.replace(" ", "-")
        path.write_bytes(content)
        paths[name] = str(path)
    return paths | {
        "folder": str(folder),
        "missing file": str(folder / "missing" / "file"),
        "file as folder": str(folder / "text-file" / "below"),
        "name too long": str(folder / ("n" * 300)),
        "full disk": "/dev/full",
    }

"""Headers of each response: nothing from elsewhere, no frames, no sniffing, no referrer, nothing kept."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SAFE_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # Nobody else is told anything. With `no-referrer` a browser sends the board's own forms without their origin,
    # and they could not be told from another page's.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
# Unless the response says otherwise, as those of the style sheet and the script do.
NOT_KEPT = ("cache-control", "no-store")


def with_safe_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return a response's headers with those that each response has."""
    known = {name.lower() for name, _ in headers}
    more = [(name.encode(), value.encode()) for name, value in (*SAFE_HEADERS.items(), NOT_KEPT)]
    return [*headers, *((name, value) for name, value in more if name not in known)]

"""Handler of the token endpoint (OAuth 2.0 client credentials)."""

from urllib.parse import parse_qs

from starlette.responses import Response

from certline.simulator.http.call import SimRequest
from certline.simulator.http.login import token_for
from certline.simulator.wire.answers import answer


def token(asked: SimRequest) -> Response:
    """Return a token for a known API key, or an error as defined by OAuth 2.0."""
    form = parse_qs(asked.raw.decode("latin-1"))
    grant, client, secret = (
        form.get(name, [""])[0] for name in ("grant_type", "client_id", "client_secret")
    )
    if grant != "client_credentials":
        return answer({"error": "unsupported_grant_type"}, status=400)
    found = token_for(asked.scm, client, secret)
    if found is None:
        return answer({"error": "invalid_client"}, status=401)
    life = asked.scm.settings.token_life_s
    return answer({"access_token": found, "expires_in": life, "token_type": "Bearer"})

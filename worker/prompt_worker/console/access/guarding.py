"""Requests that are refused before any page sees them, and the headers that each answer has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.datastructures import Headers

# No script and no style but the two files; nothing is framed, fetched or sent elsewhere.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # A form's Origin is null where no referrer is sent at all.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def refusal(method: str, headers: Headers, hosts: Collection[str]) -> tuple[int, str] | None:
    """The status and the reason; None where the request may go on.

    A name that somebody else points at this machine is no host of ours. A page of another site may link here, and may
    not send a form: browsers say where it is from.
    """
    host = headers.get("host", "")
    if host not in hosts:
        return 421, "This address is none of the console's: open the one that it printed."
    if method in ("GET", "HEAD"):
        return (403, "A page of the console is no part of another page.") if _is_part(headers) else None
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin") or origin not in (None, f"http://{host}"):
        return 403, "The form came from another site."
    if site is None and origin is None:
        return 403, "The request does not say where it came from: use a browser."
    return None


def _is_part(headers: Headers) -> bool:
    """Of a page elsewhere, as a picture is: from another port of this machine it would have the session's cookie."""
    elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return elsewhere and headers.get("sec-fetch-dest", "document") != "document"

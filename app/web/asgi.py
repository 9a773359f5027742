"""The web app as a server: the page script, its guard, security headers, a health route. Started by `pagewise run`."""

import base64
import hashlib
import re
from pathlib import Path

import streamlit
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.views.style import SCRIPT
from app.web.host_guard import HostGuard, HostPolicy
from settings import load_settings


def policy() -> str:
    """The content-security policy. Scripts: Streamlit's own files, and by their hashes its one inline script and ours.
    Pictures come from this server alone, so no text can make a browser fetch from elsewhere."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    inline = [*re.findall(r"<script>(.*?)</script>", page, re.DOTALL), SCRIPT]
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline)
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' " + " ".join(f"'sha256-{found}'" for found in hashes),
            "style-src 'self' 'unsafe-inline'",  # Streamlit styles its elements so
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Headers:
    """Adds the same headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.headers = [
            (b"content-security-policy", policy().encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.headers]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


app = streamlit.App(
    Path(__file__).parents[1] / "main.py",
    routes=[Route("/health", health)],
    middleware=[Middleware(Headers), Middleware(HostGuard, HostPolicy(load_settings()))],  # before Streamlit's own
)

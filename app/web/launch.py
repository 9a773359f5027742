"""`pagewise run`: starts the web app and prints where it is."""

import errno
import os
import socket
from pathlib import Path

from click.exceptions import Abort

from app.composition import read_examples
from app.web.streamlit_options import options
from ingest.errors import PagewiseError
from settings import Settings, variable

MAIN = Path(__file__).with_name("asgi.py")


class CannotListen(PagewiseError):
    """The web app cannot be reached where the settings want it; nothing was started."""


class PortTaken(CannotListen):
    text = "Port {port} on {address} is already in use, perhaps by a Pagewise that is running."
    remedy = "Open http://{address}:{port} and see, or choose another port: pagewise run --port {other}"


class AddressRefused(CannotListen):
    text = "The web app cannot listen on {address}:{port} ({detail})."
    remedy = "Correct PAGEWISE_ADDRESS and PAGEWISE_PORT, or unset them for 127.0.0.1:8501."


def serve(settings: Settings) -> int:
    """Serve the web app until it is stopped; the exit code. Raises CannotListen, ExamplesError."""
    read_examples(settings)  # a wrong file is told here, not at the first question
    check(settings.address, settings.port)
    for field in ("data", "port"):  # what the command line said counts in the app too
        os.environ[variable(field)] = str(getattr(settings, field))
    host = f"[{settings.address}]" if ":" in settings.address else settings.address
    print(f"Pagewise: http://{host}:{settings.port}   (Ctrl-C stops it; the library is {settings.data})", flush=True)
    from streamlit.web import cli  # a second to import: not before the port is known to be free

    flags = [f"--{name}={value}" for name, value in options(settings).items()]
    try:
        cli.main(["run", str(MAIN), *flags], prog_name="streamlit", standalone_mode=False)
    except (KeyboardInterrupt, Abort):  # Ctrl-C is how it is meant to end
        print("Stopped.")
    return 0


def check(address: str, port: int) -> None:
    """Raise CannotListen where nobody could listen now; the server itself would say so late, in a traceback."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just closed is free
            probe.bind(place)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(address=address, port=port, other=port + 1 if port < 65535 else port - 1) from None
        raise AddressRefused(address=address, port=port, detail=error.strerror or error) from None

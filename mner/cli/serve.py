"""``mner serve``: a service that tags posts over HTTP."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from mner.argument_types import check_range
from mner.cli.parsing import OptionParser
from mner.cli.post_options import MODELS_HELP
from mner.devices import ACCELERATOR_HELP
from mner.errors import ConfigurationError
from mner.extras import extra
from mner.predictions import check_threshold
from mner.serving.limits import Limits
from mner.terminal import printable

LOOPBACK = "127.0.0.1"


def parser() -> OptionParser:
    """The options of ``mner serve``."""
    options = OptionParser(
        prog="mner serve",
        description="Tag posts over HTTP: POST /tag with JSON or a form, GET /health, /ready, /metrics and /docs. "
        "Posts of several requests are tagged together. SIGTERM answers what has arrived, then ends.",
    )
    options.add_argument("--ckpt_path", type=Path, nargs="+", required=True, help=MODELS_HELP)
    options.add_argument("--host", type=str, default=LOOPBACK, help="The address to listen on; 0.0.0.0 for all.")
    options.add_argument("--port", type=int, default=8000, help="The port; 0 chooses a free one.")
    options.add_argument("--batch_size", type=int, default=32, help="Maximum number of posts per batch; 1 for none.")
    options.add_argument("--max_wait", type=float, default=0.005, help="Seconds that a post waits for others.")
    options.add_argument(
        "--threshold", type=float, default=0.0, help="Leave out entities with a lower confidence, 0 to 1."
    )
    options.add_argument(
        "--allow_urls",
        type=bool,
        default=False,
        help="Download images from addresses that clients give; private networks are refused.",
    )
    options.add_class_arguments(Limits, "limits")
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Serve until a signal.

    Raises:
        ConfigurationError: If the extra ``serve`` is not installed, or an option is out of range.
        CheckpointError: If the checkpoint cannot be loaded.
    """
    options = parser().parse_args(list(arguments[1:]))
    check_range("--batch_size", options.batch_size, "[1, inf)")
    check_range("--max_wait", options.max_wait, "[0, inf)")
    check_threshold(options.threshold)
    if not options.host:  # which would be every interface
        raise ConfigurationError("expected --host to be an address, got an empty text; 127.0.0.1 is this machine only")
    limits = Limits(**vars(options.limits))
    with extra("serve", "mner serve"):
        from mner.serving.server import DrainingServer
    from mner.inference.load import load
    from mner.serving.service import Service

    tagger = load(options.ckpt_path, options.accelerator)
    service = Service(
        tagger,
        limits,
        batch_size=options.batch_size,
        max_wait=options.max_wait,
        with_urls=options.allow_urls,
        threshold=options.threshold,
    )
    tagger.predict("warm up")
    listening = _listen(options.host, options.port)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(
        printable(f"serving {', '.join(map(str, options.ckpt_path))} at http://{host}:{listening.getsockname()[1]}"),
        flush=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has answered everything
    DrainingServer(service).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {error}; give another --host or --port"
        ) from error

"""``pgmel serve``: a bundle behind HTTP, with a web page."""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from pgmel.errors import MissingExtraError, SettingError
from pgmel.interfaces.opening import open_linker
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.progress import waiting

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

__all__ = ["EPILOG", "serve"]

EPILOG: Final = "Example: pgmel serve --bundle runs/demo/bundle --port 8000   (then open http://127.0.0.1:8000)"

_PACKAGES: Final = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
_RECONCILIATION: Final = "Reconciliation"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

BundleOption = Annotated[Path, typer.Option("--bundle", "-b", help="Folder that training or indexing wrote.", show_default=False)]
HostOption = Annotated[str, typer.Option("--host", help="Address to listen on; 0.0.0.0 lets other machines in.")]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes any that is free.")]
TokenEnvOption = Annotated[
    str | None, typer.Option("--token-env", help="Environment variable that holds the token clients must send.", show_default=False)
]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", help="File that holds the token clients must send.", show_default=False)
]
HostsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        help="Name under which clients reach a server on 127.0.0.1 without a token, such as that of a proxy; may be repeated.",
        show_default=False,
    ),
]
BatchOption = Annotated[
    int, typer.Option("--batch-size", min=1, max=4096, help="Most mentions of concurrent requests linked at once; 1 links each alone.")
]
WindowOption = Annotated[float, typer.Option("--batch-window-ms", min=0, max=1000, help="How long a batch waits for more, in ms.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.01, max=3600, help="Seconds until a request is refused.")]
BodyOption = Annotated[float, typer.Option("--max-body-mib", min=0.001, help="Largest body, in MiB.")]
PictureOption = Annotated[float, typer.Option("--max-picture-mib", min=0.001, help="Largest picture file, in MiB.")]
PixelsOption = Annotated[float, typer.Option("--max-megapixels", min=0.001, max=64, help="Largest picture, in million pixels.")]
MentionsOption = Annotated[int, typer.Option("--max-mentions", min=1, help="Most mentions in one batch request.")]
TextOption = Annotated[int, typer.Option("--max-characters", min=1, help="Longest text of a mention, in characters.")]
PublicOption = Annotated[
    str | None,
    typer.Option("--public-url", help="Address of the server as clients see it, where a proxy changes it.", show_default=False),
]
OriginsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        help="Origin such as https://example.org whose pages may use the service, besides those on the reader's own machine; * for any; "
        "may be repeated.",
        show_default=False,
        rich_help_panel=_RECONCILIATION,
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--service-name", help="Its name; by default that of the data.", show_default=False, rich_help_panel=_RECONCILIATION),
]
TypesOption = Annotated[
    str | None,
    typer.Option(
        "--type-attribute",
        help="Attribute of entities whose values are their types; by default 'instance of', where there is one.",
        show_default=False,
        rich_help_panel=_RECONCILIATION,
    ),
]
IdsOption = Annotated[
    str | None,
    typer.Option(
        "--identifier-space",
        help="URI that tells clients whose ids these are, such as http://www.wikidata.org/entity/; by default the server's own.",
        show_default=False,
        rich_help_panel=_RECONCILIATION,
    ),
]
SchemaOption = Annotated[
    str,
    typer.Option("--schema-space", help="URI that tells clients what entities are.", rich_help_panel=_RECONCILIATION),
]
ViewOption = Annotated[
    str | None,
    typer.Option(
        "--view-url",
        help="Address of an entity's page, with {{id}} for its id; by default a page of the server.",
        show_default=False,
        rich_help_panel=_RECONCILIATION,
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="Where encoders and model run: auto, cpu, cuda, cuda:1, mps.")]


def serve(
    bundle: BundleOption,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8000,
    token_env: TokenEnvOption = None,
    token_file: TokenFileOption = None,
    allow_host: HostsOption = None,
    batch_size: BatchOption = 64,
    batch_window_ms: WindowOption = 2.0,
    timeout: TimeoutOption = 30.0,
    max_body_mib: BodyOption = 32,
    max_picture_mib: PictureOption = 8,
    max_megapixels: PixelsOption = 24,
    max_mentions: MentionsOption = 256,
    max_characters: TextOption = 20_000,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    public_url: PublicOption = None,
    allow_origin: OriginsOption = None,
    service_name: NameOption = None,
    type_attribute: TypesOption = None,
    identifier_space: IdsOption = None,
    schema_space: SchemaOption = "https://schema.org/Thing",
    view_url: ViewOption = None,
) -> None:
    """Serve a bundle over HTTP, with a web page to try it, and as a reconciliation service for OpenRefine at /reconcile.

    Log lines are JSON on standard error and hold nothing that users send. SIGTERM or Ctrl-C finishes the requests in flight; SIGHUP loads
    the bundle again, as after pgmel kb add.
    """
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "serve", "pgmel serve")
    token = read_token(token_env, token_file)

    with waiting("starting", tell=False):
        from pgmel.interfaces.http import Limits, ReconciliationOptions, create_app, open_socket, set_up_logs
        from pgmel.interfaces.http.limits import MIB
        from pgmel.interfaces.http.logs import log_event
        from pgmel.linking import Linker

    reconciliation = ReconciliationOptions(
        public_url, service_name, identifier_space, schema_space, view_url, type_attribute, tuple(allow_origin or ())
    )
    hosts = (*_LOCAL_NAMES, *(allow_host or ()), *_host_of(public_url)) if token is None and host in _LOOPBACK else None
    limits = Limits(
        body_bytes=round(max_body_mib * MIB),
        picture_bytes=round(max_picture_mib * MIB),
        picture_pixels=round(max_megapixels * 1_000_000),
        mentions=max_mentions,
        text_characters=max_characters,
        timeout_s=timeout,
        waiting_mentions=max(2_048, 2 * max_mentions),
    )
    # Before the bundle is read: a port that is taken should not cost a minute.
    listening = open_socket(host, port)
    set_up_logs()
    log_event("loading", bundle=str(bundle))

    def load() -> Linker:
        return open_linker(bundle, device, text_encoder, image_encoder)

    with listening, load() as linker:
        app = create_app(
            linker,
            limits,
            token=token,
            batch_size=batch_size,
            window_s=batch_window_ms / 1000,
            hosts=hosts,
            reconciliation=reconciliation,
            load=load,
        )
        _run(app, listening, bundle, len(linker.kb), timeout, exposed=token is None and host not in _LOOPBACK)


def read_token(variable: str | None, file: Path | None) -> str | None:
    """Return the token that an environment variable or a file holds, or None if neither is named.

    Raises:
        SettingError: If both are named, or the one named is missing or empty.
    """
    if variable is not None and file is not None:
        raise SettingError("name --token-env or --token-file, not both")
    if variable is not None:
        token = os.environ.get(variable, "").strip()
        where = f"the environment variable {variable} of --token-env"
    elif file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"the file {file} of --token-file cannot be read: {error}") from None
        where = f"the file {file} of --token-file"
    else:
        return None
    if not token:
        raise SettingError(f"{where} is missing or empty; put a long random text there, such as: openssl rand -hex 32")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(f"{where} holds a character that no token can have; use letters and digits")
    return token


def _host_of(address: str | None) -> tuple[str, ...]:
    host = urlsplit(address or "").hostname
    return () if host is None else (f"[{host}]" if ":" in host else host,)


def _run(app: "FastAPI", listening: "socket.socket", bundle: Path, entities: int, grace_s: float, exposed: bool) -> None:
    from pgmel.interfaces.http import address_of, run_server
    from pgmel.interfaces.http.logs import log_event

    address = address_of(listening)
    if exposed:
        log_event("warning", level=30, message="other machines can reach this server and no token is asked; see --token-env")

    def announce() -> None:
        log_event("ready", address=address, bundle=str(bundle), entities=entities)
        typer.echo(f"pgmel serves {entities:,} entities at {address} (Ctrl-C ends it)")

    run_server(app, listening, grace_s, announce)

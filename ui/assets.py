"""The site's files: each under an address with its content's hash in it, so that a browser may keep it for ever.

They are read and packed once, at the start. `brand.css` is made here: the carriers' colours are configuration.
"""

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from msgspec import Struct

from ledger.terms import CarrierCode
from ui.desk import Carrier

FOLDER = Path(__file__).parent / "static"
ROOT = "/static"
HASH_CHARS = 12
FOR_EVER = "public, max-age=31536000, immutable"
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
"""What is served; any other file in the folder (licences, checksums) is not."""
LIVE = ("vendor/htmx.min.js", "vendor/hx-sse.min.js")
"""One file on the page, `live.js`: htmx begins as soon as it can, and must not do so before its extension is there."""
PACKED = (".css", ".js", ".svg")
REFERENCE = re.compile(r'url\("([^":]+)"\)')


class Asset(Struct, frozen=True):
    body: bytes
    packed: bytes | None
    kind: str


class Assets:
    """All of them, by their address."""

    def __init__(self, carriers: Mapping[CarrierCode, Carrier]) -> None:
        self._addresses: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        files = [file for file in sorted(FOLDER.rglob("*")) if file.suffix in TYPES]
        # Stylesheets last: they name the others.
        for file in sorted(files, key=lambda file: file.suffix == ".css"):
            self._add(file.relative_to(FOLDER).as_posix(), file.read_bytes())
        self._add("brand.css", brand(carriers).encode())
        self._add("live.js", b";\n".join((FOLDER / name).read_bytes() for name in LIVE))

    def address(self, name: str) -> str:
        """Where a page finds a file. KeyError for one that is not there: a page with a dead link is a bug."""
        return self._addresses[name]

    async def serve(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.path)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": asset.kind, "Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
        if asset.packed is None:
            return web.Response(body=asset.body, headers=headers)
        headers["Vary"] = "Accept-Encoding"
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.body, headers=headers)
        return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})

    def _add(self, name: str, body: bytes) -> None:
        path = Path(name)
        if path.suffix == ".css":
            body = REFERENCE.sub(lambda found: f'url("{self.address(found[1])}")', body.decode()).encode()
        address = f"{ROOT}/{path.stem}-{sha256(body).hexdigest()[:HASH_CHARS]}{path.suffix}"
        packed = gzip.compress(body, mtime=0) if path.suffix in PACKED else None
        self._addresses[name] = address
        self._assets[address] = Asset(body, packed, TYPES[path.suffix])


def brand(carriers: Mapping[CarrierCode, Carrier]) -> str:
    """Each carrier's colours, for whatever bears its code, and the widths of proportional bars.

    A strict policy forbids styles in the page, so widths that come from data are classes too.
    """
    colours = "".join(
        f'[data-carrier="{carrier.code}"]{{--own:light-dark({carrier.colour},{carrier.colour_dark})}}'
        for carrier in carriers.values()
    )
    parts = "".join(f".part-{part}{{flex-grow:{part}}}" for part in range(1, 101))
    return f"@layer brand{{{colours}{parts}}}"

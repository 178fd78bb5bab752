"""One carrier in the original design: Flask, a thread a connection, one lock, a JSON file for each flight.

Two-phase commit as the textbook has it: the coordinator asks one participant after the other to prepare, writes its
decision, and tells them one after the other. A file is written whole, to another name, flushed to the disk, renamed.

    python -m tests.baselines.original CARRIER FOLDER PORT CARRIER=PORT ...
"""

import json
import os
import sys
import threading
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path

from flask import Flask, Response, jsonify, request
from werkzeug.serving import WSGIRequestHandler, make_server

from airline_node.fleet import HOST

WAIT_S = 60

Seats = dict[str, dict[str, str] | None]
"""A flight's seats: free (null), or whose, and prepared or committed."""


class Files:
    """Everything that this carrier knows, one lock around all of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def prepare(self, booking: str, flight: str) -> bool:
        """Keeps the first free seat for the booking; False if there is none."""
        with self._lock:
            seats = self._read(flight)
            free = next((seat for seat, owner in seats.items() if owner is None), None)
            if free is None:
                return False
            seats[free] = {"booking": booking, "state": "prepared"}
            self._write(flight, seats)
            return True

    def finish(self, booking: str, flight: str, *, commit: bool) -> None:
        """What was prepared is sold, or free again."""
        with self._lock:
            seats = self._read(flight)
            for seat, owner in seats.items():
                if owner is not None and owner["booking"] == booking:
                    seats[seat] = {"booking": booking, "state": "committed"} if commit else None
            self._write(flight, seats)

    def decide(self, booking: str, flights: list[str], decision: str) -> None:
        with self._lock:
            self._write(f"transaction-{booking}", {"flights": flights, "decision": decision})

    def _read(self, name: str) -> Seats:
        seats: Seats = json.loads(self._path(name).read_text())
        return seats

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        fresh = self._path(name).with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name.replace('/', '-')}.json"


class Peers(threading.local):
    """This thread's connections to the other carriers, kept open."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._lines = {carrier: HTTPConnection(HOST, port, WAIT_S) for carrier, port in ports.items()}

    def ask(self, carrier: str, phase: str, booking: str, flight: str) -> bool:
        line = self._lines[carrier]
        line.request("POST", f"/{phase}", json.dumps({"booking": booking, "flight": flight}), JSON)
        answer = line.getresponse()
        answer.read()
        return answer.status == 200


JSON = {"Content-Type": "application/json"}


def server(carrier: str, files: Files, peers: Peers) -> Flask:
    app = Flask(__name__)

    def ask(phase: str, booking: str, flight: str) -> bool:
        return peers.ask(flight[:2], phase, booking, flight) if flight[:2] != carrier else do(phase, booking, flight)

    def do(phase: str, booking: str, flight: str) -> bool:
        if phase == "prepare":
            return files.prepare(booking, flight)
        files.finish(booking, flight, commit=phase == "commit")
        return True

    @app.put("/api/bookings/<booking>")
    def book(booking: str) -> tuple[Response, int]:
        flights = [segment["flight"] for segment in request.get_json()["segments"]]
        files.decide(booking, flights, "none")
        prepared = []
        for flight in flights:
            if not ask("prepare", booking, flight):
                break
            prepared.append(flight)
        commit = prepared == flights
        files.decide(booking, flights, "commit" if commit else "abort")
        for flight in prepared:
            ask("commit" if commit else "abort", booking, flight)
        return (jsonify(status="confirmed"), 201) if commit else (jsonify(error="seat-taken"), 409)

    @app.post("/<phase>")
    def participate(phase: str) -> tuple[Response, int]:
        asked = request.get_json()
        done = do(phase, asked["booking"], asked["flight"])
        return jsonify(done=done), 200 if done else 409

    return app


class Quiet(WSGIRequestHandler):
    """Keeps connections open and writes no line a request: both would only slow it down."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main(carrier: str, folder: str, port: str, *others: str) -> None:
    ports = {name: int(at) for name, at in (other.split("=") for other in others)}
    app = server(carrier, Files(Path(folder)), Peers(ports))
    served = make_server(HOST, int(port), app, threaded=True, request_handler=Quiet)
    served.socket.listen(4_096)
    served.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

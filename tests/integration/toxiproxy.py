"""Connections that a test slows, cuts and silences: Toxiproxy between the program and a server."""

import contextlib
import json
import urllib.request
import uuid

import harness

UP, DOWN = "upstream", "downstream"  # from the program to the server, and back
BOTH = (UP, DOWN)


class Toxiproxy(harness.Server):
    def __init__(self, directory):
        super().__init__("toxiproxy", directory)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path, **body):
        request = urllib.request.Request(f"{self.env['TOXIPROXY_API']}/{path}", method=method, headers={"Content-Type": "application/json"},
                                         data=json.dumps(body).encode() if body else None)
        with self._opener.open(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None


class Proxy:
    """One address in front of one server."""

    def __init__(self, toxiproxy, port):
        self.toxiproxy, self.name = toxiproxy, f"p{uuid.uuid4().hex[:8]}"
        made = toxiproxy.ask("POST", "proxies", name=self.name, listen="127.0.0.1:0", upstream=f"127.0.0.1:{port}")
        self.address = made["listen"]
        self.port = int(self.address.rsplit(":", 1)[1])

    def close(self):
        self.toxiproxy.ask("DELETE", f"proxies/{self.name}")

    def _enable(self, enabled):
        self.toxiproxy.ask("POST", f"proxies/{self.name}", listen=self.address, enabled=enabled)

    @contextlib.contextmanager
    def refused(self):
        """Connections end, and new ones are refused."""
        self._enable(False)
        try:
            yield
        finally:
            self._enable(True)

    @contextlib.contextmanager
    def harmed(self, kind, directions=BOTH, **attributes):
        """With one toxic, in one or both directions, on connections that are there and on new ones."""
        names = []
        try:
            for direction in (directions,) if isinstance(directions, str) else directions:
                made = self.toxiproxy.ask("POST", f"proxies/{self.name}/toxics", type=kind, stream=direction,
                                          name=f"{kind}-{direction}", attributes=attributes)
                names.append(made["name"])
            yield
        finally:
            for name in names:
                self.toxiproxy.ask("DELETE", f"proxies/{self.name}/toxics/{name}")

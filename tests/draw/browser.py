"""A headless Chromium driven over its debugging pipe: JSON messages that end in a zero byte, on descriptors 3 and 4."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
OPTIONS = "--headless=new --no-sandbox --disable-gpu --no-first-run --hide-scrollbars --remote-debugging-pipe".split()
LAUNCH = """
import fcntl, os, sys
spare = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
os.dup2(spare[0], 3), os.dup2(spare[1], 4), os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab. `errors` are what its console complained of."""

    def __init__(self, home: Path) -> None:
        (reads, self._write), (self._read, writes) = os.pipe(), os.pipe()
        command = [sys.executable, "-c", LAUNCH, str(reads), str(writes), PROGRAM, *OPTIONS, f"--user-data-dir={home}", "about:blank"]
        self._process = subprocess.Popen(command, pass_fds=(reads, writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(reads)
        os.close(writes)
        self._buffer, self._number, self._session = b"", 0, None
        self.errors: list[str] = []
        target = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params):
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": self._session} if self._session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._wait(lambda m: m.get("id") == self._number)

    def open(self, path: Path, width: int = 1400, height: int = 900) -> None:
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Page.navigate", url=path.as_uri())
        self._wait(lambda m: m.get("method") == "Page.loadEventFired")

    def run(self, script: str):
        """The value of an expression in the page; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]["exception"].get("description")
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """A real click in the middle of the element."""
        self.drag(selector, 0, 0)

    def drag(self, selector: str, right: int, down: int) -> None:
        """From the middle of the element by so many pixels."""
        box = self.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, far in (("mousePressed", 0), *([("mouseMoved", 0.5), ("mouseMoved", 1)] if right or down else []), ("mouseReleased", 1)):
            at = {"x": x + far * right, "y": y + far * down}
            self.send("Input.dispatchMouseEvent", type=kind, **at, button="left", buttons=1, clickCount=1)

    def press(self, *keys: str) -> None:
        for key in keys:
            text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
            code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                self.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **(text if kind == "keyDown" else {}))

    def screenshot(self, path: Path) -> bytes:
        path.write_bytes(data := base64.b64decode(self.send("Page.captureScreenshot")["data"]))
        return data

    def close(self) -> None:
        os.close(self._write)
        os.close(self._read)
        self._process.wait(10)

    def _wait(self, wanted):
        while True:
            while b"\0" not in self._buffer:
                read = os.read(self._read, 1 << 20)
                assert read, "the browser went away"
                self._buffer += read
            line, _, self._buffer = self._buffer.partition(b"\0")
            message = json.loads(line)
            self._listen(message)
            if wanted(message):
                assert "error" not in message, message["error"]
                return message.get("result")

    def _listen(self, message) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["exception"].get("description", "exception"))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(str(params["args"]))

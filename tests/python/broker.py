"""Starts, stops and kills the broker under test: Highwater, or the Apache Kafka that it is compared with.

Each broker gets a directory and a free port of its own on 127.0.0.1; after a restart it keeps both, so that clients
find it again. Processes are ended by their own id only.

Environment:
  HIGHWATER_BROKER   highwater (default) or kafka
  HIGHWATER_BIN      the binary; by default <target dir>/{release,debug}/highwater, whichever is newer
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rawclient

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
KAFKA_JARS = CACHE / "kafka-4.3.1"
CLIENT_JARS = CACHE / "kafka-clients-4.4.0"
APP_JARS = CACHE / "kafka-apps"
# Names of listeners, in the order of `Broker.hosts`.
LISTENERS = ("PLAINTEXT", "SECOND")
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60


def java_command(main, jars, *arguments, heap="512m", options=()):
    """The command line that runs `main` with every jar of the directory `jars`."""
    return ["java", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *options, "-cp", f"{jars}/*", main, *arguments]


def free_port():
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def highwater_binary():
    """The binary under test; see the module's documentation."""
    named = os.environ.get("HIGHWATER_BIN")
    if named:
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [p for p in (target / "release" / "highwater", target / "debug" / "highwater") if p.exists()]
    if not built:
        sys.exit("no highwater binary: run `cargo build --bin highwater` or set HIGHWATER_BIN")
    return max(built, key=lambda p: p.stat().st_mtime)


class Broker:
    """One broker process over one directory. Use as a context manager: it leaves nothing behind unless it failed.

    It listens once for each of `hosts`; `ports` are in their order, `port` is the first. `advertise` is a port on 127.0.0.1
    that clients are told instead: what listens there passes everything on.
    """

    def __init__(self, settings=None, directory=None, hosts=("127.0.0.1",), advertise=None):
        self.settings = dict(settings or {})
        self.hosts, self.advertise = hosts, advertise
        self.owns_directory = directory is None
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.data_dir = self.directory / "data"
        self.log_path = self.directory / "broker.log"
        self.process = None
        # The first one is chosen at start.
        self.ports = [None, *(free_port() for _ in hosts[1:])]

    @property
    def port(self):
        """The first listener's port, None before the first start."""
        return self.ports[0]

    @property
    def addresses(self):
        """HOST:PORT of each listener."""
        return [f"{bracketed(host)}:{port}" for host, port in zip(self.hosts, self.ports)]

    @property
    def address(self):
        """HOST:PORT, as clients take it."""
        return self.addresses[0]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, failure, *_):
        if self.process:
            self.kill()
        if failure:
            print(f"--- last lines of {self.log_path}\n{self.log_tail()}", file=sys.stderr)
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        """Starts the process and waits until it answers. Returns the seconds that this took."""
        began = time.monotonic()
        self.launch()
        self._await_ready(began + START_TIMEOUT_S)
        return time.monotonic() - began

    def launch(self):
        """Starts the process and does not wait."""
        self._prepare()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self._command(), stdout=self._stdout(log), stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)

    def stop(self):
        """Clean stop by SIGTERM. Returns the seconds that it took; the process must exit with success."""
        began = time.monotonic()
        code = self._end(signal.SIGTERM)
        if code not in self.clean_exit_codes:
            raise RuntimeError(f"{self.name} ended with {code} after SIGTERM\n{self.log_tail()}")
        return time.monotonic() - began

    def kill(self):
        """SIGKILL: the process gets no chance to write anything."""
        self._end(signal.SIGKILL)

    def restart(self, kill=False):
        """Stops or kills the process and starts it again on the same directory and port."""
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def alive(self):
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def rss_kib(self):
        """Resident memory of the process in KiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError("no VmRSS: the process has ended")

    def log_tail(self, lines=40):
        """The last lines of what the process printed."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, signal_number):
        self.process.send_signal(signal_number)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            tail = self.log_tail()
            self.process.kill()
            self.process.wait()
            self.process = None
            raise RuntimeError(f"{self.name} did not end within {STOP_TIMEOUT_S} s\n{tail}") from None
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        return code

    def _check_running(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode} at start\n{self.log_tail()}")


class Highwater(Broker):
    """Our binary."""

    name = "highwater"
    clean_exit_codes = (0,)

    def _prepare(self):
        pass

    def _stdout(self, _log):
        return subprocess.PIPE

    def _command(self):
        command = [str(highwater_binary()), "serve", "--data-dir", str(self.data_dir), "--http", "none"]
        for index, (host, port) in enumerate(zip(self.hosts, self.ports)):
            command += ["--listen", f"{LISTENERS[index]}://{bracketed(host)}:{port or 0}"]
        if self.advertise:
            command += ["--advertise", f"{LISTENERS[0]}://127.0.0.1:{self.advertise}"]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        return command

    def _await_ready(self, _deadline):
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready "):
            self.process.wait(STOP_TIMEOUT_S)
            raise RuntimeError(f"expected `ready HOST:PORT`, got {line!r}\n{self.log_tail()}")
        self.ports[0] = int(line.rsplit(":", 1)[1])


class Kafka(Broker):
    """Apache Kafka in KRaft mode, broker and controller in one process."""

    name = "kafka"
    # A JVM that ends by SIGTERM reports 128 + 15.
    clean_exit_codes = (0, 143, -signal.SIGTERM)

    def _prepare(self):
        if self.port:
            return
        self.ports[0], controller_port = free_port(), free_port()
        listeners = [f"{name}://{address}" for name, address in zip(LISTENERS, self.addresses)]
        advertised = [f"{LISTENERS[0]}://127.0.0.1:{self.advertise}", *listeners[1:]] if self.advertise else listeners
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller_port}"]),
            "advertised.listeners": ",".join([*advertised, f"CONTROLLER://127.0.0.1:{controller_port}"]),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in (*LISTENERS, "CONTROLLER")),
            "log.dirs": str(self.data_dir),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # A killed broker may come back as soon as its session has run out.
            "broker.session.timeout.ms": "6000",
            "broker.heartbeat.interval.ms": "500",
            **self.settings,
        }
        self.config_path = self.directory / "server.properties"
        self.config_path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        format_command = java_command(
            "kafka.tools.StorageTool", KAFKA_JARS, "format", "--standalone", "-t", "HighwaterTestsAAAAAAAA",
            "-c", str(self.config_path))
        subprocess.run(format_command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def _stdout(self, log):
        return log

    def _command(self):
        return java_command("kafka.Kafka", KAFKA_JARS, str(self.config_path))

    def _await_ready(self, deadline):
        while not rawclient.serves(self.port, self.hosts[0]):
            self._check_running()
            if time.monotonic() > deadline:
                raise RuntimeError(f"kafka does not answer on port {self.port}\n{self.log_tail()}")
            time.sleep(0.05)


def bracketed(host):
    """A host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


BROKERS = {"highwater": Highwater, "kafka": Kafka}


def create(name=None, **arguments):
    """A broker by name (or by the environment), not started yet."""
    return BROKERS[name or os.environ.get("HIGHWATER_BROKER", "highwater")](**arguments)

"""The process itself: what it prints, what it refuses, how it ends. Highwater only."""

import signal
import socket
import struct
import subprocess
import time

import broker as brokers
import pytest
from rawclient import METADATA, Connection

REFUSAL_S = 20


def serve(data_dir, *options, listen=("127.0.0.1:0",)):
    """A `highwater serve` process with these options."""
    command = [str(brokers.highwater_binary()), "serve", "--data-dir", str(data_dir), "--http", "none"]
    for one in listen:
        command += ["--listen", one]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def refused(data_dir, *options, listen=("127.0.0.1:0",)):
    """The last line on stderr of a process that must end by itself with an error, without saying that it is ready."""
    process = serve(data_dir, *options, listen=listen)
    try:
        out, err = process.communicate(timeout=REFUSAL_S)
    finally:
        process.kill()
    assert process.returncode not in (0, None), (out, err)
    assert out == ""
    assert err.strip() and "panicked" not in err
    return err.strip().splitlines()[-1]


def ready_port(process):
    """Waits for the ready line; the first listener's port."""
    line = process.stdout.readline()
    assert line.startswith("ready "), (line, process.stderr.read())
    return int(line.rsplit(":", 1)[1])


def advertised(port):
    """(host, port) of the only broker in Metadata v1 as asked on that port."""
    with Connection(port) as connection:
        body = connection.request(METADATA, 1, struct.pack(">i", 0))
    length = struct.unpack_from(">h", body, 8)[0]
    return body[10:10 + length].decode(), struct.unpack_from(">i", body, 10 + length)[0]


def test_a_second_process_on_the_same_directory_is_refused(tmp_path):
    first = serve(tmp_path / "data")
    try:
        port = ready_port(first)
        before = sorted(p.name for p in (tmp_path / "data").iterdir())
        assert refused(tmp_path / "data")
        assert sorted(p.name for p in (tmp_path / "data").iterdir()) == before
        assert advertised(port) == ("127.0.0.1", port)
    finally:
        first.kill()
        first.communicate()


@pytest.mark.parametrize("setting", ["no.such.setting=1", "num.partitions=many", "log.segment.bytes=-5"])
def test_a_bad_setting_is_refused_and_nothing_is_touched(tmp_path, setting):
    assert setting.split("=")[0] in refused(tmp_path / "data", "--set", setting)
    assert not (tmp_path / "data").exists()


def test_a_kafka_setting_without_meaning_here_is_accepted(tmp_path):
    process = serve(tmp_path / "data", "--set", "num.network.threads=8")
    try:
        assert ready_port(process)
    finally:
        process.kill()
        process.communicate()


def test_a_port_in_use_is_refused(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert str(taken.getsockname()[1]) in refused(tmp_path / "data", listen=[f"127.0.0.1:{taken.getsockname()[1]}"])


def test_every_address_without_an_advertised_one_is_refused(tmp_path):
    assert "advertise" in refused(tmp_path / "data", listen=["0.0.0.0:0"])
    assert not (tmp_path / "data").exists()


def test_each_listener_is_told_its_own_address(tmp_path):
    ports = [brokers.free_port(), brokers.free_port()]
    process = serve(tmp_path / "data", "--advertise", f"B://b.example:{ports[1]}", listen=[f"A://127.0.0.1:{ports[0]}", f"B://127.0.0.1:{ports[1]}"])
    try:
        assert ready_port(process) == ports[0]
        assert advertised(ports[0]) == ("127.0.0.1", ports[0])
        assert advertised(ports[1]) == ("b.example", ports[1])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_although_clients_are_connected(tmp_path, number):
    process = serve(tmp_path / "data")
    port = ready_port(process)
    with Connection(port):
        began = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=REFUSAL_S)
        assert process.returncode == 0
        assert time.monotonic() - began < 10
    assert (tmp_path / "data" / "clean-stop").exists()


def test_a_directory_of_a_newer_format_is_refused(tmp_path):
    data = tmp_path / "data"
    process = serve(data)
    ready_port(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=REFUSAL_S)
    format_file = data / "format"
    written = format_file.read_text()
    newer = "".join(str(int(c) + 8) if c.isdigit() else c for c in written)
    format_file.write_text(newer)
    before = sorted((p.name, p.stat().st_mtime_ns) for p in data.iterdir())
    assert refused(data)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in data.iterdir()) == before

"""ApiVersions: the lists, KIP-511's fallback, the client's name."""


def scenario_each_version(broker):
    broker.each("list", "API_VERSIONS", (0, 2))
    broker.each("list", "API_VERSIONS", (3, 4), {"clientSoftwareName": "differential", "clientSoftwareVersion": "1.0"})


def scenario_version_5(broker):
    client = {"clientSoftwareName": "differential", "clientSoftwareVersion": "1.0"}
    broker.call("list", "API_VERSIONS", 5, client)


def scenario_unsupported_version(broker):
    # Header v2 with an empty tag section, then a body that only the version's owner could read.
    for version in (6, 99, 32767):
        payload = b"\x00\x12" + version.to_bytes(2, "big") + b"\x00\x00\x00\x07\x00\x01x\x00" + b"\x02a\x02b\x00"
        answer = broker.raw(f"version {version}", payload)
        broker.note_value(f"version {version}: error code", int.from_bytes(answer[4:6], "big"))
        # The connection is still good.
        broker.raw(f"version {version}, then version 0", b"\x00\x12\x00\x00\x00\x00\x00\x08\x00\x01x")


def scenario_client_names(broker):
    for step, name, version in (("empty name", "", "1"), ("empty version", "a", ""), ("blank", "a b", "1"), ("slash", "a/b", "1"),
                                ("leading dash", "-a", "1"), ("trailing dot", "a.", "1"), ("legal", "a-b.c", "1.2-rc3")):
        broker.call(step, "API_VERSIONS", 3, {"clientSoftwareName": name, "clientSoftwareVersion": version}, connection=step)


def scenario_twice_on_one_connection(broker):
    broker.call("first", "API_VERSIONS", 3, {"clientSoftwareName": "a", "clientSoftwareVersion": "1"})
    broker.call("second", "API_VERSIONS", 0)

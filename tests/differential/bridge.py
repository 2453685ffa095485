"""The Java bridge as a Python object: encodes, sends and decodes messages with kafka-clients' own classes."""

import json
import subprocess

from broker import CLIENT_JARS, ROOT


class BridgeError(Exception):
    """The bridge could not do what it was told: the scenario is wrong, or an answer cannot be decoded."""


class Bridge:
    """One JVM for a whole run; commands are answered in order."""

    def __init__(self):
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{CLIENT_JARS}/*", str(ROOT / "tests/differential/Bridge.java")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)

    def run(self, op, **arguments):
        """Runs one command; see Bridge.java for what each `op` takes and answers."""
        self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise BridgeError("the bridge ended; its reason is above")
        answer = json.loads(line)
        if "failure" in answer:
            raise BridgeError(f"{op} {json.dumps(arguments)[:400]}: {answer['failure']}")
        return answer

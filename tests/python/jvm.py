"""Programs that run on the JVM: Kafka's tools as processes of their own, or many of them in one JVM."""

import json
import subprocess

from broker import KAFKA_JARS, ROOT, java_command

TOOL_S = 120
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def tool(main, *arguments, text="", jars=KAFKA_JARS):
    """Runs a tool; returns what it printed. It must end with success."""
    done = subprocess.run(java_command(main, jars, *arguments), input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=TOOL_S)
    assert done.returncode == 0, done.stdout
    return done.stdout


class Tools:
    """One JVM that runs tools one after the other (tests/java/src/ToolServer.java). A context manager."""

    def __init__(self):
        command = java_command(str(ROOT / "tests/java/src/ToolServer.java"), KAFKA_JARS)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(TOOL_S)

    def run(self, main, *arguments, text=""):
        """Runs a tool. Returns its exit code and what it printed."""
        self.process.stdin.write(json.dumps({"main": main, "arguments": arguments, "text": text}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["output"]

    def groups(self, broker, *arguments):
        """Runs kafka-consumer-groups, which must end with success. Returns what it printed."""
        code, output = self.run(GROUPS, "--bootstrap-server", broker.address, *arguments)
        assert code == 0, output
        return output

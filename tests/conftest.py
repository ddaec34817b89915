"""What holds for all tests."""

import os
import signal

import hypothesis

# Whether a test passes must not depend on what else the machine does, or on code that is compiled at its first call.
hypothesis.settings.register_profile("facestream", deadline=None)
hypothesis.settings.load_profile("facestream")

# A shell starts background jobs with interrupts ignored, and the programs under test would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Most brokers here live for a minute, which the JVM's second compiler would spend most of.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")

# Kafka, MinIO and MongoDB as fixtures; they start when the first test wants them.
pytest_plugins = ["tests.support.fixtures"]

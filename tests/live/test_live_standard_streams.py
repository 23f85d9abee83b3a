"""Programs whose standard streams are closed, as a daemon's may be."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The port's descriptor is inherited as the child's standard streams take their places.
CHILD = """
import os, subprocess, sys
os.close({closed})
from hopcodec import _core
port = _core.live.Port()
attach = "import sys; from hopcodec import _core; _core.live.Port.attach(int(sys.argv[1]))"
done = subprocess.run(
    [sys.executable, "-c", attach, str(port.fd)],
    pass_fds=[port.fd],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
)
os._exit(10 * done.returncode + (port.fd <= 2))
"""


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_port_is_inherited_where_a_standard_stream_is_closed(closed: int) -> None:
    code = CHILD.format(closed=closed)
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL)
    assert done.returncode == 0

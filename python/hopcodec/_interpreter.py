"""Start Python anew, so that no file of the working folder is taken for a module."""

from __future__ import annotations

import os
import sys
from typing import Final

# Before 3.11 there is no -P, and -c looks in the working folder first. So the first statement takes
# the folder off the path; `sys` is built in, and no file can shadow it. `root` then follows the
# standard library: the folder may be site-packages, whose files must not stand before it.
_RUN_MODULE: Final = """
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import os, runpy
root, module = sys.argv[1:3]
del sys.argv[1:3]
library = os.path.dirname(os.__file__)
own = (library, os.path.join(library, "lib-dynload"))
last = max((at for at, folder in enumerate(sys.path) if folder in own), default=len(sys.path) - 1)
sys.path.insert(last + 1, root)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""

SAFE_PATH: Final = "PYTHONSAFEPATH"  # the variable that means -P, where a library starts Python


def interpreter(error: type[Exception]) -> str:
    """Return the path of this program's Python; raise `error` where there is none to start."""
    path = sys.executable
    if getattr(sys, "frozen", False):
        raise error(f"sys.executable: expected a Python interpreter, got a frozen program, {path}")
    if not path:
        raise error(
            f"sys.executable: expected the path of a Python interpreter, got {path!r}; a program "
            "that embeds Python must set it"
        )
    return path


def module_command(root: str, module: str, *arguments: str, error: type[Exception]) -> list[str]:
    """Return a command that runs `module` of the folder `root`, with this program's own flags.

    Its path is the standard one. The working folder is not on it.

    Raises
    ------
    error
        This program knows no interpreter to start.
    """
    return [interpreter(error), *_flags(), "-c", _RUN_MODULE, root, module, *arguments]


def _flags() -> list[str]:
    if sys.flags.isolated:
        return ["-I"]
    given = {
        "-E": sys.flags.ignore_environment,
        "-s": sys.flags.no_user_site,
        "-S": sys.flags.no_site,
        "-P": sys.version_info >= (3, 11),
    }
    return [flag for flag, wanted in given.items() if wanted]


def environment() -> dict[str, str]:
    """Return this program's environment for a child.

    An empty part of PYTHONPATH means the working folder, and is left out.
    """
    variables = dict(os.environ)
    if "PYTHONPATH" in variables:
        parts = variables["PYTHONPATH"].split(os.pathsep)
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, parts))
    return variables

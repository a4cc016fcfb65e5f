"""Move everything: data in, results out. A process of its own, since boto3 takes 50 MB of memory.

``python -m job.transfer`` reads one request as JSON from standard input, does it, and prints what came of it
as JSON; what it says meanwhile goes to standard error.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from job.errors import PassingError, UserError, one_line, without_secrets
from job.paths import is_s3
from job.sources import folder

END = 3.0  # seconds in which a transfer that is told to stop must have ended


def place(uri: str) -> ModuleType:
    """Return what saves, reads and deletes files at ``uri``."""
    if not is_s3(uri):
        return folder
    from job.sources import s3

    return s3


def do(request: Mapping) -> dict:
    """Do a request and return what came of it."""
    match request["do"]:
        case "several":
            for each in request["requests"]:
                do(each)
        case "put":  # ``files``: path, name below ``base`` and tags of each
            base = request["base"]
            place(base).put_all(base, request["files"], request.get("gently", False))
        case "delete":  # in the order of the names
            for name in request["names"]:
                place(request["base"]).delete(request["base"] + name)
        case "read":  # None where there is nothing
            found = place(request["uri"]).read(request["uri"])
            return {"text": None if found is None else found.decode(errors="replace")}
        case "stage":
            from job import stage

            return stage.stage(request)
        case "record":
            from job import scheduled

            return {"taken": scheduled.record(request["schedule"])}
        case "append":
            from job.sources import treasure_data

            return {"rows": treasure_data.append(request["uri"], Path(request["path"]))}
    return {}


def local(request: Mapping) -> bool:
    """Tell whether a request moves nothing but files of this machine, and needs no other process."""
    return request["do"] != "record" and "://" not in json.dumps(request)


class Transfer:
    """A request that is under way."""

    def __init__(self, request: Mapping) -> None:
        self.answer: dict | None = perform(request) if local(request) else None
        if self.answer is None:
            self.output = tempfile.TemporaryFile()  # noqa: SIM115 - it ends with self
            self.process = subprocess.Popen(
                [sys.executable, "-m", "job.transfer"],
                stdin=subprocess.PIPE, stdout=self.output, process_group=0,
                # each thread would keep memory of its own, and there are many
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "MALLOC_ARENA_MAX": "1"},
            )  # fmt: skip
            self.process.stdin.write(json.dumps(request).encode())
            self.process.stdin.close()

    def done(self) -> bool:
        """Tell whether it has ended, well or not."""
        return self.answer is not None or self.process.poll() is not None

    def result(self) -> dict:
        """Wait for the end and return what came of it; raise UserError or PassingError if it failed."""
        if self.answer is None:
            try:
                code = self.process.wait()
            except BaseException:
                self.process.terminate()  # a query that it waits for ends with it
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(END)
                self.process.kill()
                raise
            self.output.seek(0)
            words = f"moving data ended with status {code}; its words are above"
            self.answer = json.load(self.output) if code == 0 else {"passing": words}
        if sentence := self.answer.get("error"):
            raise UserError(sentence)
        if sentence := self.answer.get("passing"):
            raise PassingError(sentence)
        return self.answer


def perform(request: Mapping) -> dict:
    """Do a request in this process and return its answer; an error of the user's or the network's is one."""
    try:
        return do(request)
    except UserError as error:
        return {"error": without_secrets(str(error))}
    except PassingError as error:
        return {"passing": without_secrets(str(error))}
    except OSError as error:
        return {"error": f"{error.filename or 'the disk'}: {one_line(error.strerror or error)}"}


def main() -> None:
    """Do the request on standard input."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    request = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr
    json.dump(perform(request), output)


if __name__ == "__main__":
    main()

"""Everything that is moved: data in, results out. A process of its own, since boto3 takes 50 MB of memory.

``python -m job.transfer`` reads one request as JSON from standard input, does it, and prints what came of it
as JSON; what it says meanwhile goes to standard error.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from job.errors import PassingError, UserError, one_line, without_secrets
from job.paths import is_s3

END = 3.0  # seconds in which a transfer that is told to stop must have ended


def put(request: Mapping) -> dict:
    """Save files: ``files`` is a list of path, name and tags, ``base`` where they go."""
    if is_s3(request["base"]):
        from job.sources import s3

        s3.put_all(request["base"], request["files"], request.get("gently", False))
    else:
        for path, name, tags in request["files"]:
            # a script may write on in a checkpoint: what is saved must not change with it
            save(Path(path), Path(request["base"], name), link=not tags)
    return {}


def save(path: Path, target: Path, link: bool) -> None:
    """Copy a file, by a link where it may be one and the disk can; it has its name only when it is whole."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            (os.link if link else shutil.copy2)(path, part, follow_symlinks=True)
        except OSError:
            shutil.copy2(path, part)
        part.replace(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def delete(request: Mapping) -> dict:
    """Delete ``names`` below ``base``, in their order; what is not there is no error."""
    for name in request["names"]:
        if is_s3(request["base"]):
            from job.sources import s3

            s3.delete(request["base"] + name)
        else:
            Path(request["base"], name).unlink(missing_ok=True)
    return {}


def several(request: Mapping) -> dict:
    """Do some requests, one after the other."""
    for each in request["requests"]:
        DOINGS[each["do"]](each)
    return {}


def read(request: Mapping) -> dict:
    """Return the text at ``uri``; None where there is nothing."""
    if is_s3(request["uri"]):
        from job.sources import s3

        found = s3.read(request["uri"])
    else:
        path = Path(request["uri"])
        found = path.read_bytes() if path.is_file() else None
    return {"text": None if found is None else found.decode(errors="replace")}


def stage(request: Mapping) -> dict:
    """Bring the channels, and the checkpoints of an earlier attempt (job/stage.py)."""
    from job import stage as staging

    return staging.stage(request)


def record(request: Mapping) -> dict:
    """Complete the record of a scheduled run; tell whether another task has it (job/scheduled.py)."""
    from job import scheduled

    return {"taken": scheduled.record(request["schedule"])}


def append(request: Mapping) -> dict:
    """Append a file of predictions to a table of Treasure Data."""
    from job.sources import treasure_data

    rows = treasure_data.append(request["uri"], Path(request["path"]))
    return {"rows": rows}


DOINGS: dict[str, Callable[[Mapping], dict]] = {
    each.__name__: each for each in (put, delete, several, read, stage, record, append)
}


def local(request: Mapping) -> bool:
    """Tell whether a request moves nothing but files of this machine, and needs no other process."""
    if request["do"] == "several":
        return all(map(local, request["requests"]))
    addresses = [request.get("base", ""), request.get("uri", "")]
    addresses += [each["uri"] for each in request.get("channels", {}).values()]
    addresses.append(request.get("checkpoints") or "")
    return request["do"] != "record" and not any("://" in each for each in addresses)


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
        """Wait for the end and return what came of it.

        Raises:
            UserError, PassingError: it failed.
        """
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
            text = self.output.read()
            try:
                self.answer = json.loads(text)
            except ValueError:
                self.answer = {
                    "passing": f"moving data ended with status {code}; its words are above"
                }
        if sentence := self.answer.get("error"):
            raise UserError(sentence)
        if sentence := self.answer.get("passing"):
            raise PassingError(sentence)
        return self.answer


def perform(request: Mapping) -> dict:
    """Do a request in this process and return its answer; an error of the user's or the network's is one."""
    try:
        return DOINGS[request["do"]](request)
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

"""One run, as everything that follows, stops or looks at it passes it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ecs.request.request import run_uri
from ecs.settings import Settings


@dataclass
class Run:
    """What a run is called, the stack whose bucket keeps it, and its ``run.json``.

    ``record`` is empty where there is none; ``records.update`` brings it up to date with the bucket.
    """

    settings: Settings
    outputs: Mapping[str, str]
    id: str
    record: dict = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The address of its files in S3, with a slash behind."""
        return run_uri(self.settings, self.outputs, self.id)

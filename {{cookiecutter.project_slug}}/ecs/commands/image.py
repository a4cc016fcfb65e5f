"""Commands about the image and its packages."""

from ecs.aws import cli_version
from ecs.console import note
from ecs.image import engine, image, packages
from ecs.settings import Settings
from ecs.stack import stack


def cli(settings: Settings) -> None:
    """Say which AWS CLI is in use; refuse one that is too old."""
    note(f"using {cli_version(settings)} ({settings.aws})")


def tag(settings: Settings) -> None:
    """Print the tag of the image of what is in this folder."""
    print(image.tag(settings))


def repository(settings: Settings) -> None:
    """Print the repository's URI."""
    print(stack.outputs(settings)["RepositoryUri"])


def registry(settings: Settings) -> None:
    """Print the registry's host, for `docker login`; nothing where Docker logs in by itself."""
    engine.check(settings.docker)
    host = stack.outputs(settings)["RepositoryUri"].partition("/")[0]
    print("" if engine.logs_in_itself(host) else host)


def pushed(settings: Settings) -> int:
    """Succeed when the image of what is in this folder is in the registry already."""
    uri = stack.outputs(settings)["RepositoryUri"]
    return 0 if image.digest(settings, uri, image.tag(settings)) else 1


def lock(settings: Settings) -> None:
    """Lock the newest versions of all packages."""
    packages.upgrade()


def add(settings: Settings) -> None:
    """Add PACKAGE to the project's dependencies."""
    packages.change("add", settings)


def remove(settings: Settings) -> None:
    """Remove PACKAGE from the project's dependencies."""
    packages.change("remove", settings)


def buildable(settings: Settings) -> None:
    """Look at packages.txt and the engine before the image is built; print the option that the build needs."""
    packages.check_debian()
    engine.check(settings.docker)
    print(engine.load_option(settings.docker))


def answers(settings: Settings) -> None:
    """Refuse to go on without a container engine that answers."""
    engine.check(settings.docker)

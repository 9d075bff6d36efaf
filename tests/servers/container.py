"""A server in a Docker container, which tests may stop, kill and restart."""

import socket
from pathlib import Path

import docker  # type: ignore[import-untyped]
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.servers import session

# Label with the machine and the folder of the run that a container belongs to.
LABEL = "certline.test"


class Container:
    """A container with one published port, which stays the same across restarts."""

    def __init__(self, image: str, port: int, env: dict[str, str]) -> None:
        # No need to pull the reaper's image: each run removes its own containers, and those of killed runs.
        testcontainers_config.ryuk_disabled = True
        self.outside = session.free_port()
        self.docker = (
            DockerContainer(image)
            .with_envs(**env)
            .with_bind_ports(port, self.outside)
            .with_kwargs(labels={LABEL: f"{socket.gethostname()}:{session.folder()}"})
        )
        self._sweep()
        self.docker.start()
        self.host: str = self.docker.get_container_host_ip()

    def start(self) -> None:
        """Start the container again after a stop or a kill."""
        self.docker.get_wrapped_container().start()

    def stop(self, signal: str) -> None:
        """Send the signal by which this server shuts down, and wait for its end."""
        container = self.docker.get_wrapped_container()
        container.kill(signal)
        container.wait(timeout=60)

    def kill(self) -> None:
        """Send SIGKILL to everything inside."""
        self.docker.get_wrapped_container().kill()

    def close(self) -> None:
        """Remove the container and its data."""
        self.docker.stop(force=True, delete_volume=True)
        self.docker.get_docker_client().client.close()

    def run(self, *args: str) -> str:
        """Run a command inside and return its output. Raises ChildProcessError if it fails."""
        code, output = self.docker.get_wrapped_container().exec_run(list(args))
        text = str(output.decode(errors="replace"))
        if code:
            raise ChildProcessError(f"{' '.join(args)} ended with {code}: {text}")
        return text

    def _sweep(self) -> None:
        """Remove the containers of killed runs, recognised by a folder that no longer exists."""
        client: docker.DockerClient = self.docker.get_docker_client().client
        for container in client.containers.list(
            all=True, filters={"label": LABEL}, ignore_removed=True
        ):
            machine, _, folder = container.labels[LABEL].partition(":")
            if machine == socket.gethostname() and not Path(folder).exists():
                container.remove(force=True, v=True)

    @property
    def output(self) -> str:
        """Everything the server has written so far."""
        return str(self.docker.get_wrapped_container().logs().decode(errors="replace"))

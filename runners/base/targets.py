"""From what was built and what runs to where its addresses lead."""

from __future__ import annotations

from runners.base import Artifact, Instance, Mount, Plan, Target


def target_of(deployment: str, artifact: Artifact, instance: Instance | None, *, robots: bool = False) -> Target:
    """Where the addresses of something live lead; without an instance it is files only."""
    if artifact.kind == "several":
        return Target("several", deployment, robots=robots, mounts=_mounts(deployment, artifact, instance, robots))
    if instance is not None:
        return Target("instance", deployment, host=instance.host, port=instance.port, robots=robots)
    return Target("static", deployment, path=artifact.path or "", fallback=artifact.the_plan().fallback, robots=robots)


def _mounts(deployment: str, artifact: Artifact, instance: Instance | None, robots: bool) -> tuple[Mount, ...]:
    """Instances are those of the parts that run, in the order of the parts."""
    left = iter(instance.parts if instance else ())
    plans = [part.the_plan() for part in artifact.parts]
    return tuple(
        _mount(plan, target_of(deployment, part, next(left, None) if plan.runs else None, robots=robots))
        for part, plan in zip(artifact.parts, plans, strict=True)
    )


def _mount(plan: Plan, leads: Target) -> Mount:
    return Mount(plan.mount or "/", leads, plan.strip)

"""The device that a user names."""

from __future__ import annotations

from medmae.errors import DataError


def require_device(wanted: str) -> None:
    """Refuses a device that is not there: a training would meet it hours later, when it evaluates.

    Raises:
        DataError: With those that are there.
    """
    import torch  # two seconds, which only who names a device pays before the rest is looked at

    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        raise DataError(
            f"there is no such device here ({str(error).splitlines()[0]})",
            field="device",
            value=wanted,
            remedy=f"leave device out, or choose one of {', '.join(there)}",
        ) from error

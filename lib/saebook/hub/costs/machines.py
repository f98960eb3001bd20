"""What a device can do: its data sheet, and the share of it that programs reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One device."""

    name: str
    flops: float
    """Floating-point operations a second in half precision, dense, as the data sheet says."""
    flops_float32: float
    """The same in single precision, tensor cores included where matrix products use them."""
    bandwidth: float
    """Bytes a second between memory and cores."""
    memory: float
    """Bytes."""
    reached: float = 0.35
    """Share of the peak that large matrix products reach inside a program; an assumption."""
    step_seconds: float = 0.004
    """Least time of a training step, however small: launching its kernels; an assumption."""

    def seconds(self, operations: float, single_precision: bool = False) -> float:
        """Time for so many operations."""
        peak = self.flops_float32 if single_precision else self.flops
        return operations / (peak * self.reached)


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("T4 (free Colab)", 65e12, 8.1e12, 0.32e12, 15 * 2**30),
        Machine("A100 80 GB", 312e12, 156e12, 2.0e12, 80 * 10**9),
        Machine("H200", 989e12, 495e12, 4.8e12, 141 * 10**9),
    )
}

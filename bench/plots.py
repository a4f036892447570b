"""Pictures of the report: `python -m bench.plots RESULTS FOLDER`, run by a Python with matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]

mpl.use("svg")
import matplotlib.pyplot as plt  # type: ignore[import-not-found]

BRIDGE, NAIVE, FLOOR = "#1f6f8b", "#b5651d", "#888888"
_VARIANTS = (
    ("forward", "forward", BRIDGE),
    ("intake", "intake", BRIDGE),
    ("boto3", "naive (i)\nboto3", NAIVE),
    ("powertools", "naive (ii)\nPowertools", NAIVE),
    ("powertools, byte-code", "naive (ii)\nbyte-code", NAIVE),
    ("floor", "floor", FLOOR),
)


def main(results: Path, folder: Path) -> None:
    mpl.rcParams.update({"svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    found = json.loads(results.read_text(encoding="utf-8"))
    for draw in (cold, latency, growth, flood):
        figure = draw(found)
        figure.tight_layout()
        figure.savefig(folder / f"{draw.__name__}.svg", metadata={"Date": None})
        plt.close(figure)


def cold(results: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4))
    of = results["cold"]["variants"]
    names = [name for name, _, _ in _VARIANTS]
    colours = [colour for _, _, colour in _VARIANTS]
    for axis, what, scale, title in (
        (axes[0], "first", 1e3, "processor time, ms"),
        (axes[1], "memory", 1e-6, "peak memory, MB"),
    ):
        bars = axis.barh(
            [title for _, title, _ in _VARIANTS],
            [median(of[name][what]) * scale for name in names],
            color=colours,
            alpha=0.45 if what == "first" else 1,
        )
        if what == "first":
            ready = [median(of[name]["ready"]) * scale for name in names]
            axis.barh([title for _, title, _ in _VARIANTS], ready, color=colours)
            axis.set_title("to a ready handler (dark), to the end of a first text (light)", fontsize=8)
        axis.bar_label(bars, fmt="%.0f", padding=3)
        axis.invert_yaxis()
        axis.set_xlabel(title)
    return figure


def latency(results: dict[str, Any]) -> Any:
    figure, axis = plt.subplots(figsize=(9, 2.6))
    seconds = sorted(1000 * one for one in results["latency"]["seconds"])
    axis.plot(seconds, [(number + 1) / len(seconds) for number in range(len(seconds))], color=BRIDGE)
    axis.set_xlabel("ms from publishing to the journal")
    axis.set_ylabel("share of texts")
    axis.set_xlim(left=0)
    return figure


def growth(results: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
    for name, windows in results["growth"].items():
        texts = [one["texts"] for one in windows]
        axes[0].plot(texts, [1000 * one["per_text"] for one in windows], label=name, linewidth=1)
        axes[1].plot(texts, [one["memory"] / 1e6 for one in windows], label=name)
    for axis, title in zip(axes, ("processor time per text, ms", "peak memory, MB"), strict=True):
        axis.set_ylim(bottom=0)
        axis.set_xlabel("texts")
        axis.set_ylabel(title)
        axis.legend(frameon=False)
    return figure


def flood(results: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
    run, quota = next(iter(results["flood"]["runs"].values())), results["flood"]["quota"]
    shown = run["shown"]
    axes[0].plot(shown, range(1, len(shown) + 1), color=BRIDGE, label="shown")
    axes[0].plot([0, shown[-1]], [0, quota * shown[-1]], color=FLOOR, linestyle=":", label=f"{quota:g} a second")
    axes[0].set_ylabel("texts")
    times = [at for at, _ in run["rates"]]
    for worker in range(len(run["rates"][0][1])):
        axes[1].plot(times, [rates[worker] for _, rates in run["rates"]], linewidth=0.6)
    axes[1].set_ylabel("each worker's rate, calls/s")
    axes[0].legend(frameon=False)
    for axis in axes:
        axis.set_xlabel("s")
        axis.set_ylim(bottom=0)
    return figure


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

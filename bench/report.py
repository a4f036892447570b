"""The report: tables for docs/benchmarks.md, a summary, and a comparison with the run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench import cost
from bench.measurements import growth_of

Results = Mapping[str, Any]

_COLD = (
    ("forward", "forward"),
    ("forward, no byte-code", "the same without byte-code"),
    ("forward, start-chat", "forward, with start-chat delivery"),
    ("intake", "intake"),
    ("reply-intake", "reply-intake"),
    ("reply", "reply"),
    ("boto3", "naive (i): boto3"),
    ("powertools", "naive (ii): boto3 and Powertools"),
    ("powertools, byte-code", "the same with byte-code"),
    ("floor", "(iii) the floor: one signed request, standard library"),
)
_WARM = (
    ("intake", "intake"),
    ("forward", "forward, one text at a time"),
    ("forward, ten at once", "forward, ten at a time"),
    ("boto3", "naive (i)"),
    ("powertools", "naive (ii)"),
    ("floor", "the floor"),
)
WHY = {
    "AmazonSQS SendMessage": "intake puts it on its conversation: from here on it cannot be lost, and keeps its order",
    "DynamoDB UpdateItem": "intake's note that it is queued, so that a text which waits can be found; "
    "forward's note of the part that Connect accepted, so that nothing is shown twice",
    "DynamoDB GetItem": "forward's look at what was done already, for it may have come before",
    "Connect chat-integration-event": "the text itself",
}
"""Calls for a text, with their reasons."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A median between its quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"

    def times(self, factor: float) -> Spread:
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def meets(self, other: Spread) -> bool:
        """Whether the two spreads overlap, rounded to two digits as they are shown."""
        return round(self.low, 2) <= round(other.high, 2) and round(other.low, 2) <= round(self.high, 2)


def spread(samples: Sequence[float]) -> Spread:
    low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
    return Spread(median(samples), low, high)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ratio of pairs. Each pair was measured together, so that load on the machine affects both."""
    return spread([our / their for our, their in zip(ours, theirs, strict=True)])


def ratios(results: Results) -> dict[str, Spread]:
    """Ratios to the naive bridges by name: processor time, memory, and more."""
    of = results["cold"]["variants"]

    def beside(ours: str, theirs: str, what: str) -> Spread:
        return ratio(of[ours][what], of[theirs][what])

    warm = results["processor"]
    both = [a + b for a, b in zip(warm["intake"]["per_text"], warm["forward"]["per_text"], strict=True)]
    return {
        "cold start, processor time: forward to naive (ii)": beside("forward", "powertools", "ready"),
        "cold start, processor time: forward to naive (i)": beside("forward", "boto3", "ready"),
        "cold start, processor time: intake to naive (ii)": beside("intake", "powertools", "ready"),
        "cold start, processor time: forward without byte-code to forward": beside(
            "forward, no byte-code", "forward", "ready"
        ),
        "cold start with a first text: forward to naive (ii)": beside("forward", "powertools", "first"),
        "cold start with a first text: forward to naive (i)": beside("forward", "boto3", "first"),
        "peak memory: forward to naive (ii)": beside("forward", "powertools", "memory"),
        "peak memory: forward to naive (i)": beside("forward", "boto3", "memory"),
        "cold start, processor time: forward to naive (ii) with byte-code": beside(
            "forward", "powertools, byte-code", "ready"
        ),
        "warm, processor time per text: intake and forward to naive (ii)": ratio(both, warm["powertools"]["per_text"]),
        "warm, processor time per text: intake and forward to naive (i)": ratio(both, warm["boto3"]["per_text"]),
        "ten conversations at once: Connect's answers waited for": spread(
            [busy / results["ten"]["latency"] for busy in results["ten"]["busy"]]
        ),
    }


AIMS = {
    "cold start, processor time: forward to naive (ii)": 0.40,
    "cold start, processor time: forward to naive (i)": 1.0,
    "cold start, processor time: intake to naive (ii)": 0.30,
    "peak memory: forward to naive (ii)": 0.60,
    "ten conversations at once: Connect's answers waited for": 2.0,
}
"""Upper limits."""


def summary(results: Results) -> str:
    lines = []
    for name, found in ratios(results).items():
        aim = f"  (aim: at most {AIMS[name]:.2f})" if name in AIMS else ""
        lines.append(f"{name}:\n    {found}{aim}")
    lines += [
        f"archive: {results['cold']['zipped']['archive'] / 1e6:.2f} MB  (aim: at most 3)",
        f"growth of processor time and memory: {_growth(results)}  (aim: within 15 %)",
        f"flood: {_share(results):.1%} of the quota  (aim: at least 95 %)",
    ]
    return "\n".join(lines)


def agreement(results: Results, before: Results) -> str:
    """Whether the spreads of both runs overlap, for each ratio."""
    now, then = ratios(results), ratios(before)
    lines = ["beside the run before:"]
    for name in now:
        verdict = "agrees" if now[name].meets(then[name]) else "DIFFERS"
        lines.append(f"  {verdict}  {name}: {now[name]}, before {then[name]}")
    return "\n".join(lines)


def written(results: Results, before: Results) -> str:
    """Text of docs/benchmarks.md. `before`: results of the run before, or empty."""
    about = results["about"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    return (
        Path(__file__)
        .with_name("report.md")
        .read_text(encoding="utf-8")
        .format(
            date=about["date"],
            machine=about["machine"],
            versions=versions,
            seed=about["seed"],
            rounds=about["rounds"],
            ratios=_ratios_table(results, before),
            cold=_cold_table(results),
            ran=_ran(results["cold"]),
            archive=f"{results['cold']['zipped']['archive'] / 1e6:.2f}",
            plain=f"{results['cold']['zipped']['archive, no byte-code'] / 1e6:.2f}",
            boto3_archive=f"{results['cold']['zipped']['boto3'] / 1e6:.1f}",
            powertools_archive=f"{results['cold']['zipped']['powertools'] / 1e6:.1f}",
            warm=_warm_table(results),
            calls=_calls_table(results),
            ten=_ten(results),
            latency=_latency(results),
            growth=_growth_table(results),
            flood=_flood_table(results),
            flood_texts=f"{next(iter(results['flood']['runs'].values()))['texts']:,}",
            cost=_cost_table(results),
            read=cost.READ,
            log_lines=cost.LOG_LINES,
            durations=_durations_table(results),
        )
    )


def _ratios_table(results: Results, before: Results) -> str:
    then = ratios(before) if before else {}
    rows = [
        (name, str(found), f"at most {AIMS[name]:.2f}" if name in AIMS else "", str(then.get(name, "")))
        for name, found in ratios(results).items()
    ]
    return _table(("", "median (quartiles)", "aim", "in the run before"), rows)


def _cold_table(results: Results) -> str:
    of = results["cold"]["variants"]
    rows = []
    for name, title in _COLD:
        one = of[name]
        first = spread(one["first"]).times(1000) if one["first"] else None
        rows.append(
            (
                title,
                _ms(spread(one["ready"]).times(1000)),
                _ms(first) if first else "",
                f"{median(one['memory']) / 1e6:.0f}",
                f"{one['modules']}",
            )
        )
    return _table(("", "ready, ms", "first text done, ms", "peak memory, MB", "modules of its own"), rows)


def _ran(cold: Mapping[str, Any]) -> str:
    """Sentence about the measured archive and its Python."""
    python, ran, shipped = cold["python"], cold["ran"], cold["shipped"]
    if ran == shipped:
        return (
            f"The functions ran on Python {python}, from the archive of the configuration that is shipped "
            f'(`runtime = "{shipped}"`).'
        )
    return (
        f'The configuration that is shipped has `runtime = "{shipped}"`, of which no interpreter was on the PATH. The '
        f"functions ran on Python {python}, from the archive that packaging makes for {ran}: the same files, compared "
        f"with those of the shipped one, with byte-code of {ran}."
    )


def _warm_table(results: Results) -> str:
    of = results["processor"]
    rows = [(title, _ms(spread(of[name]["per_text"]).times(1000), digits=2)) for name, title in _WARM]
    return _table(("", "processor time per text, ms"), rows)


def _calls_table(results: Results) -> str:
    of = results["processor"]
    calls = {name: of["intake"]["calls"].get(name, 0) + of["forward"]["calls"].get(name, 0) for name in WHY}
    rows = [
        (name.replace("Connect chat-integration-event", "Connect SendChatIntegrationEvent"), f"{count:g}", WHY[name])
        for name, count in calls.items()
    ]
    return _table(("call", "per text", "why"), rows)


def _ten(results: Results) -> str:
    ten = results["ten"]
    answers = spread([busy / ten["latency"] for busy in ten["busy"]])
    return (
        f"{1000 * ten['latency']:.0f} ms: from the first call to the last answer it takes {answers} of them, "
        f"{min(ten['at_once'])} calls being under way together at the least; the whole event "
        f"{_ms(spread(ten['wall']).times(1000))} ms"
    )


def _latency(results: Results) -> str:
    seconds = sorted(results["latency"]["seconds"])
    return (
        f"p50 {1000 * _percentile(seconds, 50):.0f} ms, p99 {1000 * _percentile(seconds, 99):.0f} ms, "
        f"{len(seconds)} texts, {results['latency']['per_second']:g} a second"
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, round(len(ordered) * percent / 100))]


def _growth_table(results: Results) -> str:
    rows = []
    for name, windows in results["growth"].items():
        rows.append(
            (
                name,
                f"{windows[-1]['texts']:,.0f}",
                f"{1000 * median(w['per_text'] for w in windows[: max(1, len(windows) // 10)]):.2f}",
                f"{1000 * median(w['per_text'] for w in windows[-max(1, len(windows) // 10) :]):.2f}",
                f"{growth_of(windows, 'per_text'):+.1%}",
                f"{windows[0]['memory'] / 1e6:.1f}",
                f"{windows[-1]['memory'] / 1e6:.1f}",
                f"{windows[-1]['memory'] / windows[0]['memory'] - 1:+.1%}",
            )
        )
    heads = ("", "texts", "ms per text, first tenth", "last tenth", "", "MB after 1,000", "MB in the end", "")
    return _table(heads, rows)


def _growth(results: Results) -> str:
    return ", ".join(
        f"{name} {growth_of(windows, 'per_text'):+.1%} and {windows[-1]['memory'] / windows[0]['memory'] - 1:+.1%}"
        for name, windows in results["growth"].items()
    )


def _share(results: Results) -> float:
    return min(float(run["share"]) for run in results["flood"]["runs"].values())


def _flood_table(results: Results) -> str:
    rows = []
    for name, run in results["flood"]["runs"].items():
        waits = ", ".join(f"{waited:.0f} of {place:.0f}" for waited, place in run["waits"])
        rows.append(
            (
                name,
                f"{run['seconds']:.0f}",
                f"{run['share']:.1%}",
                f"{run['refused'] / (run['texts'] + run['refused']):.1%}",
                f"{run['failed']}",
                waits,
            )
        )
    heads = (
        "",
        "drained after, s",
        "of the quota",
        "calls refused",
        "in failed",
        "the ordinary conversation's waits, s",
    )
    return _table(heads, rows)


def _cost_table(results: Results) -> str:
    costs = cost.of_all(results)
    names = ("SNS", "Lambda", "SQS", "DynamoDB", "logs")
    rows = [
        (title, *(f"{costs[name].parts.get(part, 0):.2f}" for part in names), f"**{costs[name].total:.2f}**")
        for name, title in (("bridge", "the bridge"), ("boto3", "naive (i)"), ("powertools", "naive (ii)"))
    ]
    empty = ("",) * len(names)
    rows += [
        ("Connect: a million SMS messages, each way", *empty, f"{cost.CONNECT_SMS * cost.MILLION:,.0f}"),
        ("the same as chat messages (start-chat delivery)", *empty, f"{cost.CONNECT_CHAT * cost.MILLION:,.0f}"),
        ("SMS received in the United States (?)", *empty, f"{cost.SMS_IN * cost.MILLION:,.0f}"),
    ]
    return _table(("$ for a million texts", *names, "together"), rows)


def _durations_table(results: Results) -> str:
    rows = []
    for name, title in _WARM:
        one = results["durations"][name]
        rows.append(
            (title, f"{1000 * one['wall']:.0f}", f"{1000 * one['processor']:.1f}", f"{1000 * cost.billed(one):.0f}")
        )
    return _table(("an event of", "measured, ms", "of it processor time, ms", "billed at 512 MB, ms"), rows)


def _ms(found: Spread, *, digits: int = 0) -> str:
    return f"{found.median:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

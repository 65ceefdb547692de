"""Writes the model card from what was measured. No figure in it is typed by anybody."""

from __future__ import annotations

from spothive.scoring.features import FEATURES, HORIZON_HOURS
from training.history import BANDS
from training.measuring import calibration_error
from training.run import HELD_OUT, Trained

_TEXT = """\
# Model card: interruption risk

Written by `make model` together with `src/spothive/scoring/interruption_risk.onnx`; a test keeps the two together.

| | |
|---|---|
| file | `interruption_risk.onnx`, {size:,} bytes |
| SHA-256 | `{sha256}` |
| predicts | the probability that a termination notice hits the pool within {horizon} hours |
| kind | logistic regression over {features} features, {bends} bends and {products} products of two features; \
computed in 64 bits |
| trained on | **generated history**, seed {seed}: {pools:,} pools, {weeks} weeks |

## What it is not

- It has never seen AWS. The history is made by `training/history.py`, which decides by itself how prices, warnings and
  interruptions hang together. The figures below say that the model learnt *that* history, and nothing about yours.
- Its probabilities are those of the generated world: {rate:.1%} of its tested pool days end in an interruption.
  Until it is retrained on what your hive recorded, use it to try the machinery: in the lab, and in shadow mode.
- It knows pools, not instances: not how long one has been running, nor what runs on it.
- It was told of no time of day and no region: over {horizon} hours the first evens out, the second it cannot learn from
  generated regions.

## Data

Each example is one pool at one time: what would have been known then, and whether a notice came in the {horizon} hours
after. Training never saw the pools that it is tested on, nor their weeks.

| part | weeks | examples | pools | interrupted |
|---|---|---|---|---|
{parts}

Advisor bands 0 to 4 are drawn with the shares {bands}: about those of Linux types in the Spot
Instance Advisor of 2025. Much of what decides over an interruption is hidden from the features on purpose: a frailty of
each pool, how many of its instances report, and shortages of a region.

## Figures on pools and weeks held out

In brackets: 95 % bounds from drawing the tested pools again, since the days of one pool resemble one another. Lower is
better for Brier score and log loss, higher for AUC.

| scored by | Brier score | log loss | AUC |
|---|---|---|---|
{figures}

The last rule is the one to beat: observed shares by band and by interruptions in 15 days (none, one, more) and in 24
hours. The model's Brier score less that of the table, day for day: {paired}.

## Calibration on the same examples

Ten groups of equal size, by score. Bounds are Wilson's, 95 %, and narrower than they should be, as they take the days
of one pool for independent. Mean score and share differ by {error:.4f} on average.

| scores | examples | mean score | interrupted | 95 % bounds |
|---|---|---|---|---|
{bins}

## What it is told

See `spothive/scoring/features.py`. The baseline of its explanations is the median of the fitted examples.

| feature | unit | range | if not known | what it says |
|---|---|---|---|---|
{told}

## Training it on real history

[Models](guides/models.md#training-your-own) says how, and how the result gets from the lab into production.
"""


def write_card(trained: Trained) -> str:
    """Return the card of a trained model."""
    plan, model = trained.plan, trained.model
    until = plan.fit_weeks + plan.calibrate_weeks
    weeks = {
        "fitted": f"1 to {plan.fit_weeks}",
        "calibrated": f"{plan.fit_weeks + 1} to {until}",
        "tested": f"{until + 1} to {plan.weeks}",
    }
    notes = {"tested": f" (held out: {HELD_OUT:.0%} of all)"}
    parts = [
        f"| {name} | {weeks[name]} | {rows:,} | {pools:,}{notes.get(name, '')} | {hits:,} |"
        for name, (rows, pools, hits) in trained.counts.items()
    ]
    figures = [
        f"| {name} | {each['Brier score']} | {each['log loss']} | {each['AUC']} |"
        for name, each in trained.figures.items()
    ]
    bins = [
        f"| {b.low:.4f} to {b.high:.4f} | {b.count:,} | {b.mean:.4f} | {b.share:.4f} "
        f"| {b.share_low:.4f} to {b.share_high:.4f} |"
        for b in trained.bins
    ]
    told = [f"| {f.name} | {f.unit} | {f.low:g} to {f.high:g} | {f.default:g} | {f.meaning} |" for f in FEATURES]
    tested = trained.counts["tested"]
    return _TEXT.format(
        size=len(trained.file),
        sha256=trained.sha256,
        horizon=HORIZON_HOURS,
        features=len(FEATURES),
        bends=model.bends,
        products=model.products,
        seed=plan.seed,
        pools=plan.pools,
        weeks=plan.weeks,
        rate=tested[2] / tested[0],
        parts="\n".join(parts),
        bands=", ".join(f"{share:.0%}" for share in BANDS),
        figures="\n".join(figures),
        paired=trained.paired,
        error=calibration_error(trained.bins),
        bins="\n".join(bins),
        told="\n".join(told),
    )

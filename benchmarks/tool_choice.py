"""Measures when a small model's tools are chosen, and fits the weights that decide it.

    python benchmarks/tool_choice.py --data TOOLS_FOLDER [--fit]

TOOLS_FOLDER holds bfcl_v4/dev (Berkeley Function-Calling Leaderboard, `simple` and `irrelevance` items, Apache-2.0) and
seal_tools (Seal-Tools, Apache-2.0: each query of one call with its tool, with another one of the same field, and,
for a third of them, with any other). Reported are the weights as shipped, and weights fitted on all of Seal-Tools and
four fifths of the leaderboard's items, on the last fifth, over five halvings. --fit prints weights for
`agents/choose.py`. Exits 1 where fewer than 95 of 100 simple items are called or 85 of 100 irrelevant ones are not.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np

from agents.choose import Signs, log_odds, signs_of
from agents.tool_files import tool_of_schema
from fireside.errors import ToolError

TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
SEAL_WEIGHT = 0.35
SIMPLE, IRRELEVANT = 0.95, 0.85
FOLDS, SEEDS = 5, 5

Asked = tuple[str, dict[str, Any], bool]  # the message, the function offered, whether it is meant


def leaderboard(folder: Path) -> Iterator[Asked]:
    for name, meant in (("simple_python", True), ("irrelevance", False)):
        for line in (folder / f"BFCL_v4_{name}.json").read_text("utf-8").splitlines():
            item = json.loads(line)
            yield item["question"][0][-1]["content"], item["function"][0], meant


def seal_tools(folder: Path) -> Iterator[Asked]:
    tools = {each["api_name"]: each for each in map(json.loads, (folder / "tool.jsonl").open(encoding="utf-8"))}
    chance = random.Random(1)
    for item in map(json.loads, (folder / "dev.jsonl").open(encoding="utf-8")):
        names = [call["api"] for call in item["calling"]]
        if len(names) != 1 or names[0] not in tools:
            continue
        meant = tools[names[0]]
        area = meant["field"].split("/")[0]
        near = [each for each in tools.values() if each["field"] != meant["field"] and each["field"].startswith(area)]
        yield item["query"], function_of(meant), True
        yield item["query"], function_of(chance.choice(near or list(tools.values()))), False
        if chance.random() < 1 / 3:
            yield item["query"], function_of(chance.choice(list(tools.values()))), False


def function_of(tool: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {"type": TYPES.get(each["type"], "string"), "description": each.get("description", "")}
        for name, each in tool["parameters"].items()
    }
    parameters = {"type": "object", "properties": properties, "required": tool.get("required") or []}
    return {"name": tool["api_name"], "description": tool["api_description"], "parameters": parameters}


def signs(asked: list[Asked]) -> tuple[np.ndarray, np.ndarray]:
    rows, meant = [], []
    for message, function, right in asked:
        try:
            (each,), everyday = signs_of(message, [tool_of_schema(function)])
        except ToolError:
            continue
        rows.append((*astuple(each), everyday))
        meant.append(right)
    return np.array(rows), np.array(meant)


def fitted(rows: np.ndarray, meant: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias of a logistic model, ridge 1 on standardised signs, by Newton's method."""
    mean, scale = rows.mean(0), rows.std(0)
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    ridge = np.diag([1.0] * rows.shape[1] + [0.0])
    beta = np.zeros(design.shape[1])
    for _ in range(25):
        chance = 1 / (1 + np.exp(-design @ beta))
        slope = design.T @ (weights * (meant - chance)) - ridge @ beta
        curve = (design * (weights * chance * (1 - chance))[:, None]).T @ design + ridge
        beta += np.linalg.solve(curve, slope)
    return beta[:-1] / scale, float(beta[-1] - (beta[:-1] / scale) @ mean)


def row(what: str, odds: np.ndarray, rows: np.ndarray, meant: np.ndarray) -> tuple[float, float]:
    called = (odds >= 0) & (rows[:, 0] >= rows[:, -1])
    right = float(called[meant].mean()), float((~called[~meant]).mean())
    print(f"{what:60s} called where meant {right[0]:.3f}, not called where not {right[1]:.3f}")
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    board, board_meant = signs(list(leaderboard(options.data / "bfcl_v4" / "dev")))
    seal, seal_meant = signs(list(seal_tools(options.data / "seal_tools")))
    shipped = [np.array([log_odds(Signs(*each[:-1])) for each in rows]) for rows in (board, seal)]
    right = row("leaderboard, as shipped", shipped[0], board, board_meant)
    row("Seal-Tools, as shipped", shipped[1], seal, seal_meant)
    odds = np.zeros(len(board))
    for seed in range(SEEDS):
        fold = np.random.default_rng(seed).permutation(len(board)) % FOLDS
        for number in range(FOLDS):
            inside = fold != number
            weights = np.concatenate([np.ones(inside.sum()), np.full(len(seal), SEAL_WEIGHT)])
            slopes, bias = fitted(
                np.vstack([board[inside], seal])[:, :-1], np.concatenate([board_meant[inside], seal_meant]), weights
            )
            odds[~inside] += (board[~inside, :-1] @ slopes + bias) / SEEDS
    row("leaderboard, fitted on the other folds and Seal-Tools", odds, board, board_meant)
    slopes, bias = fitted(seal[:, :-1], seal_meant, np.ones(len(seal)))
    row("leaderboard, fitted on Seal-Tools alone", board[:, :-1] @ slopes + bias, board, board_meant)
    if options.fit:
        weights = np.concatenate([np.ones(len(board)), np.full(len(seal), SEAL_WEIGHT)])
        slopes, bias = fitted(np.vstack([board, seal])[:, :-1], np.concatenate([board_meant, seal_meant]), weights)
        print(
            {each.name: round(float(slope), 2) for each, slope in zip(fields(Signs), slopes, strict=True)},
            round(bias, 2),
        )
    return 0 if right[0] >= SIMPLE and right[1] >= IRRELEVANT else 1


if __name__ == "__main__":
    sys.exit(main())

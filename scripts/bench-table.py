"""Prints the results of benchmarks, one JSON file each, as one table.

Each file holds an object, or a list of objects: name, value, unit, goal, machine, compared_with.
"""

import json
import sys

HEADS = ["what", "value", "unit", "goal", "compared with"]


def rows(path):
    with open(path) as file:
        found = json.load(file)
    for result in found if isinstance(found, list) else [found]:
        value = result["value"]
        value = f"{value:.4g}" if isinstance(value, float) else str(value)
        yield [result["name"], value, result["unit"], str(result["goal"]), str(result.get("compared_with") or "")]


def main():
    table = [HEADS] + [row for path in sorted(sys.argv[1:]) for row in rows(path)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADS))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


main()

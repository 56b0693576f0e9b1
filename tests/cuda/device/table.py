"""AP and twins of every precision, as the logs of `defcn eval --json` tell.

usage: table.py NAME=FILE ..     (the first is what the others are held against)
"""
import json
import sys

FIGURES = [("no_nms", "ap"), ("no_nms", "ap50"), ("no_nms", "duplicate_rate"),
           ("local", "ap50"), ("local", "duplicate_rate")]
MOST = {"ap": .002, "ap50": .005, "duplicate_rate": .01}
ENOUGH = 200  # pictures that these are for; of fewer one counts for more


def column(report, name):
    """The model's own way stands at the top."""
    return report if report["own"] == name else report[name]


def main():
    rows, bad, slack = [], 0, 1
    for argument in sys.argv[1:]:
        name, _, path = argument.partition("=")
        try:
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        except (OSError, ValueError) as error:
            print(f"{name}: {error}")
            bad += 1
            continue
        slack = max(1, ENOUGH / max(report["images"], 1))
        rows.append((name, [column(report, way)[key] for way, key in FIGURES]))
    print("| |" + "".join(f" {way} {key} |" for way, key in FIGURES))
    print("|---|" + "---|" * len(FIGURES))
    for name, values in rows:
        cells = []
        for (_, key), value, wanted in zip(FIGURES, values, rows[0][1]):
            off = abs(value - wanted) > MOST[key] * slack
            bad += off
            cells.append(f" {value:.4f}{' (!)' if off else ''} |")
        print(f"| {name} |" + "".join(cells))
    sys.exit(bad > 0)


main()

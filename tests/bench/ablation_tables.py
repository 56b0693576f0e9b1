"""The tables of ablation.py as Markdown, JSON and a plot."""
import json
import xml.sax.saxutils

import bootstrap
import paper
import runs
from result import line

TITLES = {"1": "assignment rules", "2": "an FCOS with NMS of several ranges",
          "3": "spatial prior and alpha of POTO",
          "5": "3DMF, and as post-processing of an FCOS",
          "6": "tau and phi of 3DMF", "9": "auxiliary losses"}
VERDICTS = {"undecided": "undecided", 0: "the paper's is not known",
            1: "as the paper", -1: "against the paper"}
NOT_RUN = "not run yet"


def measure(row, known, rows):
    """All that the table says of a row."""
    figures = known[row.key]
    told = {"table": row.table, "row": row.name, "preset": row.preset,
            "eval": row.flags, "way": row.way, "seeds": sorted(figures),
            "paper": row.paper, "release": row.release}
    if not figures:
        return told
    for way in ("no_nms", "local", "nms"):
        told[way] = bootstrap.figure(bootstrap.side(figures, way))
        rates = [runs.column(f, way)["duplicate_rate"]
                 for f in figures.values()]
        told[way]["duplicate_rate"] = sum(rates) / len(rates)
    told["nms_brings"] = bootstrap.difference(
        bootstrap.side(figures, "nms"), bootstrap.side(figures, "no_nms"))
    base = next(r for r in rows if r.key == row.base)
    if base.key != row.key:
        told["against"] = base_name(row, rows)
        told["difference"] = bootstrap.difference(
            bootstrap.side(figures, row.way),
            bootstrap.side(known[base.key], row.way))
        told["verdict"] = verdict(
            told["difference"], paper.expected(row, in_table(row, rows)))
    return told


def in_table(row, rows):
    """The base as its own table has it."""
    return next((r for r in rows
                 if r.key == row.base and r.table == row.table),
                next(r for r in rows if r.key == row.base))


def base_name(row, rows):
    return in_table(row, rows).name


def verdict(difference, expected):
    if not difference:
        return NOT_RUN
    if difference["verdict"] == "undecided":
        return "undecided"
    sign = 1 if difference["verdict"] == "higher" else -1
    return difference["verdict"] + ", " + VERDICTS[sign * expected]


def percent(value, sign=""):
    return f"{100 * value:{sign}.1f}"


def ranged(figure, sign=""):
    return (f"{percent(figure['value'], sign)} ({percent(figure['low'], sign)}"
            f" .. {percent(figure['high'], sign)})")


HEAD = ["row", "seeds", "AP", "AP, local", "AP, NMS", "NMS brings", "twins",
        "difference", "to", "verdict", "paper", "release"]


def cells(told):
    ends = [told["paper"] or "-", told["release"] or "-"]
    if not told["seeds"]:
        return [told["row"], NOT_RUN, *(9 - 1) * ["-"], *ends]
    row = [told["row"], str(len(told["seeds"])), ranged(told["no_nms"]),
           percent(told["local"]["value"]), percent(told["nms"]["value"]),
           ranged(told["nms_brings"], "+"),
           percent(told["no_nms"]["duplicate_rate"])]
    if "against" not in told:
        return [*row, "-", "-", "-", *ends]
    difference = told["difference"]
    return [*row, ranged(difference, "+") if difference else "-",
            told["against"], told["verdict"], *ends]


def budget(recipe):
    """Of a run's recipe.ini, which has every key."""
    keys = dict(text.split("=", 1) for text in recipe.split("\n")
                if "=" in text and not text.startswith("#"))
    pictures = int(keys["iterations"]) * int(keys["batch"])
    size = (f"{keys['canvas_width']}x{keys['canvas_height']}"
            if int(keys["canvas_width"]) else
            f"{keys['short_edges']} pixels (short side)")
    return (f"{pictures} pictures a row ({keys['iterations']} updates of "
            f"{keys['batch']}), {keys['backbone']} with "
            f"{keys['fpn_channels']} channels, its stages up to "
            f"{keys['freeze_at']} frozen, on {size}")


def captions(about, told):
    done = sum(bool(row["seeds"]) for row in told)
    return [
        f"{about['budget']}; start: {about['start']}; data: {about['data']}; "
        f"{'; '.join(about['machines']) or 'no machine yet'}; defcn "
        f"{', '.join(about['commits']) or '-'}, "
        f"{', '.join(about['dates']) or '-'}.",
        "",
        "AP in percent, in brackets the 95 % interval of "
        f"{about['draws']} draws of the images; differences are taken draw by "
        "draw. One seed: what another would do is not in the interval. "
        f"{done} of {len(told)} rows are there"
        + (f"; at work: {', '.join(about['at_work'])}."
           if about["at_work"] else ".")]


def disagreements(told):
    found = [row for row in told
             if "against the paper" in row.get("verdict", "")]
    decided = [row for row in told if row.get("verdict", "undecided")
               not in ("undecided", NOT_RUN)]
    if not found:
        return [f"Of {len(decided)} rows that are decided none is against the "
                "paper."]
    return ["Against the paper:", ""] + [
        f"- table {row['table']}, {row['row']}: "
        f"{ranged(row['difference'], '+')} to {row['against']}; the paper "
        f"{row['paper']}, the release {row['release'] or '-'}"
        for row in found]


def save(path, rows, known, about):
    """JSON at @path, the tables and the plot beside it."""
    told = [measure(row, known, rows) for row in rows]
    path.write_text(json.dumps({**about, "results": told}, indent=1) + "\n")
    text = ["# The paper's tables at our scale", "", *captions(about, told)]
    for table, title in TITLES.items():
        part = [row for row in told if row["table"] == table]
        text += ["", f"## Table {table}: {title}", "", line(HEAD),
                 line("---" for _ in HEAD), *(line(cells(row)) for row in part)]
    text += ["", "## Where our scale disagrees", "", *disagreements(told)]
    if any(row["seeds"] for row in told):
        text += ["", f"![AP of all rows that are there]({path.stem}.svg)"]
        path.with_suffix(".svg").write_text(plot(told))
    path.with_suffix(".md").write_text("\n".join(text) + "\n")


LEFT, WIDTH, STEP = 300, 420, 20


def plot(told):
    """AP without NMS and its interval, with NMS an open dot; table by table."""
    told = [row for row in told if row["seeds"]]
    shown = [row[way] for row in told for way in ("no_nms", "nms")]
    low = min(row["low"] for row in shown)
    high = max(row["high"] for row in shown)
    scale = WIDTH / (high - low or 1)
    body, y = [], 40

    def x(value):
        return LEFT + (value - low) * scale

    def text(left, words, extra=""):
        body.append(f'<text x="{left:.1f}" y="{y + 4}" {extra}>'
                    f'{xml.sax.saxutils.escape(words)}</text>')
    for table, title in TITLES.items():
        part = [row for row in told if row["table"] == table]
        if not part:
            continue
        text(10, f"Table {table}: {title}", 'font-weight="bold"')
        y += STEP
        for row in part:
            one, other = row[row["way"]], row["nms"]
            text(20, row["row"])
            body.append(f'<path d="M{x(one["low"]):.1f} {y}H'
                        f'{x(one["high"]):.1f}" stroke="#2060b0" '
                        'stroke-width="2"/>')
            body.append(f'<circle cx="{x(other["value"]):.1f}" cy="{y}" r="4" '
                        'fill="white" stroke="#b03020" stroke-width="2"/>')
            body.append(f'<circle cx="{x(one["value"]):.1f}" cy="{y}" r="4" '
                        'fill="#2060b0"/>')
            text(LEFT + WIDTH + 12, percent(one["value"]))
            y += STEP
        y += STEP // 2
    ends = "".join(f'<text x="{x(v):.1f}" y="{y + 4}" text-anchor="middle">'
                   f'{percent(v)}</text>' for v in (low, high))
    return ('<svg xmlns="http://www.w3.org/2000/svg" '
            f'width="{LEFT + WIDTH + 60}" height="{y + 20}" '
            'font-family="sans-serif" font-size="12">\n'
            '<title>AP of the rows, in percent</title>\n'
            '<rect width="100%" height="100%" fill="white"/>\n'
            '<text x="10" y="20">AP in percent: filled without NMS (table 2: '
            'with it), with its 95 % interval over images; open with NMS'
            '</text>\n' + "\n".join(body) + "\n" + ends + "\n</svg>\n")

"""The tables of training/PAPER.md: rows, presets, and what the paper says."""
import dataclasses
import re

from result import TREE

# What a row is held against: a run and the flags of its evaluation, of a whole
# table and of single rows.
BASES = {"1": ("poto", ""), "2": ("fcos.ctr", ""), "3": ("poto", ""),
         "5": ("fcos.ctr", ""), "6": ("poto.3dmf", ""),
         "9": ("poto.3dmf.aux", "")}
OWN_BASES = {("1", "poto.3dmf.aux"): ("poto.3dmf", ""),
             ("5", "poto.3dmf"): ("poto", ""),
             ("5", "poto.3dmf.aux"): ("poto.3dmf", "")}
# What the paper's text says where its tables were not looked up: tau 2 and phi
# 3 are the best, NMS is needed, the filter alone helps an FCOS, ATSS is below.
SIGNS = {("2", "fcos.ctr", "--nms-window 1 --nms-per-scale"): -1,
         ("5", "fcos.ctr", "--max-filter 2,3"): 1,
         ("9", "poto.3dmf.aux.atss", ""): -1}
LOWER = {"6"}
# The way that is compared: table 2 is about NMS, the others do without.
WAYS = {"2": "nms"}


@dataclasses.dataclass(frozen=True)
class Row:
    table: str
    name: str
    run: str      # the preset without "coco." and schedule
    flags: str    # of defcn eval
    paper: str
    release: str

    @property
    def preset(self):
        return "coco." + self.run

    @property
    def key(self):
        return self.run, self.flags

    @property
    def base(self):
        return OWN_BASES.get((self.table, self.run), BASES[self.table])

    @property
    def way(self):
        return WAYS.get(self.table, "no_nms")

    @property
    def figures(self):
        """AP without NMS of the paper and of its release; None: not known."""
        return number(self.paper), (
            None if self.run.startswith("fcos")  # the release's is with NMS
            else number(self.release))


def number(text):
    found = re.match(r"(\d+\.\d)(?! below)", text)
    return float(found.group(1)) if found else None


def rows():
    """All of the tables that BASES has."""
    found, preset = [], None
    for line in (TREE / "training/PAPER.md").read_text().split("\n"):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 6 or cells[0] not in BASES:
            continue
        table, name, where, what, paper, release = cells
        if where != "the same":
            preset = where.strip("`").removeprefix("coco.").removesuffix(".2x")
        flags = what.removeprefix("eval").strip().strip("`")
        found.append(Row(table, name, preset, flags, paper, release))
    return found


def expected(row, base):
    """1: the paper has the row above its base, -1: below; 0: not known."""
    if row.table in LOWER:
        return -1
    for one, other in zip(row.figures, base.figures):
        if one and other:
            return (one > other) - (one < other)
    return SIGNS.get((row.table, row.run, row.flags), 0)

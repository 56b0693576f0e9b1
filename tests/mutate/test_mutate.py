#!/usr/bin/env python3
"""What mutate.py takes for a list, a stale pattern, a table of tests.  TAP."""
import pathlib
import sys
import tempfile
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import mutate  # noqa: E402

LIST = """# comment

file: a.c
find: if (a > b)
replace: if (a >= b)
tests: unit/weights, own forward reference

# taken out
file: a.c
find: free (b);
replace:
"""


def refuses(text, why):
    try:
        mutate.parse(text, "x")
    except mutate.Bad as bad:
        assert why in str(bad), bad
        return
    raise AssertionError("taken: " + text)


def test_list():
    first, second = mutate.parse(LIST, "x")
    assert first.find == "if (a > b)" and first.line == 3
    assert first.tests == ["unit/weights", "own forward reference"]
    assert second.replace == "" and second.tests == []
    assert second.apply("{ free (b); }") == "{  }"


def test_bad_lists():
    refuses("file: a.c\nfind: x\n", "x:1: no replace")
    refuses("find: x\nreplace: y\n", "no file")
    refuses("file: a.c\nfind: x\nreplace: x\n", "nothing changes")
    refuses("file: a.c\nfind: x\nfind: y\nreplace: z\n", "x:3: a second find")
    refuses("file: a.c\nwhat: x\n", "x:2: not one of")


def test_stale():
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        (tree / "a.c").write_text("int a;\n  if (a > b)\n  c (); c ();\n")
        lists = tree / "l.mutants"
        lists.write_text(LIST + "\nfile: a.c\nfind: c ();\nreplace: d ();\n"
                         "\nfile: b.c\nfind: c\nreplace: d\n")
        found = mutate.read_lists([lists], tree)
        assert [m.stale for m in found] == [
            None, "0 matches of: free (b);", "2 matches of: c ();",
            "no such file"]
        assert found[0].name == "a.c:2"
        assert found[1].name == "l.mutants:9"


def test_table():
    table = ("| source | tests |\n|---|---|\n"
             "| `core/net.c` | `model`, `own forward reference` |\n"
             "| core/onednn/*.c | unit `onednn`, `model` |\n")
    names = {"model", "onednn", "own forward reference"}
    assert mutate.table_tests(table, "core/net.c", names) == [
        "model", "own forward reference"]
    assert mutate.table_tests(table, "core/onednn/conv.c", names) == [
        "onednn", "model"]
    assert mutate.table_tests(table, "core/boxes.c", names) == []


def test_run():
    assert mutate.run(["sh", "-c", "echo a; exit 3"]) == (3, "a\n")
    assert mutate.run(["sh", "-c", "sleep 60 & sleep 60"], 0.2) == (None, "")


def test_lists():
    """Every pattern of the lists is in the tree, once."""
    lists = sorted(mutate.HERE.glob("*.mutants"))
    mutants = mutate.read_lists(lists, mutate.TREE)
    assert len(mutants) > 100
    assert [(m.where, m.stale) for m in mutants if m.stale] == []


def main():
    tests = [(name, call) for name, call in sorted(globals().items())
             if name.startswith("test_")]
    print("1..%d" % len(tests))
    failed = False
    for number, (name, call) in enumerate(tests, 1):
        try:
            call()
            print("ok %d - %s" % (number, name))
        except Exception:
            failed = True
            print("not ok %d - %s" % (number, name))
            print("# " + traceback.format_exc().replace("\n", "\n# "))
    return failed


sys.exit(main())

"""The functions test_* of a script, run and told as TAP."""
import tempfile
import traceback


class Skipped(Exception):
    """Why a test does not run."""


def run(scope, shared=None):
    """Calls those of globals() with a folder: @shared, else each with a new
    one.  1 when one fails, for sys.exit()."""
    tests = [call for name, call in sorted(scope.items())
             if name.startswith("test_")]
    print("1..%d" % len(tests))
    failed = 0
    for number, call in enumerate(tests, 1):
        name = " ".join(call.__doc__.split())
        with tempfile.TemporaryDirectory() as folder:
            try:
                call(shared or folder)
                print("ok %d - %s" % (number, name))
            except Skipped as reason:
                print("ok %d - %s # SKIP %s" % (number, name, reason))
            except Exception:  # every kind is a failure
                failed = 1
                print("not ok %d - %s" % (number, name))
                print("# " + traceback.format_exc().replace("\n", "\n# "))
    return failed

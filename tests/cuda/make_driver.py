"""Writes libcuda as C: every function of the toolkit's stub, each failing but
for those that load kernels, which say that they did.  With it cuDNN makes plans
whose kernels are compiled at run time, for a device that is not there.

usage: make_driver.py STUB_LIBRARY > driver.c
"""
import subprocess
import sys

NO_DEVICE = 100
LOADS = {
    "cuKernelGetFunction": "*(void **) p = (void *) 16;",
    "cuLibraryGetKernel": "*(void **) p = (void *) 16;",
    "cuLibraryGetModule": "*(void **) p = (void *) 16;",
    "cuLibraryLoadData": "*(void **) p = (void *) 16;",
    "cuFuncGetAttribute": "*(int *) p = 0;",
    "cuKernelGetAttribute": "*(int *) p = 0;",
    "cuFuncSetAttribute": "",
    "cuKernelSetAttribute": "",
    "cuKernelSetCacheConfig": "",
    "cuLibraryUnload": "",
}


def main():
    lines = subprocess.run(
        ["nm", "-D", "--defined-only", sys.argv[1]],
        check=True, capture_output=True, text=True).stdout.splitlines()
    names = sorted({line.split()[-1].split("@")[0] for line in lines})
    for name in (n for n in names if n.startswith("cu")):
        if name in LOADS:
            print(f"int {name} (void *p) {{ {LOADS[name]} return 0; }}")
        elif name in ("cuGetErrorName", "cuGetErrorString"):
            print(f"int {name} (int error, const char **text)"
                  ' { *text = "no device"; return 0; }')
        else:
            print(f"int {name} (void) {{ return {NO_DEVICE}; }}")


main()

/* The two forms of what was measured.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "stages.h"

G_BEGIN_DECLS

/* A table for people on standard output. */
void defcn_bench_report_text (const DefcnBench *bench);
/* The same as a JSON object, with the machine and the versions; (transfer
 * full). */
char *defcn_bench_report_json (const DefcnBench *bench);

G_END_DECLS

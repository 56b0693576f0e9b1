/* The machine that the process runs on.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <cjson/cJSON.h>

/* {"cpu", "cores", "memory_gib", "system", "defcn", "glib"}; (transfer
 * full). */
cJSON *defcn_machine_to_json (void);
/* What the kernel calls the processor, or else its architecture; g_free(). */
char *defcn_machine_processor (void);

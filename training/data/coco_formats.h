/* Other formats of JSON that people take for COCO's.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "json_scan.h"

G_BEGIN_DECLS

/* The format that has @key at its top, for people; NULL: it may be COCO's. */
const char *defcn_coco_formats_find (const DefcnJsonSpan *key);

G_END_DECLS

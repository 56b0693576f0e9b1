/* When a frame was captured, as its metadata has it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The first GstReferenceTimestampMeta of @buffer with an epoch that is known,
 * timestamp/x-ntp (1900) or timestamp/x-unix (1970), as ISO 8601 in UTC with
 * nanoseconds; NULL where there is none, and before 1970.  (transfer full) */
char *gst_defcn_capture_utc (GstBuffer *buffer);

G_END_DECLS

/* The counters in Prometheus's text format, version 0.0.4.
 *
 * Thread rule: the main thread; live_metrics_escape() any.
 */
#pragma once

#include "fleet.h"
#include "stream.h"

G_BEGIN_DECLS

/* (transfer full) */
char *live_metrics_text (LiveFleet *fleet, LiveStream *stream);

/* (transfer full): @value as it stands in a label, between its quotes. */
char *live_metrics_escape (const char *value);

G_END_DECLS

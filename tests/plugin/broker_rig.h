/* What the tests of brokers share: defcnpublish with a bus, and what one waits
 * for. */
#pragma once

#include "json_rig.h"

/* defcnpublish with add-empty-results, and "property=value;property=value",
 * playing, caps set; *@bus has its messages (transfer full). */
GstHarness *broker_rig_harness (GstBus **bus, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Away with @h, and with the messages, which hold the element. */
void broker_rig_end (GstHarness *h, GstBus *bus);

/* An empty frame each, numbers from 0 on; they pass as they are. */
void broker_rig_push (GstHarness *h, guint n);

guint64 broker_rig_stat (GstHarness *h, const char *name);
gboolean broker_rig_connected (GstHarness *h);
/* Until the field of stats is @value. */
void broker_rig_wait_stat (GstHarness *h, const char *name, guint64 value);
void broker_rig_wait_connected (GstHarness *h, gboolean connected);
/* accepted = sent + dropped, and nothing is queued. */
void broker_rig_assert_settled (GstHarness *h, guint64 accepted);

/* The text of the next WARNING or INFO, which must be of that code of
 * GST_RESOURCE_ERROR; (transfer full). */
char *broker_rig_message (GstBus *bus, GstMessageType type, int code);
/* There has been none. */
void broker_rig_assert_quiet (GstBus *bus, GstMessageType type);

/* defcnpublish with "property=value;..." does not start; the text of its one
 * error, a setting, (transfer full). */
char *broker_rig_refused (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* A port of this machine that nobody listens on; *@fd -1, or a socket that
 * does, and accepts nobody. */
guint16 broker_rig_port (int *fd);

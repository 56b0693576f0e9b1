/* The elements of a stream: what frames go through before the detector, of
 * several kinds, raw and coded with losses, and all of the project's. */
#pragma once

#include <gst/gst.h>

guint chain_kinds (void);
/* @wanted counts on from the last kind; another where elements are missing. */
guint chain_kind (guint wanted);
/* The detector gets the very frames that go in. */
gboolean chain_is_raw (guint kind);

/* A pipeline (transfer full) from "first", which is not linked yet, over
 * "detect", "track", "publish", which writes @log, and "overlay" to "sink". */
GstElement *chain_new (guint kind, const char *device, const char *log);

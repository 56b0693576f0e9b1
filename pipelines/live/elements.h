/* The elements of a branch and their properties.
 *
 *   source ! queue ! defcndetect [! defcntrack] ! defcnpublish
 *     ! queue ! videoconvertscale ! defcnoverlay ! jpegenc ! appsink
 *
 * Both queues are leaky: who is late loses frames, and holds up nobody.  Boxes
 * are drawn when the picture has the page's size, in which lines are seen.
 *
 * Thread rule: any one thread.
 */
#pragma once

#include <gst/gst.h>

#include "config.h"

G_BEGIN_DECLS

/* (transfer full): in the state NULL, with elements of the names "detect",
 * "publish", "second" and "sink", and "track" where objects are followed.
 * @records: for defcnpublish.  NULL and @error of the domain GST_CORE_ERROR. */
GstElement *live_elements_new (const LiveCameraConfig *camera,
    const LiveConfig *config, int records, GError **error);

/* Whether the elements are there and take what @config says, for all cameras;
 * @error of the domain GST_CORE_ERROR. */
gboolean live_elements_check (const LiveConfig *config, GError **error);

/* (transfer full): opens the model of @config, the one that runs if it is that
 * (live_config_share_model()), and asks it whether it knows what the cameras
 * name.  As long as what is returned is not closed the model stays open: who
 * starts with it waits for nothing, nor can its file change under him.  NULL
 * and @error of one of GStreamer's domains; the message names the group. */
GstElement *live_elements_open (const LiveConfig *config, GError **error);
/* @detect (transfer full) (nullable). */
void live_elements_close (GstElement *detect);

/* Makes the plugin's elements known where the registry has them not: installed
 * beside the program, or built.  FALSE if they are nowhere. */
gboolean live_elements_find_plugin (void);

G_END_DECLS

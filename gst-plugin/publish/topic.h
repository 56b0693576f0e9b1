/* Names that have the name of the source in them: topics of a broker, paths of
 * files.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_TOPIC_MQTT,
  GST_DEFCN_TOPIC_KAFKA,
  GST_DEFCN_TOPIC_PATH,
} GstDefcnTopicKind;

/* @template with @source in the place of every "{source}", as one level or one
 * name: "_" for what the kind has another use for ("/", "+", "#" and a "$" or
 * "." at the beginning; for Kafka all but A-Z a-z 0-9 . _ -), for control
 * characters and bytes that are no UTF-8; more than 100 bytes are cut, and end
 * in a checksum.  An address has lost user and password.  NULL, and @error
 * (GST_RESOURCE_ERROR, SETTINGS), if "{source}" is asked for and @source is
 * NULL or "", or if what comes out is no name of the kind.  (transfer full) */
char *gst_defcn_topic_new (GstDefcnTopicKind kind, const char *template,
    const char *source, GError **error);

/* Takes user and password off @address (nullable), or a list of them, in place:
 * nobody who looks at a property shall find them there.  Whether there were
 * any. */
gboolean gst_defcn_topic_take_login_off (char *address);

G_END_DECLS

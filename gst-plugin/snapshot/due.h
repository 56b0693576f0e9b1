/* The objects of a frame of which a picture is due.
 *
 * Thread rule: one thread.
 */
#pragma once

#include <gst/video/video.h>

#include "keeper.h"
#include "object.h"

G_BEGIN_DECLS

typedef enum
{
  GST_DEFCN_SNAPSHOT_ON_TRACK = 1 << 0,
  GST_DEFCN_SNAPSHOT_ON_ZONE = 1 << 1,
  GST_DEFCN_SNAPSHOT_ON_LINE = 1 << 2,
  GST_DEFCN_SNAPSHOT_ON_OBJECT = 1 << 3,
} GstDefcnSnapshotOn;

/* Of what. */
typedef struct
{
  GstDefcnSnapshotOn on;
  char **classes;  /* names, NULL: all */
  float threshold; /* least confidence; one that is not known is enough for 0 */
  guint64 interval;
  gboolean once_a_frame; /* of untracked objects the best alone */
} GstDefcnDueRule;

typedef struct
{
  GstDefcnObject object;
  gboolean has_box;        /* it is known where in this frame it is */
  gboolean is_new;         /* a picture of its own, else a better one */
  GQuark event;            /* of a better one: 0 */
  GQuark place, direction; /* 0: none */
  double score;            /* 0 where nobody looked */
} GstDefcnDue;

/* The time of the last picture of objects without track; and of tracks. */
typedef struct
{
  GstDefcnKeeper *keeper;
  guint64 untracked; /* running time, or G_MAXUINT64 */
  /* of the last frame: a picture is wanted of tracks alone, and nobody tracks
   * what is in it */
  gboolean is_in_vain;
} GstDefcnDueState;

/* Appends to @due (GstDefcnDue) those of @buffer, a frame of @width x @height
 * at the running time @now: a track once. */
void gst_defcn_due_find (GArray *due, GstDefcnDueState *state,
    const GstDefcnDueRule *rule, GstBuffer *buffer, int width, int height,
    guint64 now);

G_END_DECLS

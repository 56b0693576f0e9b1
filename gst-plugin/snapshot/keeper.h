/* Of which object a picture is due, and whether it is better than the last one.
 *
 * Within an interval a track has one picture: its first event begins it, better
 * moments replace it.  An event after that begins another.
 *
 * Thread rule: one thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* By how much a score has to be higher for a better picture: a track makes at
 * most twenty in an interval. */
#define GST_DEFCN_KEEPER_STEP 0.05

typedef enum
{
  GST_DEFCN_KEEPER_NOTHING,
  GST_DEFCN_KEEPER_BEGIN,  /* a picture of its own */
  GST_DEFCN_KEEPER_BETTER, /* in the place of gst_defcn_keeper_slot() */
} GstDefcnKeeperVerdict;

typedef enum
{
  GST_DEFCN_KEEPER_NO_EVENT,
  GST_DEFCN_KEEPER_ONCE,   /* the first time that its track is seen */
  GST_DEFCN_KEEPER_ALWAYS, /* whenever the interval is over */
} GstDefcnKeeperEvent;

typedef struct _GstDefcnKeeper GstDefcnKeeper;

/* @unref: of slots. */
GstDefcnKeeper *gst_defcn_keeper_new (GDestroyNotify unref);
void gst_defcn_keeper_free (GstDefcnKeeper *keeper);

/* Whether a picture is due of track @id, which is there with @score at the time
 * @now (ns), when @event happens to it.  A time before that of the last picture
 * is another interval. */
GstDefcnKeeperVerdict gst_defcn_keeper_ask (GstDefcnKeeper *keeper, gint64 id,
    GstDefcnKeeperEvent event, double score, guint64 now, guint64 interval);

/* What was told of last; NULL: nothing. */
gpointer gst_defcn_keeper_slot (GstDefcnKeeper *keeper, gint64 id);

/* After GST_DEFCN_KEEPER_BEGIN: its interval begins @now.  @slot: taken. */
void gst_defcn_keeper_begin (GstDefcnKeeper *keeper, gint64 id, gpointer slot,
    guint64 now);
/* A picture of @score is on its way; without that the next one is better. */
void gst_defcn_keeper_taken (GstDefcnKeeper *keeper, gint64 id, double score);

G_END_DECLS

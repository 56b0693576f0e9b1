/* Of which object a picture is due, and whether it is a better one. */
#include "keeper.h"

/* Tracks that are remembered, and until when after they were there. */
#define MAX_TRACKS 4096
#define MAX_AWAY (G_GUINT64_CONSTANT (600) * 1000 * 1000 * 1000)

typedef struct
{
  gpointer slot;
  GDestroyNotify unref;
  guint64 begun, seen;
  double best; /* -1: none on its way */
} Track;

struct _GstDefcnKeeper
{
  GHashTable *tracks; /* gint64 -> Track */
  GDestroyNotify unref;
};

static void
free_track (gpointer data)
{
  Track *track = data;

  if (track->slot)
    track->unref (track->slot);
  g_free (track);
}

GstDefcnKeeper *
gst_defcn_keeper_new (GDestroyNotify unref)
{
  GstDefcnKeeper *keeper = g_new0 (GstDefcnKeeper, 1);

  keeper->tracks =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, free_track);
  keeper->unref = unref;
  return keeper;
}

void
gst_defcn_keeper_free (GstDefcnKeeper *keeper)
{
  if (!keeper)
    return;
  g_hash_table_unref (keeper->tracks);
  g_free (keeper);
}

static guint64
away (const Track *track, guint64 now)
{
  return now > track->seen ? now - track->seen : track->seen - now;
}

/* Forgets who has gone long ago; if all are here still, who was seen first. */
static void
make_room (GstDefcnKeeper *keeper, guint64 now, guint64 interval)
{
  const guint64 most = MAX (MAX_AWAY, interval);
  gpointer key, value, oldest = NULL;
  guint64 longest = 0;
  GHashTableIter iter;

  if (g_hash_table_size (keeper->tracks) < MAX_TRACKS)
    return;
  g_hash_table_iter_init (&iter, keeper->tracks);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    if (away (value, now) > most) {
      g_hash_table_iter_remove (&iter);
    } else if (!oldest || away (value, now) > longest) {
      oldest = key;
      longest = away (value, now);
    }
  }
  if (g_hash_table_size (keeper->tracks) >= MAX_TRACKS)
    g_hash_table_remove (keeper->tracks, oldest);
}

GstDefcnKeeperVerdict
gst_defcn_keeper_ask (GstDefcnKeeper *keeper, gint64 id,
    GstDefcnKeeperEvent event, double score, guint64 now, guint64 interval)
{
  Track *track = g_hash_table_lookup (keeper->tracks, &id);
  gboolean is_over;

  if (!track && event == GST_DEFCN_KEEPER_NO_EVENT)
    return GST_DEFCN_KEEPER_NOTHING;
  if (!track) {
    make_room (keeper, now, interval);
    return GST_DEFCN_KEEPER_BEGIN;
  }
  track->seen = now;
  is_over = now < track->begun || now - track->begun >= interval;
  if (is_over)
    return event == GST_DEFCN_KEEPER_ALWAYS ? GST_DEFCN_KEEPER_BEGIN
                                            : GST_DEFCN_KEEPER_NOTHING;
  return track->best < 0 || score >= track->best + GST_DEFCN_KEEPER_STEP
      ? GST_DEFCN_KEEPER_BETTER
      : GST_DEFCN_KEEPER_NOTHING;
}

gpointer
gst_defcn_keeper_slot (GstDefcnKeeper *keeper, gint64 id)
{
  const Track *track = g_hash_table_lookup (keeper->tracks, &id);

  return track ? track->slot : NULL;
}

void
gst_defcn_keeper_begin (GstDefcnKeeper *keeper, gint64 id, gpointer slot,
    guint64 now)
{
  Track *track = g_new0 (Track, 1);
  gint64 *key = g_new (gint64, 1);

  *key = id;
  *track = (Track){ slot, keeper->unref, now, now, -1 };
  g_hash_table_replace (keeper->tracks, key, track);
}

void
gst_defcn_keeper_taken (GstDefcnKeeper *keeper, gint64 id, double score)
{
  Track *track = g_hash_table_lookup (keeper->tracks, &id);

  if (track)
    track->best = score;
}

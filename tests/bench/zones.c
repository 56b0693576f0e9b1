/* How long defcntrack and defcnzones take for a frame beyond what they read:
 * the tracker, counting at zones and lines, and telling of both on a buffer.
 *
 *   zones [PEOPLE [PLACES [FRAMES]]]    (100, 10, 2000)
 *
 * The people are those of tracker.c; every other place is a line from the top
 * to the bottom, the others octagons.  Prints the medians and the 95th
 * percentiles, in milliseconds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta.h"
#include "tracker.h"
#include "walkers.h"
#include "zones/counter.h"
#include "zones/text.h"

#define STEP G_GINT64_CONSTANT (40000000) /* ns */

enum
{
  TRACK,
  COUNT,
  TELL,
  ALL,
  N_PARTS
};

/* (transfer full) */
static GArray *
layout_new (int n_places, GRand *rand)
{
  const GstDefcnLayoutOptions defaults = { .hysteresis = 0.1 };
  GArray *layout = gst_defcn_layout_new ();

  for (int i = 0; i < n_places; i++) {
    const double x = g_rand_double_range (rand, 0.2, 0.8);
    const double y = g_rand_double_range (rand, 0.2, 0.8);
    g_autofree char *name = g_strdup_printf ("%d", i);
    g_autoptr (GArray) points =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnPoint));
    GstDefcnPoint p;

    for (int k = 0; k < (i % 2 ? 8 : 2); k++) {
      p = i % 2 ? (GstDefcnPoint){ x + 0.15 * sin (k * G_PI / 4),
        y + 0.15 * cos (k * G_PI / 4) }
                : (GstDefcnPoint){ x, k };
      g_array_append_val (points, p);
    }
    g_assert_true (gst_defcn_layout_add (layout, name, i % 2 == 0, points,
        &defaults, NULL));
  }
  return layout;
}

/* As defcntrack does: only who was found, by an id once there is one. */
static void
set_objects (GArray *objects, const DefcnTracker *tracker)
{
  int n;
  const DefcnTrack *tracks = defcn_tracker_tracks (tracker, &n);

  g_array_set_size (objects, 0);
  for (int i = 0; i < n; i++) {
    const DefcnBox *box = &tracks[i].box;
    const GstDefcnObject o = { box->x1 / 1920, box->y1 / 1080, box->x2 / 1920,
      box->y2 / 1080, box->score, 0, g_quark_from_static_string ("person"),
      .track = { (gint64) tracks[i].id,
          g_quark_from_static_string ("confirmed") } };

    if (tracks[i].detection >= 0)
      g_array_append_val (objects, o);
  }
}

int
main (int argc, char **argv)
{
  const int people = argc > 1 ? atoi (argv[1]) : 100;
  const int n_places = argc > 2 ? atoi (argv[2]) : 10;
  const int frames = argc > 3 ? atoi (argv[3]) : 2000;
  static const char *names[N_PARTS] = { "tracker", "counting", "metadata",
    "all" };

  gst_init (&argc, &argv);
  gst_defcn_meta_register ();
  if (people < 1 || n_places < 0 || frames < 1) {
    fprintf (stderr, "usage: zones [PEOPLE [PLACES [FRAMES]]]\n");
    return 2;
  }
  g_autoptr (DefcnTracker) tracker =
      defcn_tracker_new (&defcn_tracker_defaults);
  g_autoptr (GstDefcnCounter) counter = gst_defcn_counter_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree DefcnBox *boxes = g_new (DefcnBox, people);
  g_autofree Walker *walkers = g_new (Walker, people);
  g_autofree gint64 *took = g_new (gint64, N_PARTS * frames);
  g_autoptr (GArray) layout = layout_new (n_places, rand);
  g_autoptr (GArray) objects =
      g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));
  guint64 n_events = 0;

  gst_defcn_counter_set_layout (counter, layout, 1920, 1080);
  walkers_init (walkers, people, rand);
  for (int i = 0; i < frames; i++) {
    const int n = walkers_step (boxes, walkers, people, rand);
    const GstDefcnCounterFrame frame = { i * STEP, 50 * STEP, 16.0 / 9, TRUE };
    g_autoptr (GArray) events = gst_defcn_scene_events_new ();
    g_autoptr (GArray) places = gst_defcn_scene_places_new ();
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    gint64 at[N_PARTS];

    at[0] = g_get_monotonic_time ();
    defcn_tracker_update (tracker, boxes, n, i * STEP);
    set_objects (objects, tracker);
    at[1] = g_get_monotonic_time ();
    gst_defcn_counter_update (counter, objects, &frame, events);
    at[2] = g_get_monotonic_time ();
    gst_defcn_counter_read (counter, places);
    gst_defcn_scene_attach (buffer, places, events);
    at[3] = g_get_monotonic_time ();
    for (int part = 0; part < ALL; part++)
      took[part * frames + i] = at[part + 1] - at[part];
    took[ALL * frames + i] = at[3] - at[0];
    n_events += events->len;
  }
  printf ("%d people, %d places, %d frames, %" G_GUINT64_FORMAT " events\n",
      people, n_places, frames, n_events);
  for (int part = 0; part < N_PARTS; part++) {
    gint64 *own = took + part * frames;

    qsort (own, (gsize) frames, sizeof *own, walkers_compare);
    printf ("%-8s median %.3f ms, 95 %% %.3f ms\n", names[part],
        (double) own[frames / 2] / 1000,
        (double) own[frames * 95 / 100] / 1000);
  }
  return 0;
}

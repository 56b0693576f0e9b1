/* What users draw for defcnzones, as the short form and as a file, and people
 * who walk about in what of it is accepted: the sums add up. */
#include <math.h>
#include <string.h>

#include "input.h"

#include "zones/config.h"
#include "zones/counter.h"
#include "zones/text.h"

enum
{
  PEOPLE = 4,
  FRAMES = 12
};

static void
check_count (const GstDefcnSceneCount *count, guint64 in_all)
{
  if (count->entered - count->left != count->occupancy
      || count->entered > in_all || count->dwell_mean > count->dwell_max)
    g_error ("counts do not add up");
}

static void
check_places (const GstDefcnCounter *counter, guint n_places)
{
  g_autoptr (GArray) places = gst_defcn_scene_places_new ();

  gst_defcn_counter_read (counter, places);
  if (places->len != n_places)
    g_error ("%u places of %u", places->len, n_places);
  for (guint i = 0; i < places->len; i++) {
    const GstDefcnScenePlace *p =
        &g_array_index (places, GstDefcnScenePlace, i);

    for (guint k = 0; k < p->points->len; k++)
      if (!isfinite (g_array_index (p->points, double, k)))
        g_error ("a point is not finite");
    check_count (&p->all, G_MAXUINT64);
    for (guint k = 0; k < p->classes->len; k++)
      check_count (&g_array_index (p->classes, GstDefcnSceneCount, k),
          p->all.entered);
  }
}

static void
walk (const GArray *layout, uint32_t seed)
{
  g_autoptr (GstDefcnCounter) counter = gst_defcn_counter_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (GArray) events = gst_defcn_scene_events_new ();

  gst_defcn_counter_set_layout (counter, layout, 640, 480);
  for (int frame = 0; frame < FRAMES; frame++) {
    const GstDefcnCounterFrame now = { frame * G_GINT64_CONSTANT (300000000),
      G_GINT64_CONSTANT (700000000), 4.0 / 3, TRUE };
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (GstDefcnObject));

    for (int i = 0; i < PEOPLE; i++) {
      const double x = g_rand_double (rand), y = g_rand_double (rand);
      const GstDefcnObject o = { x - 0.05, y - 0.1, x + 0.05, y, 0.5, 0,
        g_quark_from_static_string (i ? "person" : "car"),
        .track = { .id = i + 1 } };

      if (g_rand_boolean (rand))
        g_array_append_val (objects, o);
    }
    gst_defcn_counter_update (counter, objects, &now, events);
    check_places (counter, layout->len);
    if (frame == FRAMES / 2)
      gst_defcn_counter_set_layout (counter, layout, 320, 240);
  }
  gst_defcn_counter_break (counter);
  check_places (counter, layout->len);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const GstDefcnLayoutOptions defaults = { .hysteresis = 0.1 };
  g_autofree char *text =
      size ? g_strndup ((const char *) data, size) : g_strdup ("");

  for (int is_config = 0; is_config < 2; is_config++) {
    g_autoptr (GArray) layout = gst_defcn_layout_new ();
    g_autoptr (GError) error = NULL;
    const gboolean good = is_config
        ? gst_defcn_config_parse (layout, text, "file", &defaults, &error)
        : gst_defcn_text_parse (layout, text, &defaults, &error);

    fuzz_check (good ? layout : NULL, error);
    if (good && layout->len <= 64)
      walk (layout, (uint32_t) size);
  }
  return 0;
}

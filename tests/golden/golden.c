/* The golden set for tests: its files, their tensors. */
#include "golden.h"

#include "anchors.h"
#include "data/dataset.h"
#include "testing.h"

#include <glob.h>
#include <math.h>
#include <string.h>

static void
skip_pattern (gconstpointer pattern)
{
  g_test_skip_printf ("no golden data: %s", (const char *) pattern);
}

static void
add_test (const char *name, const char *below, GTestDataFunc test)
{
  g_autofree char *path =
      g_strconcat (name, "/", strchr (below, '/') + 1, NULL);

  g_test_add_data_func_full (path, g_strdup (below), test, g_free);
}

void
testing_golden_add (const char *name, const char *pattern, GTestDataFunc test)
{
  g_autofree char *root = testing_golden ("");
  g_autofree char *full = root ? g_build_filename (root, pattern, NULL) : NULL;
  glob_t found = { 0 };

  if (!full || glob (full, 0, NULL, &found) != 0)
    add_test (name, pattern, skip_pattern);
  else
    for (gsize i = 0; i < found.gl_pathc; i++)
      add_test (name, found.gl_pathv[i] + strlen (full) - strlen (pattern),
          test);
  globfree (&found);
}

static char *
find (const char *below)
{
  char *path = testing_golden (below);

  if (!path) {
    g_autofree char *message = g_strdup_printf ("no golden data: %s", below);

    g_test_skip (message);
  }
  return path;
}

DefcnWeights *
testing_golden_open (const char *below)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = find (below);
  DefcnWeights *file = path ? defcn_weights_open (path, &error) : NULL;

  g_assert_no_error (error);
  return file;
}

char *
testing_golden_text (const char *below)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = find (below);
  char *text = NULL;

  if (path)
    g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

cJSON *
testing_golden_json (const char *below)
{
  g_autofree char *text = testing_golden_text (below);
  cJSON *json = text ? cJSON_Parse (text) : NULL;

  if (text && !json)
    g_error ("%s: not JSON", below);
  return json;
}

double
testing_golden_number (const cJSON *object, const char *name, double otherwise)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  return cJSON_IsNumber (item) ? item->valuedouble : otherwise;
}

gboolean
testing_golden_has (const DefcnWeights *file, const char *name)
{
  return defcn_weights_lookup (file, name) != NULL;
}

static const DefcnWeightsTensor *
get (const DefcnWeights *file, const char *name)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);

  if (!t)
    g_error ("%s: no tensor \"%s\"", defcn_weights_path (file), name);
  return t;
}

float *
testing_golden_floats (const DefcnWeights *file, const char *name, gsize *len)
{
  const DefcnWeightsTensor *t = get (file, name);
  g_autoptr (GError) error = NULL;
  float *values = g_new (float, t->len);

  defcn_weights_read (file, t, values, &error);
  g_assert_no_error (error);
  if (len)
    *len = t->len;
  return values;
}

int *
testing_golden_ints (const DefcnWeights *file, const char *name, gsize *len)
{
  const DefcnWeightsTensor *t = get (file, name);
  int *values = g_new (int, t->len);

  for (gsize i = 0; i < t->len; i++) {
    gint32 narrow;
    gint64 wide;

    switch (t->dtype) {
      case DEFCN_DTYPE_I32:
        memcpy (&narrow, (const char *) t->data + 4 * i, 4);
        values[i] = narrow;
        break;
      case DEFCN_DTYPE_I64:
        memcpy (&wide, (const char *) t->data + 8 * i, 8);
        values[i] = wide;
        break;
      case DEFCN_DTYPE_U8:
        values[i] = ((const guint8 *) t->data)[i];
        break;
      default:
        g_error ("%s: \"%s\" has no integers", defcn_weights_path (file), name);
    }
  }
  if (len)
    *len = t->len;
  return values;
}

const DefcnWeightsTensor *
testing_golden_image (const DefcnWeights *file, int i, DefcnWeights **owner)
{
  g_autofree char *name = g_strdup_printf ("image.%d", i);
  const DefcnWeightsTensor *t = defcn_weights_lookup (file, name);
  const char *other = t ? NULL : defcn_weights_metadata (file, name);

  *owner = NULL;
  if (!other || !g_str_has_prefix (other, "same as "))
    return t;

  /* "same as models/<case>/<file>#<tensor>" */
  g_auto (GStrv) parts = g_strsplit (other + strlen ("same as "), "#", 2);
  *owner = testing_golden_open (parts[0]);
  return *owner ? get (*owner, parts[1]) : NULL;
}

const gint64 *
testing_golden_dims (const DefcnWeights *file, const char *name)
{
  return get (file, name)->dims;
}

GArray *
testing_golden_objects (const DefcnWeights *file, const char *image)
{
  g_autofree char *boxes_name = g_strconcat ("gt_boxes", image, NULL);
  g_autofree char *classes_name = g_strconcat ("gt_classes", image, NULL);
  gsize n;
  g_autofree float *boxes = testing_golden_floats (file, boxes_name, NULL);
  g_autofree int *classes = testing_golden_ints (file, classes_name, &n);
  GArray *objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));

  for (gsize i = 0; i < n; i++) {
    const DefcnObject object = { .x1 = boxes[4 * i],
      .y1 = boxes[4 * i + 1],
      .x2 = boxes[4 * i + 2],
      .y2 = boxes[4 * i + 3],
      .label = classes[i] };

    g_array_append_val (objects, object);
  }
  return objects;
}

void
testing_golden_code (float *box, const float *sides, int anchors, int level)
{
  DefcnAnchor anchor;

  memcpy (box, sides, 4 * sizeof *box);
  if (anchors == 0)
    return;
  g_assert_cmpint (anchors, ==, 1);
  defcn_anchors_fill (&anchor, 1, level);
  defcn_anchors_encode (box, sides, &anchor);
}

void
testing_golden_to_nhwc (float *values, int n, int c, int h, int w)
{
  const gsize plane = (gsize) h * w, len = n * c * plane;
  g_autofree float *copy = g_memdup2 (values, len * sizeof (float));

  for (int i = 0; i < n; i++)
    for (int k = 0; k < c; k++)
      for (gsize j = 0; j < plane; j++)
        values[(i * plane + j) * c + k] = copy[((gsize) i * c + k) * plane + j];
}

double
testing_golden_difference (const float *found, const float *want, gsize len)
{
  double difference = 0, largest = 0;

  for (gsize i = 0; i < len; i++) {
    if (!isfinite (found[i]))
      return INFINITY;
    difference = MAX (difference, fabs ((double) found[i] - want[i]));
    largest = MAX (largest, fabs (want[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

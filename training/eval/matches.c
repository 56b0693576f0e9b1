/* Precision over recall of matched detections, and its bootstrap. */
#include "matches.h"

#include <math.h>
#include <string.h>

#define EPSILON 2.220446049250313e-16 /* numpy.spacing (1) */
#define BOOTSTRAP_SEED 1

DefcnMatches *
defcn_matches_new (guint n_images)
{
  DefcnMatches *m = g_new0 (DefcnMatches, 1);

  m->matches = g_array_new (FALSE, FALSE, sizeof (DefcnMatch));
  m->counts = g_new0 (guint, (gsize) n_images + 1);
  m->n_images = n_images;
  return m;
}

void
defcn_matches_free (DefcnMatches *m)
{
  if (!m)
    return;
  g_array_unref (m->matches);
  g_free (m->counts);
  g_free (m);
}

static int
by_score (gconstpointer a, gconstpointer b)
{
  const DefcnMatch *p = a, *q = b;

  if (p->score != q->score)
    return p->score > q->score ? -1 : 1;
  return (p->order > q->order) - (p->order < q->order);
}

void
defcn_matches_sort (DefcnMatches *m)
{
  g_array_sort (m->matches, by_score);
}

/* Precision sampled at the recall thresholds.  @times: how often every image is
 * there; NULL: once. */
static void
sample_precision (double *samples, double *recall, const GArray *matches,
    const guint *times, int threshold, int limit, guint n_objects)
{
  g_autofree double *r = g_new (double, matches->len + 1);
  g_autofree double *p = g_new (double, matches->len + 1);
  double tp = 0, fp = 0;
  guint n = 0;

  for (guint i = 0; i < matches->len; i++) {
    const DefcnMatch *m = &g_array_index (matches, DefcnMatch, i);
    const gboolean matched = m->matched >> threshold & 1;
    const guint n_times = times ? times[m->image] : 1;

    if (m->rank >= limit)
      continue;
    if (!(m->ignored >> threshold & 1)) {
      tp += matched ? n_times : 0;
      fp += matched ? 0 : n_times;
    }
    r[n] = tp / n_objects;
    p[n++] = tp / (fp + tp + EPSILON);
  }
  *recall = n ? r[n - 1] : 0;
  for (guint i = n; i-- > 1;)
    p[i - 1] = MAX (p[i - 1], p[i]);
  guint at = 0;
  for (int k = 0; k < DEFCN_MATCH_RECALLS; k++) {
    const double wanted = k == DEFCN_MATCH_RECALLS - 1 ? 1 : k * 0.01;

    while (at < n && r[at] < wanted)
      at++;
    samples[k] = at < n ? p[at] : 0;
  }
}

void
defcn_matches_precision (const DefcnMatches *m, int threshold, int limit,
    double precision[DEFCN_MATCH_RECALLS], double *recall)
{
  g_return_if_fail (m->n_objects > 0);
  sample_precision (precision, recall, m->matches, NULL, threshold, limit,
      m->n_objects);
}

/* The AP at every threshold of a class whose images are there so many @times;
 * FALSE where these have no object. */
static gboolean
draw_class (double ap[DEFCN_MATCH_THRESHOLDS], const DefcnMatches *m,
    const guint *times)
{
  double precision[DEFCN_MATCH_RECALLS], recall;
  guint n_objects = 0;

  for (guint i = 0; i < m->n_images; i++)
    n_objects += times[i] * m->counts[i];
  for (int t = 0; t < DEFCN_MATCH_THRESHOLDS && n_objects; t++) {
    sample_precision (precision, &recall, m->matches, times, t, G_MAXINT,
        n_objects);
    ap[t] = 0;
    for (int k = 0; k < DEFCN_MATCH_RECALLS; k++)
      ap[t] += precision[k] / DEFCN_MATCH_RECALLS;
  }
  return n_objects > 0;
}

void
defcn_matches_bootstrap (const GPtrArray *classes, guint n, double *ap,
    double *ap50)
{
  const guint n_images =
      classes->len ? ((DefcnMatches *) classes->pdata[0])->n_images : 0;
  g_autoptr (GRand) rand = g_rand_new_with_seed (BOOTSTRAP_SEED);
  g_autofree guint *times = g_new (guint, (gsize) n_images + 1);

  for (guint k = 0; k < n; k++) {
    double sum = 0, sum50 = 0, at[DEFCN_MATCH_THRESHOLDS];
    guint n_classes = 0;

    memset (times, 0, n_images * sizeof *times);
    for (guint i = 0; i < n_images; i++)
      times[g_rand_int_range (rand, 0, n_images)]++;
    for (guint c = 0; c < classes->len; c++) {
      if (!draw_class (at, classes->pdata[c], times))
        continue;
      n_classes++;
      sum50 += at[0];
      for (int t = 0; t < DEFCN_MATCH_THRESHOLDS; t++)
        sum += at[t] / DEFCN_MATCH_THRESHOLDS;
    }
    ap[k] = n_classes ? sum / n_classes : -1;
    ap50[k] = n_classes ? sum50 / n_classes : -1;
  }
}

static int
by_value (gconstpointer a, gconstpointer b)
{
  const double p = *(const double *) a, q = *(const double *) b;

  return (p > q) - (p < q);
}

double
defcn_matches_quantile (const double *values, guint n, double q)
{
  g_autoptr (GArray) sorted = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = 0; i < n; i++) {
    if (values[i] >= 0)
      g_array_append_val (sorted, values[i]);
  }
  if (sorted->len == 0)
    return -1;
  g_array_sort (sorted, by_value);
  const double at = q * (sorted->len - 1);
  const guint low = floor (at), high = MIN (low + 1, sorted->len - 1);
  const double a = g_array_index (sorted, double, low);
  return a + (at - low) * (g_array_index (sorted, double, high) - a);
}

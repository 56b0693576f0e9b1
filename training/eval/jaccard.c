/* The Jaccard index of CrowdHuman. */
#include "jaccard.h"

#include "hungarian.h"

#define LEAST_OVERLAP 0.5
#define EPSILON 1e-6

/* A detection and a person that overlap enough. */
typedef struct
{
  guint detection, person;
  double iou;
  guint group; /* of what is connected, at a threshold */
} Pair;

typedef struct
{
  const DefcnJaccardBox *detections, *persons;
  guint n_detections, n_persons;
  GArray *pairs; /* of Pair, all of them */
  GArray *over;  /* those over the threshold, group by group */
  guint *parent; /* of detections, then persons: a union-find */
  /* By detection or person: whether it does not count if in no pair, whether
   * it is in one, and its place in its group's matrix, -1: none yet. */
  gboolean *detection_ignored, *person_ignored;
  gboolean *detection_taken, *person_taken;
  int *row, *col;
} Picture;

double
defcn_jaccard_intersection (const DefcnJaccardBox *a, const DefcnJaccardBox *b)
{
  const double w = MIN (a->x2, b->x2) - MAX (a->x1, b->x1);
  const double h = MIN (a->y2, b->y2) - MAX (a->y1, b->y1);

  return w > 0 && h > 0 ? w * h : 0;
}

double
defcn_jaccard_area (const DefcnJaccardBox *b)
{
  return (b->x2 - b->x1) * (b->y2 - b->y1);
}

static gboolean
lies_on (const DefcnJaccardBox *box, const DefcnJaccardBox *regions, guint n)
{
  for (guint i = 0; i < n; i++)
    if (defcn_jaccard_intersection (box, &regions[i])
            / (MAX (defcn_jaccard_area (box), 0) + EPSILON)
        > LEAST_OVERLAP)
      return TRUE;
  return FALSE;
}

static void
find_pairs (Picture *p)
{
  for (guint i = 0; i < p->n_detections; i++)
    for (guint j = 0; j < p->n_persons; j++) {
      const DefcnJaccardBox *d = &p->detections[i], *o = &p->persons[j];
      const double inter = defcn_jaccard_intersection (d, o);
      const double both =
          defcn_jaccard_area (d) + defcn_jaccard_area (o) - inter;
      const Pair pair = { i, j, inter / (both + EPSILON), 0 };

      if (inter > 0 && pair.iou > LEAST_OVERLAP)
        g_array_append_val (p->pairs, pair);
    }
}

static guint
root (guint *parent, guint i)
{
  while (parent[i] != i)
    i = parent[i] = parent[parent[i]];
  return i;
}

static int
by_group (gconstpointer a, gconstpointer b)
{
  const guint p = ((const Pair *) a)->group, q = ((const Pair *) b)->group;

  return (p > q) - (p < q);
}

/* What is connected by pairs over @threshold is matched for itself. */
static void
find_groups (Picture *p, double threshold)
{
  g_array_set_size (p->over, 0);
  for (guint i = 0; i < p->n_detections + p->n_persons; i++)
    p->parent[i] = i;
  for (guint k = 0; k < p->pairs->len; k++) {
    const Pair pair = g_array_index (p->pairs, Pair, k);

    if (!(p->detections[pair.detection].score > threshold))
      continue;
    g_array_append_val (p->over, pair);
    p->parent[root (p->parent, pair.detection)] =
        root (p->parent, p->n_detections + pair.person);
  }
  for (guint k = 0; k < p->over->len; k++) {
    Pair *pair = &g_array_index (p->over, Pair, k);

    pair->group = root (p->parent, pair->detection);
  }
  g_array_sort (p->over, by_group);
}

/* The matching of @n pairs: no pair costs nothing.  Returns: how many. */
static guint
match_group (Picture *p, const Pair *pairs, guint n)
{
  int n_rows = 0, n_cols = 0;
  guint matched = 0;

  for (guint k = 0; k < n; k++) {
    if (p->row[pairs[k].detection] < 0)
      p->row[pairs[k].detection] = n_rows++;
    if (p->col[pairs[k].person] < 0)
      p->col[pairs[k].person] = n_cols++;
  }
  g_autofree double *iou = g_new0 (double, (gsize) n_rows *n_cols);
  g_autofree int *col_of_row = g_new (int, n_rows);
  for (guint k = 0; k < n; k++)
    iou[(gsize) p->row[pairs[k].detection] * n_cols + p->col[pairs[k].person]] =
        pairs[k].iou;
  defcn_hungarian_solve (col_of_row, iou, n_rows, n_cols, TRUE);
  for (guint k = 0; k < n; k++)
    if (col_of_row[p->row[pairs[k].detection]] == p->col[pairs[k].person]) {
      p->detection_taken[pairs[k].detection] = TRUE;
      p->person_taken[pairs[k].person] = TRUE;
      matched++;
    }
  return matched;
}

static guint
match (Picture *p, double threshold)
{
  const Pair *over;
  guint matched = 0, n;

  for (guint i = 0; i < p->n_detections; i++) {
    p->detection_taken[i] = FALSE;
    p->row[i] = -1;
  }
  for (guint j = 0; j < p->n_persons; j++) {
    p->person_taken[j] = FALSE;
    p->col[j] = -1;
  }
  find_groups (p, threshold);
  over = (const Pair *) (gconstpointer) p->over->data;
  for (guint k = 0; k < p->over->len; k += n) {
    n = 1;
    while (k + n < p->over->len && over[k + n].group == over[k].group)
      n++;
    matched += match_group (p, over + k, n);
  }
  return matched;
}

static void
add_at (DefcnJaccard *sum, Picture *p, int step)
{
  const double threshold = 0.1 * step;
  const guint k = match (p, threshold);
  guint n = 0, m = 0;

  for (guint i = 0; i < p->n_detections; i++)
    n += p->detections[i].score > threshold
        && (p->detection_taken[i] || !p->detection_ignored[i]);
  for (guint j = 0; j < p->n_persons; j++)
    m += p->person_taken[j] || !p->person_ignored[j];
  sum->ratios[step] += k / (m + n - k + EPSILON);
  sum->n_images[step] += n > 0 || m > 0;
}

void
defcn_jaccard_add (DefcnJaccard *sum, const DefcnJaccardBox *detections,
    guint n_detections, const DefcnJaccardBox *persons, guint n_persons,
    const DefcnJaccardBox *ignored, guint n_ignored)
{
  const guint n = n_detections + 1, m = n_persons + 1; /* none is an array */
  g_autoptr (GArray) pairs = g_array_new (FALSE, FALSE, sizeof (Pair));
  g_autoptr (GArray) over = g_array_new (FALSE, FALSE, sizeof (Pair));
  g_autofree gboolean *flags = g_new0 (gboolean, 2 * (n + m));
  g_autofree guint *parent = g_new (guint, n + m);
  g_autofree int *places = g_new (int, n + m);
  Picture p = { .detections = detections,
    .persons = persons,
    .n_detections = n_detections,
    .n_persons = n_persons,
    .pairs = pairs,
    .over = over,
    .parent = parent,
    .detection_ignored = flags,
    .person_ignored = flags + n,
    .detection_taken = flags + n + m,
    .person_taken = flags + n + m + n,
    .row = places,
    .col = places + n };

  for (guint i = 0; i < n_detections; i++)
    p.detection_ignored[i] = lies_on (&detections[i], ignored, n_ignored);
  for (guint j = 0; j < n_persons; j++)
    p.person_ignored[j] = lies_on (&persons[j], ignored, n_ignored);
  find_pairs (&p);
  for (int step = 0; step < DEFCN_JACCARD_THRESHOLDS; step++)
    add_at (sum, &p, step);
}

double
defcn_jaccard_best (const DefcnJaccard *sum, double *threshold)
{
  double best = 0;

  *threshold = 0;
  for (int step = 0; step < DEFCN_JACCARD_THRESHOLDS; step++) {
    const double mean =
        sum->n_images[step] ? sum->ratios[step] / sum->n_images[step] : 0;

    if (mean > best) {
      best = mean;
      *threshold = 0.1 * step;
    }
  }
  return best;
}

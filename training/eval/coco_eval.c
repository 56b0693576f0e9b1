/* COCO detection metrics, step by step as pycocotools computes them. */
#include "coco_eval.h"

#include <math.h>
#include <string.h>

#define N_THRESHOLDS DEFCN_MATCH_THRESHOLDS
#define N_RECALLS DEFCN_COCO_RECALLS
#define N_AREAS 4
#define N_LIMITS 3
#define MAX_DETECTIONS 100

#define DUPLICATE_IOU 0.7
#define SAME_OBJECT_IOU 0.5

static const double areas[N_AREAS][2] = { { 0, 1e10 }, { 0, 32 * 32 },
  { 32 * 32, 96 * 96 }, { 96 * 96, 1e10 } };
static const int limits[N_LIMITS] = { 1, 10, 100 };

typedef struct
{
  double box[4]; /* x, y, w, h */
  double score;
  int label;
  guint order; /* of arrival: ties keep it */
} Detection;

struct _DefcnCocoEval
{
  const DefcnDataset *dataset;
  double duplicate_threshold;
  GArray **detections; /* per sample: of Detection */
  GArray **objects;    /* likewise: of DefcnObject */
  guint least_objects; /* of the samples that take part */
};

/* Result of one class and area. */
typedef struct
{
  double precision[N_LIMITS][N_THRESHOLDS][N_RECALLS];
  double recall[N_LIMITS][N_THRESHOLDS];
} Curve;

DefcnCocoEval *
defcn_coco_eval_new (const DefcnDataset *dataset, float duplicate_threshold)
{
  DefcnCocoEval *eval = g_new0 (DefcnCocoEval, 1);

  eval->dataset = dataset;
  eval->duplicate_threshold = duplicate_threshold;
  eval->detections = g_new (GArray *, dataset->samples->len);
  eval->objects = g_new (GArray *, dataset->samples->len);
  for (guint i = 0; i < dataset->samples->len; i++) {
    eval->detections[i] = g_array_new (FALSE, FALSE, sizeof (Detection));
    eval->objects[i] = defcn_dataset_objects (dataset, i);
  }
  return eval;
}

void
defcn_coco_eval_free (DefcnCocoEval *eval)
{
  if (!eval)
    return;
  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    g_array_unref (eval->detections[i]);
    g_array_unref (eval->objects[i]);
  }
  g_free (eval->detections);
  g_free (eval->objects);
  g_free (eval);
}

/* Crowds are no objects. */
static gboolean
takes_part (const DefcnCocoEval *eval, guint i)
{
  guint n = 0;

  for (guint k = 0; k < eval->objects[i]->len; k++)
    n += !g_array_index (eval->objects[i], DefcnObject, k).crowd;
  return n >= eval->least_objects;
}

guint
defcn_coco_eval_restrict (DefcnCocoEval *eval, guint least_objects)
{
  guint n = 0;

  eval->least_objects = least_objects;
  for (guint i = 0; i < eval->dataset->samples->len; i++)
    n += takes_part (eval, i);
  return n;
}

void
defcn_coco_result_clear (DefcnCocoResult *result)
{
  g_clear_pointer (&result->class_ap, g_array_unref);
}

/* A box of a diverged network is none; pycocotools would match it to anything,
 * because a NaN is not less than a threshold. */
static gboolean
is_box (const double box[4])
{
  return isfinite (box[0]) && isfinite (box[1]) && isfinite (box[2])
      && isfinite (box[3]);
}

void
defcn_coco_eval_add_xywh (DefcnCocoEval *eval, guint i, const double (*xywh)[4],
    const double *score, const int *label, guint n)
{
  g_return_if_fail (i < eval->dataset->samples->len);
  for (guint k = 0; k < n; k++) {
    Detection d = { .score = score[k],
      .label = label[k],
      .order = eval->detections[i]->len };

    memcpy (d.box, xywh[k], sizeof d.box);
    if (isfinite (d.score) && is_box (d.box))
      g_array_append_val (eval->detections[i], d);
  }
}

void
defcn_coco_eval_add (DefcnCocoEval *eval, guint i, const GArray *boxes)
{
  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);
    const double xywh[1][4] = { { b->x1, b->y1, (double) b->x2 - b->x1,
        (double) b->y2 - b->y1 } };
    const double score = b->score;

    defcn_coco_eval_add_xywh (eval, i, xywh, &score, &b->label, 1);
  }
}

static double
threshold_at (int t)
{
  return t == N_THRESHOLDS - 1 ? 0.95 : t * ((0.95 - 0.5) / 9) + 0.5;
}

/* For a crowd: intersection over the detection's own area. */
static double
iou (const double *d, const double *g, gboolean crowd)
{
  const double w = MIN (d[0] + d[2], g[0] + g[2]) - MAX (d[0], g[0]);
  const double h = MIN (d[1] + d[3], g[1] + g[3]) - MAX (d[1], g[1]);

  if (w <= 0 || h <= 0)
    return 0;
  return w * h / (d[2] * d[3] + (crowd ? 0 : g[2] * g[3] - w * h));
}

static int
by_score (gconstpointer a, gconstpointer b)
{
  const Detection *p = a, *q = b;

  if (p->score != q->score)
    return p->score > q->score ? -1 : 1;
  return (p->order > q->order) - (p->order < q->order);
}

/* The best 100 detections of class @label in image @i. */
static void
select_detections (GArray *out, const DefcnCocoEval *eval, guint i, int label)
{
  const GArray *all = eval->detections[i];

  g_array_set_size (out, 0);
  for (guint k = 0; k < all->len; k++) {
    if (g_array_index (all, Detection, k).label == label)
      g_array_append_val (out, g_array_index (all, Detection, k));
  }
  g_array_sort (out, by_score);
  if (out->len > MAX_DETECTIONS)
    g_array_set_size (out, MAX_DETECTIONS);
}

/* Objects of class @label, those that count first. */
static guint
select_objects (GPtrArray *out, const DefcnCocoEval *eval, guint i, int label,
    const double area[2])
{
  const GArray *all = eval->objects[i];
  guint counted = 0;

  g_ptr_array_set_size (out, 0);
  for (int ignored = 0; ignored < 2; ignored++) {
    for (guint k = 0; k < all->len; k++) {
      DefcnObject *o = &g_array_index (all, DefcnObject, k);
      const gboolean ignore =
          o->crowd || o->area < area[0] || o->area > area[1];

      if (o->label == label && ignore == ignored)
        g_ptr_array_add (out, o);
    }
    if (!ignored)
      counted = out->len;
  }
  return counted;
}

/* The object that @d takes at threshold @t, -1 for none.  The first @counted
 * objects count, the others are ignored ones. */
static int
find_match (const Detection *d, const GPtrArray *objects, guint counted,
    const gboolean *taken, double threshold)
{
  double best = MIN (threshold, 1 - 1e-10);
  int match = -1;

  for (guint g = 0; g < objects->len; g++) {
    const DefcnObject *o = objects->pdata[g];

    if (taken[g] && !o->crowd)
      continue;
    if (match >= 0 && (guint) match < counted && g >= counted)
      break;
    const double overlap = iou (d->box, o->bbox, o->crowd);
    if (overlap < best)
      continue;
    best = overlap;
    match = g;
  }
  return match;
}

/* Matches one image at threshold @t, a match for each of @detections. */
static void
match_at (DefcnMatch *matches, const GArray *detections,
    const GPtrArray *objects, guint counted, const double area[2], int t)
{
  g_autofree gboolean *taken = g_new0 (gboolean, objects->len + 1);

  for (guint k = 0; k < detections->len; k++) {
    const Detection *d = &g_array_index (detections, Detection, k);
    const int g = find_match (d, objects, counted, taken, threshold_at (t));
    const double size = d->box[2] * d->box[3];

    if (g >= 0) {
      taken[g] = TRUE;
      matches[k].matched |= 1 << t;
    }
    if (g >= 0 ? (guint) g >= counted : size < area[0] || size > area[1])
      matches[k].ignored |= 1 << t;
  }
}

/* Matches one image and appends its detections to @matches. */
static void
match_image (GArray *matches, guint i, const GArray *detections,
    const GPtrArray *objects, guint counted, const double area[2])
{
  const guint first = matches->len;

  for (guint k = 0; k < detections->len; k++) {
    const Detection *d = &g_array_index (detections, Detection, k);
    const DefcnMatch m = { .score = d->score,
      .rank = k,
      .image = i,
      .order = first + k };

    g_array_append_val (matches, m);
  }
  for (int t = 0; t < N_THRESHOLDS && detections->len > 0; t++)
    match_at ((DefcnMatch *) matches->data + first, detections, objects,
        counted, area, t);
}

/* Matches all images; (transfer full). */
static DefcnMatches *
match_all (const DefcnCocoEval *eval, int label, const double area[2])
{
  g_autoptr (GArray) detections =
      g_array_new (FALSE, FALSE, sizeof (Detection));
  g_autoptr (GPtrArray) objects = g_ptr_array_new ();
  DefcnMatches *matches = defcn_matches_new (eval->dataset->samples->len);

  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    if (!takes_part (eval, i))
      continue;
    const guint counted = select_objects (objects, eval, i, label, area);
    select_detections (detections, eval, i, label);
    match_image (matches->matches, i, detections, objects, counted, area);
    matches->counts[i] = counted;
    matches->n_objects += counted;
  }
  defcn_matches_sort (matches);
  return matches;
}

/* FALSE where the class has no object of this size. */
static gboolean
measure (Curve *curve, const DefcnCocoEval *eval, int label,
    const double area[2])
{
  g_autoptr (DefcnMatches) matches = match_all (eval, label, area);

  if (matches->n_objects == 0)
    return FALSE;
  for (int m = 0; m < N_LIMITS; m++) {
    for (int t = 0; t < N_THRESHOLDS; t++)
      defcn_matches_precision (matches, t, limits[m], curve->precision[m][t],
          &curve->recall[m][t]);
  }
  return TRUE;
}

void
defcn_coco_eval_bootstrap (const DefcnCocoEval *eval, guint n, double *ap,
    double *ap50)
{
  g_autoptr (GPtrArray) classes =
      g_ptr_array_new_with_free_func ((GDestroyNotify) defcn_matches_free);

  for (guint c = 0; c < eval->dataset->labels->len; c++)
    g_ptr_array_add (classes, match_all (eval, c, areas[0]));
  defcn_matches_bootstrap (classes, n, ap, ap50);
}

gboolean
defcn_coco_eval_curve (const DefcnCocoEval *eval, int label, int threshold,
    double precision[DEFCN_COCO_RECALLS], double *recall)
{
  g_autofree Curve *curve = g_new (Curve, 1);

  g_return_val_if_fail (threshold >= 0 && threshold < N_THRESHOLDS, FALSE);
  if (!measure (curve, eval, label, areas[0]))
    return FALSE;
  memcpy (precision, curve->precision[N_LIMITS - 1][threshold],
      N_RECALLS * sizeof *precision);
  *recall = curve->recall[N_LIMITS - 1][threshold];
  return TRUE;
}

/* Mean of what is there; -1 without any. */
typedef struct
{
  double sum;
  guint n;
} Mean;

static void
mean_add (Mean *mean, const double *values, int n)
{
  for (int i = 0; i < n; i++)
    mean->sum += values[i];
  mean->n += n;
}

static double
mean_value (const Mean *mean)
{
  return mean->n ? mean->sum / mean->n : -1;
}

/* The twelve figures out of one class and area. */
static void
add_curve (Mean stats[12], const Curve *curve, int area)
{
  const int all = N_LIMITS - 1;

  if (area == 0) {
    mean_add (&stats[0], curve->precision[all][0], N_THRESHOLDS * N_RECALLS);
    mean_add (&stats[1], curve->precision[all][0], N_RECALLS);
    mean_add (&stats[2], curve->precision[all][5], N_RECALLS);
    for (int m = 0; m < N_LIMITS; m++)
      mean_add (&stats[6 + m], curve->recall[m], N_THRESHOLDS);
  } else {
    mean_add (&stats[2 + area], curve->precision[all][0],
        N_THRESHOLDS * N_RECALLS);
    mean_add (&stats[8 + area], curve->recall[all], N_THRESHOLDS);
  }
}

/* Index of the object that @d overlaps best, -1 for none. */
static int
best_object (const Detection *d, const GArray *objects)
{
  double best = SAME_OBJECT_IOU;
  int object = -1;

  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
    const double overlap =
        o->crowd || o->label != d->label ? 0 : iou (d->box, o->bbox, FALSE);

    if (overlap > best) {
      best = overlap;
      object = k;
    }
  }
  return object;
}

/* The outcomes of image @i in the order of arrival: score and duplicate. */
static GArray *
find_duplicates (const DefcnCocoEval *eval, guint i)
{
  g_autoptr (GArray) sorted = g_array_copy (eval->detections[i]);
  g_autofree int *objects = g_new (int, sorted->len + 1);
  GArray *outcomes = g_array_new (FALSE, TRUE, sizeof (DefcnOutcome));

  g_array_set_size (outcomes, sorted->len);
  g_array_sort (sorted, by_score);
  for (guint k = 0; k < sorted->len; k++) {
    const Detection *d = &g_array_index (sorted, Detection, k);
    DefcnOutcome *outcome = &g_array_index (outcomes, DefcnOutcome, d->order);

    outcome->score = d->score;
    objects[k] = best_object (d, eval->objects[i]);
    for (guint j = 0; j < k && objects[k] >= 0 && !outcome->duplicate; j++) {
      const Detection *better = &g_array_index (sorted, Detection, j);

      outcome->duplicate = better->label == d->label && objects[j] == objects[k]
          && iou (d->box, better->box, FALSE) > DUPLICATE_IOU;
    }
  }
  return outcomes;
}

static void
count_duplicates (DefcnCocoResult *result, const DefcnCocoEval *eval, guint i)
{
  g_autoptr (GArray) outcomes = find_duplicates (eval, i);

  for (guint k = 0; k < outcomes->len; k++) {
    const DefcnOutcome *o = &g_array_index (outcomes, DefcnOutcome, k);

    if (o->score > eval->duplicate_threshold) {
      result->n_detections++;
      result->n_duplicates += o->duplicate;
    }
  }
}

void
defcn_coco_eval_run (DefcnCocoEval *eval, DefcnCocoResult *result)
{
  g_autofree Curve *curve = g_new (Curve, 1);
  Mean stats[12] = { { 0 } };

  *result = (DefcnCocoResult){ 0 };
  result->class_ap = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint c = 0; c < eval->dataset->labels->len; c++) {
    double ap = -1;

    for (int a = 0; a < N_AREAS; a++) {
      Mean mean = { 0 };

      if (!measure (curve, eval, c, areas[a]))
        continue;
      add_curve (stats, curve, a);
      if (a == 0) {
        mean_add (&mean, curve->precision[N_LIMITS - 1][0],
            N_THRESHOLDS * N_RECALLS);
        ap = mean_value (&mean);
      }
    }
    g_array_append_val (result->class_ap, ap);
  }
  for (int i = 0; i < 12; i++)
    result->stats[i] = mean_value (&stats[i]);
  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    if (takes_part (eval, i))
      count_duplicates (result, eval, i);
  }
  result->duplicate_rate = result->n_detections
      ? (double) result->n_duplicates / result->n_detections
      : 0;
}

/* Appends those of image @i; what matches no object of its class and is not
 * among the best 100 is left out of hits and misses. */
static void
append_outcomes (DefcnOutcomes *outcomes, const DefcnCocoEval *eval, guint i)
{
  g_autoptr (GArray) found = find_duplicates (eval, i);
  g_autoptr (GArray) detections =
      g_array_new (FALSE, FALSE, sizeof (Detection));
  g_autoptr (GPtrArray) objects = g_ptr_array_new ();

  for (guint k = 0; k < found->len; k++)
    g_array_index (found, DefcnOutcome, k).ignored = TRUE;
  for (guint c = 0; c < eval->dataset->labels->len; c++) {
    const guint counted = select_objects (objects, eval, i, c, areas[0]);
    DefcnMatch matches[MAX_DETECTIONS] = { { 0 } };

    outcomes->n_objects += counted;
    select_detections (detections, eval, i, c);
    match_at (matches, detections, objects, counted, areas[0], 0);
    for (guint k = 0; k < detections->len; k++) {
      const Detection *d = &g_array_index (detections, Detection, k);
      DefcnOutcome *outcome = &g_array_index (found, DefcnOutcome, d->order);

      outcome->ignored = matches[k].ignored & 1;
      outcome->hit = matches[k].matched & 1 && !outcome->ignored;
    }
  }
  g_array_append_vals (outcomes->outcomes, found->data, found->len);
}

void
defcn_coco_eval_outcomes (const DefcnCocoEval *eval, DefcnOutcomes *outcomes)
{
  defcn_outcomes_init (outcomes);
  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    if (takes_part (eval, i))
      append_outcomes (outcomes, eval, i);
  }
  defcn_outcomes_sort (outcomes);
}

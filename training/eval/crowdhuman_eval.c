/* CrowdHuman metrics, step by step as the reference's tool computes them. */
#include "crowdhuman_eval.h"

#include "jaccard.h"

#include <math.h>
#include <string.h>

/* Or an object, without a score. */
typedef DefcnJaccardBox Detection;

typedef struct
{
  gboolean seen; /* detections were given: boxes are clipped */
  int width, height;
  GArray *detections; /* of Detection, in the order of arrival */
} Image;

struct _DefcnCrowdhumanEval
{
  const DefcnDataset *dataset;
  Image *images;
  guint least_persons; /* of the samples that take part */
};

/* A detection that counts. */
typedef struct
{
  double score;
  gboolean hit;
} Point;

/* Those of all images that take part. */
typedef struct
{
  GArray *points; /* of Point, by descending score */
  guint n_persons, n_images;
} Points;

DefcnCrowdhumanEval *
defcn_crowdhuman_eval_new (const DefcnDataset *dataset)
{
  DefcnCrowdhumanEval *eval = g_new0 (DefcnCrowdhumanEval, 1);

  eval->dataset = dataset;
  eval->images = g_new0 (Image, dataset->samples->len);
  for (guint i = 0; i < dataset->samples->len; i++)
    eval->images[i].detections = g_array_new (FALSE, FALSE, sizeof (Detection));
  return eval;
}

void
defcn_crowdhuman_eval_free (DefcnCrowdhumanEval *eval)
{
  if (!eval)
    return;
  for (guint i = 0; i < eval->dataset->samples->len; i++)
    g_array_unref (eval->images[i].detections);
  g_free (eval->images);
  g_free (eval);
}

static guint
count_persons (const GArray *objects)
{
  guint n = 0;

  for (guint k = 0; k < objects->len; k++)
    n += g_array_index (objects, DefcnObject, k).person;
  return n;
}

/* As the reference's tool: x1, y1 to the last pixel, x2, y2 to the edge. */
static void
clip (double *x1, double *y1, double *x2, double *y2, const Image *image)
{
  *x1 = CLAMP (*x1, 0, image->width - 1);
  *y1 = CLAMP (*y1, 0, image->height - 1);
  *x2 = CLAMP (*x2, 0, image->width);
  *y2 = CLAMP (*y2, 0, image->height);
}

void
defcn_crowdhuman_eval_add (DefcnCrowdhumanEval *eval, guint i, int width,
    int height, const double (*xywh)[4], const double *score, guint n)
{
  g_return_if_fail (i < eval->dataset->samples->len);

  Image *image = &eval->images[i];
  image->seen = TRUE;
  image->width = width;
  image->height = height;
  for (guint k = 0; k < n; k++) {
    Detection d = { xywh[k][0], xywh[k][1], xywh[k][0] + xywh[k][2],
      xywh[k][1] + xywh[k][3], score[k] };

    if (!isfinite (d.score))
      continue;
    clip (&d.x1, &d.y1, &d.x2, &d.y2, image);
    g_array_append_val (image->detections, d);
  }
}

/* Ties keep their order: g_array_sort() is stable. */
static int
by_score (gconstpointer a, gconstpointer b)
{
  const Detection *p = a, *q = b;

  return (p->score < q->score) - (p->score > q->score);
}

/* The persons of a sample, then the ignored ones; corners, clipped. */
static guint
select_objects (GArray *out, const GArray *objects, const Image *image)
{
  guint persons = 0;

  for (int ignored = 0; ignored < 2; ignored++) {
    for (guint k = 0; k < objects->len; k++) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
      Detection box = { o->bbox[0], o->bbox[1], o->bbox[0] + o->bbox[2],
        o->bbox[1] + o->bbox[3], 0 };

      if (o->person != !ignored)
        continue;
      if (image->seen)
        clip (&box.x1, &box.y1, &box.x2, &box.y2, image);
      g_array_append_val (out, box);
    }
    if (!ignored)
      persons = out->len;
  }
  return persons;
}

/* The object that @d takes at IoU 0.5, -1 for none. */
static int
find_match (const Detection *d, const GArray *objects, guint persons,
    const gboolean *taken)
{
  const double area = defcn_jaccard_area (d);
  double best = 0.5;
  int match = -1;

  for (guint g = 0; g < objects->len; g++) {
    const Detection *o = &g_array_index (objects, Detection, g);
    const double inter = defcn_jaccard_intersection (d, o);

    if (taken[g])
      continue;
    if (g >= persons && match >= 0)
      break;
    const double overlap = g < persons
        ? inter / (area + defcn_jaccard_area (o) - inter + 1e-6)
        : inter / (area + 1e-6);
    if (overlap > best) {
      best = overlap;
      match = g;
    }
  }
  return match;
}

/* Appends the detections of an image that count; returns its persons. */
static guint
match_image (GArray *points, const GArray *truth, const Image *image)
{
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (Detection));
  g_autoptr (GArray) detections = g_array_copy (image->detections);
  const guint persons = select_objects (objects, truth, image);
  g_autofree gboolean *taken = g_new0 (gboolean, objects->len + 1);

  g_array_sort (detections, by_score);
  for (guint k = 0; k < detections->len; k++) {
    const Detection *d = &g_array_index (detections, Detection, k);
    const int match = find_match (d, objects, persons, taken);
    const Point point = { d->score, match >= 0 };

    if (match >= 0 && (guint) match >= persons)
      continue; /* on an ignored region: dropped */
    if (match >= 0)
      taken[match] = TRUE;
    g_array_append_val (points, point);
  }
  return persons;
}

static int
by_point_score (gconstpointer a, gconstpointer b)
{
  const Point *p = a, *q = b;

  return (p->score < q->score) - (p->score > q->score);
}

/* Log-average miss rate over nine false positives per image. */
static double
log_average_miss (const double *recall, const double *false_positives, guint n)
{
  static const double references[] = { 0.0100, 0.0178, 0.03160, 0.0562, 0.1000,
    0.1778, 0.3162, 0.5623, 1.000 };
  double sum = 0;

  for (gsize k = 0; k < G_N_ELEMENTS (references); k++) {
    guint i = 0;

    while (i < n - 1 && false_positives[i] < references[k])
      i++;
    if (recall[i] >= 1)
      return 0;
    sum += log (1 - recall[i]);
  }
  return exp (sum / G_N_ELEMENTS (references));
}

static Points
find_points (const DefcnCrowdhumanEval *eval)
{
  Points all = { .points = g_array_new (FALSE, FALSE, sizeof (Point)) };

  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (eval->dataset, i);

    if (count_persons (objects) < eval->least_persons)
      continue;
    all.n_persons += match_image (all.points, objects, &eval->images[i]);
    all.n_images++;
  }
  g_array_sort (all.points, by_point_score);
  return all;
}

guint
defcn_crowdhuman_eval_restrict (DefcnCrowdhumanEval *eval, guint least_persons)
{
  guint n = 0;

  eval->least_persons = least_persons;
  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (eval->dataset, i);

    n += count_persons (objects) >= least_persons;
  }
  return n;
}

void
defcn_crowdhuman_eval_outcomes (const DefcnCrowdhumanEval *eval,
    DefcnOutcomes *outcomes)
{
  const Points all = find_points (eval);

  defcn_outcomes_init (outcomes);
  outcomes->n_objects = all.n_persons;
  for (guint i = 0; i < all.points->len; i++) {
    const Point *p = &g_array_index (all.points, Point, i);
    const DefcnOutcome outcome = { .score = p->score, .hit = p->hit };

    g_array_append_val (outcomes->outcomes, outcome);
  }
  g_array_unref (all.points);
}

void
defcn_crowdhuman_eval_run (DefcnCrowdhumanEval *eval,
    DefcnCrowdhumanResult *result)
{
  const Points all = find_points (eval);
  g_autoptr (GArray) points = all.points;

  *result = (DefcnCrowdhumanResult){ .mmr = 1 };
  if (points->len == 0 || all.n_persons == 0)
    return;

  g_autofree double *recall = g_new (double, points->len);
  g_autofree double *precision = g_new (double, points->len);
  g_autofree double *fppi = g_new (double, points->len);
  double hits = 0;
  for (guint i = 0; i < points->len; i++) {
    hits += g_array_index (points, Point, i).hit;
    recall[i] = hits / all.n_persons;
    precision[i] = hits / (i + 1);
    fppi[i] = (i + 1 - hits) / all.n_images;
    if (i > 0)
      result->ap +=
          (recall[i] - recall[i - 1]) * (precision[i - 1] + precision[i]) / 2;
  }
  result->recall = recall[points->len - 1];
  result->mmr = log_average_miss (recall, fppi, points->len);
}

void
defcn_crowdhuman_eval_jaccard (const DefcnCrowdhumanEval *eval,
    DefcnCrowdhumanResult *result)
{
  DefcnJaccard sum = { { 0 } };

  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    const Image *image = &eval->images[i];
    g_autoptr (GArray) truth = defcn_dataset_objects (eval->dataset, i);
    g_autoptr (GArray) objects =
        g_array_sized_new (FALSE, FALSE, sizeof (Detection), truth->len + 1);

    if (count_persons (truth) < eval->least_persons)
      continue;
    const guint n_persons = select_objects (objects, truth, image);
    const Detection *persons = (gpointer) objects->data;
    defcn_jaccard_add (&sum, (gpointer) image->detections->data,
        image->detections->len, persons, n_persons, persons + n_persons,
        objects->len - n_persons);
  }
  result->ji = defcn_jaccard_best (&sum, &result->ji_threshold);
}

/* How many of the persons NMS leaves. */
static guint
count_kept (const GArray *truth, double iou)
{
  g_autoptr (GArray) persons = g_array_new (FALSE, FALSE, sizeof (Detection));
  const Image unseen = { 0 }; /* nothing is clipped */
  const guint n = select_objects (persons, truth, &unseen);
  Detection *b = (Detection *) (gpointer) persons->data;
  guint kept = 0;

  for (guint i = 0; i < n; i++) {
    guint j = 0;

    while (j < kept) {
      const double inter = defcn_jaccard_intersection (&b[i], &b[j]);
      const double both =
          defcn_jaccard_area (&b[i]) + defcn_jaccard_area (&b[j]) - inter;

      if (inter > iou * both)
        break;
      j++;
    }
    if (j == kept)
      b[kept++] = b[i];
  }
  return kept;
}

double
defcn_crowdhuman_eval_truth_recall (const DefcnCrowdhumanEval *eval, double iou)
{
  guint n = 0, kept = 0;

  for (guint i = 0; i < eval->dataset->samples->len; i++) {
    g_autoptr (GArray) truth = defcn_dataset_objects (eval->dataset, i);
    const guint persons = count_persons (truth);

    if (persons < eval->least_persons)
      continue;
    n += persons;
    kept += count_kept (truth, iou);
  }
  return n ? (double) kept / n : -1;
}

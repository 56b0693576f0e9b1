/* The evaluators of all columns. */
#include "columns.h"

/* Of COCO or of CrowdHuman data; the other one is NULL. */
typedef struct
{
  DefcnCocoEval *coco;
  DefcnCrowdhumanEval *crowd;
} Evaluator;

struct _DefcnColumns
{
  const DefcnDataset *dataset;
  Evaluator evaluators[DEFCN_N_COLUMNS];
};

DefcnColumns *
defcn_columns_new (const DefcnDataset *dataset, float duplicate_threshold)
{
  DefcnColumns *columns = g_new0 (DefcnColumns, 1);

  columns->dataset = dataset;
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    Evaluator *e = &columns->evaluators[k];

    if (dataset->crowdhuman)
      e->crowd = defcn_crowdhuman_eval_new (dataset);
    else
      e->coco = defcn_coco_eval_new (dataset, duplicate_threshold);
  }
  return columns;
}

void
defcn_columns_free (DefcnColumns *columns)
{
  if (!columns)
    return;
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    defcn_coco_eval_free (columns->evaluators[k].coco);
    defcn_crowdhuman_eval_free (columns->evaluators[k].crowd);
  }
  g_free (columns);
}

/* CrowdHuman's records have no size: they are in the picture's pixels. */
static void
add_crowd (DefcnCrowdhumanEval *eval, guint i, int width, int height,
    const GArray *boxes)
{
  g_autofree double (*xywh)[4] = g_malloc (MAX (boxes->len, 1) * sizeof *xywh);
  g_autofree double *score = g_new (double, boxes->len + 1);

  for (guint k = 0; k < boxes->len; k++) {
    const DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

    xywh[k][0] = b->x1;
    xywh[k][1] = b->y1;
    xywh[k][2] = (double) b->x2 - b->x1;
    xywh[k][3] = (double) b->y2 - b->y1;
    score[k] = b->score;
  }
  defcn_crowdhuman_eval_add (eval, i, width, height, xywh, score, boxes->len);
}

void
defcn_columns_add (DefcnColumns *columns, DefcnColumn column, guint i,
    int width, int height, GArray *boxes)
{
  const DefcnSample *sample = columns->dataset->samples->pdata[i];
  Evaluator *e = &columns->evaluators[column];

  if (e->crowd) {
    add_crowd (e->crowd, i, width, height, boxes);
    return;
  }

  const float sx = sample->width ? (float) sample->width / width : 1;
  const float sy = sample->height ? (float) sample->height / height : 1;
  for (guint k = 0; k < boxes->len; k++) {
    DefcnBox *b = &g_array_index (boxes, DefcnBox, k);

    b->x1 *= sx;
    b->x2 *= sx;
    b->y1 *= sy;
    b->y2 *= sy;
  }
  defcn_coco_eval_add (e->coco, i, boxes);
}

void
defcn_columns_add_xywh (DefcnColumns *columns, DefcnColumn column, guint i,
    int width, int height, const double (*xywh)[4], const double *score,
    const int *label, guint n)
{
  Evaluator *e = &columns->evaluators[column];

  if (e->crowd)
    defcn_crowdhuman_eval_add (e->crowd, i, width, height, xywh, score, n);
  else
    defcn_coco_eval_add_xywh (e->coco, i, xywh, score, label, n);
}

static void
get_outcomes (const Evaluator *e, DefcnOutcomes *outcomes)
{
  if (e->crowd)
    defcn_crowdhuman_eval_outcomes (e->crowd, outcomes);
  else
    defcn_coco_eval_outcomes (e->coco, outcomes);
}

static guint
restrict_to (const Evaluator *e, guint least_objects)
{
  return e->crowd ? defcn_crowdhuman_eval_restrict (e->crowd, least_objects)
                  : defcn_coco_eval_restrict (e->coco, least_objects);
}

/* The pictures of many objects alone. */
static void
measure_crowded (const Evaluator *e, DefcnFigures *f, DefcnColumn k)
{
  DefcnCrowded *crowded = &f->crowded[k];
  g_auto (DefcnOutcomes) outcomes = { 0 };

  f->n_crowded = restrict_to (e, f->least_objects);
  if (e->crowd) {
    DefcnCrowdhumanResult result;

    defcn_crowdhuman_eval_run (e->crowd, &result);
    crowded->ap50 = f->n_crowded ? result.ap : -1;
  } else {
    DefcnCocoResult result;

    defcn_coco_eval_run (e->coco, &result);
    crowded->ap50 = result.stats[1];
    defcn_coco_result_clear (&result);
  }
  get_outcomes (e, &outcomes);
  restrict_to (e, 0);
  crowded->recall = defcn_working_at (&outcomes, 0).recall;
  crowded->working_recall =
      defcn_working_at (&outcomes, f->working_threshold).recall;
}

static void
measure_draws (const Evaluator *e, DefcnFigures *f, DefcnColumn k)
{
  f->ap_draws[k] = g_new (double, f->n_draws);
  f->ap50_draws[k] = g_new (double, f->n_draws);
  defcn_coco_eval_bootstrap (e->coco, f->n_draws, f->ap_draws[k],
      f->ap50_draws[k]);
}

void
defcn_columns_measure (DefcnColumns *columns, DefcnFigures *f)
{
  DefcnOutcomes outcomes[DEFCN_N_COLUMNS];

  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    const Evaluator *e = &columns->evaluators[k];

    get_outcomes (e, &outcomes[k]);
    f->working[k] = defcn_working_at (&outcomes[k], f->working_threshold);
    defcn_precision_recall_measure (&f->curves[k], &outcomes[k]);
    if (e->crowd) {
      defcn_crowdhuman_eval_run (e->crowd, &f->crowd[k]);
      defcn_crowdhuman_eval_jaccard (e->crowd, &f->crowd[k]);
    } else
      defcn_coco_eval_run (e->coco, &f->coco[k]);
    if (e->coco && f->n_draws)
      measure_draws (e, f, k);
    measure_crowded (e, f, k);
  }
  if (f->crowdhuman)
    f->truth_recall =
        defcn_crowdhuman_eval_truth_recall (columns->evaluators[0].crowd,
            f->nms_iou);
  if (f->recall <= 0)
    f->recall = f->working[f->own].recall;
  f->best = defcn_working_best (&outcomes[f->own], f->threshold);
  defcn_reliability_measure (&f->reliability, &outcomes[f->own]);
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    f->equal[k] = defcn_working_at_recall (&outcomes[k], f->recall);
    defcn_outcomes_clear (&outcomes[k]);
  }
}

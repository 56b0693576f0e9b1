/* What an evaluation measured, and its forms: a line, a table, JSON.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "boxes.h"
#include "coco_eval.h"
#include "crowdhuman_eval.h"
#include "precision_recall.h"
#include "reliability.h"
#include "working.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* What becomes of the boxes of a forward pass. */
typedef enum
{
  DEFCN_COLUMN_NONE,  /* they stay */
  DEFCN_COLUMN_LOCAL, /* the local duplicate filter (boxes.h) */
  DEFCN_COLUMN_NMS,   /* NMS; a model of both has the filter before it */
  DEFCN_N_COLUMNS
} DefcnColumn;

/* Of the pictures with many objects; -1 where there are none. */
typedef struct
{
  double ap50;
  double recall;         /* at IoU 0.5, of all detections */
  double working_recall; /* of those over the working threshold */
} DefcnCrowded;

typedef struct
{
  gboolean crowdhuman;
  gboolean single;  /* results of a file: the first column, and no times */
  gboolean stopped; /* before the end, by request: there are no figures */
  guint n_images;
  guint n_other;    /* results of a file that are of no class measured */
  guint n_negative; /* results of a file whose boxes have a negative size */
  char **labels;
  /* By column.  CrowdHuman data has no coco, and nobody looks for duplicates
   * in it. */
  DefcnCocoResult coco[DEFCN_N_COLUMNS];
  DefcnCrowdhumanResult crowd[DEFCN_N_COLUMNS];
  DefcnWorking working[DEFCN_N_COLUMNS]; /* at working_threshold */
  DefcnWorking equal[DEFCN_N_COLUMNS];   /* at equal recall: recall */
  DefcnCrowded crowded[DEFCN_N_COLUMNS]; /* at least_objects or more */
  /* Of CrowdHuman's persons, what NMS at nms_iou would leave (table 8). */
  double truth_recall;
  DefcnPrecisionRecall curves[DEFCN_N_COLUMNS]; /* in no JSON */
  /* AP and AP50 of n_draws sets of drawn images (coco_eval.h); CrowdHuman data
   * has none. */
  guint n_draws;
  double *ap_draws[DEFCN_N_COLUMNS], *ap50_draws[DEFCN_N_COLUMNS];
  float nms_iou, duplicate_iou;
  DefcnNmsRange nms_range;              /* of the column with NMS */
  DefcnMaxFilter max_filter;            /* of all columns */
  DefcnColumn own;                      /* the way that the model works */
  float threshold, duplicate_threshold; /* of the scores */
  float working_threshold; /* the model's, or threshold if that is higher */
  double recall;
  guint least_objects, n_crowded; /* objects, pictures */
  /* Of the own column. */
  DefcnWorking best; /* at the threshold of best F1 */
  DefcnReliability reliability;
  double milliseconds; /* per image: preprocess, network, decode; the mean */
} DefcnFigures;

void defcn_figures_clear (DefcnFigures *figures);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DefcnFigures, defcn_figures_clear)

/* The figure to compare models by: AP, or AP50 on CrowdHuman; of the way that
 * the model works, as in the next one. */
double defcn_figures_ap (const DefcnFigures *figures);
double defcn_figures_ap50 (const DefcnFigures *figures);
/* A column for people: "none", "local 0.70", "NMS 0.60"; (transfer full). */
char *defcn_figures_column (const DefcnFigures *figures, DefcnColumn column);
/* The way that the model works, in words: "no NMS", "local 0.70", "NMS 0.60";
 * (transfer full). */
char *defcn_figures_way (const DefcnFigures *figures);
/* One line; (transfer full). */
char *defcn_figures_summary (const DefcnFigures *figures);
/* The table that `defcn eval` prints, with a line per class @classes; "-" is
 * where there is nothing to measure; (transfer full). */
char *defcn_figures_table (const DefcnFigures *figures, gboolean classes);
/* Adds all figures to @object: flat keys for the way that the model works, the
 * other ways under "no_nms", "local" and "nms"; "own" is the first's name. */
void defcn_figures_to_json (const DefcnFigures *figures, cJSON *object);
/* What such an object has of @column, borrowed; NULL where it has none. */
const cJSON *defcn_figures_json_column (const cJSON *object,
    DefcnColumn column);

G_END_DECLS

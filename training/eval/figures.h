/* What an evaluation measured, and its forms: a line, a table, JSON.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "coco_eval.h"
#include "crowdhuman_eval.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

typedef struct
{
  gboolean crowdhuman;
  gboolean stopped; /* before the end, by request: there are no figures */
  guint n_images;
  char **labels;
  /* [0] without NMS, [1] with NMS of nms_iou. */
  DefcnCocoResult coco[2];
  DefcnCrowdhumanResult crowd[2];
  float nms_iou;
  int own; /* index of the way that the model works */
  float threshold, duplicate_threshold; /* of the scores */
  double milliseconds; /* per image: preprocess, network, decode; the mean */
} DefcnFigures;

void defcn_figures_clear (DefcnFigures *figures);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (DefcnFigures, defcn_figures_clear)

/* The figure to compare models by: AP, or AP50 on CrowdHuman; of the way that
 * the model works, as in the next one. */
double defcn_figures_ap (const DefcnFigures *figures);
double defcn_figures_ap50 (const DefcnFigures *figures);
/* One line; (transfer full). */
char *defcn_figures_summary (const DefcnFigures *figures);
/* The table that `defcn eval` prints, with a line per class @classes;
 * (transfer full). */
char *defcn_figures_table (const DefcnFigures *figures, gboolean classes);
/* Adds all figures to @object: flat keys for the way that the model works, the
 * other way under "nms" or "no_nms". */
void defcn_figures_to_json (const DefcnFigures *figures, cJSON *object);

G_END_DECLS

/* The figures of an evaluation, as a line, a table and JSON. */
#include "figures.h"

/* The figures of COCO in their order. */
static const struct
{
  const char *key, *text;
} coco_figures[12] = {
  { "ap", "AP    IoU 0.50:0.95  all     100" },
  { "ap50", "AP    IoU 0.50       all     100" },
  { "ap75", "AP    IoU 0.75       all     100" },
  { "ap_small", "AP    IoU 0.50:0.95  small   100" },
  { "ap_medium", "AP    IoU 0.50:0.95  medium  100" },
  { "ap_large", "AP    IoU 0.50:0.95  large   100" },
  { "ar1", "AR    IoU 0.50:0.95  all       1" },
  { "ar10", "AR    IoU 0.50:0.95  all      10" },
  { "ar100", "AR    IoU 0.50:0.95  all     100" },
  { "ar_small", "AR    IoU 0.50:0.95  small   100" },
  { "ar_medium", "AR    IoU 0.50:0.95  medium  100" },
  { "ar_large", "AR    IoU 0.50:0.95  large   100" },
};

static const char *const column_keys[DEFCN_N_COLUMNS] = { "no_nms", "local",
  "nms" };

/* A number in an array of one struct per column. */
typedef struct
{
  const char *key, *text;
  gsize offset;
  gboolean duplicates; /* which CrowdHuman data has not */
  const char *nothing; /* in the table, instead of "-" */
} Field;

static const Field crowdhuman_fields[] = {
  { "ap50", "AP50", G_STRUCT_OFFSET (DefcnCrowdhumanResult, ap) },
  { "mmr", "mMR", G_STRUCT_OFFSET (DefcnCrowdhumanResult, mmr) },
  { "recall", "Recall", G_STRUCT_OFFSET (DefcnCrowdhumanResult, recall) },
  { "ji", "JI", G_STRUCT_OFFSET (DefcnCrowdhumanResult, ji) },
  { "ji_threshold", "  at the threshold",
      G_STRUCT_OFFSET (DefcnCrowdhumanResult, ji_threshold) },
};

static const Field working_fields[] = {
  { "threshold", "  threshold", G_STRUCT_OFFSET (DefcnWorking, threshold),
      FALSE, "not reached" },
  { "precision", "  precision", G_STRUCT_OFFSET (DefcnWorking, precision) },
  { "recall", "  recall", G_STRUCT_OFFSET (DefcnWorking, recall) },
  { "f1", "  F1", G_STRUCT_OFFSET (DefcnWorking, f1) },
  { "duplicate_rate", "  duplicate rate",
      G_STRUCT_OFFSET (DefcnWorking, duplicate_rate), TRUE },
};

static const Field crowded_fields[] = {
  { "ap50", "  AP50", G_STRUCT_OFFSET (DefcnCrowded, ap50) },
  { "recall", "  recall", G_STRUCT_OFFSET (DefcnCrowded, recall) },
  { "working_recall", "  recall at the working threshold",
      G_STRUCT_OFFSET (DefcnCrowded, working_recall) },
};

void
defcn_figures_clear (DefcnFigures *figures)
{
  for (int k = 0; k < DEFCN_N_COLUMNS; k++) {
    defcn_coco_result_clear (&figures->coco[k]);
    g_clear_pointer (&figures->ap_draws[k], g_free);
    g_clear_pointer (&figures->ap50_draws[k], g_free);
  }
  g_clear_pointer (&figures->labels, g_strfreev);
}

/* A file of results has the boxes of one way. */
static int
n_columns (const DefcnFigures *f)
{
  return f->single ? 1 : DEFCN_N_COLUMNS;
}

static double
column_ap50 (const DefcnFigures *f, int k)
{
  return f->crowdhuman ? f->crowd[k].ap : f->coco[k].stats[1];
}

double
defcn_figures_ap (const DefcnFigures *f)
{
  return f->crowdhuman ? f->crowd[f->own].ap : f->coco[f->own].stats[0];
}

double
defcn_figures_ap50 (const DefcnFigures *f)
{
  return column_ap50 (f, f->own);
}

char *
defcn_figures_column (const DefcnFigures *f, DefcnColumn column)
{
  if (column == DEFCN_COLUMN_NONE)
    return g_strdup ("none");
  if (column == DEFCN_COLUMN_LOCAL)
    return g_strdup_printf ("local %.2f", f->duplicate_iou);
  return g_strdup_printf ("NMS %.2f", f->nms_iou);
}

char *
defcn_figures_way (const DefcnFigures *f)
{
  return f->own == DEFCN_COLUMN_NONE ? g_strdup ("no NMS")
                                     : defcn_figures_column (f, f->own);
}

char *
defcn_figures_summary (const DefcnFigures *f)
{
  GString *line = g_string_new (NULL);
  const DefcnCrowdhumanResult *crowd = &f->crowd[f->own];
  const double *stats = f->coco[f->own].stats;

  if (f->crowdhuman)
    g_string_printf (line, "AP50 %.4f mMR %.4f recall %.4f JI %.4f", crowd->ap,
        crowd->mmr, crowd->recall, crowd->ji);
  else
    g_string_printf (line, "AP %.4f AP50 %.4f AR100 %.4f", stats[0], stats[1],
        stats[8]);
  g_string_append (line, ", none/local/NMS: AP50");
  for (int k = 0; k < DEFCN_N_COLUMNS; k++)
    g_string_append_printf (line, "%c%.4f", k ? '/' : ' ', column_ap50 (f, k));
  if (!f->crowdhuman)
    g_string_append (line, " duplicates");
  for (int k = 0; k < DEFCN_N_COLUMNS && !f->crowdhuman; k++)
    g_string_append_printf (line, "%c%.3f", k ? '/' : ' ',
        f->coco[k].duplicate_rate);
  g_string_append_printf (line, ", %.1f ms an image", f->milliseconds);
  return g_string_free (line, FALSE);
}

/* @nothing: what stands where there is nothing to measure. */
static void
append_row (GString *table, const DefcnFigures *f, const char *name,
    const char *nothing, const double values[DEFCN_N_COLUMNS])
{
  g_string_append_printf (table, "%-36s", name);
  for (int k = 0; k < n_columns (f); k++) {
    if (values[k] < 0)
      g_string_append_printf (table, "%12s", nothing);
    else
      g_string_append_printf (table, "%12.4f", values[k]);
  }
  g_string_append_c (table, '\n');
}

/* @columns: an array of one struct of @size per column. */
static void
append_fields (GString *table, const DefcnFigures *f, const Field *fields,
    gsize n, gconstpointer columns, gsize size)
{
  for (gsize i = 0; i < n; i++) {
    double values[DEFCN_N_COLUMNS];

    for (int k = 0; k < DEFCN_N_COLUMNS; k++)
      values[k] = G_STRUCT_MEMBER (double, columns, k *size + fields[i].offset);
    if (!fields[i].duplicates || !f->crowdhuman)
      append_row (table, f, fields[i].text,
          fields[i].nothing ? fields[i].nothing : "-", values);
  }
}

static void
append_coco (GString *table, const DefcnFigures *f, gboolean classes)
{
  double values[DEFCN_N_COLUMNS];
  g_autofree char *duplicates =
      g_strdup_printf ("duplicate rate, score over %.2f",
          f->duplicate_threshold);

  for (int i = 0; i < 12; i++) {
    for (int k = 0; k < DEFCN_N_COLUMNS; k++)
      values[k] = f->coco[k].stats[i];
    append_row (table, f, coco_figures[i].text, "-", values);
  }
  for (int k = 0; k < DEFCN_N_COLUMNS; k++)
    values[k] = f->coco[k].duplicate_rate;
  append_row (table, f, duplicates, "-", values);
  for (guint i = 0; classes && f->labels[i]; i++) {
    for (int k = 0; k < DEFCN_N_COLUMNS; k++)
      values[k] = g_array_index (f->coco[k].class_ap, double, i);
    append_row (table, f, f->labels[i], "-", values);
  }
}

/* The 95 % interval of AP and AP50 over drawn images. */
static void
append_intervals (GString *table, const DefcnFigures *f)
{
  static const char *const names[] = { "AP", "AP50" };

  for (int i = 0; i < 4 && f->n_draws && !f->crowdhuman; i++) {
    const double q = i % 2 ? 0.975 : 0.025;
    double *const *draws = i < 2 ? f->ap_draws : f->ap50_draws;
    g_autofree char *name = g_strdup_printf ("%-4s  %.1f %% of %u draws",
        names[i / 2], 100 * q, f->n_draws);
    double values[DEFCN_N_COLUMNS];

    for (int k = 0; k < n_columns (f); k++)
      values[k] = defcn_matches_quantile (draws[k], f->n_draws, q);
    append_row (table, f, name, "-", values);
  }
}

/* What else was done to boxes, a line each. */
static void
append_rule (GString *table, const DefcnFigures *f)
{
  const DefcnNmsRange *range = &f->nms_range;

  if (f->max_filter.phi > 0)
    g_string_append_printf (table,
        "3DMF as post-processing, in all columns: tau %d, phi %d\n",
        f->max_filter.tau, f->max_filter.phi);
  if (range->window > 0)
    g_string_append_printf (table, "NMS within %dx%d locations, %s\n",
        range->window, range->window,
        range->per_level ? "per scale" : "across scales");
  else if (range->per_level)
    g_string_append (table, "NMS per scale\n");
}

char *
defcn_figures_table (const DefcnFigures *f, gboolean classes)
{
  GString *table = g_string_new (NULL);
  g_autofree char *own = defcn_figures_column (f, f->own);

  g_string_append_printf (table, "%-36s", "");
  for (int k = 0; k < n_columns (f); k++) {
    g_autofree char *name =
        f->single ? g_strdup ("results") : defcn_figures_column (f, k);

    g_string_append_printf (table, "%12s", name);
  }
  g_string_append_c (table, '\n');
  if (f->crowdhuman)
    append_fields (table, f, crowdhuman_fields,
        G_N_ELEMENTS (crowdhuman_fields), f->crowd, sizeof f->crowd[0]);
  else
    append_coco (table, f, classes);
  append_intervals (table, f);
  append_rule (table, f);
  if (f->crowdhuman && f->truth_recall >= 0)
    g_string_append_printf (table,
        "the recall of the annotations under NMS %.2f: %.4f\n", f->nms_iou,
        f->truth_recall);
  g_string_append_printf (table, "at the working threshold, %.2f\n",
      f->working_threshold);
  append_fields (table, f, working_fields + 1, /* threshold: told */
      G_N_ELEMENTS (working_fields) - 1, f->working, sizeof f->working[0]);
  if (f->recall > 0) {
    g_string_append_printf (table, "where the recall is %.4f\n", f->recall);
    append_fields (table, f, working_fields, G_N_ELEMENTS (working_fields),
        f->equal, sizeof f->equal[0]);
  }
  g_string_append_printf (table, "pictures of %u objects or more: %u\n",
      f->least_objects, f->n_crowded);
  if (f->n_crowded)
    append_fields (table, f, crowded_fields, G_N_ELEMENTS (crowded_fields),
        f->crowded, sizeof f->crowded[0]);
  if (!f->single)
    g_string_append_printf (table, "the model's own way: %s\n", own);
  if (f->best.threshold >= 0)
    g_string_append_printf (table,
        "  F1 is best around %.2f: %.4f there, precision %.4f, recall %.4f\n",
        f->best.threshold, f->best.f1, f->best.precision, f->best.recall);
  if (f->reliability.error >= 0)
    g_string_append_printf (table, "  expected calibration error %.4f\n",
        f->reliability.error);
  if (f->n_other)
    g_string_append_printf (table,
        "results of other categories, left out: %u\n", f->n_other);
  if (f->n_negative)
    g_string_append_printf (table,
        "results of a negative width or height, which match nothing: %u\n",
        f->n_negative);
  g_string_append_printf (table, "%u images", f->n_images);
  if (!f->single)
    g_string_append_printf (table, ", %.1f ms an image", f->milliseconds);
  g_string_append_c (table, '\n');
  return g_string_free (table, FALSE);
}

static void
fields_to_json (cJSON *object, const DefcnFigures *f, const Field *fields,
    gsize n, gconstpointer from)
{
  for (gsize i = 0; i < n; i++) {
    if (!fields[i].duplicates || !f->crowdhuman)
      cJSON_AddNumberToObject (object, fields[i].key,
          G_STRUCT_MEMBER (double, from, fields[i].offset));
  }
}

static void
working_to_json (cJSON *object, const DefcnFigures *f, const DefcnWorking *w)
{
  fields_to_json (object, f, working_fields, G_N_ELEMENTS (working_fields), w);
}

static void
equal_to_json (cJSON *object, const DefcnFigures *f, const DefcnWorking *w)
{
  cJSON_AddNumberToObject (object, "wanted", f->recall);
  cJSON_AddBoolToObject (object, "reached", w->threshold >= 0);
  if (w->threshold >= 0)
    working_to_json (object, f, w);
}

static void
coco_to_json (cJSON *object, const DefcnFigures *f, DefcnColumn k)
{
  const DefcnCocoResult *r = &f->coco[k];

  for (int i = 0; i < 12; i++)
    cJSON_AddNumberToObject (object, coco_figures[i].key, r->stats[i]);
  cJSON_AddNumberToObject (object, "duplicate_rate", r->duplicate_rate);
  cJSON_AddNumberToObject (object, "duplicates", r->n_duplicates);
  cJSON_AddNumberToObject (object, "detections", r->n_detections);
  cJSON *classes = cJSON_AddObjectToObject (object, "class_ap");
  for (guint i = 0; f->labels[i]; i++)
    cJSON_AddNumberToObject (classes, f->labels[i],
        g_array_index (r->class_ap, double, i));
}

static void
draws_to_json (cJSON *object, const char *key, const double *draws, guint n)
{
  cJSON *figure = cJSON_AddObjectToObject (object, key);

  cJSON_AddNumberToObject (figure, "low",
      defcn_matches_quantile (draws, n, 0.025));
  cJSON_AddNumberToObject (figure, "high",
      defcn_matches_quantile (draws, n, 0.975));
  cJSON_AddItemToObject (figure, "draws", cJSON_CreateDoubleArray (draws, n));
}

static void
column_to_json (cJSON *object, const DefcnFigures *f, DefcnColumn k)
{
  if (k == DEFCN_COLUMN_NMS)
    cJSON_AddNumberToObject (object, "nms_iou", f->nms_iou);
  if (k == DEFCN_COLUMN_LOCAL)
    cJSON_AddNumberToObject (object, "duplicate_iou", f->duplicate_iou);
  if (f->crowdhuman)
    fields_to_json (object, f, crowdhuman_fields,
        G_N_ELEMENTS (crowdhuman_fields), &f->crowd[k]);
  else
    coco_to_json (object, f, k);
  if (f->n_draws && !f->crowdhuman) {
    cJSON *bootstrap = cJSON_AddObjectToObject (object, "bootstrap");

    draws_to_json (bootstrap, "ap", f->ap_draws[k], f->n_draws);
    draws_to_json (bootstrap, "ap50", f->ap50_draws[k], f->n_draws);
  }
  working_to_json (cJSON_AddObjectToObject (object, "working"), f,
      &f->working[k]);

  if (f->recall > 0)
    equal_to_json (cJSON_AddObjectToObject (object, "at_recall"), f,
        &f->equal[k]);

  cJSON *crowded = cJSON_AddObjectToObject (object, "crowded");
  cJSON_AddNumberToObject (crowded, "least_objects", f->least_objects);
  cJSON_AddNumberToObject (crowded, "images", f->n_crowded);
  fields_to_json (crowded, f, crowded_fields, G_N_ELEMENTS (crowded_fields),
      &f->crowded[k]);
}

static void
reliability_to_json (cJSON *object, const DefcnReliability *reliability)
{
  cJSON *bins = cJSON_AddArrayToObject (object, "reliability");

  cJSON_AddNumberToObject (object, "calibration_error", reliability->error);
  for (int k = 0; k < DEFCN_RELIABILITY_BINS; k++) {
    const DefcnReliabilityBin *bin = &reliability->bins[k];
    cJSON *item = cJSON_CreateObject ();

    cJSON_AddNumberToObject (item, "detections", bin->n);
    cJSON_AddNumberToObject (item, "score", bin->score);
    cJSON_AddNumberToObject (item, "precision", bin->precision);
    cJSON_AddItemToArray (bins, item);
  }
}

static void
rule_to_json (cJSON *object, const DefcnFigures *f)
{
  if (f->max_filter.phi > 0) {
    cJSON *filter = cJSON_AddObjectToObject (object, "max_filter");

    cJSON_AddNumberToObject (filter, "tau", f->max_filter.tau);
    cJSON_AddNumberToObject (filter, "phi", f->max_filter.phi);
  }
  if (f->nms_range.window > 0)
    cJSON_AddNumberToObject (object, "nms_window", f->nms_range.window);
  if (f->nms_range.per_level)
    cJSON_AddBoolToObject (object, "nms_per_scale", TRUE);
  if (f->crowdhuman && f->truth_recall >= 0)
    cJSON_AddNumberToObject (object, "truth_recall", f->truth_recall);
}

void
defcn_figures_to_json (const DefcnFigures *f, cJSON *object)
{
  cJSON_AddNumberToObject (object, "images", f->n_images);
  if (f->single)
    cJSON_AddNumberToObject (object, "other_categories", f->n_other);
  if (f->n_negative)
    cJSON_AddNumberToObject (object, "negative_sizes", f->n_negative);
  if (!f->single)
    cJSON_AddNumberToObject (object, "milliseconds", f->milliseconds);
  cJSON_AddNumberToObject (object, "threshold", f->threshold);
  if (!f->crowdhuman)
    cJSON_AddNumberToObject (object, "duplicate_threshold",
        f->duplicate_threshold);
  if (!f->single)
    cJSON_AddStringToObject (object, "own", column_keys[f->own]);
  rule_to_json (object, f);
  column_to_json (object, f, f->own);
  if (f->best.threshold >= 0)
    working_to_json (cJSON_AddObjectToObject (object, "best"), f, &f->best);
  reliability_to_json (object, &f->reliability);
  for (int k = 0; k < n_columns (f); k++) {
    if (k != (int) f->own)
      column_to_json (cJSON_AddObjectToObject (object, column_keys[k]), f, k);
  }
}

const cJSON *
defcn_figures_json_column (const cJSON *object, DefcnColumn column)
{
  const char *key = column_keys[column];
  const cJSON *own = cJSON_GetObjectItemCaseSensitive (object, "own");

  if (cJSON_IsString (own) && g_str_equal (own->valuestring, key))
    return object;
  return cJSON_GetObjectItemCaseSensitive (object, key);
}

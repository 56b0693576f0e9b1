/* The figures of an evaluation, as a line, a table and JSON. */
#include "figures.h"

void
defcn_evaluation_clear (DefcnEvaluation *evaluation)
{
  for (int k = 0; k < 2; k++)
    defcn_coco_result_clear (&evaluation->coco[k]);
  g_clear_pointer (&evaluation->labels, g_strfreev);
}

double
defcn_evaluation_ap (const DefcnEvaluation *e)
{
  return e->crowdhuman ? e->crowd[e->own].ap : e->coco[e->own].stats[0];
}

double
defcn_evaluation_ap50 (const DefcnEvaluation *e)
{
  return e->crowdhuman ? e->crowd[e->own].ap : e->coco[e->own].stats[1];
}

char *
defcn_evaluation_summary (const DefcnEvaluation *e)
{
  const int own = e->own;
  const char *other = own ? "without" : "with";

  if (e->crowdhuman)
    return g_strdup_printf ("AP50 %.4f mMR %.4f recall %.4f, %s NMS AP50 %.4f, "
                            "%.1f ms an image",
        e->crowd[own].ap, e->crowd[own].mmr, e->crowd[own].recall, other,
        e->crowd[!own].ap, e->milliseconds);
  return g_strdup_printf ("AP %.4f AP50 %.4f AR100 %.4f duplicates %.4f, %s "
                          "NMS "
                          "AP %.4f AP50 %.4f, %.1f ms an image",
      e->coco[own].stats[0], e->coco[own].stats[1], e->coco[own].stats[8],
      e->coco[own].duplicate_rate, other, e->coco[!own].stats[0],
      e->coco[!own].stats[1], e->milliseconds);
}

/* The figures of COCO in their order. */
static const struct
{
  const char *key, *text;
} figures[12] = {
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

static void
append_row (GString *table, const char *name, double without, double with)
{
  g_string_append_printf (table, "%-36s%10.4f%10.4f\n", name, without, with);
}

static double
class_ap (const DefcnEvaluation *e, int k, guint i)
{
  return g_array_index (e->coco[k].class_ap, double, i);
}

static void
append_coco (GString *table, const DefcnEvaluation *e, gboolean classes)
{
  const DefcnCocoResult *r = e->coco;
  g_autofree char *duplicates =
      g_strdup_printf ("duplicate rate, score over %.2f",
          e->duplicate_threshold);

  for (int i = 0; i < 12; i++)
    append_row (table, figures[i].text, r[0].stats[i], r[1].stats[i]);
  append_row (table, duplicates, r[0].duplicate_rate, r[1].duplicate_rate);
  for (guint i = 0; classes && e->labels[i]; i++)
    append_row (table, e->labels[i], class_ap (e, 0, i), class_ap (e, 1, i));
}

char *
defcn_evaluation_table (const DefcnEvaluation *e, gboolean classes)
{
  GString *table = g_string_new (NULL);
  g_autofree char *nms = g_strdup_printf ("NMS %.2f", e->nms_iou);
  const DefcnCrowdhumanResult *r = e->crowd;

  g_string_append_printf (table, "%-36s%10s%10s\n", "", "no NMS", nms);
  if (e->crowdhuman) {
    append_row (table, "AP50", r[0].ap, r[1].ap);
    append_row (table, "mMR", r[0].mmr, r[1].mmr);
    append_row (table, "Recall", r[0].recall, r[1].recall);
  } else {
    append_coco (table, e, classes);
  }
  g_string_append_printf (table, "%u images, %.1f ms an image\n", e->n_images,
      e->milliseconds);
  return g_string_free (table, FALSE);
}

static void
column_to_json (const DefcnEvaluation *e, int k, cJSON *object)
{
  if (k)
    cJSON_AddNumberToObject (object, "nms_iou", e->nms_iou);
  if (e->crowdhuman) {
    cJSON_AddNumberToObject (object, "ap50", e->crowd[k].ap);
    cJSON_AddNumberToObject (object, "mmr", e->crowd[k].mmr);
    cJSON_AddNumberToObject (object, "recall", e->crowd[k].recall);
    return;
  }

  const DefcnCocoResult *r = &e->coco[k];
  for (int i = 0; i < 12; i++)
    cJSON_AddNumberToObject (object, figures[i].key, r->stats[i]);
  cJSON_AddNumberToObject (object, "duplicate_rate", r->duplicate_rate);
  cJSON_AddNumberToObject (object, "duplicates", r->n_duplicates);
  cJSON_AddNumberToObject (object, "detections", r->n_detections);
  cJSON *classes = cJSON_AddObjectToObject (object, "class_ap");
  for (guint i = 0; e->labels[i]; i++)
    cJSON_AddNumberToObject (classes, e->labels[i], class_ap (e, k, i));
}

void
defcn_evaluation_to_json (const DefcnEvaluation *e, cJSON *object)
{
  cJSON_AddNumberToObject (object, "images", e->n_images);
  cJSON_AddNumberToObject (object, "milliseconds", e->milliseconds);
  cJSON_AddNumberToObject (object, "threshold", e->threshold);
  if (!e->crowdhuman)
    cJSON_AddNumberToObject (object, "duplicate_threshold",
        e->duplicate_threshold);
  column_to_json (e, e->own, object);
  column_to_json (e, !e->own,
      cJSON_AddObjectToObject (object, e->own ? "no_nms" : "nms"));
}

/* The figures of an evaluation, as a line, a table and JSON. */
#include "figures.h"

void
defcn_figures_clear (DefcnFigures *figures)
{
  for (int k = 0; k < 2; k++)
    defcn_coco_result_clear (&figures->coco[k]);
  g_clear_pointer (&figures->labels, g_strfreev);
}

double
defcn_figures_ap (const DefcnFigures *f)
{
  return f->crowdhuman ? f->crowd[f->own].ap : f->coco[f->own].stats[0];
}

double
defcn_figures_ap50 (const DefcnFigures *f)
{
  return f->crowdhuman ? f->crowd[f->own].ap : f->coco[f->own].stats[1];
}

char *
defcn_figures_summary (const DefcnFigures *f)
{
  const int own = f->own;
  const char *other = own ? "without" : "with";

  if (f->crowdhuman)
    return g_strdup_printf ("AP50 %.4f mMR %.4f recall %.4f, %s NMS AP50 %.4f, "
                            "%.1f ms an image",
        f->crowd[own].ap, f->crowd[own].mmr, f->crowd[own].recall, other,
        f->crowd[!own].ap, f->milliseconds);
  return g_strdup_printf ("AP %.4f AP50 %.4f AR100 %.4f duplicates %.4f, %s "
                          "NMS "
                          "AP %.4f AP50 %.4f, %.1f ms an image",
      f->coco[own].stats[0], f->coco[own].stats[1], f->coco[own].stats[8],
      f->coco[own].duplicate_rate, other, f->coco[!own].stats[0],
      f->coco[!own].stats[1], f->milliseconds);
}

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

static void
append_row (GString *table, const char *name, double without, double with)
{
  g_string_append_printf (table, "%-36s%10.4f%10.4f\n", name, without, with);
}

static double
class_ap (const DefcnFigures *f, int k, guint i)
{
  return g_array_index (f->coco[k].class_ap, double, i);
}

static void
append_coco (GString *table, const DefcnFigures *f, gboolean classes)
{
  const DefcnCocoResult *r = f->coco;
  g_autofree char *duplicates =
      g_strdup_printf ("duplicate rate, score over %.2f",
          f->duplicate_threshold);

  for (int i = 0; i < 12; i++)
    append_row (table, coco_figures[i].text, r[0].stats[i], r[1].stats[i]);
  append_row (table, duplicates, r[0].duplicate_rate, r[1].duplicate_rate);
  for (guint i = 0; classes && f->labels[i]; i++)
    append_row (table, f->labels[i], class_ap (f, 0, i), class_ap (f, 1, i));
}

char *
defcn_figures_table (const DefcnFigures *f, gboolean classes)
{
  GString *table = g_string_new (NULL);
  g_autofree char *nms = g_strdup_printf ("NMS %.2f", f->nms_iou);
  const DefcnCrowdhumanResult *r = f->crowd;

  g_string_append_printf (table, "%-36s%10s%10s\n", "", "no NMS", nms);
  if (f->crowdhuman) {
    append_row (table, "AP50", r[0].ap, r[1].ap);
    append_row (table, "mMR", r[0].mmr, r[1].mmr);
    append_row (table, "Recall", r[0].recall, r[1].recall);
  } else {
    append_coco (table, f, classes);
  }
  g_string_append_printf (table, "%u images, %.1f ms an image\n", f->n_images,
      f->milliseconds);
  return g_string_free (table, FALSE);
}

static void
column_to_json (const DefcnFigures *f, int k, cJSON *object)
{
  if (k)
    cJSON_AddNumberToObject (object, "nms_iou", f->nms_iou);
  if (f->crowdhuman) {
    cJSON_AddNumberToObject (object, "ap50", f->crowd[k].ap);
    cJSON_AddNumberToObject (object, "mmr", f->crowd[k].mmr);
    cJSON_AddNumberToObject (object, "recall", f->crowd[k].recall);
    return;
  }

  const DefcnCocoResult *r = &f->coco[k];
  for (int i = 0; i < 12; i++)
    cJSON_AddNumberToObject (object, coco_figures[i].key, r->stats[i]);
  cJSON_AddNumberToObject (object, "duplicate_rate", r->duplicate_rate);
  cJSON_AddNumberToObject (object, "duplicates", r->n_duplicates);
  cJSON_AddNumberToObject (object, "detections", r->n_detections);
  cJSON *classes = cJSON_AddObjectToObject (object, "class_ap");
  for (guint i = 0; f->labels[i]; i++)
    cJSON_AddNumberToObject (classes, f->labels[i], class_ap (f, k, i));
}

void
defcn_figures_to_json (const DefcnFigures *f, cJSON *object)
{
  cJSON_AddNumberToObject (object, "images", f->n_images);
  cJSON_AddNumberToObject (object, "milliseconds", f->milliseconds);
  cJSON_AddNumberToObject (object, "threshold", f->threshold);
  if (!f->crowdhuman)
    cJSON_AddNumberToObject (object, "duplicate_threshold",
        f->duplicate_threshold);
  column_to_json (f, f->own, object);
  column_to_json (f, !f->own,
      cJSON_AddObjectToObject (object, f->own ? "no_nms" : "nms"));
}

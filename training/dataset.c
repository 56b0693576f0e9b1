/* Annotated images: what both readers share. */
#include "dataset.h"

DefcnDataset *
defcn_dataset_open (const char *path, const char *image_dir, GError **error)
{
  return g_str_has_suffix (path, ".odgt")
      ? defcn_crowdhuman_open (path, image_dir, error)
      : defcn_coco_open (path, image_dir, error);
}

void
defcn_dataset_free (DefcnDataset *dataset)
{
  if (!dataset)
    return;
  if (dataset->samples)
    g_ptr_array_unref (dataset->samples);
  if (dataset->labels)
    g_ptr_array_unref (dataset->labels);
  if (dataset->category_ids)
    g_array_unref (dataset->category_ids);
  g_free (dataset->path);
  g_free (dataset->image_dir);
  g_free (dataset);
}

char *
defcn_dataset_image_path (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  if (!dataset->crowdhuman)
    return g_build_filename (dataset->image_dir, sample->name, NULL);

  static const char *const suffixes[] = { ".jpg", ".png" };
  for (gsize k = 0; k < G_N_ELEMENTS (suffixes); k++) {
    g_autofree char *name = g_strconcat (sample->name, suffixes[k], NULL);
    g_autofree char *path = g_build_filename (dataset->image_dir, name, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  g_autofree char *name = g_strconcat (sample->name, suffixes[0], NULL);
  return g_build_filename (dataset->image_dir, name, NULL);
}

GArray *
defcn_dataset_trainable (const DefcnDataset *dataset)
{
  GArray *used = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    gboolean good = FALSE;

    for (guint k = 0; k < sample->objects->len && !good; k++) {
      const DefcnObject *o = &g_array_index (sample->objects, DefcnObject, k);

      good = dataset->crowdhuman || (!o->crowd && !o->untrainable);
    }
    if (good)
      g_array_append_val (used, i);
  }
  return used;
}

/* CrowdHuman annotation files. */
#include "data/crowdhuman.h"
#include "input.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset =
      defcn_crowdhuman_open (fuzz_input_path (data, size), ".",
          &defcn_read_defaults, &error);

  fuzz_check (dataset, error);
  if (!dataset)
    return 0;

  g_autoptr (GArray) trainable = defcn_dataset_trainable (dataset, FALSE);
  for (guint i = 0; i < dataset->samples->len; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
    g_autofree char *path = defcn_dataset_image_path (dataset, i);

    for (guint k = 0; k < objects->len; k++) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      if (o->label != 0 && o->label != -1)
        g_error ("label %d", o->label);
    }
  }
  for (guint i = 0; i < trainable->len; i++)
    if (g_array_index (trainable, guint, i) >= dataset->samples->len)
      g_error ("a trainable sample that is none");
  return 0;
}

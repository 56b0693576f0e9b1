/* Pascal VOC's and YOLO's annotation files: one of each, of the same bytes. */
#include "convert/notation.h"
#include "input.h"

#include <glib/gstdio.h>
#include <stdlib.h>

static void
read_one (DefcnNotation notation, const char *folder, const char *images)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset = defcn_notation_read (notation, folder,
      images, NULL, NULL, &defcn_read_defaults, &error);

  fuzz_check (dataset, error);
  for (guint i = 0; dataset && i < dataset->samples->len; i++) {
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);

    for (guint k = 0; k < objects->len; k++) {
      const DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      if (o->label < 0 || o->label >= (int) dataset->labels->len
          || o->bbox[2] < 0 || o->bbox[3] < 0)
        g_error ("label %d of %u, %g x %g", o->label, dataset->labels->len,
            o->bbox[2], o->bbox[3]);
    }
  }
}

static char *folder;

static void
remove_folder (void)
{
  static const char *const names[] = { "a.png", "a.xml", "a.txt" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);

    g_remove (path);
  }
  g_rmdir (folder);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (!folder) {
    g_autoptr (DefcnPicture) picture = defcn_picture_new (9, 8);

    folder = g_dir_make_tmp ("fuzz-voc-XXXXXX", NULL);
    g_autofree char *png = g_build_filename (folder, "a.png", NULL);
    if (!folder || !defcn_picture_save (picture, png, NULL))
      abort ();
    atexit (remove_folder);
  }
  g_autofree char *xml = g_build_filename (folder, "a.xml", NULL);
  g_autofree char *txt = g_build_filename (folder, "a.txt", NULL);

  if (!g_file_set_contents (xml, (const char *) data, size, NULL)
      || !g_file_set_contents (txt, (const char *) data, size, NULL))
    abort ();
  read_one (DEFCN_NOTATION_VOC, folder, folder);
  read_one (DEFCN_NOTATION_YOLO, folder, folder);
  return 0;
}

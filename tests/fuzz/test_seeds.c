/* The corpus is of use only if its files get as far as they are meant to: what
 * each seed of foreign weights is read as, or refused for. */
#include "import/formats.h"

#include <string.h>

typedef struct
{
  const char *file;
  guint n_tensors;    /* 0: refused */
  const char *tensor; /* one of them */
  int n_dims;
  gint64 dims[4];
  float first, last;
  const char *message; /* part of the refusal */
} Case;

static const char *corpus;

static void
test_case (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (corpus, "pickle", c->file, NULL);
  g_autoptr (DefcnForeign) foreign = defcn_formats_open (path, FALSE, &error);

  if (c->n_tensors == 0) {
    g_assert_null (foreign);
    g_assert_nonnull (error);
    if (!strstr (error->message, c->message) || !strstr (error->message, path))
      g_error ("\"%s\" says neither %s nor \"%s\"", error->message, path,
          c->message);
    return;
  }
  g_assert_no_error (error);
  g_assert_cmpuint (foreign->tensors->len, ==, c->n_tensors);

  const DefcnForeignTensor *t = defcn_foreign_lookup (foreign, c->tensor);
  g_assert_nonnull (t);
  g_assert_cmpint (t->n_dims, ==, c->n_dims);
  for (int i = 0; i < c->n_dims; i++)
    g_assert_cmpint (t->dims[i], ==, c->dims[i]);
  g_assert_cmpfloat (t->data[0], ==, c->first);
  g_assert_cmpfloat (t->data[t->len - 1], ==, c->last);
}

/* usage: test_seeds CORPUS */
int
main (int argc, char **argv)
{
  static const Case cases[] = {
    { "torch-zip", 3, "backbone.bottom_up.stem.conv1.weight", 4, { 1, 3, 2, 2 },
        0, 11 },
    { "torch-zip-compressed", 3, "backbone.bottom_up.stem.conv1.weight", 4,
        { 1, 3, 2, 2 }, 0, 11 },
    { "torch-stream", 3, "head.cls_score.weight", 4, { 2, 1, 1, 1 }, 2, 3 },
    /* Column by column from element 1: 1 5 9, 2 6 10. */
    { "torch-strides", 2, "conv1.weight", 2, { 2, 3 }, 1, 10 },
    { "caffe2-2", 3, "conv1_w", 4, { 1, 3, 2, 2 }, 0, 11 },
    { "caffe2-4", 3, "conv1_w", 4, { 1, 3, 2, 2 }, 0, 11 },
    { "command", .message = "no dict" },
    { "protocol-0", .message = "no dict" },
    { "self", .message = "no dict" },
    { "values", .message = "no dict" },
  };

  g_test_init (&argc, &argv, NULL);
  if (argc < 2)
    g_error ("usage: test_seeds CORPUS");
  corpus = argv[1];
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strconcat ("/seeds/", cases[i].file, NULL);

    g_test_add_data_func (name, &cases[i], test_case);
  }
  return g_test_run ();
}

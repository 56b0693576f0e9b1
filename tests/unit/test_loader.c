/* The loader: order, repeatability, groups, bad pictures, mosaics, cache. */
#include "data/loader.h"
#include "data/annotations.h"
#include "data/sets.h"

#include "error.h"
#include "folder.h"
#include "patches.h"
#include "testing.h"

#include <string.h>

static char *folder;

/* @n_wide wide pictures, then @n_narrow narrow ones, each with one box of a
 * colour and the picture's number as its area, which augmentation keeps. */
static DefcnDataset *
dataset_new (int n_wide, int n_narrow)
{
  g_autoptr (GString) images = g_string_new (NULL);
  g_autoptr (GString) annotations = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < n_wide + n_narrow; i++) {
    const int w = i < n_wide ? 40 : 30, h = i < n_wide ? 30 : 40;
    const int x = 4 + i % 5, y = 5 + i % 3;
    const char *comma = i ? "," : "";
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = folder_file (folder, name);
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (DefcnPicture) picture = patch_picture_new (w, h);

    patch_paint (picture, objects, i % PATCH_COLORS, x, y, x + 16, y + 18);
    g_assert_true (defcn_picture_save (picture, path, NULL));
    g_string_append_printf (images,
        "%s{\"id\":%d,\"file_name\":\"%s\",\"width\":%d,\"height\":%d}", comma,
        i, name, w, h);
    g_string_append_printf (annotations,
        "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"area\":%d,"
        "\"bbox\":[%d,%d,16,18]}",
        comma, i, i, i % PATCH_COLORS, i, x, y);
  }
  g_autofree char *text = g_strdup_printf ("{\"images\":[%s],"
                                           "\"annotations\":[%s],"
                                           "\"categories\":["
                                           "{\"id\":0,\"name\":\"a\"},"
                                           "{\"id\":1,\"name\":\"b\"},"
                                           "{\"id\":2,\"name\":\"c\"},"
                                           "{\"id\":3,\"name\":\"d\"},"
                                           "{\"id\":4,\"name\":\"e\"},"
                                           "{\"id\":5,\"name\":\"f\"}]}",
      images->str, annotations->str);
  g_autofree char *path =
      folder_write (folder, "set.json", text, strlen (text));
  DefcnDataset *dataset = defcn_annotations_open (path, folder, NULL, &error);

  g_assert_no_error (error);
  return dataset;
}

static const DefcnLoaderOptions simple = { .batch = 2,
  .workers = 2,
  .seed = 7,
  .augment = { .short_edges = { 30 }, .n_short_edges = 1, .long_edge = 100 } };

/* Everything but the mosaic, at random. */
static const DefcnLoaderOptions busy = { .batch = 3,
  .workers = 1,
  .seed = 9,
  .augment = { .short_edges = { 20, 30, 40 },
      .n_short_edges = 3,
      .long_edge = 100,
      .flip = 0.5f,
      .color = 0.3f,
      .crop = 0.5f,
      .expand = 0.5f } };

static DefcnLoader *
loader_new (const DefcnDataset *dataset, const DefcnLoaderOptions *options,
    guint64 first)
{
  g_autoptr (GError) error = NULL;
  DefcnLoader *loader = defcn_loader_new (dataset, options, first, &error);

  g_assert_no_error (error);
  g_assert_nonnull (loader);
  return loader;
}

/* The next batch; free_batch() takes it. */
static DefcnExample **
next_batch (DefcnLoader *loader, int batch)
{
  g_autoptr (GError) error = NULL;
  DefcnExample **examples = g_new0 (DefcnExample *, batch);

  g_assert_true (defcn_loader_next (loader, examples, &error));
  g_assert_no_error (error);
  for (int i = 0; i < batch; i++)
    g_assert_nonnull (examples[i]);
  return examples;
}

static void
free_batch (DefcnExample **examples, int batch)
{
  for (int i = 0; i < batch; i++)
    defcn_example_free (examples[i]);
  g_free (examples);
}

static int
number_of (const DefcnExample *example)
{
  g_assert_cmpuint (example->objects->len, >=, 1);
  return g_array_index (example->objects, DefcnObject, 0).area;
}

/* The pictures' numbers of @n batches one after the other. */
static GArray *
read_numbers (const DefcnDataset *dataset, const DefcnLoaderOptions *options,
    int n)
{
  g_autoptr (DefcnLoader) loader = loader_new (dataset, options, 0);
  GArray *numbers = g_array_new (FALSE, FALSE, sizeof (int));

  for (int i = 0; i < n; i++) {
    DefcnExample **examples = next_batch (loader, options->batch);

    for (int k = 0; k < options->batch; k++) {
      const int number = number_of (examples[k]);

      g_array_append_val (numbers, number);
    }
    free_batch (examples, options->batch);
  }
  return numbers;
}

static char *
batch_digest (DefcnExample **examples, int batch)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA1);

  for (int i = 0; i < batch; i++) {
    const DefcnExample *e = examples[i];

    g_checksum_update (sum, (const guchar *) &e->width, sizeof e->width);
    g_checksum_update (sum, e->rgb, (gssize) e->width * e->height * 3);
    g_checksum_update (sum, (const guchar *) e->objects->data,
        e->objects->len * sizeof (DefcnObject));
  }
  return g_strdup (g_checksum_get_string (sum));
}

/* An epoch has every picture once, in an order of its own. */
static void
test_order (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (6, 6);
  g_autoptr (GArray) numbers = read_numbers (dataset, &simple, 3 * 6);
  DefcnLoaderOptions other = simple;

  for (int epoch = 0; epoch < 3; epoch++) {
    guint seen = 0;

    for (int i = 0; i < 12; i++)
      seen |= 1u << g_array_index (numbers, int, 12 * epoch + i);
    g_assert_cmphex (seen, ==, 0xfff);
  }
  g_assert_cmpint (memcmp (numbers->data, numbers->data + 12 * sizeof (int),
                       12 * sizeof (int)),
      !=, 0);

  other.seed++;
  g_autoptr (GArray) others = read_numbers (dataset, &other, 6);
  g_assert_cmpint (memcmp (numbers->data, others->data, 12 * sizeof (int)), !=,
      0);

  g_autoptr (DefcnLoader) loader = loader_new (dataset, &simple, 0);
  g_assert_cmpuint (defcn_loader_epoch (loader), ==, 6);
}

/* Batch i has the same bytes with one worker and with three, and after a
 * resumption at any batch. */
static void
test_repeatable (void)
{
  static const DefcnAugment canvas = { .flip = 0.5f,
    .color = 0.2f,
    .mosaic = 0.5f,
    .canvas_width = 48,
    .canvas_height = 40,
    .scale_min = 0.5f,
    .scale_max = 1.5f };
  g_autoptr (DefcnDataset) dataset = dataset_new (4, 3);

  for (int kind = 0; kind < 2; kind++) {
    DefcnLoaderOptions options = busy;
    char *digests[10];

    if (kind == 1)
      options.augment = canvas;
    g_autoptr (DefcnLoader) one = loader_new (dataset, &options, 0);
    for (int i = 0; i < 10; i++) {
      DefcnExample **examples = next_batch (one, options.batch);

      digests[i] = batch_digest (examples, options.batch);
      free_batch (examples, options.batch);
    }
    options.workers = 3;
    for (int first = 0; first < 10; first += 3) {
      g_autoptr (DefcnLoader) three = loader_new (dataset, &options, first);

      for (int i = first; i < 10; i++) {
        DefcnExample **examples = next_batch (three, options.batch);
        g_autofree char *digest = batch_digest (examples, options.batch);

        g_assert_cmpstr (digest, ==, digests[i]);
        free_batch (examples, options.batch);
      }
    }
    g_assert_cmpstr (digests[0], !=, digests[1]);
    for (int i = 0; i < 10; i++)
      g_free (digests[i]);
  }
}

/* Pairs are all wide or all not, in every epoch, also where the
 * groups have odd sizes; no picture comes twice in an epoch. */
static void
test_groups (void)
{
  static const struct
  {
    int wide, narrow, pairs;
  } cases[] = { { 5, 4, 4 }, { 5, 3, 3 }, { 2, 7, 4 }, { 8, 0, 4 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int n_wide = cases[i].wide, pairs = cases[i].pairs;
    g_autoptr (DefcnDataset) dataset = dataset_new (n_wide, cases[i].narrow);
    DefcnLoaderOptions options = simple;

    options.group = 2;
    g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
    g_assert_cmpuint (defcn_loader_epoch (loader), ==, pairs);
    g_autoptr (GArray) numbers = read_numbers (dataset, &options, 5 * pairs);
    guint seen = 0;

    for (int k = 0; k < 5 * pairs; k++) {
      const int a = g_array_index (numbers, int, 2 * k);
      const int b = g_array_index (numbers, int, 2 * k + 1);

      seen = k % pairs == 0 ? 0 : seen;
      g_assert_cmpint (a < n_wide, ==, b < n_wide);
      g_assert_cmphex (seen & (1u << a | 1u << b), ==, 0);
      g_assert_cmpint (a, !=, b);
      seen |= 1u << a | 1u << b;
    }
  }
}

/* A square picture is not wide: it pairs with narrow ones, as in the reference,
 * which groups by width over height above 1. */
static void
test_squares (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (2, 2);
  DefcnLoaderOptions options = simple;
  DefcnSample *square = dataset->samples->pdata[3];

  options.group = 2;
  square->width = square->height;
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  g_assert_cmpuint (defcn_loader_epoch (loader), ==, 2);
}

/* Every place draws for itself: of one picture again and again, half are
 * flipped, and the sizes take turns. */
static void
test_places (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (1, 0);
  DefcnLoaderOptions options = simple;
  int flipped = 0, large = 0;

  options.augment.flip = 0.5f;
  options.augment.short_edges[1] = 60;
  options.augment.n_short_edges = 2;
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  for (int b = 0; b < 50; b++) {
    DefcnExample **examples = next_batch (loader, 2);

    for (int i = 0; i < 2; i++) {
      const DefcnObject *o =
          &g_array_index (examples[i]->objects, DefcnObject, 0);

      flipped += o->x1 + o->x2 > examples[i]->width;
      large += examples[i]->height == 60;
    }
    free_batch (examples, 2);
  }
  g_assert_cmpint (ABS (flipped - 50), <, 25);
  g_assert_cmpint (ABS (large - 50), <, 25);
}

/* No group is full, or no sizes are known: every picture still comes. */
static void
test_groups_off (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (1, 1);
  DefcnLoaderOptions options = simple;

  options.group = 2;
  g_autoptr (GArray) numbers = read_numbers (dataset, &options, 3);
  for (int k = 0; k < 3; k++)
    g_assert_cmpint (g_array_index (numbers, int, 2 * k)
            + g_array_index (numbers, int, 2 * k + 1),
        ==, 1);

  static const char text[] =
      "{\"ID\":\"0\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[4,4,9,9]}]}\n"
      "{\"ID\":\"1\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[4,4,9,9]}]}\n"
      "{\"ID\":\"1\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[4,4,9,9]}]}\n";
  g_autofree char *path = folder_write (folder, "a.odgt", text, strlen (text));
  g_autoptr (DefcnDataset) crowd =
      defcn_annotations_open (path, folder, NULL, NULL);
  options.batch = 3;
  g_autoptr (DefcnLoader) loader = loader_new (crowd, &options, 0);
  DefcnExample **examples = next_batch (loader, 3);
  int wide = 0;
  for (int k = 0; k < 3; k++)
    wide += examples[k]->width > examples[k]->height;
  g_assert_cmpint (wide, ==, 1);
  free_batch (examples, 3);
}

/* A data set smaller than a batch repeats itself within it. */
static void
test_tiny (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (1, 0);
  DefcnLoaderOptions options = simple;

  options.batch = 9;
  options.group = 2;
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 5);
  for (int i = 0; i < 20; i++) {
    DefcnExample **examples = next_batch (loader, 9);

    g_assert_cmpint (number_of (examples[8]), ==, 0);
    free_batch (examples, 9);
  }
  g_assert_cmpuint (defcn_loader_epoch (loader), ==, 1);
}

/* Warnings of the workers, one line each. */
static GString *warnings;

static void
note_warning (const char *domain, GLogLevelFlags level, const char *message,
    gpointer data)
{
  static GMutex lock;

  g_mutex_lock (&lock);
  g_string_append_printf (warnings, "%s\n", message);
  g_mutex_unlock (&lock);
}

static void
break_file (const char *name)
{
  g_autofree char *path = folder_write (folder, name, "none", 4);
}

/* An unreadable picture gives way to the next one, is named once, and past the
 * share that is allowed ends the run. */
static void
test_unreadable (void)
{
  static const struct
  {
    int n;
    double share;
    gboolean good;
  } cases[] = {
    { 1, 0.1, TRUE },
    { 2, 0.25, TRUE },
    { 1, 0.05, FALSE },
    { 3, 0.2, FALSE },
    { 10, 1, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnDataset) dataset = dataset_new (6, 4);
    DefcnLoaderOptions options = simple;
    g_autoptr (GError) error = NULL;
    DefcnExample *examples[2];
    gboolean good = TRUE;

    for (int k = 0; k < cases[i].n; k++) {
      g_autofree char *name = g_strdup_printf ("%d.png", k);

      break_file (name);
    }
    warnings = g_string_new (NULL);
    g_log_set_default_handler (note_warning, NULL);
    options.max_unreadable = cases[i].share;
    g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
    for (int b = 0; b < 15 && good; b++) {
      good = defcn_loader_next (loader, examples, &error);
      for (int k = 0; good && k < 2; k++) {
        g_assert_cmpint (number_of (examples[k]), >=, cases[i].n);
        defcn_example_free (examples[k]);
      }
    }
    g_clear_pointer (&loader, defcn_loader_free);
    g_log_set_default_handler (g_log_default_handler, NULL);

    g_assert_cmpint (good, ==, cases[i].good);
    g_auto (GStrv) lines = g_strsplit (warnings->str, "\n", -1);
    if (good) {
      g_assert_no_error (error);
      g_assert_cmpuint (g_strv_length (lines), ==, cases[i].n + 1);
    } else {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
      g_assert_nonnull (strstr (error->message, "set.json"));
      g_assert_nonnull (strstr (error->message, "of 10 images"));
    }
    g_assert_nonnull (strstr (warnings->str, "0.png"));
    g_string_free (warnings, TRUE);
  }
}

/* A JPEG without its end marker is a picture, and is named once; an image
 * without objects is one to train on where background is. */
static void
test_faults (void)
{
  static const char text[] =
      "{\"images\":[{\"id\":1,\"file_name\":\"open.jpg\",\"width\":40,"
      "\"height\":30}],\"annotations\":[],\"categories\":[{\"id\":1,"
      "\"name\":\"a\"}]}";
  g_autofree char *json =
      folder_write (folder, "open.json", text, sizeof text - 1);
  g_autofree char *path = folder_file (folder, "open.jpg");
  g_autoptr (DefcnPicture) picture = defcn_picture_new (40, 30);
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  DefcnLoaderOptions options = simple;
  DefcnExample *examples[2];
  gsize len;

  g_assert_true (defcn_picture_save (picture, path, NULL));
  g_assert_true (g_file_get_contents (path, &bytes, &len, NULL));
  g_assert_true (g_file_set_contents (path, bytes, len - 2, NULL));
  g_autoptr (DefcnDataset) dataset =
      defcn_annotations_open (json, folder, NULL, NULL);
  g_assert_null (defcn_loader_new (dataset, &options, 0, &error));
  g_assert_nonnull (strstr (error->message, "no image to train on"));

  options.background = TRUE;
  warnings = g_string_new (NULL);
  g_log_set_default_handler (note_warning, NULL);
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  for (int b = 0; b < 3; b++) {
    g_assert_true (defcn_loader_next (loader, examples, NULL));
    for (int k = 0; k < 2; k++) {
      g_assert_cmpuint (examples[k]->objects->len, ==, 0);
      defcn_example_free (examples[k]);
    }
  }
  g_clear_pointer (&loader, defcn_loader_free);
  g_log_set_default_handler (g_log_default_handler, NULL);
  g_auto (GStrv) lines = g_strsplit (warnings->str, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 2);
  g_assert_nonnull (strstr (lines[0], "open.jpg"));
  g_string_free (warnings, TRUE);
  g_remove (path);
  g_remove (json);
}

/* What an unreadable picture gives way to is the next of the order, at the end
 * of an epoch the first. */
static void
test_next (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (4, 2);
  g_autoptr (GArray) whole = read_numbers (dataset, &simple, 3);
  DefcnLoaderOptions options = simple;

  warnings = g_string_new (NULL);
  g_log_set_default_handler (note_warning, NULL);
  options.max_unreadable = 1;
  for (int broken = 0; broken < 6; broken++) {
    g_autoptr (DefcnDataset) again = dataset_new (4, 2);
    const int number = g_array_index (whole, int, broken);
    g_autofree char *name = g_strdup_printf ("%d.png", number);

    break_file (name);
    g_autoptr (GArray) numbers = read_numbers (again, &options, 3);
    for (int i = 0; i < 6; i++)
      g_assert_cmpint (g_array_index (numbers, int, i), ==,
          g_array_index (whole, int, i == broken ? (i + 1) % 6 : i));
  }
  g_log_set_default_handler (g_log_default_handler, NULL);
  g_string_free (warnings, TRUE);
}

/* Boxes are scaled with a picture of another scale than its record; one of
 * another shape, turned for one, is no use. */
static void
test_other_size (void)
{
  static const struct
  {
    int w, h;
    gboolean good;
  } cases[] = { { 40, 30, TRUE }, { 80, 60, TRUE }, { 20, 15, TRUE },
    { 81, 60, TRUE }, { 84, 60, TRUE }, { 80, 63, TRUE }, { 86, 60, FALSE },
    { 80, 65, FALSE }, { 30, 40, FALSE }, { 40, 40, FALSE } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int w = cases[i].w, h = cases[i].h;
    g_autoptr (DefcnDataset) dataset = dataset_new (1, 0);
    g_autofree char *path = folder_file (folder, "0.png");
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (DefcnPicture) picture = patch_picture_new (w, h);
    g_autoptr (GError) error = NULL;
    DefcnExample *examples[2];

    patch_paint (picture, objects, 0, 4 * w / 40, 5 * h / 30, 20 * w / 40,
        23 * h / 30);
    g_assert_true (defcn_picture_save (picture, path, NULL));
    warnings = g_string_new (NULL);
    g_log_set_default_handler (note_warning, NULL);
    g_autoptr (DefcnLoader) loader = loader_new (dataset, &simple, 0);
    const gboolean good = defcn_loader_next (loader, examples, &error);
    g_clear_pointer (&loader, defcn_loader_free);
    g_log_set_default_handler (g_log_default_handler, NULL);

    g_assert_cmpint (good, ==, cases[i].good);
    if (good) {
      const PatchExtent e = patch_find (examples[0], 0, 0, 0,
          examples[0]->width, examples[0]->height);

      const DefcnObject *o =
          &g_array_index (examples[0]->objects, DefcnObject, 0);

      g_assert_true (patch_fits (&e, o, 1.6));
      g_assert_cmpfloat_with_epsilon (o->x1, 4 * examples[0]->width / 40.0,
          1e-3);
      g_assert_cmpfloat_with_epsilon (o->x2, 20 * examples[0]->width / 40.0,
          1e-3);
      g_assert_cmpfloat_with_epsilon (o->y1, 5 * examples[0]->height / 30.0,
          1e-3);
      g_assert_cmpfloat_with_epsilon (o->y2, 23 * examples[0]->height / 30.0,
          1e-3);
      defcn_example_free (examples[0]);
      defcn_example_free (examples[1]);
    } else {
      g_assert_nonnull (strstr (warnings->str, "its record says 40 x 30"));
    }
    g_string_free (warnings, TRUE);
  }
}

/* A mosaic has its canvas's size and up to four pictures, each box in its
 * quarter and on its colour. */
static void
test_mosaic (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (3, 3);
  const DefcnLoaderOptions options = { .batch = 2,
    .workers = 2,
    .seed = 3,
    .augment = { .flip = 0.5f,
        .mosaic = 1,
        .canvas_width = 130,
        .canvas_height = 100,
        .scale_min = 0.7f,
        .scale_max = 1.2f } };
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  guint n = 0, firsts = 0;

  for (int b = 0; b < 15; b++) {
    DefcnExample **examples = next_batch (loader, 2);

    for (int i = 0; i < 2; i++) {
      const DefcnExample *e = examples[i];

      g_assert_cmpint (e->width, ==, 130);
      g_assert_cmpint (e->height, ==, 100);
      g_assert_cmpuint (e->objects->len, <=, 4);
      for (guint k = 0; k < e->objects->len; k++) {
        const DefcnObject *o = &g_array_index (e->objects, DefcnObject, k);
        const int x = o->x1 >= 65 ? 65 : 0, y = o->y1 >= 50 ? 50 : 0;
        const PatchExtent at = patch_find (e, o->label, x, y, x + 65, y + 50);

        if (!patch_fits (&at, o, 2))
          g_error ("box %d is %g %g %g %g, its colour %d %d %d %d", o->label,
              o->x1, o->y1, o->x2, o->y2, at.x1, at.y1, at.x2, at.y2);
        n++;
      }
      if (e->objects->len == 4)
        firsts |= 1u << number_of (e);
    }
    free_batch (examples, 2);
  }
  g_assert_cmpuint (n, >, 100);
  g_assert_cmphex (firsts, ==, 0x3f); /* each gets its turn */
}

/* In a mosaic a region to ignore is that of its quarter, and a sliver of it
 * stays one. */
static void
test_mosaic_regions (void)
{
  static const char text[] =
      "{\"images\":[{\"id\":0,\"file_name\":\"crowd.png\",\"width\":40,"
      "\"height\":30}],\"categories\":[{\"id\":0,\"name\":\"a\"}],"
      "\"annotations\":[{\"id\":1,\"image_id\":0,\"category_id\":0,"
      "\"area\":1,\"bbox\":[2,2,10,8]},{\"id\":2,\"image_id\":0,"
      "\"category_id\":0,\"area\":1,\"iscrowd\":1,\"bbox\":[20,8,18,20]}]}";
  const DefcnLoaderOptions options = { .batch = 2,
    .workers = 2,
    .seed = 3,
    .augment = { .flip = 0.5f,
        .mosaic = 1,
        .canvas_width = 80,
        .canvas_height = 60,
        .scale_min = 2,
        .scale_max = 2.5f } }; /* of 4 times the area and more */
  g_autofree char *path = folder_file (folder, "crowd.png");
  g_autofree char *json =
      folder_write (folder, "crowd.json", text, strlen (text));
  g_autoptr (GArray) painted = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (DefcnPicture) picture = patch_picture_new (40, 30);
  guint n = 0, slivers = 0;

  patch_paint (picture, painted, 0, 2, 2, 12, 10);
  patch_paint (picture, painted, 1, 20, 8, 38, 28);
  g_assert_true (defcn_picture_save (picture, path, NULL));
  g_autoptr (DefcnDataset) dataset =
      defcn_annotations_open (json, folder, NULL, NULL);
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  for (int b = 0; b < 20; b++) {
    DefcnExample **examples = next_batch (loader, 2);

    for (int i = 0; i < 2; i++) {
      const DefcnExample *e = examples[i];

      for (guint k = 0; k < e->objects->len; k++) {
        const DefcnObject *o = &g_array_index (e->objects, DefcnObject, k);
        const int x = o->x1 >= 40 ? 40 : 0, y = o->y1 >= 30 ? 30 : 0;
        const PatchExtent at = patch_find (e, 1, x, y, x + 40, y + 30);

        if (o->label >= 0)
          continue;
        g_assert_true (o->x2 <= x + 40 && o->y2 <= y + 30);
        if (at.n > 0 && !patch_fits (&at, o, 3))
          g_error ("region is %g %g %g %g, its colour %d %d %d %d", o->x1,
              o->y1, o->x2, o->y2, at.x1, at.y1, at.x2, at.y2);
        n++;
        slivers += (o->x2 - o->x1) * (o->y2 - o->y1) < 18 * 20;
      }
    }
    free_batch (examples, 2);
  }
  g_assert_cmpuint (n, >, 80);
  g_assert_cmpuint (slivers, >, 3);
}

/* The share of mosaics is the probability that was asked for. */
static void
test_mosaic_share (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (3, 3);
  const DefcnLoaderOptions options = { .batch = 2,
    .workers = 2,
    .seed = 3,
    .augment = { .mosaic = 0.5f,
        .canvas_width = 130,
        .canvas_height = 100,
        .scale_min = 0.9f,
        .scale_max = 1 } };
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  int joined = 0;

  for (int b = 0; b < 50; b++) {
    DefcnExample **examples = next_batch (loader, 2);

    for (int i = 0; i < 2; i++) {
      g_assert_true (
          examples[i]->objects->len == 1 || examples[i]->objects->len == 4);
      joined += examples[i]->objects->len == 4;
    }
    free_batch (examples, 2);
  }
  g_assert_cmpint (ABS (joined - 50), <, 25);
}

/* A loader can be freed at any moment, whatever its workers are at. */
static void
test_free_early (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (6, 4);
  DefcnLoaderOptions options = busy;

  options.workers = 3;
  for (int i = 0; i < 20; i++) {
    g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, i);

    for (int k = 0; k < i % 4; k++)
      free_batch (next_batch (loader, options.batch), options.batch);
    g_usleep (i % 5 * 200);
  }
  defcn_loader_free (NULL);
}

/* The time spent waiting is part of the time that next() took, and there is
 * some: one worker cannot stay ahead of a consumer that does nothing else. */
static void
test_waited (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (6, 4);
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &busy, 0);
  gint64 within = 0;

  g_assert_cmpfloat (defcn_loader_waited (loader), ==, 0);
  for (int i = 0; i < 10000 && defcn_loader_waited (loader) == 0; i++) {
    const gint64 start = g_get_monotonic_time ();

    free_batch (next_batch (loader, busy.batch), busy.batch);
    within += g_get_monotonic_time () - start;
  }
  g_assert_cmpfloat (defcn_loader_waited (loader), >, 0);
  g_assert_cmpfloat (defcn_loader_waited (loader), <=, within * 1e-6 + 1e-9);
}

/* No picture to train on, or a mosaic without a canvas, is refused. */
static void
test_refused (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (1, 1);
  DefcnLoaderOptions options = simple;
  g_autoptr (GError) error = NULL;

  options.augment.mosaic = 0.5f;
  g_assert_null (defcn_loader_new (dataset, &options, 0, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "canvas"));
  g_clear_error (&error);

  for (guint i = 0; i < dataset->samples->len; i++)
    ((DefcnSample *) dataset->samples->pdata[i])->n_objects = 0;
  g_assert_null (defcn_loader_new (dataset, &simple, 0, &error));
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
  g_assert_nonnull (strstr (error->message, "set.json: no image to train on"));
}

/* Photographs of @dataset come through, with boxes inside of them. */
static void
check_photographs (const DefcnDataset *dataset)
{
  DefcnLoaderOptions options = busy;
  guint n = 0;

  options.workers = 2;
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  for (int b = 0; b < 4; b++) {
    DefcnExample **examples = next_batch (loader, options.batch);

    for (int e = 0; e < options.batch; e++) {
      for (guint k = 0; k < examples[e]->objects->len; k++, n++) {
        const DefcnObject *o =
            &g_array_index (examples[e]->objects, DefcnObject, k);

        g_assert_true (o->x1 >= 0 && o->y1 >= 0 && o->x2 <= examples[e]->width
            && o->y2 <= examples[e]->height && o->x1 < o->x2 && o->y1 < o->y2);
      }
    }
    free_batch (examples, options.batch);
  }
  g_assert_cmpuint (n, >, 10);
}

/* A photograph of the tree, 768 x 576, with boxes that leave it too. */
static void
test_photograph (void)
{
  static const char *const names[] = { "demo.json", "demo.odgt" };
  static const char *const texts[] = {
    "{\"images\":[{\"id\":3,\"file_name\":\"demo.jpg\",\"width\":768,"
    "\"height\":576}],\"categories\":[{\"id\":1,\"name\":\"person\"}],"
    "\"annotations\":[{\"id\":1,\"image_id\":3,\"category_id\":1,\"area\":9,"
    "\"bbox\":[100,100,300,300]},{\"id\":2,\"image_id\":3,\"category_id\":1,"
    "\"area\":9,\"bbox\":[600,-50,300,400.5]},{\"id\":3,\"image_id\":3,"
    "\"category_id\":1,\"area\":9,\"bbox\":[-90,200,500,500]}]}",
    "{\"ID\":\"demo\",\"gtboxes\":[{\"tag\":\"person\","
    "\"fbox\":[100,100,300,300]},{\"tag\":\"person\","
    "\"fbox\":[600,-50,300,400]},{\"tag\":\"person\","
    "\"fbox\":[-90,200,500,500]}]}",
  };
  const char *sources = g_getenv ("DEFCN_TEST_SOURCES");
  g_autofree char *images =
      g_build_filename (sources ? sources : ".", "pipelines", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path =
        folder_write (folder, names[i], texts[i], strlen (texts[i]));
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDataset) dataset =
        defcn_annotations_open (path, images, NULL, &error);

    g_assert_no_error (error);
    check_photographs (dataset);
  }
}

/* Whole data sets of photographs, where they are. */
static void
test_real (void)
{
  static const char *const names[] = { "person_val.json", "crowd_val.odgt" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *below = g_build_filename ("coco-person", names[i], NULL);
    g_autofree char *path = testing_data (below);

    if (!path) {
      g_test_skip ("data/coco-person is not there");
      return;
    }
    g_autofree char *dir = g_path_get_dirname (path);
    g_autofree char *images = g_build_filename (dir, "images", NULL);
    g_autoptr (DefcnDataset) dataset =
        defcn_annotations_open (path, images, NULL, NULL);

    check_photographs (dataset);
  }
}

/* Gives the first @n pictures twelve times the size of their record: half a
 * MiB each. */
static void
enlarge (int n)
{
  for (int i = 0; i < n; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = folder_file (folder, name);
    g_autoptr (GArray) objects =
        g_array_new (FALSE, FALSE, sizeof (DefcnObject));
    g_autoptr (DefcnPicture) picture = patch_picture_new (480, 360);

    patch_paint (picture, objects, i % PATCH_COLORS, 40 + i, 60, 200, 240);
    g_assert_true (defcn_picture_save (picture, path, NULL));
  }
}

#define N_BATCHES 8

/* The digests of batches @first .. N_BATCHES - 1 into their places, and what
 * the cache says then. */
static DefcnCacheStats
read_batches (char **digests, const DefcnDataset *dataset,
    const DefcnLoaderOptions *options, int first)
{
  g_autoptr (DefcnLoader) loader = loader_new (dataset, options, first);
  DefcnCacheStats stats;

  for (int i = first; i < N_BATCHES; i++) {
    DefcnExample **examples = next_batch (loader, options->batch);

    digests[i] = batch_digest (examples, options->batch);
    free_batch (examples, options->batch);
    defcn_loader_cache (loader, &stats);
    g_assert_cmpuint (stats.bytes, <=, stats.limit);
  }
  return stats;
}

static void
clear_batches (char **digests)
{
  for (int i = 0; i < N_BATCHES; i++)
    g_clear_pointer (&digests[i], g_free);
}

/* Batches are the same to the byte without a cache, with one that has room for
 * two pictures and with one that has room for all, by one worker and by three,
 * from the start and after a resumption; the bound holds. */
static void
test_cache (void)
{
  static const DefcnAugment canvas = { .flip = 0.5f,
    .color = 0.2f,
    .mosaic = 0.5f,
    .canvas_width = 48,
    .canvas_height = 40,
    .scale_min = 0.5f,
    .scale_max = 1.5f };
  g_autoptr (DefcnDataset) dataset = dataset_new (5, 0);

  enlarge (5);
  for (int kind = 0; kind < 2; kind++) {
    DefcnLoaderOptions options = busy;
    char *wanted[N_BATCHES] = { NULL };

    if (kind == 1)
      options.augment = canvas;
    DefcnCacheStats stats = read_batches (wanted, dataset, &options, 0);
    g_assert_cmpuint (stats.limit, ==, 0);
    g_assert_cmpuint (stats.gets, ==, 0);
    for (int k = 0; k < 12; k++) {
      const int first = k % 2 * 3;
      char *found[N_BATCHES] = { NULL };

      options.workers = k / 2 % 2 ? 3 : 1;
      options.cache = k < 4 ? 1 : k < 8 ? 100 : -1;
      stats = read_batches (found, dataset, &options, first);
      for (int i = first; i < N_BATCHES; i++)
        g_assert_cmpstr (found[i], ==, wanted[i]);
      g_assert_cmpuint (stats.hits, >, 0);
      g_assert_cmpint (stats.is_full, ==, options.cache == 1);
      g_assert_cmpuint (stats.pictures, ==, options.cache == 1 ? 2 : 5);
      if (options.cache > 0)
        g_assert_cmpuint (stats.limit, ==, (guint64) options.cache << 20);
      clear_batches (found);
    }
    clear_batches (wanted);
  }
}

/* Every picture is decoded once: what is asked for again is a hit, and needs no
 * file. */
static void
test_cache_hits (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (4, 2);
  DefcnLoaderOptions options = simple;
  DefcnCacheStats stats;

  options.workers = 1;
  options.cache = 100;
  g_autoptr (DefcnLoader) loader = loader_new (dataset, &options, 0);
  for (int b = 0; b < 12; b++) {
    DefcnExample **examples = next_batch (loader, 2);

    g_assert_cmpint (number_of (examples[0]), <, 6);
    free_batch (examples, 2);
    for (int i = 0; b == 2 && i < 6; i++) { /* an epoch has been read */
      g_autofree char *name = g_strdup_printf ("%d.png", i);
      g_autofree char *path = folder_file (folder, name);

      g_assert_cmpint (g_remove (path), ==, 0);
    }
  }
  defcn_loader_cache (loader, &stats);
  g_assert_cmpuint (stats.gets, >=, 24);
  g_assert_cmpuint (stats.hits, ==, stats.gets - 6);
  g_assert_cmpuint (stats.pictures, ==, 6);
}

/* Pictures of one name in two sets stay two. */
static void
test_cache_sets (void)
{
  char *const one = folder, *const two = folder_new ();
  DefcnLoaderOptions options = simple;
  char *wanted[N_BATCHES] = { NULL }, *found[N_BATCHES] = { NULL };

  g_autoptr (DefcnDataset) wide = dataset_new (3, 0);
  folder = two;
  g_autoptr (DefcnDataset) narrow = dataset_new (0, 3);
  folder = one;
  g_autofree char *files = g_strconcat (wide->path, ";", narrow->path, NULL);
  g_autofree char *images = g_strconcat (one, ";", two, NULL);
  g_autoptr (DefcnDataset) held = NULL;
  g_autoptr (DefcnDataset) both =
      defcn_sets_open (&held, files, images, 0, NULL, NULL);

  g_assert_cmpuint (both->samples->len, ==, 6);
  read_batches (wanted, both, &options, 0);
  options.cache = 100;
  const DefcnCacheStats stats = read_batches (found, both, &options, 0);
  for (int i = 0; i < N_BATCHES; i++)
    g_assert_cmpstr (found[i], ==, wanted[i]);
  g_assert_cmpuint (stats.pictures, ==, 6);
  clear_batches (wanted);
  clear_batches (found);
  folder_remove (two);
}

/* The parts that several processes read are the batches of one, in its order,
 * each picture in one of them, from any batch on. */
static void
test_parts (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (7, 6);

  for (int parts = 1; parts <= 6; parts++) {
    DefcnLoaderOptions whole = busy;

    whole.batch = 6;
    whole.augment.mosaic = 0;
    if (whole.batch % parts != 0)
      continue;
    for (int first = 0; first < 3; first += 2) {
      g_autoptr (DefcnLoader) one = loader_new (dataset, &whole, first);
      DefcnLoader *each[6];

      for (int i = 0; i < parts; i++) {
        DefcnLoaderOptions part = whole;

        part.part = i;
        part.parts = parts;
        each[i] = loader_new (dataset, &part, first);
        g_assert_cmpuint (defcn_loader_epoch (each[i]), ==,
            defcn_loader_epoch (one));
      }
      for (int batch = 0; batch < 4; batch++) {
        DefcnExample **wanted = next_batch (one, 6);

        for (int i = 0; i < parts; i++) {
          const int share = 6 / parts;
          DefcnExample **found = next_batch (each[i], share);
          g_autofree char *mine = batch_digest (found, share);
          g_autofree char *theirs = batch_digest (wanted + i * share, share);

          g_assert_cmpstr (mine, ==, theirs);
          free_batch (found, share);
        }
        free_batch (wanted, 6);
      }
      for (int i = 0; i < parts; i++)
        defcn_loader_free (each[i]);
    }
  }
}

/* Processes of one machine share the memory that is free. */
static void
test_sharers (void)
{
  g_autoptr (DefcnDataset) dataset = dataset_new (2, 2);
  DefcnLoaderOptions options = simple;
  DefcnCacheStats alone, shared;

  options.cache = -1;
  g_autoptr (DefcnLoader) one = loader_new (dataset, &options, 0);
  options.sharers = 4;
  g_autoptr (DefcnLoader) four = loader_new (dataset, &options, 0);
  defcn_loader_cache (one, &alone);
  defcn_loader_cache (four, &shared);
  if (alone.limit == 0)
    g_test_skip ("the system does not say how much memory is free");
  else
    g_assert_cmpfloat_with_epsilon ((double) shared.limit / alone.limit, 0.25,
        0.1); /* others take some meanwhile */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK); /* warnings are looked at */
  g_test_add_func ("/loader/order", test_order);
  g_test_add_func ("/loader/repeatable", test_repeatable);
  g_test_add_func ("/loader/groups", test_groups);
  g_test_add_func ("/loader/squares", test_squares);
  g_test_add_func ("/loader/places", test_places);
  g_test_add_func ("/loader/groups-off", test_groups_off);
  g_test_add_func ("/loader/tiny", test_tiny);
  g_test_add_func ("/loader/unreadable", test_unreadable);
  g_test_add_func ("/loader/faults", test_faults);
  g_test_add_func ("/loader/next", test_next);
  g_test_add_func ("/loader/other-size", test_other_size);
  g_test_add_func ("/loader/mosaic", test_mosaic);
  g_test_add_func ("/loader/mosaic-share", test_mosaic_share);
  g_test_add_func ("/loader/mosaic-regions", test_mosaic_regions);
  g_test_add_func ("/loader/free-early", test_free_early);
  g_test_add_func ("/loader/waited", test_waited);
  g_test_add_func ("/loader/refused", test_refused);
  g_test_add_func ("/loader/photograph", test_photograph);
  g_test_add_func ("/loader/real", test_real);
  g_test_add_func ("/loader/parts", test_parts);
  g_test_add_func ("/loader/sharers", test_sharers);
  g_test_add_func ("/loader/cache", test_cache);
  g_test_add_func ("/loader/cache-hits", test_cache_hits);
  g_test_add_func ("/loader/cache-sets", test_cache_sets);
  folder = folder_new ();
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

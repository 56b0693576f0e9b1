/* YOLO's annotations. */
#include "yolo.h"

#include "data/file.h"
#include "data/output.h"
#include "error.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define CLASSES "classes.txt"
#define MAX_BYTES (16 << 20) /* of a file */
#define MAX_CLASSES 10000

gboolean
defcn_yolo_is_file (const char *name)
{
  return g_str_has_suffix (name, ".txt") && !g_str_equal (name, CLASSES);
}

/* The numbers of @line; FALSE where it has something else. */
static gboolean
parse_numbers (GArray *numbers, const char *line)
{
  g_array_set_size (numbers, 0);
  while (*line) {
    char *end;
    const double value = g_ascii_strtod (line, &end);

    if (end == line || !isfinite (value) || (*end && !g_ascii_isspace (*end)))
      return FALSE;
    g_array_append_val (numbers, value);
    for (line = end; g_ascii_isspace (*line); line++)
      ;
  }
  return TRUE;
}

/* Class and box of a line in pixels of a picture of @size. */
static gboolean
parse_line (int *number, double box[4], GArray *numbers, const char *line,
    const int size[2])
{
  if (!parse_numbers (numbers, line) || numbers->len < 5
      || (numbers->len > 5 && (numbers->len < 7 || numbers->len % 2 == 0)))
    return FALSE;
  const double *v = (const double *) numbers->data;
  double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
  if (v[0] != floor (v[0]) || v[0] < 0 || v[0] >= MAX_CLASSES)
    return FALSE;
  for (guint i = 1; i < numbers->len; i++)
    if (fabs (v[i]) > 10) /* parts of a picture, not pixels */
      return FALSE;
  *number = v[0];
  if (numbers->len == 5) {
    for (int k = 0; k < 2; k++) {
      low[k] = v[1 + k] - v[3 + k] / 2;
      high[k] = v[1 + k] + v[3 + k] / 2;
    }
  }
  for (guint i = 1; numbers->len > 5 && i < numbers->len; i++) {
    low[(i - 1) % 2] = MIN (low[(i - 1) % 2], v[i]);
    high[(i - 1) % 2] = MAX (high[(i - 1) % 2], v[i]);
  }
  for (int k = 0; k < 2; k++) {
    box[k] = low[k] * size[k];
    box[2 + k] = (high[k] - low[k]) * size[k];
  }
  return box[2] >= 0 && box[3] >= 0;
}

/* The class of YOLO's number; names that nobody gave are the numbers. */
static void
name_classes (DefcnDataset *dataset, int number, gboolean named)
{
  while (!named && (int) dataset->labels->len <= number) {
    g_autofree char *name = g_strdup_printf ("%u", dataset->labels->len);

    defcn_folder_class (dataset, name);
  }
}

/* Adds the objects of the file @path to sample @i. */
static gboolean
read_objects (DefcnDataset *dataset, guint *n, guint i, const char *path,
    gboolean named, GError **error)
{
  const DefcnSample *sample = dataset->samples->pdata[i];
  const int size[2] = { sample->width, sample->height };
  g_autoptr (GArray) numbers = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree char *text = NULL;
  gsize len;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE; /* a picture without objects */
  if (!defcn_file_read_text (&text, &len, path, MAX_BYTES, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint k = 0; lines[k]; k++) {
    DefcnObject o = { .person = TRUE };

    g_strstrip (lines[k]);
    if (!lines[k][0])
      continue;
    (*n)++;
    if (!parse_line (&o.label, o.bbox, numbers, lines[k], size)
        || (named && o.label >= (int) dataset->labels->len)) {
      defcn_dataset_skip (dataset, &dataset->n_damaged,
          g_strdup_printf ("%s, line %u: not a class and its box", path,
              k + 1));
      continue;
    }
    name_classes (dataset, o.label, named);
    o.area = o.bbox[2] * o.bbox[3];
    dataset->n_empty += o.area == 0;
    if (!defcn_dataset_add (dataset, i, &o)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "%s: too many objects", path);
      return FALSE;
    }
  }
  return TRUE;
}

/* The names of the classes, from @labels or classes.txt; FALSE: there are
 * none. */
static gboolean
read_names (DefcnDataset *dataset, const char *path, const char *const *labels)
{
  g_autofree char *file = g_build_filename (path, CLASSES, NULL);
  g_auto (GStrv) lines = NULL;
  g_autofree char *text = NULL;
  gsize len;

  if (!labels && defcn_file_read_text (&text, &len, file, MAX_BYTES, NULL)) {
    g_strchomp (text);
    lines = g_strsplit (text, "\n", -1);
    labels = (const char *const *) lines;
  }
  for (guint k = 0; labels && labels[k]; k++) {
    g_autofree char *name = g_strstrip (g_strdup (labels[k]));
    const gint64 id = k + 1;

    g_ptr_array_add (dataset->labels, g_steal_pointer (&name));
    g_array_append_val (dataset->category_ids, id);
  }
  return labels != NULL;
}

DefcnDataset *
defcn_yolo_read (const char *path, const char *images,
    const char *const *labels, const DefcnReadOptions *options, GError **error)
{
  g_autoptr (DefcnDataset) dataset = defcn_dataset_new (path, images, options);
  g_autoptr (GPtrArray) names =
      defcn_folder_list (images, defcn_picture_is_name, error);
  const gboolean named = read_names (dataset, path, labels);
  guint n = 0;

  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *file =
        defcn_folder_file (path, names->pdata[i], ".txt", error);
    int size[2];

    g_ptr_array_add (dataset->samples,
        defcn_sample_new (i + 1, names->pdata[i], 0, 0));
    if (!file || !defcn_folder_size (size, dataset, i, error))
      return NULL;
    DefcnSample *sample = dataset->samples->pdata[i];
    sample->width = size[0];
    sample->height = size[1];
    if (!read_objects (dataset, &n, i, file, named, error))
      return NULL;
  }
  if (!names)
    return NULL;
  if (names->len == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no pictures in this folder (--images)", images);
    return NULL;
  }
  return defcn_dataset_check_damage (dataset, n, options, error)
      ? g_steal_pointer (&dataset)
      : NULL;
}

static gboolean
write_sample (const char *path, const DefcnDataset *dataset, guint i,
    DefcnConverted *done, GError **error)
{
  const DefcnSample *sample = dataset->samples->pdata[i];
  g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *file = defcn_folder_file (path, sample->name, ".txt", error);
  int size[2];

  if (!file || !defcn_folder_size (size, dataset, i, error))
    return FALSE;
  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
    char numbers[4][G_ASCII_DTOSTR_BUF_SIZE];

    if (o->label < 0 || o->crowd) {
      done->n_left_out++;
      continue;
    }
    for (int m = 0; m < 4; m++) {
      const double side = size[m % 2];
      const double value =
          (m < 2 ? o->bbox[m] + o->bbox[m + 2] / 2 : o->bbox[m]) / side;

      g_ascii_formatd (numbers[m], sizeof numbers[m], "%.12g", value);
    }
    g_string_append_printf (text, "%d %s %s %s %s\n", o->label, numbers[0],
        numbers[1], numbers[2], numbers[3]);
    done->n_objects++;
  }
  done->n_images++;
  return defcn_output_write (file, text->str, text->len, error);
}

gboolean
defcn_yolo_write (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree char *classes = g_build_filename (path, CLASSES, NULL);

  for (guint i = 0; i < dataset->samples->len; i++)
    if (!write_sample (path, dataset, i, done, error))
      return FALSE;
  for (guint k = 0; k < dataset->labels->len; k++)
    g_string_append_printf (names, "%s\n",
        (const char *) dataset->labels->pdata[k]);
  return defcn_output_write (classes, names->str, names->len, error);
}

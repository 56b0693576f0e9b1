/* YOLO's annotations. */
#include "yolo.h"

#include "data/file.h"
#include "data/output.h"
#include "error.h"
#include "yolo_set.h"

#include <math.h>
#include <string.h>

#define CLASSES "classes.txt"
#define MAX_BYTES (16 << 20) /* of a file */
#define MAX_CLASSES 10000

/* What is being read. */
typedef struct
{
  DefcnDataset *dataset;
  const DefcnYoloSet *set;
  int *classes; /* of a number, its class; of the names */
  int n_names;  /* -1: there are no names, numbers are */
  GArray *numbers;
  guint n;        /* objects, damaged ones too */
  guint n_scored; /* rows with a confidence */
} Reader;

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

/* Whether what is behind the box of @n numbers are points with a flag each: not
 * seen, hidden, seen. */
static gboolean
has_flagged_points (const double *v, guint n)
{
  if (n < 8 || (n - 5) % 3 != 0)
    return FALSE;
  for (guint i = 7; i < n; i += 3)
    if (v[i] != 0 && v[i] != 1 && v[i] != 2)
      return FALSE;
  return TRUE;
}

/* How many of the numbers of a row are its box (4) or polygon (6 or more), 0:
 * neither.  A confidence may follow. */
static guint
n_coordinates (Reader *r)
{
  const double *v = (const double *) r->numbers->data;
  const guint n = r->numbers->len, n_points = r->set->n_keypoints;

  if (n_points > 0 && (n == 5 + n_points || n == 6 + n_points))
    return 4;
  if (n == 5 || has_flagged_points (v, n))
    return 4;
  if (n >= 6 && n % 2 == 0) { /* a class, pairs and a confidence */
    if (v[n - 1] < 0 || v[n - 1] > 1)
      return 0;
    r->n_scored++;
    return n - 2 == 4 ? 4 : n - 2;
  }
  return n >= 7 ? n - 1 : 0;
}

/* Class number and box, in pixels of a picture of @size, of a line.  Returns:
 * what is wrong with it, or NULL. */
static const char *
parse_line (Reader *r, int *number, double box[4], const char *line,
    const int size[2])
{
  double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };

  if (!parse_numbers (r->numbers, line))
    return "something that is no number";
  const double *v = (const double *) r->numbers->data;
  const guint n = n_coordinates (r);
  if (n == 0)
    return "not a class and its box or polygon";
  if (v[0] != floor (v[0]) || v[0] < 0 || v[0] >= MAX_CLASSES)
    return "the class is no whole number below 10000";
  for (guint i = 1; i <= n; i++)
    if (fabs (v[i]) > 10)
      return "in pixels, not in parts of the picture";
  *number = v[0];
  for (int k = 0; n == 4 && k < 2; k++) {
    low[k] = v[1 + k] - v[3 + k] / 2;
    high[k] = v[1 + k] + v[3 + k] / 2;
  }
  for (guint i = 1; n > 4 && i <= n; i++) {
    low[(i - 1) % 2] = MIN (low[(i - 1) % 2], v[i]);
    high[(i - 1) % 2] = MAX (high[(i - 1) % 2], v[i]);
  }
  for (int k = 0; k < 2; k++) {
    box[k] = low[k] * size[k];
    box[2 + k] = (high[k] - low[k]) * size[k];
  }
  return box[2] >= 0 && box[3] >= 0 ? NULL : "a negative width or height";
}

/* The class of YOLO's @number, -1 where the names have none; without names the
 * numbers are names. */
static int
class_of (const Reader *r, int number)
{
  if (r->n_names >= 0)
    return number < r->n_names ? r->classes[number] : -1;
  while ((int) r->dataset->labels->len <= number) {
    g_autofree char *name = g_strdup_printf ("%u", r->dataset->labels->len);

    defcn_folder_class (r->dataset, name);
  }
  return number;
}

/* Adds the object of a @line of @path to sample @i. */
static gboolean
read_line (Reader *r, guint i, const char *path, guint number, const char *line,
    GError **error)
{
  const DefcnSample *sample = r->dataset->samples->pdata[i];
  const int size[2] = { sample->width, sample->height };
  DefcnObject o = { .person = TRUE };
  int class = 0;
  const char *problem = parse_line (r, &class, o.bbox, line, size);
  g_autofree char *beyond = NULL;

  r->n++;
  o.label = problem ? -1 : class_of (r, class);
  if (!problem && o.label < 0)
    problem = beyond =
        g_strdup_printf ("class %d, and there are %d names", class, r->n_names);
  if (problem) {
    defcn_dataset_skip (r->dataset, &r->dataset->n_damaged,
        g_strdup_printf ("%s, line %u: %s", path, number, problem));
    return TRUE;
  }
  o.area = o.bbox[2] * o.bbox[3];
  r->dataset->n_empty += o.area == 0;
  if (defcn_dataset_add (r->dataset, i, &o))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "%s: too many objects",
      path);
  return FALSE;
}

/* Adds the objects of the file @path to sample @i. */
static gboolean
read_objects (Reader *r, guint i, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize len;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE; /* a picture without objects */
  if (!defcn_file_read_text (&text, &len, path, MAX_BYTES, error))
    return FALSE;
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint k = 0; lines[k]; k++) {
    g_strstrip (lines[k]);
    if (lines[k][0] && !read_line (r, i, path, k + 1, lines[k], error))
      return FALSE;
  }
  return TRUE;
}

/* The classes of @names; one that has no name is its number. */
static gboolean
set_names (Reader *r, const char *const *names, GError **error)
{
  r->n_names = names ? (int) g_strv_length ((char **) names) : -1;
  if (r->n_names > MAX_CLASSES)
    return defcn_dataset_fail (error, r->dataset, "%d names of classes",
        r->n_names);
  r->classes = g_new (int, MAX (r->n_names, 0) + 1);
  for (int k = 0; k < r->n_names; k++) {
    g_autofree char *name = g_strstrip (g_strdup (names[k]));
    g_autofree char *number = g_strdup_printf ("%d", k);

    if (*name && !defcn_dataset_is_label (name))
      return defcn_dataset_fail (error, r->dataset,
          "the name of class %d is too long or has control characters", k);
    r->classes[k] = defcn_folder_class (r->dataset, *name ? name : number);
  }
  return TRUE;
}

/* What a user should know of the set. */
static void
note (const Reader *r)
{
  const DefcnYoloSet *set = r->set;

  if (set->n_lonely > 0)
    defcn_dataset_remark (r->dataset,
        g_strdup_printf ("%u label files have no picture, the first is %s",
            set->n_lonely, set->lonely));
  if (set->n_missing > 0)
    defcn_dataset_remark (r->dataset,
        g_strdup_printf ("%u pictures of its lists are not there, the first "
                         "is %s",
            set->n_missing, set->missing));
  if (r->n_scored > 0)
    defcn_dataset_remark (r->dataset,
        g_strdup_printf ("%u rows have a confidence, which is not taken",
            r->n_scored));
}

/* Makes a sample of picture @i; one that cannot be read is skipped. */
static gboolean
read_picture (Reader *r, guint i, GError **error)
{
  GPtrArray *samples = r->dataset->samples;
  const guint at = samples->len;
  g_autoptr (GError) problem = NULL;
  int size[2];

  g_ptr_array_add (samples,
      defcn_sample_new (i + 1, r->set->pictures->pdata[i], 0, 0));
  if (!defcn_folder_size (size, r->dataset, at, &problem)) {
    g_ptr_array_remove_index (samples, at);
    defcn_dataset_skip (r->dataset, &r->dataset->n_bad_images,
        g_strdup (problem->message));
    return TRUE;
  }
  DefcnSample *sample = samples->pdata[at];
  sample->width = size[0];
  sample->height = size[1];
  return read_objects (r, at, r->set->labels->pdata[i], error);
}

static gboolean
read_set (Reader *r, GError **error)
{
  for (guint i = 0; i < r->set->pictures->len; i++)
    if (!read_picture (r, i, error))
      return FALSE;
  note (r);
  return TRUE;
}

DefcnDataset *
defcn_yolo_read (const char *path, const char *images,
    const char *const *labels, const char *split,
    const DefcnReadOptions *options, GError **error)
{
  g_autoptr (DefcnYoloSet) set =
      defcn_yolo_set_open (path, images, split, error);

  if (!set)
    return NULL;
  g_autoptr (DefcnDataset) dataset =
      defcn_dataset_new (path, set->root, options);
  Reader r = { .dataset = dataset,
    .set = set,
    .numbers = g_array_new (FALSE, FALSE, sizeof (double)) };
  const gboolean good =
      set_names (&r, labels ? labels : (const char *const *) set->names, error)
      && read_set (&r, error)
      && defcn_dataset_check_images (dataset, options, error)
      && defcn_dataset_check_damage (dataset, r.n, options, error);
  g_array_unref (r.numbers);
  g_free (r.classes);
  return good ? g_steal_pointer (&dataset) : NULL;
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

  if (!defcn_folder_check_stems (dataset, "classes", error))
    return FALSE;
  for (guint i = 0; i < dataset->samples->len; i++)
    if (!write_sample (path, dataset, i, done, error))
      return FALSE;
  for (guint k = 0; k < dataset->labels->len; k++)
    g_string_append_printf (names, "%s\n",
        (const char *) dataset->labels->pdata[k]);
  return defcn_output_write (classes, names->str, names->len, error);
}

/* Annotated images: what both readers share. */
#include "dataset.h"

#include "error.h"
#include "image_name.h"
#include "text_tree.h"

#include <math.h>
#include <string.h>

/* Between the aspect ratios of a picture and of its record, relative. */
#define MAX_SHAPE_ERROR 0.05

#define MAX_DAMAGE 4   /* that are kept in words */
#define MAX_LEFT_OUT 8 /* classes that are named */

const DefcnReadOptions defcn_read_defaults = { .max_damaged = 0.1 };

/* A training set has a million objects, so they are kept in few bytes and
 * unpacked for those who look at an image: this, then the box, four numbers in
 * hundredths if that is exact, as it is for COCO's two decimals, else as they
 * are. */
typedef struct
{
  guint32 previous; /* where the object before it in the sample lies */
  guint32 kind;     /* flags and, above them, label + 1 */
  double area;
} Head;

enum
{
  CROWD = 1 << 0,
  UNTRAINABLE = 1 << 1,
  PERSON = 1 << 2,
  HUNDREDTHS = 1 << 3,
  LABEL_SHIFT = 4
};

DefcnDataset *
defcn_dataset_new (const char *path, const char *image_dir,
    const DefcnReadOptions *options)
{
  DefcnDataset *dataset = g_new0 (DefcnDataset, 1);

  dataset->path = g_strdup (path);
  dataset->image_dir = g_strdup (image_dir);
  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  dataset->category_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  dataset->damage = g_ptr_array_new_with_free_func (g_free);
  dataset->remarks = g_ptr_array_new_with_free_func (g_free);
  dataset->left_out = g_ptr_array_new_with_free_func (g_free);
  dataset->polygons = options->polygons;
  dataset->absolute_names = options->absolute_names;
  dataset->picture = options->picture;
  return dataset;
}

DefcnSample *
defcn_sample_new (gint64 id, const char *name, int width, int height)
{
  const gsize len = strlen (name) + 1;
  DefcnSample *sample = g_malloc0 (sizeof *sample + len);

  sample->id = id;
  sample->name = memcpy (sample + 1, name, len);
  sample->width = width;
  sample->height = height;
  return sample;
}

char *
defcn_dataset_id (const DefcnDataset *dataset, gint64 id)
{
  const char *odd =
      dataset->odd_ids ? g_hash_table_lookup (dataset->odd_ids, &id) : NULL;

  return odd ? g_strdup (odd) : g_strdup_printf ("%" G_GINT64_FORMAT, id);
}

gboolean
defcn_dataset_fail (GError **error, const DefcnDataset *dataset,
    const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", dataset->path,
      text);
  return FALSE;
}

void
defcn_dataset_skip (DefcnDataset *dataset, guint *count, char *what)
{
  ++*count;
  if (dataset->damage->len < MAX_DAMAGE)
    g_ptr_array_add (dataset->damage, what);
  else
    g_free (what);
}

void
defcn_dataset_remark (DefcnDataset *dataset, char *what)
{
  if (dataset->remarks->len < MAX_DAMAGE)
    g_ptr_array_add (dataset->remarks, what);
  else
    g_free (what);
}

/* Of @n @things @damaged are; @first says what is wrong with one. */
static gboolean
check_share (const DefcnDataset *dataset, guint damaged, guint n,
    const char *things, guint first, const DefcnReadOptions *options,
    GError **error)
{
  if (damaged <= MAX (1, options->max_damaged * n))
    return TRUE;
  first = MIN (first, dataset->damage->len - 1);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: %u of %u %s are damaged, more than the share of %g allowed "
      "(max_damaged): %s",
      dataset->path, damaged, n, things, options->max_damaged,
      (const char *) dataset->damage->pdata[first]);
  return FALSE;
}

gboolean
defcn_dataset_check_images (const DefcnDataset *dataset,
    const DefcnReadOptions *options, GError **error)
{
  return check_share (dataset, dataset->n_bad_images,
      dataset->samples->len + dataset->n_bad_images, "images", 0, options,
      error);
}

gboolean
defcn_dataset_check_damage (const DefcnDataset *dataset, guint n,
    const DefcnReadOptions *options, GError **error)
{
  return check_share (dataset, dataset->n_damaged, n, "annotations",
      dataset->n_bad_images, options, error);
}

static gboolean
to_hundredths (gint32 out[4], const double box[4])
{
  for (int k = 0; k < 4; k++) {
    if (!(fabs (box[k]) < G_MAXINT32 / 100))
      return FALSE;
    out[k] = lrint (box[k] * 100);
    if (out[k] / 100.0 != box[k])
      return FALSE;
  }
  return TRUE;
}

gboolean
defcn_dataset_add (DefcnDataset *dataset, guint i, const DefcnObject *object)
{
  DefcnSample *sample = dataset->samples->pdata[i];
  Head head = { .previous = sample->last, .area = object->area };
  gint32 hundredths[4];

  if (!dataset->packed)
    dataset->packed = g_byte_array_new ();
  if (dataset->packed->len > G_MAXUINT32 / 2 - 64)
    return FALSE; /* GByteArray grows to powers of two */
  head.kind = (guint32) (object->label + 1) << LABEL_SHIFT
      | (object->crowd ? CROWD : 0) | (object->untrainable ? UNTRAINABLE : 0)
      | (object->person ? PERSON : 0);
  sample->last = dataset->packed->len;
  sample->n_objects++;
  if (to_hundredths (hundredths, object->bbox)) {
    head.kind |= HUNDREDTHS;
    g_byte_array_append (dataset->packed, (guint8 *) &head, sizeof head);
    g_byte_array_append (dataset->packed, (guint8 *) hundredths,
        sizeof hundredths);
  } else {
    g_byte_array_append (dataset->packed, (guint8 *) &head, sizeof head);
    g_byte_array_append (dataset->packed, (guint8 *) object->bbox,
        sizeof object->bbox);
  }
  return TRUE;
}

static Head
read_head (const DefcnDataset *dataset, guint32 at)
{
  Head head;

  memcpy (&head, dataset->packed->data + at, sizeof head);
  return head;
}

/* Returns: where the object before it lies. */
static guint32
unpack (DefcnObject *o, const DefcnDataset *dataset, guint32 at)
{
  const Head head = read_head (dataset, at);
  const guint8 *box = dataset->packed->data + at + sizeof head;

  if (head.kind & HUNDREDTHS) {
    gint32 hundredths[4];

    memcpy (hundredths, box, sizeof hundredths);
    for (int k = 0; k < 4; k++)
      o->bbox[k] = hundredths[k] / 100.0;
  } else {
    memcpy (o->bbox, box, sizeof o->bbox);
  }
  o->x1 = o->bbox[0];
  o->y1 = o->bbox[1];
  o->x2 = o->bbox[0] + o->bbox[2];
  o->y2 = o->bbox[1] + o->bbox[3];
  o->label = (int) (head.kind >> LABEL_SHIFT) - 1;
  o->crowd = (head.kind & CROWD) != 0;
  o->untrainable = (head.kind & UNTRAINABLE) != 0;
  o->person = (head.kind & PERSON) != 0;
  o->area = head.area;
  return head.previous;
}

GArray *
defcn_dataset_objects (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];
  GArray *objects =
      g_array_sized_new (FALSE, TRUE, sizeof (DefcnObject), sample->n_objects);
  guint32 at = sample->last;

  g_array_set_size (objects, sample->n_objects);
  for (guint k = sample->n_objects; k > 0; k--)
    at = unpack (&g_array_index (objects, DefcnObject, k - 1), dataset, at);
  return objects;
}

void
defcn_dataset_remove_classes (DefcnDataset *dataset, const gboolean *gone)
{
  const guint n = dataset->labels->len;
  g_autofree int *labels = g_new (int, n + 1); /* what becomes of each */
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint64));

  for (guint k = 0; k < n; k++) {
    labels[k] = names->len;
    if (gone[k])
      continue;
    g_ptr_array_add (names, g_strdup (dataset->labels->pdata[k]));
    g_array_append_val (ids, g_array_index (dataset->category_ids, gint64, k));
  }
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    guint32 at = sample->last;

    for (guint k = 0; k < sample->n_objects; k++) {
      Head head = read_head (dataset, at);
      const int label = (int) (head.kind >> LABEL_SHIFT) - 1;

      if (label >= 0)
        head.kind -= (guint32) (label - labels[label]) << LABEL_SHIFT;
      memcpy (dataset->packed->data + at, &head, sizeof head);
      at = head.previous;
    }
  }
  g_ptr_array_unref (dataset->labels);
  g_array_unref (dataset->category_ids);
  dataset->labels = names;
  dataset->category_ids = ids;
}

GTree *
defcn_dataset_index_labels (const GPtrArray *labels)
{
  GTree *index = defcn_text_tree_new (NULL, NULL);

  for (guint k = labels->len; k-- > 0;)
    g_tree_insert (index, labels->pdata[k], GUINT_TO_POINTER (k + 1));
  return index;
}

/* *@classes: for every class of @dataset its place in @labels, -1: none. */
static gboolean
match_classes (int **classes, DefcnDataset *matched,
    const DefcnDataset *dataset, const char *const *labels, GError **error)
{
  g_autoptr (GTree) own = defcn_dataset_index_labels (dataset->labels);
  gboolean common = FALSE;

  *classes = g_new (int, dataset->labels->len + 1);
  for (guint k = 0; labels[k]; k++) {
    const guint at = GPOINTER_TO_UINT (g_tree_lookup (own, labels[k]));
    const gint64 id = at > 0
        ? g_array_index (dataset->category_ids, gint64, at - 1)
        : DEFCN_NO_CATEGORY;

    g_array_append_val (matched->category_ids, id);
    g_ptr_array_add (matched->labels, g_strdup (labels[k]));
  }
  g_autoptr (GTree) theirs = defcn_dataset_index_labels (matched->labels);
  for (guint k = 0; k < dataset->labels->len; k++) {
    const char *name = dataset->labels->pdata[k];
    const guint at = GPOINTER_TO_UINT (g_tree_lookup (theirs, name));

    (*classes)[k] = (int) at - 1;
    if (at > 0)
      common = TRUE;
    else
      g_ptr_array_add (matched->left_out, g_strdup (name));
  }
  if (common)
    return TRUE;
  g_autofree char *wanted = g_strjoinv (", ", (char **) labels);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s has none of the classes %s", dataset->path, wanted);
  return FALSE;
}

DefcnDataset *
defcn_dataset_match (const DefcnDataset *dataset, const char *const *labels,
    GError **error)
{
  const DefcnReadOptions options = { .polygons = dataset->polygons,
    .absolute_names = dataset->absolute_names,
    .picture = dataset->picture };
  g_autoptr (DefcnDataset) matched =
      defcn_dataset_new (dataset->path, dataset->image_dir, &options);
  g_autofree int *classes = NULL;

  matched->crowdhuman = dataset->crowdhuman;
  if (dataset->odd_ids)
    matched->odd_ids = g_hash_table_ref (dataset->odd_ids);
  if (!match_classes (&classes, matched, dataset, labels, error))
    return NULL;
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *s = dataset->samples->pdata[i];
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);

    g_ptr_array_add (matched->samples,
        defcn_sample_new (s->id, s->name, s->width, s->height));
    for (guint k = 0; k < objects->len; k++) {
      DefcnObject *o = &g_array_index (objects, DefcnObject, k);

      if (o->label >= 0 && classes[o->label] < 0)
        continue;
      if (o->label >= 0)
        o->label = classes[o->label];
      defcn_dataset_add (matched, i, o); /* fewer than @dataset has */
    }
  }
  return g_steal_pointer (&matched);
}

void
defcn_dataset_free (DefcnDataset *dataset)
{
  if (!dataset)
    return;
  if (dataset->odd_ids)
    g_hash_table_unref (dataset->odd_ids);
  if (dataset->damage)
    g_ptr_array_unref (dataset->damage);
  if (dataset->remarks)
    g_ptr_array_unref (dataset->remarks);
  if (dataset->left_out)
    g_ptr_array_unref (dataset->left_out);
  if (dataset->samples)
    g_ptr_array_unref (dataset->samples);
  if (dataset->packed)
    g_byte_array_unref (dataset->packed);
  if (dataset->labels)
    g_ptr_array_unref (dataset->labels);
  if (dataset->category_ids)
    g_array_unref (dataset->category_ids);
  g_free (dataset->path);
  g_free (dataset->image_dir);
  g_free (dataset);
}

gboolean
defcn_dataset_is_label (const char *name)
{
  if (!name || !name[0] || strlen (name) > DEFCN_DATASET_MAX_LABEL
      || !g_utf8_validate (name, -1, NULL))
    return FALSE;
  for (; *name; name = g_utf8_next_char (name))
    if (g_unichar_iscntrl (g_utf8_get_char (name)))
      return FALSE;
  return TRUE;
}

gboolean
defcn_dataset_has_controls (const char *name)
{
  while (*name && !g_ascii_iscntrl (*name))
    name++;
  return *name != '\0';
}

gboolean
defcn_dataset_check_name (const DefcnDataset *dataset, const char *name,
    GError **error)
{
  const char *problem = dataset->absolute_names
      ? NULL
      : defcn_image_name_problem (dataset->image_dir, name);

  if (problem)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "\"%s\" %s", name,
        problem);
  return !problem;
}

char *
defcn_dataset_image_path (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  if (!dataset->crowdhuman)
    return defcn_image_name_path (dataset->image_dir, sample->name,
        dataset->absolute_names);

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

static gboolean
check_shape (const DefcnSample *s, const DefcnPicture *picture,
    const char *path, GError **error)
{
  const double a = (double) picture->width * s->height;
  const double b = (double) picture->height * s->width;

  if (s->width == 0 || fabs (a - b) <= MAX_SHAPE_ERROR * MAX (a, b))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: %d x %d pixels, its record says %d x %d (is it turned by EXIF? "
      "--ignore-exif takes pixels as they are stored)",
      path, picture->width, picture->height, s->width, s->height);
  return FALSE;
}

DefcnPicture *
defcn_dataset_picture (const DefcnDataset *dataset, guint i, GError **error)
{
  g_autofree char *path = defcn_dataset_image_path (dataset, i);
  g_autoptr (DefcnPicture) picture =
      defcn_picture_open (path, &dataset->picture, error);

  if (!picture
      || !check_shape (dataset->samples->pdata[i], picture, path, error))
    return NULL;
  if (picture->warning) {
    char *text = g_strdup_printf ("%s: %s", path, picture->warning);

    g_free (picture->warning);
    picture->warning = text;
  }
  return g_steal_pointer (&picture);
}

GArray *
defcn_dataset_trainable (const DefcnDataset *dataset, gboolean background)
{
  GArray *used = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    gboolean good =
        background || (dataset->crowdhuman && sample->n_objects > 0);
    guint32 at = sample->last;

    for (guint k = 0; k < sample->n_objects && !good; k++) {
      const Head head = read_head (dataset, at);

      good = !(head.kind & (CROWD | UNTRAINABLE));
      at = head.previous;
    }
    if (good)
      g_array_append_val (used, i);
  }
  return used;
}

char *
defcn_dataset_checksum (const DefcnDataset *dataset)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  for (guint k = 0; k < dataset->labels->len; k++) {
    const char *label = dataset->labels->pdata[k];

    g_checksum_update (sum, (const guchar *) label, strlen (label) + 1);
  }
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *s = dataset->samples->pdata[i];
    const gint64 numbers[] = { s->id, s->width, s->height, s->n_objects,
      s->last };

    g_checksum_update (sum, (const guchar *) s->name, strlen (s->name) + 1);
    g_checksum_update (sum, (const guchar *) numbers, sizeof numbers);
  }
  if (dataset->packed)
    g_checksum_update (sum, dataset->packed->data, dataset->packed->len);
  return g_strdup (g_checksum_get_string (sum));
}

char *
defcn_dataset_notes (const DefcnDataset *dataset)
{
  GString *text = g_string_new (NULL);
  const char *path = dataset->path;

  if (dataset->n_empty > 0)
    g_string_append_printf (text, "%s: %u boxes of no area are left out\n",
        path, dataset->n_empty);
  if (dataset->polygons && dataset->n_flat > 0)
    g_string_append_printf (text,
        "%s: %u objects without a polygon of three points are left out "
        "(polygons=true, as in the paper's code)\n",
        path, dataset->n_flat);
  for (guint i = 0; dataset->remarks && i < dataset->remarks->len; i++)
    g_string_append_printf (text, "%s: %s\n", path,
        (const char *) dataset->remarks->pdata[i]);
  for (guint i = 0; dataset->damage && i < dataset->damage->len; i++)
    g_string_append_printf (text, "%s: skipped: %s\n", path,
        (const char *) dataset->damage->pdata[i]);
  const guint skipped =
      dataset->n_damaged + dataset->n_orphans + dataset->n_bad_images;
  if (dataset->damage && skipped > dataset->damage->len)
    g_string_append_printf (text,
        "%s: skipped: %u images and %u annotations in all, %u of them of no "
        "image or category\n",
        path, dataset->n_bad_images, skipped - dataset->n_bad_images,
        dataset->n_orphans);
  const guint n = dataset->left_out ? dataset->left_out->len : 0;
  for (guint i = 0; i < MIN (n, MAX_LEFT_OUT); i++)
    g_string_append_printf (text, i == 0 ? "%s: classes left out: %s" : "%s%s",
        i == 0 ? path : ", ", (const char *) dataset->left_out->pdata[i]);
  if (n > MAX_LEFT_OUT)
    g_string_append_printf (text, " and %u more", n - MAX_LEFT_OUT);
  if (n > 0)
    g_string_append_c (text, '\n');
  return g_string_free (text, FALSE);
}

/* COCO annotation files, streamed: the file is mapped and scanned, each element
 * of its arrays goes through cJSON alone and without its polygons, so memory
 * grows with what is kept and not with the file. */
#include "dataset.h"

#include "backend.h"
#include "json_scan.h"

#include <cjson/cJSON.h>
#include <math.h>

/* A coordinate beyond this is damage; float keeps it exact. */
#define MAX_COORDINATE 1e6

/* The arrays that are read, in this order, whatever theirs in the file. */
enum
{
  IMAGES,
  CATEGORIES,
  ANNOTATIONS,
  N_ARRAYS
};

typedef struct
{
  gint64 id;
  char *name;
} Category;

typedef struct
{
  DefcnDataset *dataset;
  DefcnScan scan;
  GString *element; /* one object without its segmentation */
  DefcnSpan segmentation;
  GHashTable *sample_of;        /* image id -> sample index + 1 */
  GHashTable *class_of;         /* category id -> class index + 1 */
  GArray *categories;           /* of Category */
  GArray *annotation_ids;       /* of gint64 */
  const char *arrays[N_ARRAYS]; /* where their brackets open */
} Reader;

static const char *const names[N_ARRAYS] = { "images", "categories",
  "annotations" };

G_GNUC_PRINTF (3, 4)
static gboolean
fail (GError **error, const Reader *r, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s",
      r->dataset->path, text);
  return FALSE;
}

/* SPEC 1.5: whether an annotation with the value @segmentation is trained on.
 * A list of polygons without one of three points or more (an even number of
 * coordinates, 6 or more) rules it out.  A run length encoding, null, an empty
 * list or no such member at all do not: files that have only boxes look so. */
static gboolean
is_trainable (const DefcnSpan *segmentation)
{
  int depth = 0, commas = 0;
  gboolean empty = TRUE; /* nothing but the outer brackets */

  if (!segmentation->start || *segmentation->start != '[')
    return TRUE;

  const char *end = segmentation->start + segmentation->len;
  for (const char *p = segmentation->start; p < end; p++) {
    if (*p == '[') {
      empty = empty && depth == 0;
      depth++;
      commas = 0;
    } else if (*p == ']') {
      if (depth == 2 && commas >= 5 && commas % 2 == 1)
        return TRUE;
      depth--;
    } else if (*p == ',') {
      commas++; /* one less than the coordinates */
    } else if (!g_ascii_isspace (*p)) {
      empty = FALSE;
    }
  }
  return empty;
}

/* Finds where the three arrays start. */
static gboolean
scan_top (Reader *r, GError **error)
{
  const char *start = r->scan.at;
  DefcnSpan key;

  if (!defcn_scan_take (&r->scan, '{'))
    return fail (error, r, "not a JSON object");
  for (gboolean first = TRUE; !defcn_scan_take (&r->scan, '}'); first = FALSE) {
    if ((!first && !defcn_scan_take (&r->scan, ','))
        || !defcn_scan_string (&r->scan, &key)
        || !defcn_scan_take (&r->scan, ':'))
      return fail (error, r,
          "cut off, or no JSON, after %" G_GSIZE_FORMAT " bytes",
          (gsize) (r->scan.at - start));
    for (int i = 0; i < N_ARRAYS; i++) {
      if (!defcn_span_equal (&key, names[i]))
        continue;
      if (defcn_scan_peek (&r->scan) != '[')
        return fail (error, r, "\"%s\" is not an array", names[i]);
      if (r->arrays[i])
        return fail (error, r, "\"%s\" is there twice", names[i]);
      r->arrays[i] = r->scan.at;
    }
    if (!defcn_scan_value (&r->scan))
      return fail (error, r, "cut off in \"%.*s\"", (int) MIN (key.len, 40),
          key.start);
  }
  if (defcn_scan_peek (&r->scan) != -1)
    return fail (error, r, "more text after %" G_GSIZE_FORMAT " bytes of JSON",
        (gsize) (r->scan.at - start));
  for (int i = 0; i < N_ARRAYS; i++) {
    if (!r->arrays[i])
      return fail (error, r, "no \"%s\"", names[i]);
  }
  return TRUE;
}

typedef gboolean (
    *ElementFunc) (Reader *r, const cJSON *object, guint i, GError **error);

/* Calls @func for every element of array @which. */
static gboolean
read_array (Reader *r, int which, ElementFunc func, GError **error)
{
  r->scan.at = r->arrays[which] + 1;
  for (guint i = 0; !defcn_scan_take (&r->scan, ']'); i++) {
    if ((i > 0 && !defcn_scan_take (&r->scan, ','))
        || !defcn_scan_object (&r->scan, r->element, "segmentation",
            &r->segmentation))
      return fail (error, r, "%s[%u] is not a JSON object", names[which], i);

    cJSON *object = cJSON_ParseWithLength (r->element->str, r->element->len);
    if (!object)
      return fail (error, r, "%s[%u] is not valid JSON", names[which], i);
    const gboolean good = func (r, object, i, error);
    cJSON_Delete (object);
    if (!good)
      return FALSE;
  }
  return TRUE;
}

static gboolean
get_id (const Reader *r, const cJSON *object, const char *key, int which,
    guint i, gint64 *id, GError **error)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  if (!cJSON_IsNumber (item) || item->valuedouble != floor (item->valuedouble)
      || fabs (item->valuedouble) > 9007199254740992.0)
    return fail (error, r, "%s[%u]: \"%s\" is not a whole number", names[which],
        i, key);
  *id = item->valuedouble;
  return TRUE;
}

static void
sample_free (gpointer data)
{
  DefcnSample *sample = data;

  g_free (sample->name);
  g_array_unref (sample->objects);
  g_free (sample);
}

static gboolean
read_image (Reader *r, const cJSON *object, guint i, GError **error)
{
  const char *name = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (object, "file_name"));
  gint64 id = 0, size[2] = { 0 };

  if (!get_id (r, object, "id", IMAGES, i, &id, error)
      || !get_id (r, object, "width", IMAGES, i, &size[0], error)
      || !get_id (r, object, "height", IMAGES, i, &size[1], error))
    return FALSE;
  if (!name || !name[0])
    return fail (error, r, "image %" G_GINT64_FORMAT " has no \"file_name\"",
        id);
  if (size[0] < 1 || size[1] < 1 || size[0] > 1000000 || size[1] > 1000000)
    return fail (error, r,
        "image %" G_GINT64_FORMAT " is %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
        " pixels",
        id, size[0], size[1]);

  DefcnSample *sample = g_new0 (DefcnSample, 1);
  sample->id = id;
  sample->name = g_strdup (name);
  sample->width = size[0];
  sample->height = size[1];
  sample->objects = g_array_new (FALSE, TRUE, sizeof (DefcnObject));
  g_ptr_array_add (r->dataset->samples, sample);
  return TRUE;
}

static gboolean
read_category (Reader *r, const cJSON *object, guint i, GError **error)
{
  const char *name =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "name"));
  Category category;

  if (!get_id (r, object, "id", CATEGORIES, i, &category.id, error))
    return FALSE;
  if (!name || !name[0] || !g_utf8_validate (name, -1, NULL))
    return fail (error, r, "category %" G_GINT64_FORMAT " has no \"name\"",
        category.id);
  category.name = g_strdup (name);
  g_array_append_val (r->categories, category);
  return TRUE;
}

static gboolean
read_box (double box[4], const Reader *r, const cJSON *object, gint64 id,
    GError **error)
{
  const cJSON *array = cJSON_GetObjectItemCaseSensitive (object, "bbox");
  gboolean good = cJSON_IsArray (array) && cJSON_GetArraySize (array) == 4;

  for (int k = 0; good && k < 4; k++) {
    const cJSON *item = cJSON_GetArrayItem (array, k);

    good = cJSON_IsNumber (item) && fabs (item->valuedouble) <= MAX_COORDINATE
        && (k < 2 || item->valuedouble >= 0);
    box[k] = good ? item->valuedouble : 0;
  }
  return good
      || fail (error, r,
          "annotation %" G_GINT64_FORMAT
          ": \"bbox\" is not four numbers x, y, width, height",
          id);
}

static gboolean
read_annotation (Reader *r, const cJSON *object, guint i, GError **error)
{
  const cJSON *crowd = cJSON_GetObjectItemCaseSensitive (object, "iscrowd");
  const cJSON *area = cJSON_GetObjectItemCaseSensitive (object, "area");
  DefcnObject o = { .person = TRUE };
  gint64 id = 0, image = 0, category = 0;

  if (!get_id (r, object, "id", ANNOTATIONS, i, &id, error)
      || !get_id (r, object, "image_id", ANNOTATIONS, i, &image, error)
      || !get_id (r, object, "category_id", ANNOTATIONS, i, &category, error)
      || !read_box (o.bbox, r, object, id, error))
    return FALSE;

  const guint sample =
      GPOINTER_TO_UINT (g_hash_table_lookup (r->sample_of, &image));
  const guint label =
      GPOINTER_TO_UINT (g_hash_table_lookup (r->class_of, &category));
  if (!sample)
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": no image %" G_GINT64_FORMAT, id,
        image);
  if (!label)
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": no category %" G_GINT64_FORMAT, id,
        category);
  if (area && (!cJSON_IsNumber (area) || !isfinite (area->valuedouble)))
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": \"area\" is not a number", id);
  o.crowd = cJSON_IsTrue (crowd)
      || (cJSON_IsNumber (crowd) && crowd->valuedouble != 0);
  o.area = area ? area->valuedouble : o.bbox[2] * o.bbox[3];
  o.label = label - 1;
  o.x1 = o.bbox[0];
  o.y1 = o.bbox[1];
  o.x2 = o.bbox[0] + o.bbox[2];
  o.y2 = o.bbox[1] + o.bbox[3];
  o.untrainable = !o.crowd && !is_trainable (&r->segmentation);
  /* Evaluation counts it, as pycocotools does; augmentation drops it. */
  if (o.bbox[2] == 0 || o.bbox[3] == 0)
    r->dataset->n_empty++;
  g_array_append_val (r->annotation_ids, id);
  g_array_append_val (((DefcnSample *) r->dataset->samples->pdata[sample - 1])
                          ->objects,
      o);
  return TRUE;
}

static int
by_id (gconstpointer a, gconstpointer b)
{
  const gint64 *p = a, *q = b;

  return (*p > *q) - (*p < *q);
}

static int
by_sample_id (gconstpointer a, gconstpointer b)
{
  const DefcnSample *const *p = a, *const *q = b;

  return ((*p)->id > (*q)->id) - ((*p)->id < (*q)->id);
}

static int
by_category_id (gconstpointer a, gconstpointer b)
{
  const Category *p = a, *q = b;

  return (p->id > q->id) - (p->id < q->id);
}

/* Sorts images and numbers them. */
static gboolean
index_images (Reader *r, GError **error)
{
  GPtrArray *samples = r->dataset->samples;

  if (samples->len == 0)
    return fail (error, r, "no images");
  g_ptr_array_sort (samples, by_sample_id);
  for (guint i = 0; i < samples->len; i++) {
    DefcnSample *sample = samples->pdata[i];

    if (!g_hash_table_insert (r->sample_of, &sample->id,
            GUINT_TO_POINTER (i + 1)))
      return fail (error, r, "image %" G_GINT64_FORMAT " is there twice",
          sample->id);
  }
  return TRUE;
}

/* Sorts categories: class index 0.. by ascending id. */
static gboolean
index_categories (Reader *r, GError **error)
{
  DefcnDataset *dataset = r->dataset;

  if (r->categories->len == 0)
    return fail (error, r, "no categories");
  g_array_sort (r->categories, by_category_id);
  for (guint i = 0; i < r->categories->len; i++) {
    const Category *category = &g_array_index (r->categories, Category, i);

    g_array_append_val (dataset->category_ids, category->id);
    g_ptr_array_add (dataset->labels, category->name);
  }
  for (guint i = 0; i < r->categories->len; i++) {
    if (!g_hash_table_insert (r->class_of,
            &g_array_index (dataset->category_ids, gint64, i),
            GUINT_TO_POINTER (i + 1)))
      return fail (error, r, "category %" G_GINT64_FORMAT " is there twice",
          g_array_index (dataset->category_ids, gint64, i));
  }
  return TRUE;
}

static gboolean
check_annotation_ids (Reader *r, GError **error)
{
  GArray *ids = r->annotation_ids;

  g_array_sort (ids, by_id);
  for (guint i = 1; i < ids->len; i++) {
    const gint64 id = g_array_index (ids, gint64, i);

    if (id == g_array_index (ids, gint64, i - 1))
      return fail (error, r, "annotation %" G_GINT64_FORMAT " is there twice",
          id);
  }
  return TRUE;
}

DefcnDataset *
defcn_coco_open (const char *path, const char *image_dir, GError **error)
{
  g_autoptr (DefcnDataset) dataset = g_new0 (DefcnDataset, 1);
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, error);

  dataset->path = g_strdup (path);
  dataset->image_dir = g_strdup (image_dir);
  dataset->samples = g_ptr_array_new_with_free_func (sample_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  dataset->category_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  if (!map)
    return NULL;

  const char *text = g_mapped_file_get_contents (map); /* NULL when empty */
  Reader r = { .dataset = dataset,
    .scan.at = text ? text : "",
    .element = g_string_new (NULL),
    .sample_of = g_hash_table_new (g_int64_hash, g_int64_equal),
    .class_of = g_hash_table_new (g_int64_hash, g_int64_equal),
    .categories = g_array_new (FALSE, FALSE, sizeof (Category)),
    .annotation_ids = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  r.scan.end = r.scan.at + g_mapped_file_get_length (map);
  const gboolean good = scan_top (&r, error)
      && read_array (&r, IMAGES, read_image, error) && index_images (&r, error)
      && read_array (&r, CATEGORIES, read_category, error)
      && index_categories (&r, error)
      && read_array (&r, ANNOTATIONS, read_annotation, error)
      && check_annotation_ids (&r, error);
  for (guint i = dataset->labels->len; i < r.categories->len; i++)
    g_free (g_array_index (r.categories, Category, i).name);
  g_string_free (r.element, TRUE);
  g_hash_table_unref (r.sample_of);
  g_hash_table_unref (r.class_of);
  g_array_unref (r.categories);
  g_array_unref (r.annotation_ids);
  return good ? g_steal_pointer (&dataset) : NULL;
}

/* COCO annotation files, streamed: the file is mapped and scanned, each element
 * of its arrays goes through cJSON alone and without its polygons, so memory
 * grows with what is kept and not with the file. */
#include "coco.h"

#include "error.h"
#include "coco_annotation.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

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
  DefcnJsonScan scan;
  GString *element; /* one object without its segmentation */
  DefcnJsonSpan segmentation;
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

/* Finds where the three arrays start. */
static gboolean
scan_top (Reader *r, GError **error)
{
  const char *start = r->scan.at;
  DefcnJsonSpan key;

  if (!defcn_json_scan_take (&r->scan, '{'))
    return fail (error, r, "not a JSON object");
  for (gboolean first = TRUE; !defcn_json_scan_take (&r->scan, '}');
       first = FALSE) {
    if ((!first && !defcn_json_scan_take (&r->scan, ','))
        || !defcn_json_scan_string (&r->scan, &key)
        || !defcn_json_scan_take (&r->scan, ':'))
      return fail (error, r,
          "cut off, or no JSON, after %" G_GSIZE_FORMAT " bytes",
          (gsize) (r->scan.at - start));
    for (int i = 0; i < N_ARRAYS; i++) {
      if (!defcn_json_scan_equal (&key, names[i]))
        continue;
      if (defcn_json_scan_peek (&r->scan) != '[')
        return fail (error, r, "\"%s\" is not an array", names[i]);
      if (r->arrays[i])
        return fail (error, r, "\"%s\" is there twice", names[i]);
      r->arrays[i] = r->scan.at;
    }
    if (!defcn_json_scan_value (&r->scan))
      return fail (error, r, "cut off in \"%.*s\"", (int) MIN (key.len, 40),
          key.start);
  }
  if (defcn_json_scan_peek (&r->scan) != -1)
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

/* Hands element @i of array @which to @func. */
static gboolean
read_element (Reader *r, int which, guint i, ElementFunc func, GError **error)
{
  if (!defcn_json_scan_object (&r->scan, r->element, "segmentation",
          &r->segmentation))
    return fail (error, r, "%s[%u] is not a JSON object", names[which], i);

  cJSON *object = cJSON_ParseWithLength (r->element->str, r->element->len);
  if (!object)
    return fail (error, r, "%s[%u] is not valid JSON", names[which], i);
  const gboolean good = func (r, object, i, error);
  cJSON_Delete (object);
  return good;
}

/* Goes to element @i of the array that is read; FALSE after the last, and with
 * @error set where there should be another. */
static gboolean
next_element (Reader *r, int which, guint i, GError **error)
{
  if (defcn_json_scan_take (&r->scan, ']'))
    return FALSE;
  if (i > 0 && !defcn_json_scan_take (&r->scan, ','))
    return fail (error, r, "%s[%u] is not a JSON object", names[which], i);
  return TRUE;
}

/* Calls @func for every element of array @which. */
static gboolean
read_array (Reader *r, int which, ElementFunc func, GError **error)
{
  GError *failure = NULL;
  guint i = 0;

  r->scan.at = r->arrays[which] + 1;
  while (next_element (r, which, i, &failure)) {
    if (!read_element (r, which, i++, func, error))
      return FALSE;
  }
  if (failure)
    g_propagate_error (error, failure);
  return failure == NULL;
}

static gboolean
get_id (const Reader *r, const cJSON *object, const char *key, int which,
    guint i, gint64 *id, GError **error)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  if (!cJSON_IsNumber (item) || item->valuedouble != floor (item->valuedouble)
      || fabs (item->valuedouble) > DEFCN_COCO_MAX_ID)
    return fail (error, r, "%s[%u]: \"%s\" is not a whole number", names[which],
        i, key);
  *id = item->valuedouble;
  return TRUE;
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

  g_ptr_array_add (r->dataset->samples,
      defcn_sample_new (id, name, size[0], size[1]));
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

    good = cJSON_IsNumber (item)
        && fabs (item->valuedouble) <= DEFCN_COCO_MAX_COORDINATE
        && (k < 2 || item->valuedouble >= 0);
    box[k] = good ? item->valuedouble : 0;
  }
  return good
      || fail (error, r,
          "annotation %" G_GINT64_FORMAT
          ": \"bbox\" is not four numbers x, y, width, height",
          id);
}

/* Returns: index of the image with that id, -1 for none. */
static int
find_image (const Reader *r, gint64 id)
{
  gpointer *samples = r->dataset->samples->pdata;
  guint low = 0, high = r->dataset->samples->len;

  while (low < high) {
    const guint middle = low + (high - low) / 2;
    const DefcnSample *sample = samples[middle];

    if (sample->id == id)
      return middle;
    if (sample->id < id)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

/* Returns: class of the category with that id, -1 for none. */
static int
find_class (const Reader *r, gint64 id)
{
  const gint64 *ids = (const gint64 *) r->dataset->category_ids->data;
  guint low = 0, high = r->dataset->category_ids->len;

  while (low < high) {
    const guint middle = low + (high - low) / 2;

    if (ids[middle] == id)
      return middle;
    if (ids[middle] < id)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

static gboolean
add_annotation (Reader *r, const DefcnCocoAnnotation *a, GError **error)
{
  const int sample = find_image (r, a->image);
  const int label = find_class (r, a->category);
  DefcnObject o = { .label = label,
    .crowd = a->crowd,
    .person = TRUE,
    .area = a->area };

  if (sample < 0)
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": no image %" G_GINT64_FORMAT, a->id,
        a->image);
  if (label < 0)
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": no category %" G_GINT64_FORMAT, a->id,
        a->category);
  memcpy (o.bbox, a->box, sizeof o.bbox);
  o.untrainable = !a->crowd && !a->trainable;
  /* Evaluation counts it, as pycocotools does; augmentation drops it. */
  if (o.bbox[2] == 0 || o.bbox[3] == 0)
    r->dataset->n_empty++;
  g_array_append_val (r->annotation_ids, a->id);
  return defcn_dataset_add (r->dataset, sample, &o)
      || fail (error, r, "too many annotations");
}

static gboolean
read_annotation (Reader *r, const cJSON *object, guint i, GError **error)
{
  const cJSON *crowd = cJSON_GetObjectItemCaseSensitive (object, "iscrowd");
  const cJSON *area = cJSON_GetObjectItemCaseSensitive (object, "area");
  DefcnCocoAnnotation a = { 0 };

  if (!get_id (r, object, "id", ANNOTATIONS, i, &a.id, error)
      || !get_id (r, object, "image_id", ANNOTATIONS, i, &a.image, error)
      || !get_id (r, object, "category_id", ANNOTATIONS, i, &a.category, error)
      || !read_box (a.box, r, object, a.id, error))
    return FALSE;
  if (area && (!cJSON_IsNumber (area) || !isfinite (area->valuedouble)))
    return fail (error, r,
        "annotation %" G_GINT64_FORMAT ": \"area\" is not a number", a.id);
  a.crowd = cJSON_IsTrue (crowd)
      || (cJSON_IsNumber (crowd) && crowd->valuedouble != 0);
  a.area = area ? area->valuedouble : a.box[2] * a.box[3];
  a.trainable = defcn_coco_annotation_trainable (&r->segmentation);
  return add_annotation (r, &a, error);
}

static gboolean
read_annotations (Reader *r, GError **error)
{
  GError *failure = NULL;
  guint i = 0;

  r->scan.at = r->arrays[ANNOTATIONS] + 1;
  for (; next_element (r, ANNOTATIONS, i, &failure); i++) {
    DefcnCocoAnnotation a;

    if (defcn_coco_annotation_scan (&a, &r->scan)
            ? !add_annotation (r, &a, error)
            : !read_element (r, ANNOTATIONS, i, read_annotation, error))
      return FALSE;
  }
  if (failure)
    g_propagate_error (error, failure);
  return failure == NULL;
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
  for (guint i = 1; i < samples->len; i++) {
    const DefcnSample *before = samples->pdata[i - 1];
    const DefcnSample *sample = samples->pdata[i];

    if (sample->id == before->id)
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
  for (guint i = 1; i < r->categories->len; i++) {
    const gint64 id = g_array_index (dataset->category_ids, gint64, i);

    if (id == g_array_index (dataset->category_ids, gint64, i - 1))
      return fail (error, r, "category %" G_GINT64_FORMAT " is there twice",
          id);
  }
  return TRUE;
}

/* Sorts in place; the libraries' sorts take the memory of the array again. */
static void
sort_ids (gint64 *ids, guint n)
{
  for (guint start = n / 2, end = n; end > 1;) {
    guint at = start;

    if (start > 0) {
      at = --start; /* a heap still has to be made, greatest first */
    } else {
      const gint64 greatest = ids[0];

      ids[0] = ids[--end];
      ids[end] = greatest;
    }
    const gint64 id = ids[at];
    for (guint child; (child = 2 * at + 1) < end; at = child) {
      child += child + 1 < end && ids[child + 1] > ids[child];
      if (ids[child] <= id)
        break;
      ids[at] = ids[child];
    }
    ids[at] = id;
  }
}

static gboolean
check_annotation_ids (Reader *r, GError **error)
{
  GArray *ids = r->annotation_ids;

  sort_ids ((gint64 *) ids->data, ids->len);
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
  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  dataset->labels = g_ptr_array_new_with_free_func (g_free);
  dataset->category_ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  if (!map)
    return NULL;

  const char *text = g_mapped_file_get_contents (map); /* NULL when empty */
  Reader r = { .dataset = dataset,
    .scan.at = text ? text : "",
    .element = g_string_new (NULL),
    .categories = g_array_new (FALSE, FALSE, sizeof (Category)),
    .annotation_ids = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  r.scan.end = r.scan.at + g_mapped_file_get_length (map);
  const gboolean good = scan_top (&r, error)
      && read_array (&r, IMAGES, read_image, error) && index_images (&r, error)
      && read_array (&r, CATEGORIES, read_category, error)
      && index_categories (&r, error) && read_annotations (&r, error)
      && check_annotation_ids (&r, error);
  for (guint i = dataset->labels->len; i < r.categories->len; i++)
    g_free (g_array_index (r.categories, Category, i).name);
  g_string_free (r.element, TRUE);
  g_array_unref (r.categories);
  g_array_unref (r.annotation_ids);
  return good ? g_steal_pointer (&dataset) : NULL;
}

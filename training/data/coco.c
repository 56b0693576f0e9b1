/* COCO annotation files, streamed: the file is mapped and scanned, each element
 * of its arrays goes through cJSON alone and without its polygons, so memory
 * grows with what is kept and not with the file. */
#include "coco.h"

#include "coco_annotation.h"
#include "coco_categories.h"
#include "coco_formats.h"
#include "coco_ids.h"
#include "file.h"
#include "json_value.h"

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
  DefcnDataset *dataset;
  DefcnJsonScan scan;
  GString *element; /* one object without its segmentation */
  DefcnJsonSpan segmentation;
  DefcnCocoCategories *categories;
  GArray *annotation_ids;          /* of gint64 */
  guint n_boxes, n_tiny, n_beyond; /* of all; within a pixel; leave a picture */
  DefcnCocoIds *ids;
  const DefcnReadOptions *options;
  const char *arrays[N_ARRAYS]; /* where their brackets open */
} Reader;

/* Annotations without an id have one from here down, each its own; no file's
 * are as low, as those are stand-ins at the end of the numbers. */
#define NO_ID (G_MININT64 + 2 * (gint64) G_MAXUINT32 + 1)

static const char *const names[N_ARRAYS] = { "images", "categories",
  "annotations" };

/* One of the three arrays is not there. */
static gboolean
no_array (const Reader *r, int which, const char *format, GError **error)
{
  if (!format)
    return defcn_dataset_fail (error, r->dataset, "no \"%s\"", names[which]);
  return defcn_dataset_fail (error, r->dataset,
      "no \"%s\": this looks like %s, COCO's format is another export of it",
      names[which], format);
}

/* Finds where the three arrays start. */
static gboolean
scan_top (Reader *r, GError **error)
{
  const char *start = r->scan.at;
  const char *format = NULL;
  DefcnJsonSpan key;

  if (defcn_json_scan_peek (&r->scan) == '[')
    return defcn_dataset_fail (error, r->dataset,
        "a JSON array, as of COCO's results, of Label Studio's own format or "
        "CreateML's: COCO's annotations are an object");
  if (!defcn_json_scan_take (&r->scan, '{'))
    return defcn_dataset_fail (error, r->dataset, "not a JSON object");
  for (gboolean first = TRUE; !defcn_json_scan_take (&r->scan, '}');
       first = FALSE) {
    if ((!first && !defcn_json_scan_take (&r->scan, ','))
        || !defcn_json_scan_string (&r->scan, &key)
        || !defcn_json_scan_take (&r->scan, ':'))
      return defcn_dataset_fail (error, r->dataset,
          "cut off, or no JSON, after %" G_GSIZE_FORMAT " bytes",
          (gsize) (r->scan.at - start));
    format = format ? format : defcn_coco_formats_find (&key);
    for (int i = 0; i < N_ARRAYS; i++) {
      if (!defcn_json_scan_equal (&key, names[i]))
        continue;
      if (defcn_json_scan_peek (&r->scan) != '[')
        return defcn_dataset_fail (error, r->dataset, "\"%s\" is not an array",
            names[i]);
      if (r->arrays[i])
        return defcn_dataset_fail (error, r->dataset, "\"%s\" is there twice",
            names[i]);
      r->arrays[i] = r->scan.at;
    }
    if (!defcn_json_scan_value (&r->scan))
      return defcn_dataset_fail (error, r->dataset, "cut off in \"%.*s\"",
          (int) MIN (key.len, 40), key.start);
  }
  if (defcn_json_scan_peek (&r->scan) != -1)
    return defcn_dataset_fail (error, r->dataset,
        "more text after %" G_GSIZE_FORMAT " bytes of JSON",
        (gsize) (r->scan.at - start));
  for (int i = 0; i < N_ARRAYS; i++) {
    if (!r->arrays[i])
      return no_array (r, i, format, error);
  }
  return TRUE;
}

/* What is wrong with an element of @which, images or annotations; it is
 * skipped.  TRUE always. */
G_GNUC_PRINTF (3, 4)
static gboolean
skip (const Reader *r, int which, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  defcn_dataset_skip (r->dataset,
      which == IMAGES ? &r->dataset->n_bad_images : &r->dataset->n_damaged,
      g_strdup_vprintf (format, args));
  va_end (args);
  return TRUE;
}

typedef gboolean (
    *ElementFunc) (Reader *r, const cJSON *object, guint i, GError **error);

/* Hands element @i of array @which to @func. */
static gboolean
read_element (Reader *r, int which, guint i, ElementFunc func, GError **error)
{
  if (which != CATEGORIES && defcn_json_scan_peek (&r->scan) != '{'
      && defcn_json_scan_value (&r->scan))
    return skip (r, which, "%s[%u] is not a JSON object", names[which], i);
  if (!defcn_json_scan_object (&r->scan, r->element, "segmentation",
          &r->segmentation))
    return defcn_dataset_fail (error, r->dataset, "%s[%u] is not a JSON object",
        names[which], i);

  cJSON *object = cJSON_ParseWithLength (r->element->str, r->element->len);
  if (!object && defcn_json_value_replace_nan (r->element))
    object = cJSON_ParseWithLength (r->element->str, r->element->len);
  if (!object)
    return which != CATEGORIES
        ? skip (r, which, "%s[%u] is not valid JSON", names[which], i)
        : defcn_dataset_fail (error, r->dataset, "%s[%u] is not valid JSON",
            names[which], i);
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
    return defcn_dataset_fail (error, r->dataset, "%s[%u] is not a JSON object",
        names[which], i);
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

/* Whether the element has an id at @key, a whole number or a string. */
static gboolean
get_id (const Reader *r, const char *key, gint64 *id)
{
  DefcnJsonSpan span;

  return defcn_coco_ids_member (&span, r->element, key)
      && defcn_coco_ids_parse (r->ids, &span, id);
}

/* A side of an image, 0 where the file does not say. */
static gboolean
get_side (int *side, const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);
  double value;

  *side = 0;
  if (!item || cJSON_IsNull (item))
    return TRUE;
  if (!defcn_json_value_number (&value, item) || value < 0 || value > 1000000
      || value != floor (value))
    return FALSE;
  *side = value;
  return TRUE;
}

static gboolean
read_image (Reader *r, const cJSON *object, guint i, GError **error)
{
  const char *name = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (object, "file_name"));
  g_autoptr (GError) problem = NULL;
  int width, height;
  gint64 id = 0;

  if (!get_id (r, "id", &id))
    return skip (r, IMAGES,
        "images[%u]: \"id\" is neither a whole number nor a string", i);
  g_autofree char *id_text = defcn_dataset_id (r->dataset, id);
  if (!name || !name[0])
    return skip (r, IMAGES, "image %s has no \"file_name\"", id_text);
  if (defcn_dataset_has_controls (name))
    return skip (r, IMAGES, "image %s: \"file_name\" has control characters",
        id_text);
  if (!get_side (&width, object, "width")
      || !get_side (&height, object, "height"))
    return skip (r, IMAGES,
        "image %s: \"width\" and \"height\" are not two whole numbers in "
        "0 .. 1000000",
        id_text);
  if (!defcn_dataset_check_name (r->dataset, name, &problem))
    return defcn_dataset_fail (error, r->dataset, "image %s: %s", id_text,
        problem->message);
  if (width == 0 || height == 0)
    width = height = 0; /* the picture says */
  g_ptr_array_add (r->dataset->samples,
      defcn_sample_new (id, name, width, height));
  return TRUE;
}

static gboolean
read_category (Reader *r, const cJSON *object, guint i, GError **error)
{
  const char *name =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "name"));
  const char *super = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (object, "supercategory"));
  gint64 id;

  if (!get_id (r, "id", &id))
    return defcn_dataset_fail (error, r->dataset,
        "categories[%u]: \"id\" is neither a whole number nor a string", i);
  return defcn_coco_categories_add (r->categories, id, name, super, error);
}

static gboolean
read_box (double box[4], const cJSON *object)
{
  gboolean good = defcn_json_value_box (box,
      cJSON_GetObjectItemCaseSensitive (object, "bbox"));

  for (int k = 0; good && k < 4; k++)
    good = fabs (box[k]) <= DEFCN_COCO_MAX_COORDINATE && (k < 2 || box[k] >= 0);
  return good;
}

/* Returns: index of the image with exactly that id, -1 for none. */
static int
look_up_image (const Reader *r, gint64 id)
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

/* Returns: index of the image with that id, of the other form if need be; -1
 * for none. */
static int
find_image (const Reader *r, gint64 id)
{
  const int sample = look_up_image (r, id);
  gint64 other;

  return sample < 0 && defcn_coco_ids_other (r->ids, id, &other)
      ? look_up_image (r, other)
      : sample;
}

static DefcnCocoCategory *
find_category (const Reader *r, gint64 id)
{
  DefcnCocoCategory *category = defcn_coco_categories_find (r->categories, id);
  gint64 other;

  return !category && defcn_coco_ids_other (r->ids, id, &other)
      ? defcn_coco_categories_find (r->categories, other)
      : category;
}

/* What an annotation is called in messages; (transfer full). */
static char *
annotation_text (const Reader *r, gint64 id)
{
  const guint64 number = (guint64) NO_ID - (guint64) id;

  if (number <= G_MAXUINT32)
    return g_strdup_printf ("annotations[%" G_GUINT64_FORMAT "]", number);
  g_autofree char *text = defcn_dataset_id (r->dataset, id);
  return g_strconcat ("annotation ", text, NULL);
}

static gboolean
no_such (const Reader *r, const DefcnCocoAnnotation *a, const char *what,
    gint64 id)
{
  g_autofree char *own = annotation_text (r, a->id);
  g_autofree char *other = defcn_dataset_id (r->dataset, id);

  defcn_dataset_skip (r->dataset, &r->dataset->n_orphans,
      g_strdup_printf ("%s: no %s %s", own, what, other));
  return TRUE;
}

/* Counts what tells of other boxes than COCO's. */
static void
look_at_box (Reader *r, const DefcnSample *sample, const double box[4])
{
  r->n_boxes++;
  r->n_tiny += box[0] >= 0 && box[1] >= 0 && box[0] <= 1 && box[1] <= 1
      && box[2] <= 1 && box[3] <= 1;
  r->n_beyond += sample->width > 0
      && (box[0] + box[2] > 1.02 * sample->width + 2
          || box[1] + box[3] > 1.02 * sample->height + 2);
}

/* Says it where it is many. */
static void
remark_boxes (const Reader *r)
{
  if (r->n_tiny > 0 && r->n_tiny == r->n_boxes)
    defcn_dataset_remark (r->dataset,
        g_strdup ("all boxes are within one pixel: are they in parts of the "
                  "picture?  COCO's are in pixels"));
  if (r->n_beyond > 0.1 * r->n_boxes)
    defcn_dataset_remark (r->dataset,
        g_strdup_printf ("%u of %u boxes reach beyond their pictures: COCO's "
                         "are x, y, width, height",
            r->n_beyond, r->n_boxes));
}

static gboolean
add_annotation (Reader *r, const DefcnCocoAnnotation *a, GError **error)
{
  const int sample = find_image (r, a->image);
  DefcnCocoCategory *category = find_category (r, a->category);
  DefcnObject o = { .crowd = a->crowd, .person = TRUE, .area = a->area };

  g_array_append_val (r->annotation_ids, a->id);
  if (sample < 0)
    return no_such (r, a, "image", a->image);
  if (!category)
    return no_such (r, a, "category", a->category);
  if (category->label < 0)
    return TRUE;
  o.label = category->label;
  category->n++;
  memcpy (o.bbox, a->box, sizeof o.bbox);
  look_at_box (r, r->dataset->samples->pdata[sample], a->box);
  r->dataset->n_flat += !a->crowd && !a->trainable;
  o.untrainable = r->options->polygons && !a->crowd && !a->trainable;
  /* Evaluation counts it, as pycocotools does; augmentation drops it. */
  if (o.bbox[2] == 0 || o.bbox[3] == 0)
    r->dataset->n_empty++;
  return defcn_dataset_add (r->dataset, sample, &o)
      || defcn_dataset_fail (error, r->dataset, "too many annotations");
}

/* Whether the element has nothing at @key, or null. */
static gboolean
is_absent (const Reader *r, const char *key)
{
  DefcnJsonSpan span;

  return !defcn_coco_ids_member (&span, r->element, key)
      || defcn_json_scan_equal (&span, "null");
}

/* The three ids of an annotation; FALSE where one is damaged: it is noted. */
static gboolean
read_ids (const Reader *r, DefcnCocoAnnotation *a, guint i)
{
  const struct
  {
    const char *key;
    gint64 *id;
  } ids[] = { { "id", &a->id }, { "image_id", &a->image },
    { "category_id", &a->category } };

  for (gsize k = 0; k < G_N_ELEMENTS (ids); k++) {
    if (get_id (r, ids[k].key, ids[k].id))
      continue;
    if (k == 0 && is_absent (r, ids[k].key)) {
      a->id = NO_ID - i; /* nothing hangs on it */
      continue;
    }
    skip (r, ANNOTATIONS,
        "annotations[%u]: \"%s\" is neither a whole number nor a string", i,
        ids[k].key);
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_annotation (Reader *r, const cJSON *object, guint i, GError **error)
{
  const cJSON *area = cJSON_GetObjectItemCaseSensitive (object, "area");
  DefcnCocoAnnotation a = { 0 };

  if (!read_ids (r, &a, i))
    return TRUE;
  g_autofree char *id = annotation_text (r, a.id);
  if (!read_box (a.box, object))
    return skip (r, ANNOTATIONS,
        "%s: \"bbox\" is not four numbers x, y, width, height", id);
  if (cJSON_IsNull (area))
    area = NULL;
  a.area = a.box[2] * a.box[3];
  if (area && !defcn_json_value_number (&a.area, area))
    return skip (r, ANNOTATIONS, "%s: \"area\" is not a number", id);
  a.crowd = defcn_json_value_flag (
      cJSON_GetObjectItemCaseSensitive (object, "iscrowd"));
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
  return failure == NULL
      && defcn_dataset_check_damage (r->dataset, i, r->options, error);
}

static int
by_sample_id (gconstpointer a, gconstpointer b)
{
  const DefcnSample *const *p = a, *const *q = b;

  return ((*p)->id > (*q)->id) - ((*p)->id < (*q)->id);
}

/* Takes away images that are there twice, one behind the other; FALSE with
 * @error where they are two pictures. */
static gboolean
remove_repeated (Reader *r, GError **error)
{
  GPtrArray *samples = r->dataset->samples;
  guint n = 1;

  for (guint i = 1; i < samples->len; i++) {
    const DefcnSample *before = samples->pdata[n - 1];
    DefcnSample *sample = g_steal_pointer (&samples->pdata[i]);

    if (sample->id != before->id) {
      samples->pdata[n++] = sample;
      continue;
    }
    g_autofree char *id = defcn_dataset_id (r->dataset, sample->id);
    const gboolean alike = g_str_equal (sample->name, before->name);
    g_free (sample);
    if (!alike)
      return defcn_dataset_fail (error, r->dataset,
          "image %s is there twice, of two files", id);
    skip (r, IMAGES, "image %s is there twice", id);
  }
  g_ptr_array_set_size (samples, n);
  return TRUE;
}

/* Sorts images and numbers them. */
static gboolean
index_images (Reader *r, GError **error)
{
  GPtrArray *samples = r->dataset->samples;

  if (samples->len == 0)
    return r->dataset->n_bad_images > 0
        ? defcn_dataset_fail (error, r->dataset,
            "no images but damaged ones: %s",
            (const char *) r->dataset->damage->pdata[0])
        : defcn_dataset_fail (error, r->dataset, "no images");
  g_ptr_array_sort (samples, by_sample_id);
  return remove_repeated (r, error)
      && defcn_dataset_check_images (r->dataset, r->options, error);
}

/* Nothing hangs on the ids of annotations. */
static void
count_repeated_ids (Reader *r)
{
  GArray *ids = r->annotation_ids;

  guint n = 0;
  gint64 first = 0;

  defcn_coco_ids_sort ((gint64 *) ids->data, ids->len);
  for (guint i = 1; i < ids->len; i++) {
    const gint64 id = g_array_index (ids, gint64, i);

    if (id == g_array_index (ids, gint64, i - 1) && n++ == 0)
      first = id;
  }
  if (n == 0)
    return;
  g_autofree char *text = defcn_dataset_id (r->dataset, first);
  defcn_dataset_remark (r->dataset,
      g_strdup_printf ("annotation %s is there twice; %u annotations have the "
                       "id of another, and are taken",
          text, n));
}

static gboolean
read_file (Reader *r, GError **error)
{
  return scan_top (r, error) && read_array (r, IMAGES, read_image, error)
      && index_images (r, error)
      && read_array (r, CATEGORIES, read_category, error)
      && defcn_coco_categories_index (r->categories, error)
      && read_annotations (r, error);
}

DefcnDataset *
defcn_coco_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error)
{
  g_autoptr (DefcnDataset) dataset =
      defcn_dataset_new (path, image_dir, options);
  g_autoptr (GBytes) bytes = defcn_file_map_text (path, error);

  if (!bytes)
    return NULL;

  gsize len;
  const char *text = g_bytes_get_data (bytes, &len); /* NULL when empty */
  Reader r = { .dataset = dataset,
    .options = options,
    .scan.at = text ? text : "",
    .element = g_string_new (NULL),
    .categories = defcn_coco_categories_new (dataset, options->classes),
    .ids = defcn_coco_ids_new (dataset),
    .annotation_ids = g_array_new (FALSE, FALSE, sizeof (gint64)) };
  r.scan.end = r.scan.at + len;
  const gboolean good = read_file (&r, error);
  if (good) {
    count_repeated_ids (&r);
    remark_boxes (&r);
    defcn_coco_categories_remove_roots (r.categories);
  }
  g_string_free (r.element, TRUE);
  defcn_coco_categories_free (r.categories);
  defcn_coco_ids_free (r.ids);
  g_array_unref (r.annotation_ids);
  return good ? g_steal_pointer (&dataset) : NULL;
}

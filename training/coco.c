/* COCO annotation files, streamed: the file is mapped and scanned, each element
 * of its arrays goes through cJSON alone and without its polygons, so memory
 * grows with what is kept and not with the file. */
#include "dataset.h"

#include "backend.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

typedef struct
{
  gint64 id;
  char *name;
} Category;

typedef struct
{
  DefcnDataset *dataset;
  const char *at, *end;  /* scanner */
  GString *element;      /* one object without its segmentation */
  GHashTable *sample_of; /* image id -> sample index + 1 */
  GHashTable *class_of;  /* category id -> class index + 1 */
  GArray *categories;    /* of Category */
  const char *arrays[3]; /* images, categories, annotations */
  gboolean has_polygon, has_segmentation;
} Reader;

static const char *const names[3] = { "images", "categories", "annotations" };

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

static void
skip_space (Reader *r)
{
  while (r->at < r->end && strchr (" \t\r\n", *r->at) && *r->at)
    r->at++;
}

/* Past a string, @at on its opening quote. */
static gboolean
skip_string (Reader *r)
{
  for (r->at++; r->at < r->end; r->at++) {
    if (*r->at == '\\')
      r->at++;
    else if (*r->at == '"') {
      r->at++;
      return TRUE;
    }
  }
  return FALSE;
}

/* Past one value of any kind.  Brackets are only counted: cJSON checks what is
 * used. */
static gboolean
skip_value (Reader *r)
{
  int depth = 0;

  skip_space (r);
  while (r->at < r->end) {
    switch (*r->at) {
      case '"':
        if (!skip_string (r))
          return FALSE;
        break;
      case '{':
      case '[':
        depth++;
        r->at++;
        break;
      case '}':
      case ']':
        if (depth == 0)
          return TRUE;
        depth--;
        r->at++;
        break;
      case ',':
        if (depth == 0)
          return TRUE;
        r->at++;
        continue;
      default:
        r->at++;
        continue;
    }
    if (depth == 0)
      return TRUE;
  }
  return FALSE;
}

/* Notes whether a segmentation that starts at @at has a polygon of at least
 * three points (an even count of numbers, 6 or more), and goes past it.  A run
 * length encoding is an object and has none, but is valid. */
static gboolean
scan_segmentation (Reader *r)
{
  const char *start;

  skip_space (r);
  start = r->at;
  r->has_segmentation = TRUE;
  if (!skip_value (r))
    return FALSE;
  if (start < r->end && *start == '{') {
    r->has_polygon = TRUE;
    return TRUE;
  }
  int depth = 0, numbers = 0;
  for (const char *p = start; p < r->at; p++) {
    if (*p == '[') {
      depth++;
      numbers = 0;
    } else if (*p == ']') {
      if (depth == 2 && numbers >= 5 && numbers % 2 == 1)
        r->has_polygon = TRUE;
      depth--;
    } else if (*p == ',' && depth == 2) {
      numbers++; /* one less than the numbers */
    }
  }
  return TRUE;
}

/* Copies the object at @at into @element without its "segmentation". */
static gboolean
copy_element (Reader *r)
{
  static const char key[] = "\"segmentation\"";
  const char *from = r->at;
  int depth = 0;

  g_string_truncate (r->element, 0);
  r->has_polygon = r->has_segmentation = FALSE;
  while (r->at < r->end) {
    const char c = *r->at;

    if (c == '"' && depth == 1 && r->end - r->at > (gssize) sizeof key
        && memcmp (r->at, key, sizeof key - 1) == 0) {
      g_string_append_len (r->element, from, r->at - from);
      r->at += sizeof key - 1;
      skip_space (r);
      if (r->at < r->end && *r->at == ':') {
        r->at++;
        if (!scan_segmentation (r))
          return FALSE;
        g_string_append (r->element, "\"segmentation\":0");
      } else {
        g_string_append (r->element, key); /* it was a value */
      }
      from = r->at;
      continue;
    }
    if (c == '"') {
      if (!skip_string (r))
        return FALSE;
      continue;
    }
    r->at++;
    if (c == '{' || c == '[')
      depth++;
    if ((c == '}' || c == ']') && --depth == 0) {
      g_string_append_len (r->element, from, r->at - from);
      return TRUE;
    }
  }
  return FALSE;
}

/* Finds where the three arrays start. */
static gboolean
scan_top (Reader *r, GError **error)
{
  skip_space (r);
  if (r->at == r->end || *r->at != '{')
    return fail (error, r, "not a JSON object");
  r->at++;
  for (;;) {
    skip_space (r);
    if (r->at < r->end && *r->at == '}')
      return TRUE;
    const char *key = r->at + 1;
    if (r->at == r->end || *r->at != '"' || !skip_string (r))
      return fail (error, r,
          "cut off, or no JSON, after %" G_GSSIZE_FORMAT " bytes",
          (gssize) (r->at - key));
    const gsize len = r->at - 1 - key;
    skip_space (r);
    if (r->at == r->end || *r->at != ':')
      return fail (error, r, "no value for \"%.*s\"", (int) MIN (len, 40), key);
    r->at++;
    skip_space (r);
    for (int i = 0; i < 3; i++) {
      if (len == strlen (names[i]) && memcmp (key, names[i], len) == 0) {
        if (r->at == r->end || *r->at != '[')
          return fail (error, r, "\"%s\" is not an array", names[i]);
        r->arrays[i] = r->at;
      }
    }
    if (!skip_value (r))
      return fail (error, r, "cut off in \"%.*s\"", (int) MIN (len, 40), key);
    skip_space (r);
    if (r->at < r->end && *r->at == ',')
      r->at++;
  }
}

typedef gboolean (
    *ElementFunc) (Reader *r, const cJSON *object, guint i, GError **error);

/* Calls @func for every element of array @which. */
static gboolean
read_array (Reader *r, int which, ElementFunc func, GError **error)
{
  r->at = r->arrays[which];
  if (!r->at)
    return fail (error, r, "no \"%s\"", names[which]);
  r->at++;
  for (guint i = 0;; i++) {
    skip_space (r);
    if (r->at < r->end && *r->at == ',') {
      r->at++;
      skip_space (r);
    }
    if (r->at < r->end && *r->at == ']')
      return TRUE;
    if (r->at == r->end || *r->at != '{' || !copy_element (r))
      return fail (error, r, "%s[%u] is not a JSON object", names[which], i);

    cJSON *object = cJSON_ParseWithLength (r->element->str, r->element->len);
    if (!object)
      return fail (error, r, "%s[%u] is not valid JSON", names[which], i);
    const gboolean good = func (r, object, i, error);
    cJSON_Delete (object);
    if (!good)
      return FALSE;
  }
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

  if (!get_id (r, object, "id", 0, i, &id, error)
      || !get_id (r, object, "width", 0, i, &size[0], error)
      || !get_id (r, object, "height", 0, i, &size[1], error))
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

  if (!get_id (r, object, "id", 1, i, &category.id, error))
    return FALSE;
  if (!name || !name[0])
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

    good = cJSON_IsNumber (item) && isfinite (item->valuedouble)
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

  if (!get_id (r, object, "id", 2, i, &id, error)
      || !get_id (r, object, "image_id", 2, i, &image, error)
      || !get_id (r, object, "category_id", 2, i, &category, error)
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
  o.crowd = cJSON_IsTrue (crowd)
      || (cJSON_IsNumber (crowd) && crowd->valuedouble != 0);
  o.area = cJSON_IsNumber (area) ? area->valuedouble : o.bbox[2] * o.bbox[3];
  o.label = label - 1;
  o.x1 = o.bbox[0];
  o.y1 = o.bbox[1];
  o.x2 = o.bbox[0] + o.bbox[2];
  o.y2 = o.bbox[1] + o.bbox[3];
  /* SPEC 1.5: a polygon list without a valid polygon is no annotation. */
  if (r->has_segmentation && !r->has_polygon && !o.crowd)
    o.untrainable = TRUE;
  g_array_append_val (((DefcnSample *) r->dataset->samples->pdata[sample - 1])
                          ->objects,
      o);
  return TRUE;
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
    .at = text ? text : "",
    .element = g_string_new (NULL),
    .sample_of = g_hash_table_new (g_int64_hash, g_int64_equal),
    .class_of = g_hash_table_new (g_int64_hash, g_int64_equal),
    .categories = g_array_new (FALSE, FALSE, sizeof (Category)) };
  r.end = r.at + g_mapped_file_get_length (map);
  const gboolean good = scan_top (&r, error)
      && read_array (&r, 0, read_image, error) && index_images (&r, error)
      && read_array (&r, 1, read_category, error)
      && index_categories (&r, error)
      && read_array (&r, 2, read_annotation, error);
  for (guint i = dataset->labels->len; i < r.categories->len; i++)
    g_free (g_array_index (r.categories, Category, i).name);
  g_string_free (r.element, TRUE);
  g_hash_table_unref (r.sample_of);
  g_hash_table_unref (r.class_of);
  g_array_unref (r.categories);
  return good ? g_steal_pointer (&dataset) : NULL;
}

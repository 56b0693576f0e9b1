/* Evaluation of boxes that a file has, whoever found them. */
#include "results.h"

#include "columns.h"
#include "data/coco_ids.h"
#include "data/file.h"
#include "data/json_value.h"
#include "data/text_tree.h"
#include "error.h"

#include <math.h>
#include <string.h>

#define WORKING_THRESHOLD 0.3f

typedef struct
{
  const DefcnDataset *dataset;
  const DefcnDataset *ids_of; /* it, with the odd ids of this file */
  const char *path;
  const DefcnEvaluateOptions *options;
  DefcnColumns *columns;
  DefcnCocoIds *ids;
  GHashTable *samples; /* gint64 * or char * -> index + 1 */
  GHashTable *classes; /* gint64 * -> class + 1 */
  GString *element;
  guint n, n_other; /* results; of them of no category of @dataset */
  gint64 other;     /* the first such category */
  guint n_negative; /* results of a negative size */
  GTree *stems;     /* char * -> index + 1, 0: of several; or NULL */
  int (*sizes)[2];  /* of the pictures, for an array of CrowdHuman's; or NULL */
} Reader;

G_GNUC_PRINTF (3, 4)
static gboolean
fail (GError **error, const Reader *r, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", r->path, text);
  return FALSE;
}

/* A box and its score; FALSE where one of them is none. */
static gboolean
read_detection (double box[4], double *score, const cJSON *object,
    const char *key)
{
  return defcn_json_value_number (score,
             cJSON_GetObjectItemCaseSensitive (object, "score"))
      && defcn_json_value_box (box,
          cJSON_GetObjectItemCaseSensitive (object, key));
}

/* A box of a negative size matches nothing, as one of none. */
static void
check_size (Reader *r, double box[4])
{
  if (!(box[2] < 0 || box[3] < 0))
    return;
  r->n_negative++;
  box[2] = box[3] = 0;
}

static gboolean
read_id (const Reader *r, gint64 *id, const char *key)
{
  DefcnJsonSpan span;

  return defcn_coco_ids_member (&span, r->element, key)
      && defcn_coco_ids_parse (r->ids, &span, id);
}

/* The size in the line, or the picture's. */
static gboolean
read_size (const Reader *r, int size[2], const cJSON *object, guint i,
    GError **error)
{
  static const char *const keys[] = { "width", "height" };

  for (int k = 0; k < 2; k++) {
    double side;

    size[k] = defcn_json_value_number (&side,
                  cJSON_GetObjectItemCaseSensitive (object, keys[k]))
            && side >= 1 && side <= 1e6
        ? side
        : 0;
  }
  if (size[0] && size[1])
    return TRUE;
  g_autoptr (DefcnPicture) picture =
      defcn_dataset_picture (r->dataset, i, error);
  if (!picture)
    return FALSE;
  size[0] = picture->width;
  size[1] = picture->height;
  return TRUE;
}

/* Every picture of CrowdHuman's takes part, be it without boxes. */
static gboolean
add_all (Reader *r, GError **error)
{
  r->sizes = g_malloc_n (r->dataset->samples->len, sizeof *r->sizes);
  for (guint i = 0; i < r->dataset->samples->len; i++) {
    if (!read_size (r, r->sizes[i], NULL, i, error))
      return FALSE;
    defcn_columns_add_xywh (r->columns, DEFCN_COLUMN_NONE, i, r->sizes[i][0],
        r->sizes[i][1], NULL, NULL, NULL, 0);
  }
  return TRUE;
}

/* What is under @id, or under the same number in its other form; 0: nothing. */
static guint
look_up (const Reader *r, GHashTable *table, gint64 id)
{
  const guint found = GPOINTER_TO_UINT (g_hash_table_lookup (table, &id));
  gint64 other;

  return !found && defcn_coco_ids_other (r->ids, id, &other)
      ? GPOINTER_TO_UINT (g_hash_table_lookup (table, &other))
      : found;
}

/* The file's name of sample @i, without folder and ending. */
static char *
stem_of (const Reader *r, guint i)
{
  const DefcnSample *sample = r->dataset->samples->pdata[i];
  g_autofree char *slashes = g_strdelimit (g_strdup (sample->name), "\\", '/');
  char *stem = g_path_get_basename (slashes);
  char *dot = r->dataset->crowdhuman ? NULL : strrchr (stem, '.');

  if (dot && dot > stem)
    *dot = '\0';
  return stem;
}

/* The image that some tools give as its file's name: index + 1, 0: none, or
 * more than one. */
static guint
find_named (Reader *r, const cJSON *object)
{
  const char *id = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (object, "image_id"));

  if (!id)
    return 0;
  if (!r->stems) {
    r->stems = defcn_text_tree_new (g_free, NULL);
    for (guint i = 0; i < r->dataset->samples->len; i++) {
      char *stem = stem_of (r, i);
      const gboolean twice =
          g_tree_lookup_extended (r->stems, stem, NULL, NULL);

      g_tree_insert (r->stems, stem, GUINT_TO_POINTER (twice ? 0 : i + 1));
    }
  }
  g_autofree char *name = g_path_get_basename (id);
  const guint found = GPOINTER_TO_UINT (g_tree_lookup (r->stems, name));
  char *dot = strrchr (name, '.');
  if (found || !dot)
    return found;
  *dot = '\0';
  return GPOINTER_TO_UINT (g_tree_lookup (r->stems, name));
}

/* Element @i of COCO's results. */
static gboolean
add_coco (Reader *r, guint i, GError **error)
{
  cJSON *object = cJSON_ParseWithLength (r->element->str, r->element->len);
  double box[1][4], score;
  gint64 image, category;
  const gboolean good = object && read_id (r, &image, "image_id")
      && read_id (r, &category, "category_id")
      && read_detection (box[0], &score, object, "bbox");

  guint sample = good ? look_up (r, r->samples, image) : 0;

  if (good && sample == 0)
    sample = find_named (r, object);
  cJSON_Delete (object);
  if (!good)
    return fail (error, r,
        "[%u] is no result: image_id, category_id, bbox, score", i);
  const int label = (int) look_up (r, r->classes, category) - 1;
  if (sample == 0) {
    g_autofree char *id = defcn_dataset_id (r->ids_of, image);

    return fail (error, r, "[%u]: %s has no image %s", i, r->dataset->path, id);
  }
  r->n++;
  check_size (r, box[0]);
  if (label < 0 && r->n_other++ == 0)
    r->other = category;
  if (label >= 0 && score >= r->options->threshold)
    defcn_columns_add_xywh (r->columns, DEFCN_COLUMN_NONE, sample - 1,
        r->sizes ? r->sizes[sample - 1][0] : 0,
        r->sizes ? r->sizes[sample - 1][1] : 0, (const double (*)[4]) box,
        &score, &label, 1);
  return TRUE;
}

/* Numbers of classes where the ids of categories should be are told from a
 * detector that has found nothing. */
static gboolean
check_categories (const Reader *r, GError **error)
{
  if (r->n_other == 0 || r->n_other < r->n || r->options->partial)
    return TRUE;
  g_autofree char *id = defcn_dataset_id (r->ids_of, r->other);
  return fail (error, r,
      "none of its %u results is of a category of %s; the first is of %s", r->n,
      r->dataset->path, id);
}

/* Goes to the array within an object; FALSE where there is none. */
static gboolean
find_array (DefcnJsonScan *scan)
{
  static const char *const keys[] = { "annotations", "predictions",
    "detections", "results" };
  DefcnJsonSpan key;

  if (!defcn_json_scan_take (scan, '{'))
    return defcn_json_scan_peek (scan) == '[';
  do {
    if (!defcn_json_scan_string (scan, &key)
        || !defcn_json_scan_take (scan, ':'))
      return FALSE;
    for (gsize k = 0; k < G_N_ELEMENTS (keys); k++)
      if (defcn_json_scan_equal (&key, keys[k])
          && defcn_json_scan_peek (scan) == '[')
        return TRUE;
  } while (defcn_json_scan_value (scan) && defcn_json_scan_take (scan, ','));
  return FALSE;
}

static gboolean
read_coco (Reader *r, const char *text, gsize len, GError **error)
{
  DefcnJsonScan scan = { text, text + len };
  DefcnJsonSpan segmentation;

  if (r->dataset->crowdhuman && !add_all (r, error))
    return FALSE;
  for (guint i = 0; i < r->dataset->samples->len; i++) {
    const DefcnSample *sample = r->dataset->samples->pdata[i];

    g_hash_table_insert (r->samples, (gpointer) &sample->id,
        GUINT_TO_POINTER (i + 1));
  }
  for (guint k = 0; k < r->dataset->labels->len; k++)
    g_hash_table_insert (r->classes,
        &g_array_index (r->dataset->category_ids, gint64, k),
        GINT_TO_POINTER (k + 1));
  const gboolean bare = defcn_json_scan_peek (&scan) == '[';
  if (!find_array (&scan) || !defcn_json_scan_take (&scan, '['))
    return fail (error, r, "not a JSON array of results");
  for (guint i = 0; !defcn_json_scan_take (&scan, ']'); i++) {
    if ((i > 0 && !defcn_json_scan_take (&scan, ','))
        || !defcn_json_scan_object (&scan, r->element, "segmentation",
            &segmentation))
      return fail (error, r, "[%u] is not a JSON object", i);
    if (!add_coco (r, i, error))
      return FALSE;
  }
  if (bare && defcn_json_scan_peek (&scan) != -1)
    return fail (error, r, "more text after its array");
  return check_categories (r, error);
}

/* The boxes of one line. */
static gboolean
add_crowdhuman (Reader *r, const cJSON *object, guint line, gboolean *seen,
    GError **error)
{
  const cJSON *boxes = cJSON_GetObjectItemCaseSensitive (object, "dtboxes");
  const char *id =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "ID"));
  const guint sample =
      id ? GPOINTER_TO_UINT (g_hash_table_lookup (r->samples, id)) : 0;
  const int n = cJSON_GetArraySize (boxes);
  g_autofree double (*xywh)[4] = g_malloc_n (n + 1, sizeof *xywh);
  g_autofree double *score = g_new (double, n + 1);
  const cJSON *box;
  guint kept = 0;
  int size[2];

  if (!id || !cJSON_IsArray (boxes))
    return fail (error, r, "line %u has no \"ID\" and \"dtboxes\"", line);
  if (sample == 0)
    return fail (error, r, "line %u: %s has no image %s", line,
        r->dataset->path, id);
  if (seen[sample - 1])
    return fail (error, r, "line %u: image %s is there twice", line, id);
  cJSON_ArrayForEach (box, boxes)
  {
    if (!read_detection (xywh[kept], &score[kept], box, "box"))
      return fail (error, r, "line %u: a box has no \"box\" and \"score\"",
          line);
    check_size (r, xywh[kept]);
    kept += score[kept] >= r->options->threshold;
  }
  if (!read_size (r, size, object, sample - 1, error))
    return FALSE;
  defcn_columns_add_xywh (r->columns, DEFCN_COLUMN_NONE, sample - 1, size[0],
      size[1], (const double (*)[4]) xywh, score, NULL, kept);
  return seen[sample - 1] = TRUE;
}

/* Images without a line have no boxes. */
static gboolean
add_unseen (const Reader *r, const gboolean *seen, GError **error)
{
  for (guint i = 0; i < r->dataset->samples->len; i++) {
    int size[2];

    if (seen[i])
      continue;
    if (!read_size (r, size, NULL, i, error))
      return FALSE;
    defcn_columns_add_xywh (r->columns, DEFCN_COLUMN_NONE, i, size[0], size[1],
        NULL, NULL, NULL, 0);
  }
  return TRUE;
}

static gboolean
read_crowdhuman (Reader *r, const char *text, gsize len, GError **error)
{
  g_autofree gboolean *seen = g_new0 (gboolean, r->dataset->samples->len);
  const char *end = text + len;
  guint line = 0;

  for (guint i = 0; i < r->dataset->samples->len; i++) {
    const DefcnSample *sample = r->dataset->samples->pdata[i];

    g_hash_table_insert (r->samples, (gpointer) sample->name,
        GUINT_TO_POINTER (i + 1));
  }
  while (text < end) {
    const char *newline = memchr (text, '\n', end - text);
    const gsize n = (newline ? newline : end) - text;

    line++;
    if (n > 0 && !(n == 1 && *text == '\r')) {
      cJSON *object = cJSON_ParseWithLength (text, n);
      const gboolean good = object
          ? add_crowdhuman (r, object, line, seen, error)
          : fail (error, r, "line %u is not valid JSON", line);

      cJSON_Delete (object);
      if (!good)
        return FALSE;
    }
    text = newline ? newline + 1 : end;
  }
  return add_unseen (r, seen, error);
}

static void
figures_init (DefcnFigures *out, const DefcnDataset *dataset,
    const DefcnEvaluateOptions *options)
{
  *out = (DefcnFigures){ .crowdhuman = dataset->crowdhuman,
    .single = TRUE,
    .n_images = dataset->samples->len,
    .threshold = MAX (options->threshold, 0),
    .working_threshold = MAX (WORKING_THRESHOLD, options->threshold),
    .duplicate_threshold = options->duplicate_threshold,
    .recall = options->recall,
    .nms_iou = options->nms_iou > 0 ? options->nms_iou : DEFCN_EVALUATE_NMS_IOU,
    .least_objects = options->least_objects,
    .n_draws = options->draws };
  out->labels = g_new0 (char *, dataset->labels->len + 1);
  for (guint i = 0; i < dataset->labels->len; i++)
    out->labels[i] = g_strdup (dataset->labels->pdata[i]);
}

gboolean
defcn_results_evaluate (const DefcnDataset *dataset, const char *path,
    const DefcnEvaluateOptions *options, DefcnFigures *out, GError **error)
{
  g_autoptr (GBytes) bytes = defcn_file_map_text (path, error);
  g_autoptr (DefcnColumns) columns =
      defcn_columns_new (dataset, options->duplicate_threshold);
  DefcnDataset ids_of = *dataset; /* whose odd_ids may grow */

  *out = (DefcnFigures){ 0 };
  if (!bytes)
    return FALSE;
  if (ids_of.odd_ids)
    g_hash_table_ref (ids_of.odd_ids);
  gsize len;
  const char *text = g_bytes_get_data (bytes, &len); /* NULL when empty */
  text = text ? text : "";
  DefcnJsonScan start = { text, text + len };
  const gboolean lines =
      dataset->crowdhuman && defcn_json_scan_peek (&start) != '[';
  Reader r = { .dataset = dataset,
    .ids_of = &ids_of,
    .path = path,
    .options = options,
    .columns = columns,
    .ids = defcn_coco_ids_new (&ids_of),
    .samples = lines ? g_hash_table_new (g_str_hash, g_str_equal)
                     : g_hash_table_new (g_int64_hash, g_int64_equal),
    .classes = g_hash_table_new (g_int64_hash, g_int64_equal),
    .element = g_string_new (NULL) };
  const gboolean good = lines ? read_crowdhuman (&r, text, len, error)
                              : read_coco (&r, text, len, error);
  if (good) {
    figures_init (out, dataset, options);
    out->n_other = r.n_other;
    out->n_negative = r.n_negative;
    defcn_columns_measure (columns, out);
  }
  defcn_coco_ids_free (r.ids);
  g_clear_pointer (&ids_of.odd_ids, g_hash_table_unref);
  g_hash_table_unref (r.samples);
  g_hash_table_unref (r.classes);
  g_string_free (r.element, TRUE);
  g_clear_pointer (&r.stems, g_tree_unref);
  g_free (r.sizes);
  return good;
}

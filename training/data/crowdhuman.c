/* CrowdHuman annotation files (.odgt): one JSON object a line, streamed. */
#include "crowdhuman.h"

#include "error.h"
#include "file.h"
#include "json_value.h"
#include "text_tree.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* A coordinate beyond this is damage; float keeps it exact. */
#define MAX_COORDINATE 1e6

/* fbox: x, y, width, height of the full body; may leave the image. */
static gboolean
read_fbox (double box[4], const cJSON *object)
{
  gboolean good = defcn_json_value_box (box,
      cJSON_GetObjectItemCaseSensitive (object, "fbox"));

  for (int k = 0; good && k < 4; k++)
    good = fabs (box[k]) <= MAX_COORDINATE && (k < 2 || box[k] >= 0);
  return good;
}

/* Class -1 where extra.ignore is present and not 0. */
static gboolean
read_object (DefcnDataset *dataset, guint line, guint k, const cJSON *object,
    GError **error)
{
  const guint i = dataset->samples->len - 1;
  const cJSON *extra = cJSON_GetObjectItemCaseSensitive (object, "extra");
  const cJSON *ignore = cJSON_GetObjectItemCaseSensitive (extra, "ignore");
  const char *tag =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "tag"));
  DefcnObject o = { 0 };
  const gboolean has_box = read_fbox (o.bbox, object);

  if (!has_box || !tag) {
    defcn_dataset_skip (dataset, &dataset->n_damaged,
        g_strdup_printf (!has_box
                ? "line %u: gtboxes[%u]: \"fbox\" is not four "
                  "numbers x, y, width, height"
                : "line %u: gtboxes[%u] has no \"tag\"",
            line, k));
    return TRUE;
  }
  o.area = o.bbox[2] * o.bbox[3];
  if (o.bbox[2] == 0 || o.bbox[3] == 0)
    dataset->n_empty++;
  o.label = defcn_json_value_flag (ignore) ? -1 : 0;
  o.person = g_str_equal (tag, "person") && o.label == 0;
  return defcn_dataset_add (dataset, i, &o)
      || defcn_dataset_fail (error, dataset, "line %u: too many boxes", line);
}

static gboolean
is_blank (const char *text, gsize len)
{
  for (gsize i = 0; i < len; i++) {
    if (!g_ascii_isspace (text[i]))
      return FALSE;
  }
  return TRUE;
}

/* Skips the image of @line, for what is @wrong. */
static void
skip (DefcnDataset *dataset, guint line, const char *wrong)
{
  defcn_dataset_skip (dataset, &dataset->n_bad_images,
      g_strdup_printf ("line %u: %s", line, wrong));
}

/* Whether @id is new among @ids, and notes it. */
static gboolean
is_new (GTree *ids, const char *id)
{
  if (g_tree_lookup (ids, id))
    return FALSE;
  g_tree_insert (ids, g_strdup (id), GINT_TO_POINTER (1));
  return TRUE;
}

/* @n: boxes so far.  @ids: char *, images so far. */
static gboolean
read_line (DefcnDataset *dataset, guint *n, GTree *ids, guint line,
    const char *text, gsize len, GError **error)
{
  const char *end = text;
  cJSON *object = cJSON_ParseWithLengthOpts (text, len, &end, FALSE);
  const char *id =
      cJSON_GetStringValue (cJSON_GetObjectItemCaseSensitive (object, "ID"));
  const cJSON *boxes = cJSON_GetObjectItemCaseSensitive (object, "gtboxes");
  const cJSON *box;
  gboolean good = TRUE;
  guint k = 0;

  if (!cJSON_IsObject (object) || !is_blank (end, text + len - end))
    good =
        defcn_dataset_fail (error, dataset, "line %u: not a JSON object", line);
  else if (!id || !id[0] || strpbrk (id, "/\\"))
    skip (dataset, line, "\"ID\" is not a picture's name");
  else if (defcn_dataset_has_controls (id))
    skip (dataset, line, "\"ID\" has control characters");
  else if (!cJSON_IsArray (boxes))
    skip (dataset, line, "\"gtboxes\" is not an array");
  else if (!is_new (ids, id)) {
    g_autofree char *wrong = g_strdup_printf ("image %s is there twice", id);

    skip (dataset, line, wrong);
  } else {
    g_ptr_array_add (dataset->samples,
        defcn_sample_new (dataset->samples->len, id, 0, 0));
    cJSON_ArrayForEach (box, boxes)
    {
      good = good && read_object (dataset, line, k++, box, error);
    }
    *n += k;
  }
  cJSON_Delete (object);
  return good;
}

static gboolean
check_classes (const DefcnDataset *dataset, const DefcnReadOptions *options,
    GError **error)
{
  if (!options->classes || g_str_equal (options->classes, "person"))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: classes is \"%s\", and CrowdHuman has only \"person\"",
      dataset->path, options->classes);
  return FALSE;
}

DefcnDataset *
defcn_crowdhuman_open (const char *path, const char *image_dir,
    const DefcnReadOptions *options, GError **error)
{
  g_autoptr (DefcnDataset) dataset =
      defcn_dataset_new (path, image_dir, options);
  g_autoptr (GBytes) bytes = defcn_file_map_text (path, error);
  g_autoptr (GTree) ids = defcn_text_tree_new (g_free, NULL);
  const gint64 category = 1;
  guint n = 0;

  dataset->crowdhuman = TRUE;
  g_ptr_array_add (dataset->labels, g_strdup ("person"));
  g_array_append_val (dataset->category_ids, category);
  if (!bytes || !check_classes (dataset, options, error))
    return NULL;

  gsize size;
  const char *text = g_bytes_get_data (bytes, &size); /* NULL when empty */
  const char *at = text ? text : "";
  const char *end = at + size;
  for (guint line = 1; at < end; line++) {
    const char *newline = memchr (at, '\n', end - at);
    const gsize len = (newline ? newline : end) - at;

    if (!is_blank (at, len)
        && !read_line (dataset, &n, ids, line, at, len, error))
      return NULL;
    at = newline ? newline + 1 : end;
  }
  if (dataset->samples->len == 0) {
    defcn_dataset_fail (error, dataset, "no images%s%s",
        dataset->n_bad_images ? " but damaged ones: " : "",
        dataset->n_bad_images ? (const char *) dataset->damage->pdata[0] : "");
    return NULL;
  }
  return defcn_dataset_check_images (dataset, options, error)
          && defcn_dataset_check_damage (dataset, n, options, error)
      ? g_steal_pointer (&dataset)
      : NULL;
}

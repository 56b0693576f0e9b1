/* The ids of a COCO file: numbers, strings, numbers beyond 64 bits. */
#include "coco_ids.h"

#include "coco_annotation.h"
#include "text_tree.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* Ids that are no whole numbers of 64 bits get one from here on. */
#define FIRST_ODD_ID G_MININT64
#define LAST_ODD_ID (G_MININT64 + G_MAXUINT32)

struct _DefcnCocoIds
{
  DefcnDataset *dataset;
  GTree *odd; /* char *, JSON -> gint64 * */
};

DefcnCocoIds *
defcn_coco_ids_new (DefcnDataset *dataset)
{
  DefcnCocoIds *ids = g_new (DefcnCocoIds, 1);

  ids->dataset = dataset;
  ids->odd = defcn_text_tree_new (g_free, g_free);
  if (dataset->odd_ids) {
    GHashTableIter iter;
    gpointer id, text;

    g_hash_table_iter_init (&iter, dataset->odd_ids);
    while (g_hash_table_iter_next (&iter, &id, &text))
      g_tree_insert (ids->odd, g_strdup (text),
          g_memdup2 (id, sizeof (gint64)));
  }
  return ids;
}

void
defcn_coco_ids_free (DefcnCocoIds *ids)
{
  g_tree_unref (ids->odd);
  g_free (ids);
}

gboolean
defcn_coco_ids_member (DefcnJsonSpan *value, const GString *element,
    const char *key)
{
  DefcnJsonScan scan = { element->str, element->str + element->len };
  DefcnJsonSpan name;

  defcn_json_scan_take (&scan, '{');
  while (defcn_json_scan_string (&scan, &name)
      && defcn_json_scan_take (&scan, ':')) {
    defcn_json_scan_peek (&scan);
    *value = (DefcnJsonSpan){ scan.at, 0 };
    if (!defcn_json_scan_value (&scan))
      return FALSE;
    value->len = scan.at - value->start;
    if (defcn_json_scan_equal (&name, key))
      return TRUE;
    if (!defcn_json_scan_take (&scan, ','))
      return FALSE;
  }
  return FALSE;
}

/* The number that stands for the id @text, JSON. */
static gint64
odd_id (DefcnCocoIds *ids, const char *text)
{
  const gint64 *known = g_tree_lookup (ids->odd, text);
  gint64 id;

  if (known)
    return *known;
  if (!ids->dataset->odd_ids)
    ids->dataset->odd_ids =
        g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  id = FIRST_ODD_ID + g_tree_nnodes (ids->odd);
  g_tree_insert (ids->odd, g_strdup (text), g_memdup2 (&id, sizeof id));
  g_hash_table_insert (ids->dataset->odd_ids, g_memdup2 (&id, sizeof id),
      g_strdup (text));
  return id;
}

gboolean
defcn_coco_ids_parse (DefcnCocoIds *ids, const DefcnJsonSpan *span, gint64 *id)
{
  g_autofree char *text = g_strndup (span->start, span->len);
  char *end;

  if (g_ascii_string_to_signed (text, 10, LAST_ODD_ID, G_MAXINT64, id, NULL))
    return TRUE;
  if (*text == '"') { /* in one form, however it is escaped */
    cJSON *string = cJSON_Parse (text);
    char *plain = string ? cJSON_PrintUnformatted (string) : NULL;

    if (plain)
      *id = odd_id (ids, plain);
    cJSON_free (plain);
    cJSON_Delete (string);
    return plain != NULL;
  }
  const double value = g_ascii_strtod (text, &end);
  if (end == text || *end || value != floor (value))
    return FALSE;
  if (fabs (value) <= DEFCN_COCO_MAX_ID)
    *id = value;
  else if (text[strspn (text, "-0123456789")] == '\0')
    *id = odd_id (ids, text);
  else
    return FALSE;
  return TRUE;
}

gboolean
defcn_coco_ids_other (const DefcnCocoIds *ids, gint64 id, gint64 *other)
{
  g_autofree char *text = defcn_dataset_id (ids->dataset, id);
  const gsize len = strlen (text);
  g_autofree char *changed = *text == '"' && len > 2
      ? g_strndup (text + 1, len - 2)
      : g_strdup_printf ("\"%s\"", text);
  g_autofree char *again = NULL;
  gint64 number;

  if (*text == '"'
      && g_ascii_string_to_signed (changed, 10, LAST_ODD_ID, G_MAXINT64,
          &number, NULL)) {
    again = g_strdup_printf ("%" G_GINT64_FORMAT, number);
    *other = number;
    return g_str_equal (again, changed); /* "007" is no number */
  }
  const gint64 *known = g_tree_lookup (ids->odd, changed);
  if (known)
    *other = *known;
  return known != NULL;
}

void
defcn_coco_ids_sort (gint64 *ids, guint n)
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

/* YOLO's data.yaml, by libyaml. */
#include "data_yaml.h"

#include "data/file.h"
#include "error.h"

#include <string.h>
#include <yaml.h>

#define MAX_BYTES (1 << 20) /* of a file */
#define MAX_CLASSES 10000
#define MAX_DEPTH 32
#define MAX_ANCHORS 1000

typedef struct
{
  DefcnDataYaml *yaml;
  const char *path;
  yaml_document_t document;
  GPtrArray *names; /* of char * */
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

/* The text of node @i, NULL where it is none. */
static const char *
text_of (Reader *r, int i)
{
  const yaml_node_t *node = yaml_document_get_node (&r->document, i);
  const char *text = node && node->type == YAML_SCALAR_NODE
      ? (const char *) node->data.scalar.value
      : NULL;

  return text && strlen (text) == node->data.scalar.length ? text : NULL;
}

/* A name for every number up to @number. */
static void
name_up_to (GPtrArray *names, guint number)
{
  while (names->len <= number)
    g_ptr_array_add (names, g_strdup_printf ("%u", names->len));
}

static gboolean
set_name (Reader *r, guint64 number, const char *name, GError **error)
{
  if (!name || number >= MAX_CLASSES)
    return fail (error, r, "\"names\" is no list of up to %d names",
        MAX_CLASSES);
  name_up_to (r->names, number);
  if (*name) {
    g_free (r->names->pdata[number]);
    r->names->pdata[number] = g_strdup (name);
  }
  return TRUE;
}

/* [a, b] or {0: a, 1: b} */
static gboolean
read_names (Reader *r, const yaml_node_t *node, GError **error)
{
  g_ptr_array_set_size (r->names, 0);
  if (node->type == YAML_SEQUENCE_NODE) {
    const yaml_node_item_t *item = node->data.sequence.items.start;

    for (guint k = 0; item < node->data.sequence.items.top; item++, k++)
      if (!set_name (r, k, text_of (r, *item), error))
        return FALSE;
    return TRUE;
  }
  if (node->type != YAML_MAPPING_NODE)
    return fail (error, r, "\"names\" is neither a list nor a mapping");
  const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
  for (; pair < node->data.mapping.pairs.top; pair++) {
    const char *key = text_of (r, pair->key);
    guint64 number;

    if (!key
        || !g_ascii_string_to_unsigned (key, 10, 0, MAX_CLASSES - 1, &number,
            NULL))
      return fail (error, r, "\"names\" has a key that is no class number");
    if (!set_name (r, number, text_of (r, pair->value), error))
      return FALSE;
  }
  return TRUE;
}

/* A folder, or a list of them. */
static gboolean
read_split (Reader *r, DefcnDataYamlSplit split, const char *key, int value,
    GError **error)
{
  const yaml_node_t *node = yaml_document_get_node (&r->document, value);
  const gboolean several = node && node->type == YAML_SEQUENCE_NODE;
  const yaml_node_item_t *item =
      several ? node->data.sequence.items.start : &value;
  const yaml_node_item_t *end =
      several ? node->data.sequence.items.top : &value + 1;

  g_clear_pointer (&r->yaml->splits[split], g_ptr_array_unref);
  r->yaml->splits[split] = g_ptr_array_new_with_free_func (g_free);
  for (; item < end; item++) {
    const char *text = text_of (r, *item);

    if (!text)
      return fail (error, r, "\"%s\" is no folder and no list of folders", key);
    if (*text) /* "test:" without anything is none */
      g_ptr_array_add (r->yaml->splits[split], g_strdup (text));
  }
  return TRUE;
}

/* [number, values of each] */
static void
read_keypoints (Reader *r, const yaml_node_t *node)
{
  guint64 product = 1, n = 0;

  if (node->type != YAML_SEQUENCE_NODE)
    return;
  const yaml_node_item_t *item = node->data.sequence.items.start;
  for (; item < node->data.sequence.items.top; item++, n++) {
    const char *text = text_of (r, *item);
    guint64 value;

    if (!text || !g_ascii_string_to_unsigned (text, 10, 1, 1000, &value, NULL))
      return;
    product *= value;
    if (n == 2)
      return;
  }
  if (n == 2)
    r->yaml->n_keypoints = product;
}

static gboolean
read_pair (Reader *r, const yaml_node_pair_t *pair, GError **error)
{
  static const char *const splits[DEFCN_DATA_YAML_N_SPLITS] = { "train", "val",
    "test" };
  const char *key = text_of (r, pair->key);
  const yaml_node_t *node = yaml_document_get_node (&r->document, pair->value);

  if (!key || !node)
    return TRUE;
  if (g_str_equal (key, "names"))
    return read_names (r, node, error);
  if (g_str_equal (key, "path")) {
    const char *text = text_of (r, pair->value);

    g_free (r->yaml->path);
    r->yaml->path = text && *text ? g_strdup (text) : NULL;
  }
  if (g_str_equal (key, "kpt_shape"))
    read_keypoints (r, node);
  for (int k = 0; k < DEFCN_DATA_YAML_N_SPLITS; k++)
    if (g_str_equal (key, splits[k]))
      return read_split (r, k, key, pair->value, error);
  return TRUE;
}

static gboolean
read_document (Reader *r, GError **error)
{
  const yaml_node_t *root = yaml_document_get_root_node (&r->document);

  if (!root || root->type != YAML_MAPPING_NODE)
    return fail (error, r, "no mapping of names and folders");
  const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
  for (; pair < root->data.mapping.pairs.top; pair++)
    if (!read_pair (r, pair, error))
      return FALSE;
  if (r->names->len > 0) {
    g_ptr_array_add (r->names, NULL);
    r->yaml->names = (char **) g_ptr_array_steal (r->names, NULL);
  }
  return TRUE;
}

/* libyaml takes time that grows with the square of the depth and of the number
 * of anchors: both are looked at before a document is made.  FALSE with @error;
 * what is no YAML is left to the loader. */
static gboolean
check_depth (const Reader *r, const char *text, gsize len, GError **error)
{
  yaml_parser_t parser;
  yaml_event_t event;
  guint depth = 0, n_anchors = 0;
  gboolean good = TRUE, end = FALSE;

  if (!yaml_parser_initialize (&parser))
    return fail (error, r, "no memory to read it");
  yaml_parser_set_input_string (&parser, (const guint8 *) text, len);
  while (good && !end && yaml_parser_parse (&parser, &event)) {
    const gboolean sequence = event.type == YAML_SEQUENCE_START_EVENT;
    const gboolean mapping = event.type == YAML_MAPPING_START_EVENT;

    depth += sequence || mapping;
    depth -= event.type == YAML_SEQUENCE_END_EVENT
        || event.type == YAML_MAPPING_END_EVENT;
    n_anchors += (sequence && event.data.sequence_start.anchor)
        || (mapping && event.data.mapping_start.anchor)
        || (event.type == YAML_SCALAR_EVENT && event.data.scalar.anchor);
    good = depth <= MAX_DEPTH && n_anchors <= MAX_ANCHORS;
    end = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete (&event);
  }
  yaml_parser_delete (&parser);
  return good
      || fail (error, r, "nested deeper than %d, or more than %d anchors",
          MAX_DEPTH, MAX_ANCHORS);
}

gboolean
defcn_data_yaml_read (DefcnDataYaml *yaml, const char *path, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  Reader r = { .yaml = yaml, .path = path, .names = names };
  g_autofree char *text = NULL;
  yaml_parser_t parser;
  gsize len;

  *yaml = (DefcnDataYaml){ 0 };
  if (!defcn_file_read_text (&text, &len, path, MAX_BYTES, error)
      || !check_depth (&r, text, len, error))
    return FALSE;
  if (!yaml_parser_initialize (&parser))
    return fail (error, &r, "no memory to read it");
  yaml_parser_set_input_string (&parser, (const guint8 *) text, len);
  gboolean good = yaml_parser_load (&parser, &r.document);
  if (!good) {
    fail (error, &r, "no YAML: line %" G_GSIZE_FORMAT ": %s",
        (gsize) parser.problem_mark.line + 1,
        parser.problem ? parser.problem : "damaged");
  } else {
    good = read_document (&r, error);
    yaml_document_delete (&r.document);
  }
  yaml_parser_delete (&parser);
  return good;
}

void
defcn_data_yaml_clear (DefcnDataYaml *yaml)
{
  g_clear_pointer (&yaml->path, g_free);
  g_clear_pointer (&yaml->names, g_strfreev);
  for (int k = 0; k < DEFCN_DATA_YAML_N_SPLITS; k++)
    g_clear_pointer (&yaml->splits[k], g_ptr_array_unref);
}

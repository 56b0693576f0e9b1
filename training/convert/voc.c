/* Pascal VOC's annotations, by GLib's parser of markup. */
#include "voc.h"

#include "data/file.h"
#include "data/image_name.h"
#include "data/output.h"
#include "data/text_tree.h"
#include "error.h"

#include <math.h>
#include <string.h>

#define MAX_BYTES (16 << 20) /* of a file */
#define MAX_SIDE 1000000
#define MAX_DEPTH 32      /* of elements in elements */
#define MAX_CLASSES 10000 /* as in a model file */

/* The corners, in the order of DefcnObject.bbox before it has sizes. */
static const char *const corners[] = { "xmin", "ymin", "xmax", "ymax" };

/* One file being read. */
typedef struct
{
  DefcnDataset *dataset;
  const char *path;
  char *file;    /* <filename> */
  char *root;    /* the element around all */
  guint depth;   /* of the element that is open */
  int size[2];   /* <size> */
  GArray *found; /* of DefcnObject, label in @dataset */
  guint n;       /* objects, damaged ones too */
  char *name;    /* of the object that is open */
  double box[4];
  int n_corners;
  gboolean difficult;
} Reader;

gboolean
defcn_voc_is_file (const char *name)
{
  return g_str_has_suffix (name, ".xml");
}

/* Whether the open element lies at @path, from the root on. */
static gboolean
is_at (GMarkupParseContext *context, const char *const *path, guint depth)
{
  const GSList *stack = g_markup_parse_context_get_element_stack (context);

  if (g_slist_length ((GSList *) stack) != depth)
    return FALSE;
  for (guint i = depth; i-- > 0; stack = stack->next)
    if (!g_str_equal (stack->data, path[i]))
      return FALSE;
  return TRUE;
}

#define AT(...)                                                                \
  is_at (context, (const char *const[]){ __VA_ARGS__ },                        \
      G_N_ELEMENTS (((const char *const[]){ __VA_ARGS__ })))

static void
on_start (GMarkupParseContext *context, const char *element,
    const char **keys G_GNUC_UNUSED, const char **values G_GNUC_UNUSED,
    gpointer data, GError **error)
{
  Reader *r = data;

  if (!r->root)
    r->root = g_strdup (element);
  if (++r->depth > MAX_DEPTH) /* every text looks at all of them */
    g_set_error (error, G_MARKUP_ERROR, G_MARKUP_ERROR_PARSE,
        "elements are nested deeper than %d", MAX_DEPTH);
}

static void
on_text (GMarkupParseContext *context, const char *text, gsize len,
    gpointer data, GError **error)
{
  static const char *const sides[] = { "width", "height" };
  Reader *r = data;
  g_autofree char *value = g_strstrip (g_strndup (text, len));
  char *end;
  const double number = g_ascii_strtod (value, &end);
  const gboolean is_number = end != value && !*end && isfinite (number);

  for (int k = 0; k < 2; k++)
    if (AT ("annotation", "size", sides[k]) && is_number && number >= 0
        && number <= MAX_SIDE)
      r->size[k] = number;
  for (int k = 0; k < 4; k++)
    if (AT ("annotation", "object", "bndbox", corners[k]) && is_number
        && fabs (number) <= MAX_SIDE) {
      r->box[k] = number;
      r->n_corners |= 1 << k;
    }
  if (AT ("annotation", "filename") && !r->file)
    r->file = g_steal_pointer (&value);
  else if (AT ("annotation", "object", "name") && !r->name)
    r->name = g_steal_pointer (&value);
  else if (AT ("annotation", "object", "difficult"))
    r->difficult = number == 1;
}

static void
on_end (GMarkupParseContext *context, const char *element, gpointer data,
    GError **error)
{
  Reader *r = data;
  DefcnObject o = { .person = TRUE, .crowd = r->difficult };

  r->depth--;
  if (!AT ("annotation", "object"))
    return;
  r->n++;
  o.bbox[0] = r->box[0];
  o.bbox[1] = r->box[1];
  o.bbox[2] = r->box[2] - r->box[0];
  o.bbox[3] = r->box[3] - r->box[1];
  o.area = o.bbox[2] * o.bbox[3];
  const char *problem = !r->name || !r->name[0] ? "has no name"
      : !defcn_dataset_is_label (r->name)
      ? "has a name that is too long or has control characters"
      : r->n_corners != 15 ? "has no box of four corners"
      : o.bbox[2] < 0 || o.bbox[3] < 0
      ? "has a box of a negative width or height"
      : r->dataset->labels->len >= MAX_CLASSES
      ? "comes after those of 10000 classes"
      : NULL;
  if (problem) {
    defcn_dataset_skip (r->dataset, &r->dataset->n_damaged,
        g_strdup_printf ("%s: object %u %s", r->path, r->n, problem));
  } else {
    o.label = defcn_folder_class (r->dataset, r->name);
    r->dataset->n_empty += o.area == 0;
    g_array_append_val (r->found, o);
  }
  g_clear_pointer (&r->name, g_free);
  r->n_corners = 0;
  r->difficult = FALSE;
}

/* *@text, of *@len bytes, in UTF-8 where its first line says something else. */
static gboolean
to_utf8 (char **text, gsize *len, GError **error)
{
  static const char key[] = "encoding=";
  g_autofree char *line = g_strndup (*text, MIN (*len, 200));
  char *end = strstr (line, "?>"), *start;

  if (!end || !g_str_has_prefix (line, "<?xml"))
    return TRUE;
  *end = '\0';
  start = strstr (line, key);
  if (!start || g_utf8_validate (*text, *len, NULL))
    return TRUE; /* or was turned into it */
  start += strlen (key) + 1;
  start[strcspn (start, "\"'")] = '\0';
  char *utf8 = g_convert (*text, *len, "UTF-8", start, NULL, len, error);
  if (!utf8)
    return FALSE;
  g_free (*text);
  *text = utf8;
  return TRUE;
}

static gboolean
parse (Reader *r, GError **error)
{
  static const GMarkupParser parser = { .start_element = on_start,
    .text = on_text,
    .end_element = on_end };
  g_autoptr (GMarkupParseContext) context = g_markup_parse_context_new (&parser,
      G_MARKUP_TREAT_CDATA_AS_TEXT, r, NULL);
  g_autofree char *text = NULL;
  gsize len;

  if (!defcn_file_read_text (&text, &len, r->path, MAX_BYTES, error))
    return FALSE;
  if (!to_utf8 (&text, &len, error)
      || !g_markup_parse_context_parse (context, text, len, error)
      || !g_markup_parse_context_end_parse (context, error)) {
    g_prefix_error (error, "%s: ", r->path);
    return FALSE;
  }
  if (g_str_equal (r->root, "annotation"))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: no <annotation> but <%s>%s", r->path, r->root,
      g_str_equal (r->root, "annotations")
          ? ", CVAT's own format: its Pascal VOC or COCO is read"
          : "");
  return FALSE;
}

/* The picture's name that the file's own name says, "a" for "a.xml"; with the
 * ending that the picture has, if it is there. */
static char *
name_of_file (const DefcnDataset *dataset, const char *file, gboolean *found)
{
  char *stem = g_strndup (file, strlen (file) - strlen (".xml"));
  g_autofree char *path =
      defcn_image_name_path (dataset->image_dir, stem, FALSE);

  *found = g_file_test (path, G_FILE_TEST_IS_REGULAR);
  if (!*found)
    return stem;
  g_free (stem);
  return g_path_get_basename (path);
}

/* The picture of a file: what it says, or the file's own name where it says
 * nothing or a name that another file has too, as copies do.  NULL where it is
 * there twice. */
static char *
choose_name (const Reader *r, GTree *seen, const char *file)
{
  const gboolean told = r->file && r->file[0];
  gboolean found;

  if (told && !g_tree_lookup (seen, r->file))
    return g_strdup (r->file);
  char *name = name_of_file (r->dataset, file, &found);
  if ((!told || found) && !g_tree_lookup (seen, name))
    return name;
  g_free (name);
  return NULL;
}

/* What is in @r becomes a sample. */
static gboolean
add_sample (const Reader *r, GTree *seen, const char *file, GError **error)
{
  DefcnDataset *dataset = r->dataset;
  char *name = choose_name (r, seen, file);
  const guint i = dataset->samples->len;

  if (!name) {
    defcn_dataset_skip (dataset, &dataset->n_bad_images,
        g_strdup_printf ("%s: picture %s is there twice", r->path, r->file));
    return TRUE;
  }
  g_tree_insert (seen, name, GINT_TO_POINTER (1));
  if (defcn_dataset_has_controls (name)) {
    defcn_dataset_skip (dataset, &dataset->n_bad_images,
        g_strdup_printf ("%s: the picture's name has control characters",
            r->path));
    return TRUE;
  }
  if (!defcn_dataset_check_name (dataset, name, error)) {
    g_prefix_error (error, "%s: ", r->path);
    return FALSE;
  }
  g_ptr_array_add (dataset->samples,
      defcn_sample_new (i + 1, name, r->size[1] ? r->size[0] : 0,
          r->size[0] ? r->size[1] : 0));
  for (guint k = 0; k < r->found->len; k++)
    defcn_dataset_add (dataset, i, &g_array_index (r->found, DefcnObject, k));
  return TRUE;
}

/* Reads the file @name; one that is damaged is skipped. */
static gboolean
read_file (DefcnDataset *dataset, guint *n, GTree *seen, const char *folder,
    const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  g_autoptr (GError) problem = NULL;
  Reader r = { .dataset = dataset, .path = path, .found = found };
  gboolean good = TRUE;

  if (parse (&r, &problem))
    good = add_sample (&r, seen, name, error);
  else
    defcn_dataset_skip (dataset, &dataset->n_bad_images,
        g_strdup (problem->message));
  *n += r.n;
  g_free (r.file);
  g_free (r.root);
  g_free (r.name);
  return good;
}

DefcnDataset *
defcn_voc_read (const char *path, const char *images,
    const DefcnReadOptions *options, GError **error)
{
  g_autoptr (DefcnDataset) dataset = defcn_dataset_new (path, images, options);
  g_autoptr (GPtrArray) names =
      defcn_folder_list (path, defcn_voc_is_file, error);
  g_autoptr (GTree) seen = defcn_text_tree_new (g_free, NULL);
  guint n = 0;

  for (guint i = 0; names && i < names->len; i++)
    if (!read_file (dataset, &n, seen, path, names->pdata[i], error))
      return NULL;
  if (names && dataset->samples->len == 0) {
    defcn_dataset_fail (error, dataset, "no pictures%s%s",
        dataset->damage->len ? " but damaged ones: " : "",
        dataset->damage->len ? (const char *) dataset->damage->pdata[0] : "");
    return NULL;
  }
  return names && defcn_dataset_check_images (dataset, options, error)
          && defcn_dataset_check_damage (dataset, n, options, error)
      ? g_steal_pointer (&dataset)
      : NULL;
}

static void
append_object (GString *text, const DefcnDataset *dataset, const DefcnObject *o)
{
  g_autofree char *name =
      g_markup_escape_text (dataset->labels->pdata[MAX (o->label, 0)], -1);
  const double values[4] = { o->bbox[0], o->bbox[1], o->bbox[0] + o->bbox[2],
    o->bbox[1] + o->bbox[3] };

  g_string_append_printf (text,
      "  <object>\n    <name>%s</name>\n    <difficult>%d</difficult>\n"
      "    <bndbox>",
      name, o->crowd || o->label < 0);
  for (int k = 0; k < 4; k++) {
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf (text, "<%s>%s</%s>", corners[k],
        g_ascii_formatd (number, sizeof number, "%.9g", values[k]), corners[k]);
  }
  g_string_append (text, "</bndbox>\n  </object>\n");
}

gboolean
defcn_voc_write (const char *path, const DefcnDataset *dataset,
    DefcnConverted *done, GError **error)
{
  if (!defcn_folder_check_stems (dataset, NULL, error))
    return FALSE;
  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
    g_autoptr (GString) text = g_string_new (NULL);
    g_autofree char *file =
        defcn_folder_file (path, sample->name, ".xml", error);
    g_autofree char *name = g_markup_escape_text (sample->name, -1);
    int size[2];

    if (!file || !defcn_folder_size (size, dataset, i, error))
      return FALSE;
    g_string_append_printf (text,
        "<annotation>\n  <filename>%s</filename>\n  <size><width>%d</width>"
        "<height>%d</height><depth>3</depth></size>\n",
        name, size[0], size[1]);
    for (guint k = 0; k < objects->len; k++)
      append_object (text, dataset, &g_array_index (objects, DefcnObject, k));
    g_string_append (text, "</annotation>\n");
    if (!defcn_output_write (file, text->str, text->len, error))
      return FALSE;
    done->n_images++;
    done->n_objects += objects->len;
  }
  return TRUE;
}

/* What a training starts from: another model's weights, and what they ask of
 * the recipe. */
#include "init.h"

#include "backbone.h"

#include <cjson/cJSON.h>
#include <string.h>

#define MAX_NAMED 8 /* of a list for people */

/* The spec of a backbone's file, whose JSON has only some of the fields: the
 * others are the default's. */
static DefcnSpec *
backbone_spec (const char *json, const char *path, GError **error)
{
  static const char *const labels[] = { "any", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *text = defcn_spec_to_json (spec);
  cJSON *all = cJSON_Parse (text), *some = cJSON_Parse (json);

  while (cJSON_IsObject (some) && some->child) {
    cJSON *item = cJSON_DetachItemViaPointer (some, some->child);
    g_autofree char *name = g_strdup (item->string);

    if (cJSON_HasObjectItem (all, name))
      cJSON_ReplaceItemInObjectCaseSensitive (all, name, item);
    else
      cJSON_Delete (item);
  }
  char *merged = cJSON_PrintUnformatted (all);
  DefcnSpec *read = defcn_spec_from_json (merged, path, error);
  cJSON_free (merged);
  cJSON_Delete (all);
  cJSON_Delete (some);
  return read;
}

/* *@spec: what the file says of its network, NULL where it says nothing. */
static gboolean
read_spec (DefcnSpec **spec, gboolean *whole, const DefcnWeights *weights,
    GError **error)
{
  const char *json = defcn_weights_metadata (weights, "defcn.spec");
  const char *backbone = defcn_weights_metadata (weights, "defcn.backbone");
  const char *path = defcn_weights_path (weights);

  *whole = json != NULL;
  *spec = json   ? defcn_spec_from_json (json, path, error)
      : backbone ? backbone_spec (backbone, path, error)
                 : NULL;
  return *spec || (!json && !backbone);
}

/* Sets @key to @value where nobody has given it. */
static gboolean
adopt (DefcnRecipe *recipe, GString *set, const char *key, const char *value,
    gboolean binding, const char *path, GError **error)
{
  g_autofree char *now = defcn_recipe_keys_get (recipe, key);

  if (g_str_equal (now, value))
    return TRUE;
  if (!defcn_recipe_keys_given (recipe, key)) {
    g_string_append_printf (set, "%s%s=%s", set->len ? " " : "", key, value);
    return defcn_recipe_keys_adopt (recipe, key, value, error);
  }
  if (!binding)
    return TRUE; /* what does not fit starts anew, by name */
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s is of %s=%s, the recipe says %s: leave the key out, or start from "
      "another file",
      path, key, value, now);
  return FALSE;
}

/* Where the file has deformable convolutions, which an ImageNet backbone has
 * not: there a recipe may ask for them all the same. */
static gboolean
adopt_deformable (DefcnRecipe *recipe, GString *set, const DefcnSpec *spec,
    const char *path, GError **error)
{
  g_autofree char *from = g_strdup_printf ("%d", spec->dcn_from);
  const gboolean any = spec->dcn_from > 0 || spec->dcn_head;

  return (spec->dcn_from == 0
             || adopt (recipe, set, "dcn_from", from, FALSE, path, error))
      && (!any
          || adopt (recipe, set, "dcn_modulated",
              spec->dcn_modulated ? "true" : "false", FALSE, path, error))
      && (!spec->dcn_head
          || adopt (recipe, set, "dcn_head", "true", FALSE, path, error));
}

static gboolean
adopt_spec (DefcnRecipe *recipe, GString *set, const DefcnSpec *spec,
    gboolean whole, const char *path, GError **error)
{
  const gboolean resnet = spec->backbone == DEFCN_BACKBONE_RESNET;
  const struct
  {
    const char *key;
    int value;
  } head[] = { { "fpn_channels", spec->fpn_channels },
    { "tower_depth", spec->tower_depth },
    { "norm_groups", spec->norm_groups } };
  const char *pixels = defcn_backbone_pixels (&spec->input);
  g_autofree char *backbone = defcn_backbone_word (spec);

  if (!pixels) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: a recipe has no word for its pixel rule", path);
    return FALSE;
  }
  if (!adopt (recipe, set, "backbone", backbone, TRUE, path, error)
      || !adopt (recipe, set, "pixels", pixels, TRUE, path, error)
      || (resnet && spec->depth >= 50
          && !adopt (recipe, set, "stride_in_1x1",
              spec->stride_in_1x1 ? "true" : "false", TRUE, path, error))
      || !adopt_deformable (recipe, set, spec, path, error))
    return FALSE;
  if (!whole)
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (head); i++) {
    g_autofree char *value = g_strdup_printf ("%d", head[i].value);

    if (!spec->norm_groups != !recipe->spec->norm_groups
        && g_str_equal (head[i].key, "norm_groups"))
      continue; /* another kind of tower */
    if (!adopt (recipe, set, head[i].key, value, FALSE, path, error))
      return FALSE;
  }
  return adopt (recipe, set, "p6_from_c5", spec->p6_from_c5 ? "true" : "false",
      FALSE, path, error);
}

gboolean
defcn_init_adopt (DefcnRecipe *recipe, char **set, const char *path,
    GError **error)
{
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, error);
  g_autoptr (DefcnSpec) spec = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  gboolean whole;

  *set = NULL;
  if (!weights || !read_spec (&spec, &whole, weights, error))
    return FALSE;
  if (spec && !adopt_spec (recipe, text, spec, whole, path, error))
    return FALSE;
  if (text->len > 0)
    *set = g_strdup (text->str);
  return TRUE;
}

/* A load in progress. */
typedef struct
{
  const DefcnWeights *weights;
  const DefcnSpec *ours,
      *theirs;     /* theirs: NULL where the file has no labels */
  GPtrArray *anew; /* borrowed names */
  guint n_taken;
} Load;

/* Whether a row of @p is a class. */
static gboolean
has_class_rows (const DefcnParam *p)
{
  return g_str_has_prefix (p->name, "head.cls_score.")
      || defcn_architecture_is_auxiliary (p->name);
}

/* The row of the class @label in the file, -1 for none. */
static int
find_row (const DefcnSpec *theirs, const char *label)
{
  for (int i = 0; i < theirs->n_classes; i++)
    if (g_str_equal (theirs->labels[i], label))
      return i;
  return -1;
}

/* That of our row @i: the same class, of the same of a location's boxes. */
static int
their_row (const Load *load, int i)
{
  const int n = load->ours->n_classes;
  const int row = find_row (load->theirs, load->ours->labels[i % n]);

  return row < 0 ? -1 : row + i / n * load->theirs->n_classes;
}

/* Row @to of @p from row @from of @values, which are OIHW. */
static void
copy_row (DefcnParam *p, int to, const float *values, int from)
{
  const gsize hw = (gsize) p->h * p->w, len = hw * p->c;

  if (p->kind != DEFCN_PARAM_WEIGHT) {
    p->value[to] = values[from];
    return;
  }
  for (int i = 0; i < p->c; i++)
    for (gsize k = 0; k < hw; k++)
      p->value[to * len + k * p->c + i] = values[from * len + i * hw + k];
}

/* Whether the tensor called like @p is what @p is: with anchors the last layer
 * of the box branch means something else, towers without norms have their
 * convolutions under other numbers. */
static gboolean
means_the_same (const Load *load, const DefcnParam *p)
{
  const DefcnSpec *theirs = load->theirs, *ours = load->ours;

  if (!theirs)
    return TRUE;
  return (theirs->anchors == ours->anchors
             || !g_str_has_prefix (p->name, "head.bbox_pred."))
      && (!theirs->norm_groups == !ours->norm_groups
          || !strstr (p->name, "_subnet."));
}

/* Whether the tensor has @n rows of those of @p. */
static gboolean
fits (const DefcnParam *p, const DefcnWeightsTensor *t, int n)
{
  if (p->kind != DEFCN_PARAM_WEIGHT)
    return t->n_dims == 1 && t->dims[0] == n;
  return t->n_dims == 4 && t->dims[0] == n && t->dims[1] == p->c
      && t->dims[2] == p->h && t->dims[3] == p->w;
}

/* Takes what fits of one tensor. */
static gboolean
take (Load *load, DefcnParam *p, GError **error)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (load->weights, p->name);
  const gboolean by_name = load->theirs && has_class_rows (p);
  const int n = p->kind == DEFCN_PARAM_WEIGHT ? p->n : p->c;
  const int rows =
      by_name ? load->theirs->n_classes * MAX (load->ours->anchors, 1) : n;
  int taken = 0;

  if (!t || !means_the_same (load, p) || !fits (p, t, rows)) {
    g_ptr_array_add (load->anew, p->name);
    return TRUE;
  }
  g_autofree float *values = g_try_new (float, t->len);
  if (!values) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no memory for tensor \"%s\"", defcn_weights_path (load->weights),
        p->name);
    return FALSE;
  }
  if (!defcn_weights_read (load->weights, t, values, error))
    return FALSE;
  for (int i = 0; i < n; i++) {
    const int row = by_name ? their_row (load, i) : i;

    if (row >= 0)
      copy_row (p, i, values, row);
    taken += row >= 0;
  }
  if (taken > 0)
    load->n_taken++;
  else
    g_ptr_array_add (load->anew, p->name);
  return TRUE;
}

/* Appends "@what a, b, .. (n)", nothing for none. */
static void
append_names (GString *text, const char *what, const GPtrArray *names)
{
  if (names->len == 0)
    return;
  g_string_append_printf (text, "; %s ", what);
  for (guint i = 0; i < MIN (names->len, MAX_NAMED); i++)
    g_string_append_printf (text, "%s%s", i ? ", " : "",
        (const char *) names->pdata[i]);
  if (names->len > MAX_NAMED)
    g_string_append_printf (text, " and %u more", names->len - MAX_NAMED);
}

static char *
report_text (const Load *load, guint count)
{
  g_autoptr (GPtrArray) taken = g_ptr_array_new ();
  g_autoptr (GPtrArray) anew = g_ptr_array_new ();
  GString *text = g_string_new (NULL);

  g_string_printf (text, "%s: %u of %u tensors",
      defcn_weights_path (load->weights), load->n_taken, count);
  for (int i = 0; load->theirs && i < load->ours->n_classes; i++) {
    char *label = load->ours->labels[i];

    g_ptr_array_add (find_row (load->theirs, label) >= 0 ? taken : anew, label);
  }
  append_names (text, "classes taken over:", taken);
  append_names (text, "classes that start anew:", anew);
  append_names (text, "starts anew:", load->anew);
  return g_string_free (text, FALSE);
}

gboolean
defcn_init_load (DefcnModel *model, char **report, const DefcnWeights *weights,
    GError **error)
{
  DefcnParams *params = defcn_model_params (model);
  const guint count = defcn_params_count (params);
  g_autoptr (DefcnSpec) theirs = NULL;
  g_autoptr (GPtrArray) anew = g_ptr_array_new ();
  gboolean whole;

  *report = NULL;
  if (!read_spec (&theirs, &whole, weights, error))
    return FALSE;
  Load load = { weights, defcn_model_spec (model), whole ? theirs : NULL, anew,
    0 };
  defcn_params_download (params); /* what is not taken keeps its value */
  for (guint i = 0; i < count; i++) {
    if (!take (&load, defcn_params_get (params, i), error))
      return FALSE;
  }
  if (load.n_taken == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: none of its tensors is one of the model's (weights of other "
        "programs go through defcn import)",
        defcn_weights_path (weights));
    return FALSE;
  }
  defcn_params_upload (params);
  *report = report_text (&load, count);
  return TRUE;
}

/* The models of the golden set: config.json -> spec, weights and rule. */
#include "synth.h"

#include "golden.h"
#include "import/derive.h"
#include "train/presets.h"
#include "train/recipe.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN_GAMMA 0x9E3779B97F4A7C15u

static guint64
fnv1a (const char *text)
{
  guint64 hash = 0xCBF29CE484222325u;

  for (; *text; text++)
    hash = (hash ^ (guint8) *text) * 0x100000001B3u;
  return hash;
}

void
testing_synth_values (float *dst, gsize n, const char *name, guint64 seed,
    double lo, double hi)
{
  guint64 state = fnv1a (name) ^ (seed * GOLDEN_GAMMA);

  for (gsize i = 0; i < n; i++) {
    guint64 z = state += GOLDEN_GAMMA;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    dst[i] = lo + (hi - lo) * ((double) (z >> 40) * 0x1p-24);
  }
}

static cJSON *
read_config (const char *path)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error))
    g_error ("%s", error->message);

  cJSON *config = cJSON_Parse (text);
  if (!config)
    g_error ("%s: not JSON", path);
  return config;
}

static const cJSON *
get (const cJSON *object, const char *name)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, name);

  if (!item)
    g_error ("golden config: no \"%s\"", name);
  return item;
}

static double
number (const cJSON *object, const char *name)
{
  const cJSON *item = get (object, name);

  if (!cJSON_IsNumber (item))
    g_error ("golden config: \"%s\" is not a number", name);
  return item->valuedouble;
}

static gboolean
is_string (const cJSON *object, const char *name, const char *value)
{
  return g_strcmp0 (cJSON_GetStringValue (get (object, name)), value) == 0;
}

DefcnSpec *
testing_synth_derive (const cJSON *tensors, const char *where, GError **error)
{
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new (where, "listing", 0);
  const cJSON *tensor, *dim;
  gboolean full;

  cJSON_ArrayForEach (tensor, tensors)
  {
    DefcnForeignTensor *t = g_new0 (DefcnForeignTensor, 1);

    t->name = g_strdup (cJSON_GetStringValue (get (tensor, "name")));
    cJSON_ArrayForEach (dim, get (tensor, "shape")) t->dims[t->n_dims++] =
        dim->valuedouble;
    g_ptr_array_add (foreign->tensors, t);
    g_hash_table_insert (foreign->by_name, t->name, t);
  }
  DefcnSpec *spec =
      defcn_derive_spec (&full, foreign, DEFCN_NAMING_OFFICIAL, NULL, error);
  if (spec && !full)
    g_error ("%s: no head", where);
  return spec;
}

/* "coco/poto.res50.fpn.coco.800size.3x_ms.3dmf" is the preset coco.poto.3dmf.
 */
static char *
preset_name (const char *experiment)
{
  g_auto (GStrv) halves = g_strsplit (experiment, "/", 2);
  g_auto (GStrv) words = g_strsplit (halves[1] ? halves[1] : "", ".", -1);
  GString *name = g_string_new (halves[0]);

  for (guint i = 0; words[i]; i++) {
    const gboolean of_all = g_str_has_prefix (words[i], "res")
        || g_str_equal (words[i], "fpn") || g_str_equal (words[i], halves[0])
        || g_str_has_suffix (words[i], "size")
        || (i > 0 && g_ascii_isdigit (words[i][0])
            && (g_str_has_suffix (words[i], "x_ms")
                || g_str_has_suffix (words[i], "k")));

    if (!of_all)
      g_string_append_printf (name, ".%s", words[i]);
  }
  return g_string_free (name, FALSE);
}

/* The recipe of that preset, else one with the assigner that the experiment is
 * named after. */
static DefcnRecipe *
start_recipe (const char *experiment, GError **error)
{
  g_autofree char *preset = preset_name (experiment);
  const char *word = strchr (preset, '.');
  g_auto (GStrv) words = g_strsplit (word ? word + 1 : "", ".", -1);
  g_autofree char *assigner =
      g_strconcat ("assigner=", words[0] ? words[0] : "", NULL);

  if (g_strv_contains (defcn_presets_names (), preset))
    return defcn_recipe_new (preset, error);
  if (g_strv_contains ((const char *const *) words, "argmax")) {
    g_free (assigner);
    assigner = g_strdup ("assigner=argmax");
  }
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, error);
  return recipe && defcn_recipe_set (recipe, assigner, error)
      ? g_steal_pointer (&recipe)
      : NULL;
}

static gboolean
set_number (DefcnRecipe *recipe, const char *key, double value, GError **error)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree char *assignment =
      g_strconcat (key, "=", g_ascii_dtostr (text, sizeof text, value), NULL);

  return defcn_recipe_set (recipe, assignment, error);
}

/* NULL with @error where the product does not know what the case needs. */
static DefcnRecipe *
recipe_of (const cJSON *config, GError **error)
{
  const cJSON *poto = cJSON_GetObjectItemCaseSensitive (config, "poto");
  g_autoptr (DefcnRecipe) recipe =
      start_recipe (cJSON_GetStringValue (get (config, "experiment")), error);

  if (recipe
      && defcn_recipe_set (recipe,
          is_string (config, "third_output", "filter") ? "filter=true"
                                                       : "filter=false",
          error)
      && defcn_recipe_set (recipe,
          is_string (config, "third_output", "centerness") ? "centerness=true"
                                                           : "centerness=false",
          error)
      && set_number (recipe, "alpha",
          testing_golden_number (poto, "ALPHA", recipe->step.assign.alpha),
          error)
      && set_number (recipe, "aux_topk",
          testing_golden_number (poto, "AUX_TOPK", 0), error)
      && set_number (recipe, "radius",
          testing_golden_number (poto, "CENTER_SAMPLING_RADIUS",
              testing_golden_number (config, "fcos_center_sampling_radius", 0)),
          error)
      && set_number (recipe, "reg_weight",
          testing_golden_number (config, "reg_weight", 1), error)
      && defcn_recipe_set (recipe, "annotations=none", error)
      && defcn_recipe_set (recipe, "images=none", error)
      && defcn_recipe_finish (recipe, error))
    return g_steal_pointer (&recipe);
  return NULL;
}

static void
read_backbone (DefcnSpec *spec, const cJSON *backbone)
{
  spec->backbone = DEFCN_BACKBONE_RESNET;
  spec->depth = number (backbone, "DEPTH");
  spec->groups = number (backbone, "NUM_GROUPS");
  spec->group_width = number (backbone, "WIDTH_PER_GROUP");
  spec->stem_channels = number (backbone, "STEM_OUT_CHANNELS");
  spec->res2_channels = number (backbone, "RES2_OUT_CHANNELS");
  spec->stride_in_1x1 = cJSON_IsTrue (get (backbone, "STRIDE_IN_1X1"));
}

static void
read_head (DefcnSpec *spec, const cJSON *config)
{
  spec->fpn_channels = number (config, "fpn_channels");
  spec->p6_from_c5 = !is_string (config, "p6_from", "p5");
  spec->tower_depth = number (config, "num_convs");
  spec->norm_reg_targets = cJSON_IsTrue (get (config, "norm_reg_targets"));
  spec->filter = is_string (config, "third_output", "filter");
  if (spec->filter) {
    const cJSON *max3d = get (config, "max3d");

    spec->phi = number (max3d, "kernel_size");
    spec->tau = number (max3d, "tau");
    spec->filter_norm = cJSON_IsTrue (get (max3d, "gn"));
  }
}

static void
read_rules (DefcnSpec *spec, const cJSON *config)
{
  const double iou = number (config, "nms_thresh");

  spec->input.divisor = number (config, "size_divisibility");
  spec->input.bgr = TRUE;
  for (int i = 0; i < 3; i++) {
    spec->input.mean[i] =
        cJSON_GetArrayItem (get (config, "pixel_mean_bgr"), i)->valuedouble;
    spec->input.std[i] =
        cJSON_GetArrayItem (get (config, "pixel_std"), i)->valuedouble;
  }
  spec->threshold = number (config, "score_thresh");
  spec->topk = number (config, "topk_candidates");
  spec->max_detections = number (config, "detections_per_image");
  spec->nms_iou = is_string (config, "nms_type", "normal") && iou < 1 ? iou : 0;
}

static cJSON *
spec_json (const DefcnSpec *spec)
{
  g_autofree char *text = defcn_spec_to_json (spec);

  return cJSON_Parse (text);
}

/* Gives @spec what @other says otherwise than every spec does at first, so that
 * fields which are named nowhere here come along. */
static DefcnSpec *
adopt (const DefcnSpec *spec, const DefcnSpec *other)
{
  g_autoptr (DefcnSpec) first =
      defcn_spec_new ((const char *const *) spec->labels);
  cJSON *own = spec_json (spec), *others = spec_json (other);
  cJSON *firsts = spec_json (first);
  const cJSON *item;
  g_autoptr (GError) error = NULL;

  cJSON_ArrayForEach (item, firsts)
  {
    const cJSON *theirs =
        cJSON_GetObjectItemCaseSensitive (others, item->string);

    if (!g_str_equal (item->string, "labels")
        && cJSON_Compare (cJSON_GetObjectItemCaseSensitive (own, item->string),
            item, TRUE)
        && !cJSON_Compare (theirs, item, TRUE))
      cJSON_ReplaceItemInObjectCaseSensitive (own, item->string,
          cJSON_Duplicate (theirs, TRUE));
  }
  char *text = cJSON_PrintUnformatted (own);
  DefcnSpec *merged = defcn_spec_from_json (text, "golden config", &error);
  if (!merged)
    g_error ("%s", error->message);
  cJSON_free (text);
  cJSON_Delete (own);
  cJSON_Delete (others);
  cJSON_Delete (firsts);
  return merged;
}

DefcnSpec *
testing_synth_spec (const char *config_path, char **skip)
{
  cJSON *config = read_config (config_path);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = recipe_of (config, &error);
  g_autoptr (DefcnSpec) derived = NULL;
  DefcnSpec *spec = NULL;

  /* What the box branch means may be the assigner's. */
  if (recipe || cJSON_IsTrue (get (config, "norm_reg_targets"))) {
    g_clear_error (&error);
    derived = testing_synth_derive (get (get (config, "synth"), "tensors"),
        config_path, &error);
  }
  *skip = derived ? NULL : g_strdup (error->message);
  if (derived) {
    spec = recipe ? adopt (derived, recipe->spec) : defcn_spec_copy (derived);
    spec->freeze_at = number (config, "freeze_at");
    read_backbone (spec, get (config, "backbone"));
    read_head (spec, config);
    read_rules (spec, config);
  }
  cJSON_Delete (config);
  return spec;
}

gboolean
testing_synth_rule (DefcnStepRule *rule, const char *config_path, char **skip)
{
  cJSON *config = read_config (config_path);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = recipe_of (config, &error);

  if (recipe)
    *rule = recipe->step;
  *skip = recipe ? NULL : g_strdup (error->message);
  cJSON_Delete (config);
  return recipe != NULL;
}

/* The rule counts in the file's order, OIHW; a parameter is OHWI. */
static void
fill_param (DefcnParam *p, const cJSON *tensor, guint64 seed)
{
  const gsize n = defcn_param_len (p), hw = (gsize) p->h * p->w;
  g_autofree float *values = g_new (float, n);
  gsize len = 1;
  const cJSON *dim;

  cJSON_ArrayForEach (dim, get (tensor, "shape")) len *= dim->valuedouble;
  if (len != n)
    g_error ("golden config: %s has %zu values, the model wants %zu", p->name,
        len, n);
  testing_synth_values (values, n, p->name, seed, number (tensor, "lo"),
      number (tensor, "hi"));
  for (gsize i = 0; i < n; i++) {
    const gsize k = i % hw, c = i / hw % p->c, o = i / hw / p->c;

    p->value[(o * hw + k) * p->c + c] = values[i];
  }
}

void
testing_synth_fill (DefcnModel *model, const char *config_path)
{
  cJSON *config = read_config (config_path);
  DefcnParams *params = defcn_model_params (model);
  const cJSON *synth = get (config, "synth"), *tensor;
  const guint64 seed = number (synth, "seed");
  guint n = 0;

  cJSON_ArrayForEach (tensor, get (synth, "tensors"))
  {
    const char *name = cJSON_GetStringValue (get (tensor, "name"));
    DefcnParam *p = defcn_params_lookup (params, name);

    if (!p)
      g_error ("%s: the model has no parameter \"%s\"", config_path, name);
    fill_param (p, tensor, seed);
    n++;
  }
  if (n != defcn_params_count (params))
    g_error ("%s: %u tensors for %u parameters", config_path, n,
        defcn_params_count (params));
  cJSON_Delete (config);
  defcn_params_upload (params);
}

DefcnModel *
testing_synth_model (const char *config_path, DefcnBackend *be, gboolean train,
    char **skip)
{
  g_autoptr (DefcnSpec) spec = testing_synth_spec (config_path, skip);
  g_autoptr (GError) error = NULL;

  const char *widest = g_getenv ("DEFCN_TEST_WIDEST");

  if (!spec)
    return NULL;
  if (widest && spec->fpn_channels > atoi (widest)) {
    *skip = g_strdup_printf ("%d channels, and DEFCN_TEST_WIDEST is %s",
        spec->fpn_channels, widest);
    return NULL;
  }

  DefcnModel *model = defcn_model_new (spec, be, train, 0, &error);
  if (!model)
    g_error ("%s: %s", config_path, error->message);
  testing_synth_fill (model, config_path);
  return model;
}

/* A training recipe: defaults, presets, key files, what belongs together. */
#include "recipe.h"

#include "anchors.h"
#include "backbone.h"
#include "data/file.h"
#include "presets.h"
#include "recipe_keys.h"

#include <string.h>

#define GROUP "recipe"
#define MAX_BYTES (1 << 20) /* of a key file */

/* What every recipe starts from: coco.poto.3dmf.aux. */
static const char defaults[] =
    "backbone=resnet50\npixels=msra\nstride_in_1x1=true\n"
    "dcn_from=0\ndcn_modulated=true\ndcn_head=false\nfreeze_at=2\n"
    "fpn_channels=256\np6_from_c5=false\ntower_depth=4\nnorm_groups=32\n"
    "filter=true\nfilter_norm=true\ntau=2\nphi=3\ncenterness=false\nanchors=0\n"
    "short_edge=800\n"
    "test_long_edge=1333\nthreshold=0.05\nmax_detections=100\nnms_iou=0\n"
    "duplicate_iou=0\nworking_threshold=0.3\n"
    "assigner=poto\nalpha=0.8\nfinal_alpha=-1\nalpha_hold=0.7\nadditive=false\n"
    "radius=1.5\naux_topk=9\naux_assigner=quality-atss\n"
    "aux_classifier=false\nskip_unplaced=false\nignore_regions=false\n"
    "box_loss=giou\nnormalizer_momentum=0\nreg_weight=2\naux_reg_weight=0\n"
    "holdout=0\nclasses=\nbackground=false\npolygons=false\n"
    "max_damaged=0.1\nabsolute_names=false\nexif=true\nmax_megapixels=100\n"
    "batch=16\nmicro_batch=0\ngroup=2\nworkers=2\ncache=-1\nseed=1\n"
    "max_unreadable=0.01\n"
    "short_edges=640;672;704;736;768;800\nlong_edge=1333\nflip=0.5\n"
    "color=0\ncrop=0\nexpand=0\nmosaic=0\ncanvas_width=0\n"
    "canvas_height=0\nscale_min=0.5\nscale_max=1.5\noptimizer=sgd\nlr=0.01\n"
    "backbone_lr=1\nmomentum=0.9\nweight_decay=0.0001\nclip_norm=0\n"
    "schedule=step\niterations=270000\nepochs=0\nsteps=210000;250000\n"
    "warmup=1000\nwarmup_factor=0.001\nfinal_lr=0.01\n"
    "cooldown=0.2\nema=0\n"
    "eval_interval=10000\ncheckpoint_interval=1000\nlog_interval=20\n"
    "threads=0\nprecision=fp32\n";

gboolean
defcn_recipe_set (DefcnRecipe *recipe, const char *assignment, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);

  if (g_strv_length (parts) != 2) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "\"%s\" is not key=value", assignment);
    return FALSE;
  }

  return defcn_recipe_keys_set (recipe, g_strstrip (parts[0]),
      g_strstrip (parts[1]), NULL, error);
}

/* Lines of key=value. */
static gboolean
apply (DefcnRecipe *recipe, const char *text, GError **error)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i]; i++) {
    if (lines[i][0] && !defcn_recipe_set (recipe, lines[i], error))
      return FALSE;
  }
  return TRUE;
}

float
defcn_recipe_alpha (const DefcnRecipe *recipe, gint64 i)
{
  const float alpha = recipe->step.assign.alpha;
  const double end = recipe->optimizer.iterations - 1;
  const double begin = recipe->alpha_hold * recipe->optimizer.iterations;

  if (recipe->final_alpha < 0 || i <= begin)
    return alpha;
  return alpha
      + (recipe->final_alpha - alpha)
      * CLAMP ((i - begin) / (end - begin), 0, 1);
}

DefcnRecipe *
defcn_recipe_new (const char *preset, GError **error)
{
  static const char *const no_labels[] = { NULL };
  g_autofree char *text =
      defcn_presets_text (preset ? preset : "coco.poto.3dmf.aux", error);

  if (!text)
    return NULL;

  g_autoptr (DefcnRecipe) recipe = g_new0 (DefcnRecipe, 1);
  recipe->spec = defcn_spec_new (no_labels);
  if (!apply (recipe, defaults, error))
    return NULL;
  recipe->given = g_hash_table_new (g_str_hash, g_str_equal);
  if (!apply (recipe, text, error))
    return NULL;
  recipe->read.polygons = preset != NULL; /* a row of the paper */

  /* A row of another backbone is of that one, with whatever pixels. */
  const gboolean named = defcn_recipe_keys_given (recipe, "backbone");
  g_hash_table_remove_all (recipe->given);
  if (named)
    g_hash_table_add (recipe->given, (gpointer) "backbone");
  return g_steal_pointer (&recipe);
}

void
defcn_recipe_free (DefcnRecipe *recipe)
{
  if (!recipe)
    return;
  defcn_recipe_keys_clear (recipe);
  defcn_spec_free (recipe->spec);
  g_free (recipe);
}

/* @path: what errors name. */
static GKeyFile *
open_text (const char *text, gsize len, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_data (file, text, len, G_KEY_FILE_NONE, error)) {
    g_prefix_error (error, "%s: ", path);
    return NULL;
  }
  if (!g_key_file_has_group (file, GROUP)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no group [" GROUP "]", path);
    return NULL;
  }
  return g_steal_pointer (&file);
}

static GKeyFile *
open_file (const char *path, GError **error)
{
  g_autofree char *text = NULL;
  gsize len;

  return defcn_file_read_text (&text, &len, path, MAX_BYTES, error)
      ? open_text (text, len, path, error)
      : NULL;
}

/* NULL with @error naming @path where the value is no text.  GLib returns half
 * a value beside the error of a wrong escape. */
static char *
get_string (GKeyFile *file, const char *key, const char *path, GError **error)
{
  GError *problem = NULL;
  g_autofree char *value = g_key_file_get_string (file, GROUP, key, &problem);

  if (!problem)
    return g_steal_pointer (&value);
  g_propagate_prefixed_error (error, problem, "%s: ", path);
  return NULL;
}

char *
defcn_recipe_file_preset (const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = open_file (path, error);

  return file && g_key_file_has_key (file, GROUP, "preset", NULL)
      ? get_string (file, "preset", path, error)
      : NULL;
}

/* All keys of @file, which is at @path. */
static gboolean
set_keys (DefcnRecipe *recipe, GKeyFile *file, const char *path, GError **error)
{
  g_autofree char *relative = g_path_get_dirname (path);
  g_autofree char *folder = g_canonicalize_filename (relative, NULL);
  g_auto (GStrv) names = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (guint i = 0; names[i]; i++) {
    if (g_str_equal (names[i], "preset"))
      continue;

    g_autofree char *value = get_string (file, names[i], path, error);
    if (!value)
      return FALSE;
    if (!defcn_recipe_keys_set (recipe, names[i], value, folder, error)) {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
defcn_recipe_load (DefcnRecipe *recipe, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = open_file (path, error);

  return file && set_keys (recipe, file, path, error);
}

gboolean
defcn_recipe_parse (DefcnRecipe *recipe, const char *text, const char *path,
    GError **error)
{
  g_autoptr (GKeyFile) file = open_text (text, strlen (text), path, error);

  return file && set_keys (recipe, file, path, error);
}

/* All published ResNeXts have their stride in the 3x3. */
static gboolean
finish_backbone (DefcnRecipe *recipe, GError **error)
{
  DefcnSpec *spec = recipe->spec;
  const char *name = recipe->backbone ? recipe->backbone : "";

  if (!defcn_backbone_read (spec, name)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe key \"backbone\" is \"%s\", wanted " DEFCN_BACKBONE_WORDS,
        name);
    return FALSE;
  }
  if (spec->groups > 1 && !defcn_recipe_keys_given (recipe, "stride_in_1x1"))
    spec->stride_in_1x1 = FALSE;
  return TRUE;
}

/* Where there is something to be deformable. */
static gboolean
check_deformable (const DefcnRecipe *recipe, GError **error)
{
  const DefcnSpec *spec = recipe->spec;

  if (spec->dcn_from == 1
      || (spec->dcn_from > 0 && spec->backbone != DEFCN_BACKBONE_RESNET)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: dcn_from=%d is for stages 2 to 5 of a ResNet, backbone is %s",
        spec->dcn_from, recipe->backbone);
    return FALSE;
  }
  if (spec->dcn_head && spec->tower_depth == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: dcn_head without a convolution in the towers: set "
        "tower_depth");
    return FALSE;
  }
  return TRUE;
}

static gboolean
finish_pixels (DefcnRecipe *recipe, GError **error)
{
  const char *name = recipe->pixels ? recipe->pixels : "";

  recipe->spec->input.divisor = 32;
  if (defcn_backbone_read_pixels (&recipe->spec->input, name))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "recipe key \"pixels\" is \"%s\", wanted " DEFCN_BACKBONE_PIXELS, name);
  return FALSE;
}

/* A batch is made of whole passes, and of whole groups where pictures have
 * sizes of their own. */
static gboolean
finish_batch (DefcnRecipe *recipe, GError **error)
{
  DefcnLoaderOptions *loader = &recipe->loader;

  if (recipe->micro_batch == 0)
    recipe->micro_batch = loader->batch;
  if (loader->batch % recipe->micro_batch != 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: micro_batch=%d does not divide batch=%d", recipe->micro_batch,
        loader->batch);
    return FALSE;
  }
  if (loader->augment.canvas_width > 0 || loader->group < 2
      || loader->batch % loader->group == 0)
    return TRUE;
  if (defcn_recipe_keys_given (recipe, "group")) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: group=%d does not divide batch=%d: set group=0, which has no "
        "groups",
        loader->group, loader->batch);
    return FALSE;
  }
  loader->group = 0;
  return TRUE;
}

/* Gradients of fp16 overflow: it is for inference. */
static gboolean
check_precision (const DefcnRecipe *recipe, GError **error)
{
  static const char *const names[] = { "fp32", "tf32", "bf16", NULL };
  const char *name = recipe->precision ? recipe->precision : "";

  if (g_strv_contains (names, name))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "recipe key \"precision\" is \"%s\", wanted fp32, tf32 or bf16", name);
  return FALSE;
}

static gboolean
check_norms (const DefcnRecipe *recipe, GError **error)
{
  const DefcnSpec *spec = recipe->spec;

  if (spec->norm_groups > 0 && spec->fpn_channels % spec->norm_groups != 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: norm_groups=%d does not divide fpn_channels=%d",
        spec->norm_groups, spec->fpn_channels);
  else if (spec->norm_groups == 0 && spec->filter && spec->filter_norm)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: 3DMF has a group norm: with norm_groups=0 set "
        "filter_norm=false");
  else
    return TRUE;
  return FALSE;
}

/* What goes with the anchors of a head. */
static gboolean
check_anchors (const DefcnRecipe *recipe, GError **error)
{
  const DefcnAssigner *assigner = recipe->step.assign.assigner;
  const int anchors = recipe->spec->anchors;

  if (anchors > 0 && !defcn_anchors_exist (anchors))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: anchors=%d, wanted 0, 1 or 9", anchors);
  else if (assigner->anchors > 0 && anchors != assigner->anchors)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: assigner %s is for heads with anchors: set anchors=%d",
        assigner->name, assigner->anchors);
  else if (anchors > 1 && assigner->anchors != anchors)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: assigner %s is for locations of one box: set anchors=0",
        assigner->name);
  else if (anchors > 1 && recipe->step.assign.aux_topk > 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: the auxiliary loss is for locations of one box, with "
        "anchors=%d "
        "set aux_topk=0",
        anchors);
  else if (anchors == 0 && recipe->step.box_loss == DEFCN_BOX_LOSS_L1)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: box_loss=l1 is of boxes coded relative to anchors: set "
        "anchors");
  else
    return TRUE;
  return FALSE;
}

gboolean
defcn_recipe_finish (DefcnRecipe *recipe, GError **error)
{
  const DefcnAugment *augment = &recipe->loader.augment;
  const DefcnAssigner *assigner = recipe->step.assign.assigner;
  const char *problem = NULL;

  recipe->read.picture.ignore_exif = !recipe->exif;
  if (!recipe->annotations || !recipe->images)
    problem = "annotations and images are needed";
  else if (!recipe->val_annotations != !recipe->val_images)
    problem = "val_annotations and val_images come together";
  else if (recipe->val_annotations && recipe->holdout > 0)
    problem = "holdout is for a run without val_annotations";
  else if (recipe->holdout == 1)
    problem = "holdout=1 leaves nothing to train on";
  else if (augment->n_short_edges == 0 && augment->canvas_width == 0)
    problem = "short_edges is empty";
  else if (!augment->canvas_width != !augment->canvas_height)
    problem = "canvas_width and canvas_height come together";
  else if (augment->scale_min > augment->scale_max)
    problem = "scale_min is above scale_max";
  if (problem) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "recipe: %s", problem);
    return FALSE;
  }
  if (recipe->spec->aux_classifier && recipe->step.assign.aux_topk == 0) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: aux_classifier without an auxiliary loss: set aux_topk");
    return FALSE;
  }
  if (!check_norms (recipe, error) || !check_anchors (recipe, error))
    return FALSE;
  if (recipe->spec->centerness
      && (assigner->has_quality || assigner->has_predictions
          || recipe->spec->anchors > 0 || recipe->step.assign.aux_topk > 0)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: centerness is for the assigners fcos and atss, without "
        "anchors "
        "and an auxiliary loss: set anchors=0 and aux_topk=0");
    return FALSE;
  }
  if (recipe->step.assign.radius < 0 && !assigner->has_quality
      && !assigner->has_predictions) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: assigner %s without predictions takes no location anywhere: "
        "set radius to 0 or more",
        assigner->name);
    return FALSE;
  }
  if (recipe->spec->filter && !assigner->has_quality) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "recipe: assigner %s is a baseline without 3DMF: set filter=false",
        assigner->name);
    return FALSE;
  }
  return finish_batch (recipe, error) && check_precision (recipe, error)
      && finish_backbone (recipe, error) && check_deformable (recipe, error)
      && finish_pixels (recipe, error);
}

static char *
to_text (const DefcnRecipe *recipe, gboolean paths)
{
  GString *text = g_string_new ("[" GROUP "]\n");

  defcn_recipe_keys_append (text, recipe, paths);
  return g_string_free (text, FALSE);
}

char *
defcn_recipe_to_text (const DefcnRecipe *recipe)
{
  return to_text (recipe, FALSE);
}

char *
defcn_recipe_to_file (const DefcnRecipe *recipe)
{
  return to_text (recipe, TRUE);
}

char *
defcn_recipe_help (void)
{
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, NULL);
  GString *text = g_string_new (NULL);

  defcn_presets_append_help (text);
  g_string_append (text, "\nKeys and their defaults:\n");
  defcn_recipe_keys_append_help (text, recipe);
  return g_string_free (text, FALSE);
}

/* A training recipe: defaults, presets, key files, what belongs together. */
#include "recipe.h"

#include "anchors.h"
#include "backbone.h"
#include "data/file.h"
#include "paper.h"
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

#define CROWDHUMAN                                                             \
  "radius=0\nshort_edges=800\nlong_edge=1400\ntest_long_edge=1400\n"           \
  "max_detections=500\niterations=30000\nsteps=20000;25000\n"                  \
  "eval_interval=5000\ngroup=0\n"

/* Backbones of table 7: FAIR's ResNeXts, deformable from res3 on. */
#define R101 "backbone=resnet101\n"
#define X101_DCN(width)                                                        \
  "backbone=resnext101_" width "\npixels=fair\nstride_in_1x1=false\n"          \
  "dcn_from=3\n"
#define FCOS                                                                   \
  "assigner=fcos\nfilter=false\ncenterness=true\naux_topk=0\n"                 \
  "reg_weight=1\nnms_iou=0.6\n"
/* detectron2's RetinaNet, without its schedule. */
#define RETINANET                                                              \
  "assigner=retinanet\nanchors=9\nfilter=false\nnorm_groups=0\n"               \
  "p6_from_c5=true\naux_topk=0\nbox_loss=l1\nreg_weight=1\n"                   \
  "normalizer_momentum=0.9\nnms_iou=0.5\n"

static const struct
{
  const char *name, *text;
} presets[] = {
  { "coco.retinanet", RETINANET },
  { "coco.fcos",
      "assigner=fcos\nfilter=false\naux_topk=0\nreg_weight=1\nnms_iou=0.6\n" },
  { "coco.fcos.ctr", FCOS },
  { "coco.fcos.ctr.x101_32x8d_dcn", FCOS X101_DCN ("32x8d") },
  { "coco.fcos.ctr.x101_64x4d_dcn", FCOS X101_DCN ("64x4d") },
  { "coco.atss",
      "assigner=atss\nfilter=false\ncenterness=true\naux_topk=0\n"
      "nms_iou=0.6\n" },
  { "coco.loss", "assigner=loss\nfilter=false\naux_topk=0\n" },
  { "coco.center", "assigner=center\nfilter=false\naux_topk=0\n" },
  { "coco.anchor", "assigner=anchor\nanchors=1\nfilter=false\naux_topk=0\n" },
  { "coco.poto", "filter=false\naux_topk=0\n" },
  { "coco.poto.inside", "filter=false\naux_topk=0\nradius=0\n" },
  { "coco.poto.global", "filter=false\naux_topk=0\nradius=-1\n" },
  { "coco.poto.add", "filter=false\naux_topk=0\nadditive=true\n" },
  { "coco.poto.argmax", "assigner=argmax\nfilter=false\naux_topk=0\n" },
  { "coco.poto.alpha0", "filter=false\naux_topk=0\nalpha=0\n" },
  { "coco.poto.alpha0.2", "filter=false\naux_topk=0\nalpha=0.2\n" },
  { "coco.poto.alpha0.4", "filter=false\naux_topk=0\nalpha=0.4\n" },
  { "coco.poto.alpha0.6", "filter=false\naux_topk=0\nalpha=0.6\n" },
  { "coco.poto.alpha1", "filter=false\naux_topk=0\nalpha=1\n" },
  { "coco.poto.3dmf.tau0_phi1", "aux_topk=0\ntau=0\nphi=1\n" },
  { "coco.poto.3dmf.tau0_phi3", "aux_topk=0\ntau=0\nphi=3\n" },
  { "coco.poto.3dmf.tau0_phi5", "aux_topk=0\ntau=0\nphi=5\n" },
  { "coco.poto.3dmf.tau2_phi1", "aux_topk=0\ntau=2\nphi=1\n" },
  { "coco.poto.3dmf.tau2_phi5", "aux_topk=0\ntau=2\nphi=5\n" },
  { "coco.poto.3dmf.tau4_phi1", "aux_topk=0\ntau=4\nphi=1\n" },
  { "coco.poto.3dmf.tau4_phi3", "aux_topk=0\ntau=4\nphi=3\n" },
  { "coco.poto.3dmf.tau4_phi5", "aux_topk=0\ntau=4\nphi=5\n" },
  { "coco.fcos.ctr.res101", FCOS R101 },
  { "coco.poto.3dmf.aux.res101", R101 },
  { "coco.poto.3dmf", "aux_topk=0\n" },
  { "coco.poto.3dmf_wo_gn", "filter_norm=false\naux_topk=0\n" },
  { "coco.poto.3dmf.aux", "" },
  { "coco.poto.3dmf.aux.fcos", "aux_assigner=fcos\n" },
  { "coco.poto.3dmf.aux.atss", "aux_assigner=atss\n" },
  { "coco.poto.3dmf.aux.quality_fcos", "aux_assigner=quality-fcos\n" },
  { "coco.poto.3dmf.aux.quality_topk", "aux_assigner=quality-topk\n" },
  { "coco.poto.3dmf.aux.x101_32x8d_dcn", X101_DCN ("32x8d") },
  { "coco.poto.3dmf.aux.x101_64x4d_dcn", X101_DCN ("64x4d") },
  { "coco.poto.3dmf.aux.dcn_head", "dcn_head=true\n" },
  { "coco.poto.3dmf_wo_gn.aux", "filter_norm=false\n" },
  { "crowdhuman.retinanet", CROWDHUMAN RETINANET },
  { "crowdhuman.fcos",
      CROWDHUMAN "assigner=fcos\nradius=1.5\nfilter=false\n"
                 "centerness=true\naux_topk=0\nreg_weight=1\nnms_iou=0.6\n" },
  { "crowdhuman.atss",
      CROWDHUMAN "assigner=atss\nfilter=false\ncenterness=true\n"
                 "aux_topk=0\nnms_iou=0.6\n" },
  { "crowdhuman.poto", CROWDHUMAN "filter=false\naux_topk=0\n" },
  { "crowdhuman.poto.3dmf", CROWDHUMAN "aux_topk=0\n" },
  { "crowdhuman.poto.3dmf.aux", CROWDHUMAN },
};

/* Detectron2's, of 90 000 iterations each; a preset of COCO and one of them is
 * a preset too: coco.poto.2x. */
static const struct
{
  const char *name, *text;
} schedules[] = {
  { "1x", "iterations=90000\nsteps=60000;80000\n" },
  { "2x", "iterations=180000\nsteps=120000;160000\n" },
  { "3x", "iterations=270000\nsteps=210000;250000\n" },
  { "6x", "iterations=540000\nsteps=480000;520000\n" },
  { "9x", "iterations=810000\nsteps=750000;790000\n" },
};

#define COCO "coco."
#define SINGLE_SCALE "_ss" /* after a schedule, as in coco.poto.2x_ss */

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

/* What the preset of that name says, NULL: there is none. */
static const char *
find_preset (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++) {
    if (g_str_equal (presets[i].name, name))
      return presets[i].text;
  }
  return NULL;
}

/* (transfer full): what a preset of COCO with a schedule says. */
static char *
find_scheduled (const char *name)
{
  const char *word = strrchr (name, '.');

  if (!g_str_has_prefix (name, COCO) || !word)
    return NULL;
  g_autofree char *base = g_strndup (name, word - name);
  const char *text = find_preset (base);
  for (gsize i = 0; text && i < G_N_ELEMENTS (schedules); i++) {
    const char *rest = word + 1;

    if (!g_str_has_prefix (rest, schedules[i].name))
      continue;
    rest += strlen (schedules[i].name);
    if (rest[0] == '\0' || g_str_equal (rest, SINGLE_SCALE))
      return g_strconcat (text, schedules[i].text,
          rest[0] ? "short_edges=800\n" : "", NULL);
  }
  return NULL;
}

DefcnRecipe *
defcn_recipe_new (const char *preset, GError **error)
{
  static const char *const no_labels[] = { NULL };
  const char *name = preset ? preset : "coco.poto.3dmf.aux";
  g_autofree char *text = find_preset (name) ? g_strdup (find_preset (name))
                                             : find_scheduled (name);

  if (!text) {
    g_autofree char *names =
        g_strjoinv (", ", (char **) defcn_recipe_presets ());

    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "no preset \"%s\"; there are %s, and those of COCO with .1x, .2x, .3x, "
        ".6x or .9x behind them, or .2x" SINGLE_SCALE " and the like",
        preset, names);
    return NULL;
  }

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

const char *const *
defcn_recipe_presets (void)
{
  static const char *names[G_N_ELEMENTS (presets) + 1];

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    names[i] = presets[i].name;
  return names;
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
  GString *text = g_string_new ("Presets, and where in the paper "
                                "(arXiv 2012.03544) they stand:\n");

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    g_string_append_printf (text, "  %-32s %s\n", presets[i].name,
        defcn_paper_place (presets[i].name));
  g_string_append (text,
      "\nEach of COCO has 3x, 270 000 iterations of pictures of 640 to 800 "
      "pixels, as the\nrelease; with another behind it that:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (schedules); i++) {
    g_auto (GStrv) lines = g_strsplit (schedules[i].text, "\n", -1);

    g_string_append_printf (text, "  .%-31s %s, %s%s\n", schedules[i].name,
        lines[0], lines[1],
        g_str_equal (schedules[i].name, "2x") ? ": the paper's" : "");
  }
  g_string_append_printf (text,
      "  %-32s the same, all pictures of 800 pixels\n\n"
      "Keys and their defaults:\n",
      ".1x" SINGLE_SCALE " .2x" SINGLE_SCALE " ...");
  defcn_recipe_keys_append_help (text, recipe);
  return g_string_free (text, FALSE);
}

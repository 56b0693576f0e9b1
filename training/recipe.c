/* A training recipe: one table of keys, and the presets. */
#include "recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP "recipe"

typedef enum
{
  KEY_PATH,
  KEY_STRING,
  KEY_INT,
  KEY_INT64,
  KEY_BOOL,
  KEY_FLOAT,
  KEY_DOUBLE,
  KEY_ASSIGNER,
  KEY_OPTIMIZER,
  KEY_SCHEDULE,
  KEY_EDGES, /* list of int, at most 16, count behind it */
  KEY_STEPS, /* list of gint64, at most 8, count behind it */
} KeyType;

typedef struct
{
  const char *name;
  KeyType type;
  gboolean in_spec; /* offset is in DefcnSpec, not in DefcnRecipe */
  gsize offset;
  double min, max;
  const char *help;
} Key;

#define TOP(name, type, field, lo, hi, help)                                   \
  {                                                                            \
    name, type, FALSE, G_STRUCT_OFFSET (DefcnRecipe, field), lo, hi, help      \
  }
#define SPEC(name, type, field, lo, hi, help)                                  \
  {                                                                            \
    name, type, TRUE, G_STRUCT_OFFSET (DefcnSpec, field), lo, hi, help         \
  }

static const Key keys[] = {
  TOP ("annotations", KEY_PATH, annotations, 0, 0,
      "training annotations, COCO .json or CrowdHuman .odgt"),
  TOP ("images", KEY_PATH, images, 0, 0, "folder of the training images"),
  TOP ("val_annotations", KEY_PATH, val_annotations, 0, 0,
      "validation annotations"),
  TOP ("val_images", KEY_PATH, val_images, 0, 0, "their folder"),
  TOP ("init", KEY_PATH, init, 0, 0,
      "weights to start from, a file of defcn import"),
  TOP ("backbone", KEY_STRING, backbone, 0, 0,
      "resnet18, 34, 50, 101, 152 or mobilenetv2"),
  TOP ("pixels", KEY_STRING, pixels, 0, 0, "msra or torchvision"),
  SPEC ("stride_in_1x1", KEY_BOOL, stride_in_1x1, 0, 1,
      "bottleneck stride in the first 1x1 (MSRA weights)"),
  SPEC ("freeze_at", KEY_INT, freeze_at, 0, 5,
      "stages that are not trained, 2: stem and res2"),
  SPEC ("fpn_channels", KEY_INT, fpn_channels, 8, 4096,
      "width of FPN and head"),
  SPEC ("p6_from_c5", KEY_BOOL, p6_from_c5, 0, 1, "P6 from C5, as the paper"),
  SPEC ("tower_depth", KEY_INT, tower_depth, 0, 16, "convolutions per tower"),
  SPEC ("norm_groups", KEY_INT, norm_groups, 1, 4096, "of the group norms"),
  SPEC ("filter", KEY_BOOL, filter, 0, 1, "3D max filtering branch"),
  SPEC ("filter_norm", KEY_BOOL, filter_norm, 0, 1, "group norm in it"),
  SPEC ("tau", KEY_INT, tau, 0, 8, "3DMF: neighbouring levels, even"),
  SPEC ("phi", KEY_INT, phi, 1, 15, "3DMF: window, odd"),
  SPEC ("short_edge", KEY_INT, input.short_edge, 32, 16384,
      "input size at inference: short side"),
  SPEC ("test_long_edge", KEY_INT, input.long_edge, 32, 16384,
      "and limit of the long side"),
  SPEC ("threshold", KEY_FLOAT, threshold, 0, 1, "score threshold"),
  SPEC ("max_detections", KEY_INT, max_detections, 1, 100000, "per image"),
  SPEC ("nms_iou", KEY_FLOAT, nms_iou, 0, 1, "NMS of the saved model, 0: none"),
  TOP ("assigner", KEY_ASSIGNER, step.assign.assigner, 0, 0,
      "poto, argmax or fcos"),
  TOP ("alpha", KEY_FLOAT, step.assign.alpha, 0, 1, "quality, eq. 4"),
  TOP ("radius", KEY_FLOAT, step.assign.radius, 0, 100,
      "centre sampling in strides, 0: inside the box"),
  TOP ("aux_topk", KEY_INT, step.assign.aux_topk, 0, 100,
      "candidates per level of the auxiliary loss, 0: no such loss"),
  TOP ("reg_weight", KEY_DOUBLE, step.reg_weight, 0, 100, "of the box loss"),
  TOP ("batch", KEY_INT, loader.batch, 1, 4096, "images per update"),
  TOP ("micro_batch", KEY_INT, micro_batch, 0, 4096,
      "images per pass, 0: the batch"),
  TOP ("group", KEY_INT, loader.group, 0, 4096,
      "images that share an aspect-ratio group"),
  TOP ("workers", KEY_INT, loader.workers, 1, 256, "decoding threads"),
  TOP ("seed", KEY_INT64, loader.seed, 0, 9e15,
      "of the first weights, the order and the augmentation"),
  TOP ("max_unreadable", KEY_DOUBLE, loader.max_unreadable, 0, 1,
      "share of unreadable images that stops the run"),
  TOP ("short_edges", KEY_EDGES, loader.augment.short_edges, 32, 16384,
      "training sizes, one is drawn per image"),
  TOP ("long_edge", KEY_INT, loader.augment.long_edge, 32, 16384,
      "limit of the long side"),
  TOP ("flip", KEY_FLOAT, loader.augment.flip, 0, 1, "probability"),
  TOP ("color", KEY_FLOAT, loader.augment.color, 0, 1, "jitter strength"),
  TOP ("crop", KEY_FLOAT, loader.augment.crop, 0, 1, "probability"),
  TOP ("expand", KEY_FLOAT, loader.augment.expand, 0, 1, "probability"),
  TOP ("mosaic", KEY_FLOAT, loader.augment.mosaic, 0, 1, "probability"),
  TOP ("canvas_width", KEY_INT, loader.augment.canvas_width, 0, 16384,
      "large-scale jitter: size of every example, 0: off"),
  TOP ("canvas_height", KEY_INT, loader.augment.canvas_height, 0, 16384, ""),
  TOP ("scale_min", KEY_FLOAT, loader.augment.scale_min, 0.01, 100,
      "large-scale jitter: size of the picture, in canvases"),
  TOP ("scale_max", KEY_FLOAT, loader.augment.scale_max, 0.01, 100, ""),
  TOP ("optimizer", KEY_OPTIMIZER, optimizer.kind, 0, 0, "sgd or adamw"),
  TOP ("lr", KEY_DOUBLE, optimizer.lr, 0, 10, "base learning rate"),
  TOP ("backbone_lr", KEY_DOUBLE, optimizer.backbone_lr, 0, 100,
      "factor for the backbone"),
  TOP ("momentum", KEY_DOUBLE, optimizer.momentum, 0, 1, "SGD"),
  TOP ("weight_decay", KEY_DOUBLE, optimizer.weight_decay, 0, 1,
      "not on norms"),
  TOP ("clip_norm", KEY_DOUBLE, optimizer.clip_norm, 0, 1e9,
      "limit of the gradient norm, 0: none"),
  TOP ("schedule", KEY_SCHEDULE, optimizer.schedule, 0, 0, "step or cosine"),
  TOP ("iterations", KEY_INT64, optimizer.iterations, 1, 1e12, "updates"),
  TOP ("epochs", KEY_DOUBLE, epochs, 0, 1e6,
      "instead of iterations, when above 0"),
  TOP ("steps", KEY_STEPS, optimizer.steps, 1, 1e12, "step schedule: drops"),
  TOP ("warmup", KEY_INT64, optimizer.warmup, 0, 1e12, "iterations"),
  TOP ("warmup_factor", KEY_DOUBLE, optimizer.warmup_factor, 0, 1, ""),
  TOP ("final_lr", KEY_DOUBLE, optimizer.final_lr, 0, 1,
      "cosine: last over first"),
  TOP ("ema", KEY_DOUBLE, optimizer.ema, 0, 1,
      "decay of the averaged weights, 0: none"),
  TOP ("eval_interval", KEY_INT64, eval_interval, 0, 1e12,
      "iterations between evaluations, 0: at the end"),
  TOP ("checkpoint_interval", KEY_INT64, checkpoint_interval, 1, 1e12, ""),
  TOP ("log_interval", KEY_INT64, log_interval, 1, 1e12, ""),
  TOP ("threads", KEY_INT, threads, 0, 1024, "of the network, 0: all cores"),
};

/* Words of the enumerations, in their order. */
static const char *const assigners[] = { "poto", "argmax", "fcos", NULL };
static const char *const optimizers[] = { "sgd", "adamw", NULL };
static const char *const schedules[] = { "step", "cosine", NULL };

/* What every recipe starts from: coco.poto.3dmf.aux, SPEC 9.1. */
static const char defaults[] =
    "backbone=resnet50\npixels=msra\nstride_in_1x1=true\nfreeze_at=2\n"
    "fpn_channels=256\np6_from_c5=false\ntower_depth=4\nnorm_groups=32\n"
    "filter=true\nfilter_norm=true\ntau=2\nphi=3\nshort_edge=800\n"
    "test_long_edge=1333\nthreshold=0.05\nmax_detections=100\nnms_iou=0\n"
    "assigner=poto\nalpha=0.8\nradius=1.5\naux_topk=9\nreg_weight=2\n"
    "batch=16\nmicro_batch=0\ngroup=2\nworkers=2\nseed=1\n"
    "max_unreadable=0.01\n"
    "short_edges=640;672;704;736;768;800\nlong_edge=1333\nflip=0.5\n"
    "color=0\ncrop=0\nexpand=0\nmosaic=0\ncanvas_width=0\n"
    "canvas_height=0\nscale_min=0.5\nscale_max=1.5\noptimizer=sgd\nlr=0.01\n"
    "backbone_lr=1\nmomentum=0.9\nweight_decay=0.0001\nclip_norm=0\n"
    "schedule=step\niterations=270000\nepochs=0\nsteps=210000;250000\n"
    "warmup=1000\nwarmup_factor=0.001\nfinal_lr=0.01\nema=0\n"
    "eval_interval=10000\ncheckpoint_interval=1000\nlog_interval=20\n"
    "threads=0\n";

#define CROWDHUMAN                                                             \
  "radius=0\nshort_edges=800\nlong_edge=1400\ntest_long_edge=1400\n"           \
  "max_detections=500\niterations=30000\nsteps=20000;25000\n"                  \
  "eval_interval=5000\ngroup=0\n"

static const struct
{
  const char *name, *text;
} presets[] = {
  { "coco.fcos",
      "assigner=fcos\nfilter=false\naux_topk=0\nreg_weight=1\nnms_iou=0.6\n" },
  { "coco.poto", "filter=false\naux_topk=0\n" },
  { "coco.poto.argmax", "assigner=argmax\nfilter=false\naux_topk=0\n" },
  { "coco.poto.6x",
      "filter=false\naux_topk=0\niterations=540000\nsteps=480000;520000\n" },
  { "coco.poto.9x",
      "filter=false\naux_topk=0\niterations=810000\nsteps=750000;790000\n" },
  { "coco.poto.3dmf", "aux_topk=0\n" },
  { "coco.poto.3dmf_wo_gn", "filter_norm=false\naux_topk=0\n" },
  { "coco.poto.3dmf.aux", "" },
  { "coco.poto.3dmf_wo_gn.aux", "filter_norm=false\n" },
  { "crowdhuman.poto", CROWDHUMAN "filter=false\naux_topk=0\n" },
  { "crowdhuman.poto.3dmf", CROWDHUMAN "aux_topk=0\n" },
  { "crowdhuman.poto.3dmf.aux", CROWDHUMAN },
};

static gpointer
member (const DefcnRecipe *recipe, const Key *key)
{
  return (char *) (key->in_spec ? (gpointer) recipe->spec : (gpointer) recipe)
      + key->offset;
}

static gboolean
bad_value (const Key *key, const char *text, const char *wanted, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "recipe key \"%s\" is \"%s\", wanted %s", key->name, text, wanted);
  return FALSE;
}

static gboolean
parse_number (double *value, const Key *key, const char *text, gboolean integer,
    GError **error)
{
  char *end;

  *value = g_ascii_strtod (text, &end);
  if (end != text && *end == '\0' && *value >= key->min && *value <= key->max
      && (!integer || *value == floor (*value)))
    return TRUE;

  g_autofree char *wanted = g_strdup_printf ("%s in %g .. %g",
      integer ? "a whole number" : "a number", key->min, key->max);
  return bad_value (key, text, wanted, error);
}

static gboolean
parse_word (int *value, const Key *key, const char *text,
    const char *const *words, GError **error)
{
  for (int i = 0; words[i]; i++) {
    if (g_str_equal (text, words[i])) {
      *value = i;
      return TRUE;
    }
  }
  g_autofree char *wanted = g_strjoinv (", ", (char **) words);
  return bad_value (key, text, wanted, error);
}

static gboolean
parse_list (gpointer field, const Key *key, const char *text, GError **error)
{
  const gboolean edges = key->type == KEY_EDGES;
  const guint max = edges ? 16 : 8;
  g_auto (GStrv) items = g_strsplit (text, ";", -1);
  guint n = 0;

  for (guint i = 0; items[i]; i++) {
    double value;

    if (items[i][0] == '\0')
      continue;
    if (n == max)
      return bad_value (key, text, edges ? "at most 16 sizes" : "at most 8",
          error);
    if (!parse_number (&value, key, items[i], TRUE, error))
      return FALSE;
    if (edges)
      ((int *) field)[n++] = value;
    else
      ((gint64 *) field)[n++] = value;
  }
  *(int *) ((char *) field + max * (edges ? sizeof (int) : sizeof (gint64))) =
      n;
  return TRUE;
}

static gboolean
set_key (DefcnRecipe *recipe, const Key *key, const char *text, GError **error)
{
  gpointer field = member (recipe, key);
  double number = 0;
  int word;

  switch (key->type) {
    case KEY_PATH:
    case KEY_STRING:
      g_free (*(char **) field);
      *(char **) field = text[0] ? g_strdup (text) : NULL;
      return TRUE;
    case KEY_BOOL:
      word = g_ascii_strcasecmp (text, "true") == 0;
      if (!word && g_ascii_strcasecmp (text, "false") != 0)
        return bad_value (key, text, "true or false", error);
      *(gboolean *) field = word;
      return TRUE;
    case KEY_INT:
    case KEY_INT64:
    case KEY_FLOAT:
    case KEY_DOUBLE:
      if (!parse_number (&number, key, text,
              key->type == KEY_INT || key->type == KEY_INT64, error))
        return FALSE;
      if (key->type == KEY_INT)
        *(int *) field = number;
      else if (key->type == KEY_INT64)
        *(gint64 *) field = number;
      else if (key->type == KEY_FLOAT)
        *(float *) field = number;
      else
        *(double *) field = number;
      return TRUE;
    case KEY_ASSIGNER:
    case KEY_OPTIMIZER:
    case KEY_SCHEDULE:
      return parse_word (field, key, text,
          key->type == KEY_ASSIGNER        ? assigners
              : key->type == KEY_OPTIMIZER ? optimizers
                                           : schedules,
          error);
    case KEY_EDGES:
    case KEY_STEPS:
      return parse_list (field, key, text, error);
  }
  return FALSE;
}

static const Key *
find_key (const char *name, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (g_str_equal (keys[i].name, name))
      return &keys[i];
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "no recipe key \"%s\" (see defcn train --help-recipe)", name);
  return NULL;
}

gboolean
defcn_recipe_set (DefcnRecipe *recipe, const char *assignment, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);

  if (g_strv_length (parts) != 2) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "\"%s\" is not key=value", assignment);
    return FALSE;
  }

  const Key *key = find_key (g_strstrip (parts[0]), error);
  return key && set_key (recipe, key, g_strstrip (parts[1]), error);
}

/* Lines of key=value that are known to be right. */
static void
apply (DefcnRecipe *recipe, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; lines[i]; i++) {
    if (lines[i][0] && !defcn_recipe_set (recipe, lines[i], &error))
      g_error ("built-in recipe: %s", error->message);
  }
}

DefcnRecipe *
defcn_recipe_new (const char *preset, GError **error)
{
  static const char *const no_labels[] = { NULL };
  const char *text = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++) {
    if (g_str_equal (presets[i].name, preset ? preset : "coco.poto.3dmf.aux"))
      text = presets[i].text;
  }
  if (!text) {
    g_autofree char *names =
        g_strjoinv (", ", (char **) defcn_recipe_presets ());

    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "no preset \"%s\"; there are %s", preset, names);
    return NULL;
  }

  DefcnRecipe *recipe = g_new0 (DefcnRecipe, 1);
  recipe->spec = defcn_spec_new (no_labels);
  apply (recipe, defaults);
  apply (recipe, text);
  return recipe;
}

void
defcn_recipe_free (DefcnRecipe *recipe)
{
  if (!recipe)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (keys[i].type == KEY_PATH || keys[i].type == KEY_STRING)
      g_free (*(char **) member (recipe, &keys[i]));
  }
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

static GKeyFile *
open_file (const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, error)) {
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

char *
defcn_recipe_file_preset (const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = open_file (path, error);

  return file ? g_key_file_get_string (file, GROUP, "preset", NULL) : NULL;
}

gboolean
defcn_recipe_load (DefcnRecipe *recipe, const char *path, GError **error)
{
  g_autoptr (GKeyFile) file = open_file (path, error);
  g_autofree char *folder = g_path_get_dirname (path);

  if (!file)
    return FALSE;

  g_auto (GStrv) names = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (guint i = 0; names[i]; i++) {
    if (g_str_equal (names[i], "preset"))
      continue;

    const Key *key = find_key (names[i], error);
    g_autofree char *value =
        g_key_file_get_string (file, GROUP, names[i], NULL);
    g_autofree char *resolved = key && key->type == KEY_PATH && value[0]
        ? g_canonicalize_filename (value, folder)
        : NULL;
    if (!key || !set_key (recipe, key, resolved ? resolved : value, error)) {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
finish_backbone (DefcnRecipe *recipe, GError **error)
{
  DefcnSpec *spec = recipe->spec;
  const char *name = recipe->backbone ? recipe->backbone : "";

  if (g_str_equal (name, "mobilenetv2")) {
    spec->backbone = DEFCN_BACKBONE_MOBILENETV2;
    spec->depth = 0;
    return TRUE;
  }
  spec->backbone = DEFCN_BACKBONE_RESNET;
  spec->depth = g_str_has_prefix (name, "resnet") ? atoi (name + 6) : 0;
  spec->res2_channels = spec->depth < 50 ? 64 : 256;
  switch (spec->depth) {
    case 18:
    case 34:
    case 50:
    case 101:
    case 152:
      return TRUE;
    default:
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "recipe key \"backbone\" is \"%s\", wanted resnet18, 34, 50, 101, "
          "152 or mobilenetv2",
          name);
      return FALSE;
  }
}

static gboolean
finish_pixels (DefcnRecipe *recipe, GError **error)
{
  DefcnInputRule *input = &recipe->spec->input;
  const char *name = recipe->pixels ? recipe->pixels : "";

  input->divisor = 32;
  input->bgr = g_str_equal (name, "msra");
  if (input->bgr) {
    memcpy (input->mean, (float[]){ 103.53f, 116.28f, 123.675f },
        sizeof input->mean);
    memcpy (input->std, (float[]){ 1, 1, 1 }, sizeof input->std);
    return TRUE;
  }
  memcpy (input->mean, (float[]){ 123.675f, 116.28f, 103.53f },
      sizeof input->mean);
  memcpy (input->std, (float[]){ 58.395f, 57.12f, 57.375f }, sizeof input->std);
  if (g_str_equal (name, "torchvision"))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "recipe key \"pixels\" is \"%s\", wanted msra or torchvision", name);
  return FALSE;
}

gboolean
defcn_recipe_finish (DefcnRecipe *recipe, GError **error)
{
  const DefcnAugment *augment = &recipe->loader.augment;
  const char *problem = NULL;

  if (recipe->micro_batch == 0)
    recipe->micro_batch = recipe->loader.batch;
  if (!recipe->annotations || !recipe->images)
    problem = "annotations and images are needed";
  else if (!recipe->val_annotations != !recipe->val_images)
    problem = "val_annotations and val_images come together";
  else if (augment->n_short_edges == 0 && augment->canvas_width == 0)
    problem = "short_edges is empty";
  else if (!augment->canvas_width != !augment->canvas_height)
    problem = "canvas_width and canvas_height come together";
  else if (augment->scale_min > augment->scale_max)
    problem = "scale_min is above scale_max";
  else if (recipe->spec->filter
      && recipe->step.assign.assigner == DEFCN_ASSIGN_FCOS)
    problem = "assigner fcos is the baseline without 3DMF: set filter=false";
  if (problem) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE, "recipe: %s", problem);
    return FALSE;
  }
  return finish_backbone (recipe, error) && finish_pixels (recipe, error);
}

static void
append_list (GString *text, const Key *key, gconstpointer field)
{
  const gboolean edges = key->type == KEY_EDGES;
  const gsize bytes = edges ? 16 * sizeof (int) : 8 * sizeof (gint64);
  const int n = *(const int *) ((const char *) field + bytes);

  for (int i = 0; i < n; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? ";" : "",
        edges ? ((const int *) field)[i] : ((const gint64 *) field)[i]);
}

static void
append_value (GString *text, const Key *key, gconstpointer field)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  switch (key->type) {
    case KEY_PATH:
    case KEY_STRING:
      g_string_append (text,
          *(char *const *) field ? *(char *const *) field : "");
      break;
    case KEY_INT:
      g_string_append_printf (text, "%d", *(const int *) field);
      break;
    case KEY_INT64:
      g_string_append_printf (text, "%" G_GINT64_FORMAT,
          *(const gint64 *) field);
      break;
    case KEY_BOOL:
      g_string_append (text, *(const gboolean *) field ? "true" : "false");
      break;
    case KEY_FLOAT:
      g_string_append (text,
          g_ascii_formatd (number, sizeof number, "%.7g",
              *(const float *) field));
      break;
    case KEY_DOUBLE:
      g_string_append (text,
          g_ascii_formatd (number, sizeof number, "%.12g",
              *(const double *) field));
      break;
    case KEY_ASSIGNER:
      g_string_append (text, assigners[*(const int *) field]);
      break;
    case KEY_OPTIMIZER:
      g_string_append (text, optimizers[*(const int *) field]);
      break;
    case KEY_SCHEDULE:
      g_string_append (text, schedules[*(const int *) field]);
      break;
    case KEY_EDGES:
    case KEY_STEPS:
      append_list (text, key, field);
      break;
  }
}

char *
defcn_recipe_to_text (const DefcnRecipe *recipe)
{
  GString *text = g_string_new ("[" GROUP "]\n");

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (keys[i].type == KEY_PATH)
      continue;
    g_string_append_printf (text, "%s=", keys[i].name);
    append_value (text, &keys[i], member (recipe, &keys[i]));
    g_string_append_c (text, '\n');
  }
  return g_string_free (text, FALSE);
}

char *
defcn_recipe_help (void)
{
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, NULL);
  GString *text = g_string_new ("Presets:");

  for (gsize i = 0; i < G_N_ELEMENTS (presets); i++)
    g_string_append_printf (text, " %s", presets[i].name);
  g_string_append (text, "\n\nKeys and their defaults:\n");
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GString) value = g_string_new (NULL);

    append_value (value, &keys[i], member (recipe, &keys[i]));
    g_string_append_printf (text, "  %-20s %-14s %s\n", keys[i].name,
        value->str, keys[i].help);
  }
  return g_string_free (text, FALSE);
}

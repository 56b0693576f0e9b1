/* The keys of a training recipe: one table, values from text and to text. */
#include "recipe_keys.h"

#include "assign/assign.h"
#include "assign/auxiliary.h"
#include "data/list.h"

#include <math.h>

typedef enum
{
  KEY_PATH,
  KEY_PATHS, /* a list (data/list.h) */
  KEY_STRING,
  KEY_INT,
  KEY_INT64,
  KEY_BOOL,
  KEY_FLOAT,
  KEY_DOUBLE,
  KEY_ASSIGNER,
  KEY_AUXILIARY,
  KEY_BOX_LOSS,
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
  const char *help; /* NULL: the words that it takes */
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
  TOP ("annotations", KEY_PATHS, annotations, 0, 0,
      "training annotations, COCO .json or CrowdHuman .odgt; a;b is both, "
      "\\; one of a name"),
  TOP ("images", KEY_PATHS, images, 0, 0,
      "folder of the training images, one for each file"),
  TOP ("val_annotations", KEY_PATH, val_annotations, 0, 0,
      "validation annotations"),
  TOP ("val_images", KEY_PATH, val_images, 0, 0, "their folder"),
  TOP ("holdout", KEY_INT, holdout, 0, 1000000,
      "without those: every so manieth training image, by id, 0: none"),
  TOP ("classes", KEY_STRING, read.classes, 0, 0,
      "only these of the annotations, a;b is both; empty: all"),
  TOP ("background", KEY_BOOL, loader.background, 0, 1,
      "train on background images too, those without objects"),
  TOP ("polygons", KEY_BOOL, read.polygons, 0, 1,
      "leave out objects without a valid polygon, as the paper's code"),
  TOP ("max_damaged", KEY_DOUBLE, read.max_damaged, 0, 1,
      "share of damaged annotations or images that stops"),
  TOP ("absolute_names", KEY_BOOL, read.absolute_names, 0, 1,
      "file names may be absolute, or leave the folder of images"),
  TOP ("exif", KEY_BOOL, exif, 0, 1, "turn pictures by their EXIF tag"),
  TOP ("max_megapixels", KEY_INT, read.picture.max_megapixels, 1, 268,
      "of a picture; a larger one is unreadable"),
  TOP ("init", KEY_PATH, init, 0, 0,
      "weights to start from, a file of defcn import"),
  TOP ("backbone", KEY_STRING, backbone, 0, 0,
      "resnet18, 34, 50, 101, 152, resnext101_32x8d and its like, or "
      "mobilenetv2"),
  TOP ("pixels", KEY_STRING, pixels, 0, 0,
      "msra, fair (its ResNeXts) or torchvision"),
  SPEC ("stride_in_1x1", KEY_BOOL, stride_in_1x1, 0, 1,
      "bottleneck stride in the first 1x1 (MSRA weights)"),
  SPEC ("dcn_from", KEY_INT, dcn_from, 0, 5,
      "ResNet: stage from which 3x3 are deformable, 0: none"),
  SPEC ("dcn_modulated", KEY_BOOL, dcn_modulated, 0, 1,
      "deformable ones have masks: DCNv2"),
  SPEC ("dcn_head", KEY_BOOL, dcn_head, 0, 1,
      "the last of each tower is deformable"),
  SPEC ("freeze_at", KEY_INT, freeze_at, 0, 5,
      "stages that are not trained, 2: stem and res2"),
  SPEC ("fpn_channels", KEY_INT, fpn_channels, 8, 4096,
      "width of FPN and head"),
  SPEC ("p6_from_c5", KEY_BOOL, p6_from_c5, 0, 1, "P6 from C5, as the paper"),
  SPEC ("tower_depth", KEY_INT, tower_depth, 0, 16, "convolutions per tower"),
  SPEC ("norm_groups", KEY_INT, norm_groups, 0, 4096,
      "of the head's group norms, 0: it has none"),
  SPEC ("filter", KEY_BOOL, filter, 0, 1, "3D max filtering branch"),
  SPEC ("filter_norm", KEY_BOOL, filter_norm, 0, 1, "group norm in it"),
  SPEC ("tau", KEY_INT, tau, 0, 8, "3DMF: neighbouring levels, even"),
  SPEC ("phi", KEY_INT, phi, 1, 15, "3DMF: window, odd"),
  SPEC ("centerness", KEY_BOOL, centerness, 0, 1,
      "third output of FCOS and ATSS, which weighs boxes and scores"),
  SPEC ("anchors", KEY_INT, anchors, 0, DEFCN_MAX_ANCHORS,
      "of a location, whose boxes are coded relative to them: 1, or "
      "RetinaNet's 9; 0: by their sides"),
  SPEC ("short_edge", KEY_INT, input.short_edge, 32, 16384,
      "input size at inference: short side"),
  SPEC ("test_long_edge", KEY_INT, input.long_edge, 32, 16384,
      "and limit of the long side"),
  SPEC ("threshold", KEY_FLOAT, threshold, 0, 1, "score threshold"),
  SPEC ("max_detections", KEY_INT, max_detections, 1, 100000, "per image"),
  SPEC ("nms_iou", KEY_FLOAT, nms_iou, 0, 1, "NMS of the saved model, 0: none"),
  SPEC ("duplicate_iou", KEY_FLOAT, duplicate_iou, 0, 1,
      "local duplicate filter of the saved model, 0: none"),
  SPEC ("working_threshold", KEY_FLOAT, working_threshold, 0, 1,
      "score that counts where the saved model is used"),
  TOP ("assigner", KEY_ASSIGNER, step.assign.assigner, 0, 0, NULL),
  TOP ("alpha", KEY_FLOAT, step.assign.alpha, 0, 1, "quality, eq. 4"),
  TOP ("final_alpha", KEY_FLOAT, final_alpha, -1, 1,
      "alpha at the last iteration, -1: alpha stays"),
  TOP ("alpha_hold", KEY_DOUBLE, alpha_hold, 0, 1,
      "first part of the iterations, where alpha stays"),
  TOP ("additive", KEY_BOOL, step.assign.additive, 0, 1,
      "quality is (1 - alpha) p + alpha IoU, as in table 4"),
  TOP ("radius", KEY_FLOAT, step.assign.radius, -1, 100,
      "centre sampling in strides, 0: inside the box, -1: anywhere"),
  TOP ("aux_topk", KEY_INT, step.assign.aux_topk, 0, 100,
      "candidates per level of the auxiliary loss, 0: no such loss"),
  TOP ("aux_assigner", KEY_AUXILIARY, step.assign.auxiliary, 0, 0, NULL),
  SPEC ("aux_classifier", KEY_BOOL, aux_classifier, 0, 1,
      "it has a classifier of its own, which inference has not"),
  TOP ("skip_unplaced", KEY_BOOL, step.assign.skip_unplaced, 0, 1,
      "an object that no location may have is not trained"),
  TOP ("ignore_regions", KEY_BOOL, step.assign.ignore_regions, 0, 1,
      "crowds and ignored boxes are no background"),
  TOP ("box_loss", KEY_BOX_LOSS, step.box_loss, 0, 0, NULL),
  TOP ("normalizer_momentum", KEY_DOUBLE, step.normalizer_momentum, 0, 1,
      "of a running number of foregrounds, which losses are divided by; 0: the "
      "batch's"),
  TOP ("reg_weight", KEY_DOUBLE, step.reg_weight, 0, 100, "of the box loss"),
  TOP ("aux_reg_weight", KEY_DOUBLE, step.aux_reg_weight, 0, 100,
      "of the box loss of the auxiliary foregrounds"),
  TOP ("batch", KEY_INT, loader.batch, 1, 4096, "images per update"),
  TOP ("micro_batch", KEY_INT, micro_batch, 0, 4096,
      "images per pass, a divisor of batch; 0: the batch"),
  TOP ("group", KEY_INT, loader.group, 0, 4096,
      "images that share an aspect-ratio group, a divisor of batch; 0: none"),
  TOP ("workers", KEY_INT, loader.workers, 1, 256, "decoding threads"),
  TOP ("cache", KEY_INT, loader.cache, -1, 16777216,
      "MiB of decoded pictures kept, 0: none, -1: a quarter of free memory"),
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
  TOP ("optimizer", KEY_OPTIMIZER, optimizer.kind, 0, 0, NULL),
  TOP ("lr", KEY_DOUBLE, optimizer.lr, 0, 10, "base learning rate"),
  TOP ("backbone_lr", KEY_DOUBLE, optimizer.backbone_lr, 0, 100,
      "factor for the backbone"),
  TOP ("momentum", KEY_DOUBLE, optimizer.momentum, 0, 1, "SGD"),
  TOP ("weight_decay", KEY_DOUBLE, optimizer.weight_decay, 0, 1,
      "not on norms"),
  TOP ("clip_norm", KEY_DOUBLE, optimizer.clip_norm, 0, 1e9,
      "limit of the gradient norm, 0: none"),
  TOP ("schedule", KEY_SCHEDULE, optimizer.schedule, 0, 0, NULL),
  TOP ("iterations", KEY_INT64, optimizer.iterations, 1, 1e12, "updates"),
  TOP ("epochs", KEY_DOUBLE, epochs, 0, 1e6,
      "instead of iterations, when above 0"),
  TOP ("steps", KEY_STEPS, optimizer.steps, 1, 1e12, "step schedule: drops"),
  TOP ("warmup", KEY_INT64, optimizer.warmup, 0, 1e12, "iterations"),
  TOP ("warmup_factor", KEY_DOUBLE, optimizer.warmup_factor, 0, 1, ""),
  TOP ("final_lr", KEY_DOUBLE, optimizer.final_lr, 0, 1,
      "cosine, wsd: last over first"),
  TOP ("cooldown", KEY_DOUBLE, optimizer.cooldown, 0, 1,
      "wsd: last part of the iterations, where lr falls"),
  TOP ("ema", KEY_DOUBLE, optimizer.ema, 0, 1,
      "decay of the averaged weights, 0: none"),
  TOP ("eval_interval", KEY_INT64, eval_interval, 0, 1e12,
      "iterations between evaluations, 0: at the end"),
  TOP ("checkpoint_interval", KEY_INT64, checkpoint_interval, 1, 1e12, ""),
  TOP ("log_interval", KEY_INT64, log_interval, 1, 1e12, ""),
  TOP ("threads", KEY_INT, threads, 0, 1024, "of the network, 0: all cores"),
  TOP ("precision", KEY_STRING, precision, 0, 0,
      "of activations: fp32, or where the device has it tf32 or bf16"),
};

static const char *const box_losses[] = {
  [DEFCN_BOX_LOSS_GIOU] = "giou",
  [DEFCN_BOX_LOSS_L1] = "l1",
  NULL,
};
static const char *const optimizers[] = {
  [DEFCN_OPTIMIZER_SGD] = "sgd",
  [DEFCN_OPTIMIZER_ADAMW] = "adamw",
  NULL,
};
static const char *const schedules[] = {
  [DEFCN_SCHEDULE_STEP] = "step",
  [DEFCN_SCHEDULE_COSINE] = "cosine",
  [DEFCN_SCHEDULE_WSD] = "wsd",
  NULL,
};

/* The words that a key takes, NULL: it takes no words. */
static const char *const *
words_of (const Key *key)
{
  return key->type == KEY_ASSIGNER ? defcn_assign_names ()
      : key->type == KEY_AUXILIARY ? defcn_auxiliary_names ()
      : key->type == KEY_BOX_LOSS  ? box_losses
      : key->type == KEY_OPTIMIZER ? optimizers
      : key->type == KEY_SCHEDULE  ? schedules
                                   : NULL;
}

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
parse_word (int *value, const Key *key, const char *text, GError **error)
{
  const char *const *words = words_of (key);

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
    case KEY_PATHS:
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
      if (!parse_word (&word, key, text, error))
        return FALSE;
      *(const DefcnAssigner **) field = defcn_assign_find (text);
      return TRUE;
    case KEY_AUXILIARY:
    case KEY_BOX_LOSS:
    case KEY_OPTIMIZER:
    case KEY_SCHEDULE:
      return parse_word (field, key, text, error);
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

/* Paths of data are no part of the text that is published with a model. */
static gboolean
is_path (const Key *key)
{
  return key->type == KEY_PATH || key->type == KEY_PATHS;
}

/* @value with its paths relative to @folder, NULL: the working directory, made
 * absolute. */
static char *
absolute_paths (const Key *key, const char *value, const char *folder)
{
  if (key->type == KEY_PATH)
    return g_canonicalize_filename (value, folder);
  g_auto (GStrv) paths = defcn_list_split (value);
  for (guint i = 0; paths[i]; i++) {
    char *path = g_canonicalize_filename (paths[i], folder);

    g_free (paths[i]);
    paths[i] = path;
  }
  return defcn_list_join ((const char *const *) paths);
}

gboolean
defcn_recipe_keys_set (DefcnRecipe *recipe, const char *name, const char *value,
    const char *folder, GError **error)
{
  const Key *key = find_key (name, error);

  if (!key)
    return FALSE;
  if (recipe->given)
    g_hash_table_add (recipe->given, (gpointer) key->name);
  if (!folder || !is_path (key) || !value[0])
    return set_key (recipe, key, value, error);

  g_autofree char *joined = absolute_paths (key, value, folder);
  return set_key (recipe, key, joined, error);
}

gboolean
defcn_recipe_keys_adopt (DefcnRecipe *recipe, const char *name,
    const char *value, GError **error)
{
  const Key *key = find_key (name, error);

  return key && set_key (recipe, key, value, error);
}

gboolean
defcn_recipe_keys_given (const DefcnRecipe *recipe, const char *name)
{
  return recipe->given && g_hash_table_contains (recipe->given, name);
}

void
defcn_recipe_keys_clear (DefcnRecipe *recipe)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (is_path (&keys[i]) || keys[i].type == KEY_STRING)
      g_clear_pointer ((char **) member (recipe, &keys[i]), g_free);
  }
  g_clear_pointer (&recipe->given, g_hash_table_unref);
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
    case KEY_PATHS:
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
      g_string_append (text, (*(const DefcnAssigner *const *) field)->name);
      break;
    case KEY_AUXILIARY:
    case KEY_BOX_LOSS:
    case KEY_OPTIMIZER:
    case KEY_SCHEDULE:
      g_string_append (text, words_of (key)[*(const int *) field]);
      break;
    case KEY_EDGES:
    case KEY_STEPS:
      append_list (text, key, field);
      break;
  }
}

char *
defcn_recipe_keys_get (const DefcnRecipe *recipe, const char *name)
{
  const Key *key = find_key (name, NULL);
  GString *text = g_string_new (NULL);

  if (key)
    append_value (text, key, member (recipe, key));
  return g_string_free (text, FALSE);
}

/* @value as g_key_file_get_string() takes it. */
static void
append_escaped (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);

  for (const char *c = valid; *c; c++) {
    if (*c == '\\')
      g_string_append (text, "\\\\");
    else if (*c == '\n')
      g_string_append (text, "\\n");
    else if (*c == '\r')
      g_string_append (text, "\\r");
    else
      g_string_append_c (text, *c);
  }
}

void
defcn_recipe_keys_append (GString *text, const DefcnRecipe *recipe,
    gboolean paths)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    const char *const *field = member (recipe, &keys[i]);

    if (is_path (&keys[i]) && !(paths && *field))
      continue;
    g_string_append_printf (text, "%s=", keys[i].name);
    if (is_path (&keys[i])) {
      g_autofree char *absolute = absolute_paths (&keys[i], *field, NULL);

      append_escaped (text, absolute);
    } else if (paths && keys[i].type == KEY_STRING)
      append_escaped (text, *field ? *field : "");
    else
      append_value (text, &keys[i], field);
    g_string_append_c (text, '\n');
  }
}

/* "a, b or c" */
static void
append_words (GString *text, const char *const *words)
{
  for (int i = 0; words[i]; i++) {
    g_string_append (text, i == 0 ? "" : words[i + 1] ? ", " : " or ");
    g_string_append (text, words[i]);
  }
}

void
defcn_recipe_keys_append_help (GString *text, const DefcnRecipe *recipe)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GString) value = g_string_new (NULL);

    append_value (value, &keys[i], member (recipe, &keys[i]));
    g_string_append_printf (text, "  %-20s %-14s ", keys[i].name, value->str);
    if (keys[i].help)
      g_string_append (text, keys[i].help);
    else
      append_words (text, words_of (&keys[i]));
    g_string_append_c (text, '\n');
  }
}

/* The names of tensors, theirs and ours. */
#include "naming.h"

#include "frameworks.h"

#include <string.h>

#define BACKBONE "backbone.bottom_up."

static const char *const namings[] = {
  [DEFCN_NAMING_OFFICIAL] = "cvpods",
  [DEFCN_NAMING_DETECTRON2] = "detectron2",
  [DEFCN_NAMING_CAFFE2] = "Caffe2",
  [DEFCN_NAMING_TORCHVISION] = "torchvision",
  [DEFCN_NAMING_MXNET] = "MXNet",
};

const char *
defcn_naming_text (DefcnNaming naming)
{
  return namings[naming];
}

/* Their suffix of a tensor and ours. */
typedef struct
{
  const char *from, *to;
} Pair;

static const char *
look_up (const Pair *pairs, gsize n, const char *text)
{
  for (gsize i = 0; i < n; i++)
    if (g_str_equal (pairs[i].from, text))
      return pairs[i].to;
  return NULL;
}

#define LOOK_UP(pairs, text) look_up (pairs, G_N_ELEMENTS (pairs), text)

/* Reads a number of at most three digits and moves @s behind it. */
static gboolean
take_number (const char **s, int *number)
{
  const char *start = *s;

  *number = 0;
  while (g_ascii_isdigit (**s) && *s - start < 3)
    *number = 10 * *number + (*(*s)++ - '0');
  return *s > start;
}

static gboolean
take_text (const char **s, const char *text)
{
  const gsize len = strlen (text);

  if (strncmp (*s, text, len) != 0)
    return FALSE;
  *s += len;
  return TRUE;
}

/* The anchors of a level, a constant of the network. */
#define CELL_ANCHORS "anchor_generator.cell_anchors."

static char *
translate_official (const char *name)
{
  if (g_str_has_prefix (name, CELL_ANCHORS))
    return g_strdup (name);
  if ((!g_str_has_prefix (name, "backbone.")
          && !g_str_has_prefix (name, "head."))
      || g_str_has_suffix (name, ".num_batches_tracked"))
    return NULL;
  return g_strdup (name);
}

static char *
translate_detectron2 (const char *name)
{
  const char *s = name;
  int stage;

  if (!g_str_has_prefix (name, "stem.conv1.")
      && !(take_text (&s, "res") && take_number (&s, &stage)
          && take_text (&s, ".")))
    return NULL;
  if (g_str_has_suffix (name, ".num_batches_tracked"))
    return NULL;
  return g_strconcat (BACKBONE, name, NULL);
}

/* conv1_w, res_conv1_bn_s, res2_0_branch2a_w, res2_0_branch2a_bn_s */
static char *
translate_caffe2 (const char *name)
{
  static const Pair branches[] = { { "1", "shortcut" }, { "2a", "conv1" },
    { "2b", "conv2" }, { "2c", "conv3" } };
  static const Pair suffixes[] = { { "w", "weight" }, { "bn_s", "norm.weight" },
    { "bn_b", "norm.bias" }, { "bn_rm", "norm.running_mean" },
    { "bn_riv", "norm.running_var" } };
  const char *s = name, *branch, *suffix;
  int stage, block;

  if (take_text (&s, "conv1_w") && *s == '\0')
    return g_strdup (BACKBONE "stem.conv1.weight");
  s = name;
  if (take_text (&s, "res_conv1_")) {
    suffix = LOOK_UP (suffixes, s);
    return suffix ? g_strconcat (BACKBONE "stem.conv1.", suffix, NULL) : NULL;
  }
  if (!take_text (&s, "res") || !take_number (&s, &stage)
      || !take_text (&s, "_") || !take_number (&s, &block)
      || !take_text (&s, "_branch"))
    return NULL;

  const char *end = strchr (s, '_');
  g_autofree char *which = end ? g_strndup (s, end - s) : NULL;
  branch = which ? LOOK_UP (branches, which) : NULL;
  suffix = branch ? LOOK_UP (suffixes, end + 1) : NULL;
  return suffix ? g_strdup_printf (BACKBONE "res%d.%d.%s.%s", stage, block,
             branch, suffix)
                : NULL;
}

/* conv1.weight, bn1.weight, layer1.0.conv1.weight, layer1.0.bn1.weight,
 * layer1.0.downsample.0.weight, .1.weight; the bias of a convolution is that of
 * the batch norm folded into it. */
static char *
translate_torchvision (const char *name)
{
  static const Pair layers[] = {
    { "conv1.weight", "conv1.weight" },
    { "conv1.bias", "conv1.norm.bias" },
    { "conv2.weight", "conv2.weight" },
    { "conv2.bias", "conv2.norm.bias" },
    { "conv2.conv_offset.weight", "conv2_offset.weight" }, /* MMDetection's */
    { "conv2.conv_offset.bias", "conv2_offset.bias" },
    { "conv3.weight", "conv3.weight" },
    { "conv3.bias", "conv3.norm.bias" },
    { "bn1.weight", "conv1.norm.weight" },
    { "bn1.bias", "conv1.norm.bias" },
    { "bn1.running_mean", "conv1.norm.running_mean" },
    { "bn1.running_var", "conv1.norm.running_var" },
    { "bn2.weight", "conv2.norm.weight" },
    { "bn2.bias", "conv2.norm.bias" },
    { "bn2.running_mean", "conv2.norm.running_mean" },
    { "bn2.running_var", "conv2.norm.running_var" },
    { "bn3.weight", "conv3.norm.weight" },
    { "bn3.bias", "conv3.norm.bias" },
    { "bn3.running_mean", "conv3.norm.running_mean" },
    { "bn3.running_var", "conv3.norm.running_var" },
    { "downsample.0.weight", "shortcut.weight" },
    { "downsample.0.bias", "shortcut.norm.bias" },
    { "downsample.1.weight", "shortcut.norm.weight" },
    { "downsample.1.bias", "shortcut.norm.bias" },
    { "downsample.1.running_mean", "shortcut.norm.running_mean" },
    { "downsample.1.running_var", "shortcut.norm.running_var" },
  };
  const char *s = name, *layer;
  int stage, block;

  if (g_str_has_prefix (name, "conv1.") || g_str_has_prefix (name, "bn1.")) {
    layer = LOOK_UP (layers, name);
    return layer ? g_strconcat (BACKBONE "stem.", layer, NULL) : NULL;
  }
  if (!take_text (&s, "layer") || !take_number (&s, &stage)
      || !take_text (&s, ".") || !take_number (&s, &block)
      || !take_text (&s, "."))
    return NULL;
  layer = LOOK_UP (layers, s);
  return layer
      ? g_strdup_printf (BACKBONE "res%d.%d.%s", stage + 1, block, layer)
      : NULL;
}

/* Gluon's MobileNetV2, behind "features_": conv0_weight, batchnorm0_gamma,
 * linearbottleneck0_conv0_weight, linearbottleneck0_batchnorm0_gamma; the last
 * convolution, conv1, is for classification alone. */
static char *
translate_mxnet (const char *name)
{
  static const char *const layers[] = { "expand", "depthwise", "project" };
  static const Pair suffixes[] = { { "gamma", "weight" }, { "beta", "bias" },
    { "running_mean", "running_mean" }, { "running_var", "running_var" } };
  const char *s = strstr (name, "features_"), *suffix;
  int block = -1, layer;
  gboolean norm;

  if (!s)
    return NULL;
  s += strlen ("features_");
  if (take_text (&s, "linearbottleneck")
      && (!take_number (&s, &block) || !take_text (&s, "_")))
    return NULL;
  norm = take_text (&s, "batchnorm");
  if ((!norm && !take_text (&s, "conv")) || !take_number (&s, &layer)
      || !take_text (&s, "_"))
    return NULL;
  suffix = norm ? LOOK_UP (suffixes, s) : g_str_equal (s, "weight") ? s : NULL;
  if (!suffix || layer > (block < 0 ? 0 : 2))
    return NULL;
  if (block < 0)
    return g_strconcat (BACKBONE "stem.conv.", norm ? "norm." : "", suffix,
        NULL);
  return g_strdup_printf (BACKBONE "block%d.%s.%s%s", block, layers[layer],
      norm ? "norm." : "", suffix);
}

char *
defcn_naming_translate (DefcnNaming naming, const char *name)
{
  static char *(*const translate[]) (const char *name) = {
    [DEFCN_NAMING_OFFICIAL] = translate_official,
    [DEFCN_NAMING_DETECTRON2] = translate_detectron2,
    [DEFCN_NAMING_CAFFE2] = translate_caffe2,
    [DEFCN_NAMING_TORCHVISION] = translate_torchvision,
    [DEFCN_NAMING_MXNET] = translate_mxnet,
  };

  return translate[naming](name);
}

/* Takes @prefix off the names that have it. */
static void
strip (DefcnForeign *foreign, const char *prefix)
{
  const gsize len = strlen (prefix);

  g_hash_table_remove_all (foreign->by_name); /* rename_tensors() fills it */
  for (guint i = 0; i < foreign->tensors->len; i++) {
    DefcnForeignTensor *t = foreign->tensors->pdata[i];

    if (g_str_has_prefix (t->name, prefix))
      memmove (t->name, t->name + len, strlen (t->name) - len + 1);
  }
}

/* The naming that most of the tensors have; of others' detectors, that of their
 * backbone. */
static gboolean
guess (DefcnNaming *naming, DefcnForeign *foreign, GError **error)
{
  g_autofree char *prefix = NULL;
  const char *what = defcn_frameworks_find (&prefix, foreign);
  guint most = 0;

  if (prefix) {
    strip (foreign, prefix);
    foreign->detector = what;
    *naming = DEFCN_NAMING_TORCHVISION;
    return TRUE;
  }
  for (int n = 0; n < DEFCN_N_NAMINGS; n++) {
    guint known = 0;

    for (guint i = 0; i < foreign->tensors->len; i++) {
      const DefcnForeignTensor *t = foreign->tensors->pdata[i];
      g_autofree char *name = defcn_naming_translate (n, t->name);

      known += name != NULL && g_str_has_prefix (name, BACKBONE);
    }
    if (known > most) {
      most = known;
      *naming = n;
    }
  }
  if (most > 0)
    return TRUE;
  const DefcnForeignTensor *first =
      foreign->tensors->len ? foreign->tensors->pdata[0] : NULL;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s: none of its %u tensors has a name of a known backbone (the first is "
      "\"%s\")%s%s%s",
      foreign->path, foreign->tensors->len, first ? first->name : "",
      what ? ": it looks like " : "", what ? what : "",
      what ? ", which has none that is read here" : "");
  return FALSE;
}

/* In place, but for the table of names. */
static gboolean
rename_tensors (DefcnNaming naming, DefcnForeign *foreign, GPtrArray *ignored,
    GError **error)
{
  guint kept = 0;

  g_hash_table_remove_all (foreign->by_name);
  for (guint i = 0; i < foreign->tensors->len; i++) {
    DefcnForeignTensor *t = foreign->tensors->pdata[i];
    /* What has no numbers says nothing, and its shape could say anything. */
    char *name = t->len > 0 ? defcn_naming_translate (naming, t->name) : NULL;

    if (!name) {
      g_ptr_array_add (ignored, g_strdup (t->name));
      continue;
    }
    if (g_hash_table_contains (foreign->by_name, name)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
          "%s: tensor \"%s\" is one more %s", foreign->path, t->name, name);
      g_free (name);
      return FALSE;
    }
    g_free (t->name);
    t->name = name;
    g_hash_table_insert (foreign->by_name, t->name, t);
    foreign->tensors->pdata[i] = foreign->tensors->pdata[kept];
    foreign->tensors->pdata[kept++] = t;
  }
  g_ptr_array_set_size (foreign->tensors, kept);
  return TRUE;
}

/* One of the four vectors of a batch norm, all of one value. */
static void
fill_norm (DefcnForeign *foreign, const char *layer, const char *suffix,
    gint64 channels, float value)
{
  DefcnForeignTensor *t = g_new0 (DefcnForeignTensor, 1);

  t->name = g_strconcat (layer, suffix, NULL);
  t->n_dims = 1;
  t->dims[0] = channels;
  t->len = channels;
  t->data = g_new (float, channels);
  for (gsize i = 0; i < t->len; i++)
    t->data[i] = value;
  g_ptr_array_add (foreign->tensors, t);
  g_hash_table_insert (foreign->by_name, t->name, t);
}

static DefcnForeignTensor *
look_up_part (const DefcnForeign *foreign, const char *layer,
    const char *suffix)
{
  g_autofree char *name = g_strconcat (layer, suffix, NULL);

  return defcn_foreign_lookup (foreign, name);
}

/* @weight: of a convolution of the backbone. */
static void
complete_norm (DefcnForeign *foreign, const DefcnForeignTensor *weight)
{
  g_autofree char *layer =
      g_strndup (weight->name, strlen (weight->name) - strlen (".weight"));
  const gboolean has_mean =
      look_up_part (foreign, layer, ".norm.running_mean") != NULL;
  const gboolean has_variance =
      look_up_part (foreign, layer, ".norm.running_var") != NULL;

  const DefcnForeignTensor *bias = look_up_part (foreign, layer, ".norm.bias");

  /* Only of as many channels as there are numbers in the file. */
  if (has_mean || has_variance || !bias || bias->n_dims != 1
      || bias->dims[0] != weight->dims[0])
    return;
  if (!look_up_part (foreign, layer, ".norm.weight"))
    fill_norm (foreign, layer, ".norm.weight", weight->dims[0], 1);
  fill_norm (foreign, layer, ".norm.running_mean", weight->dims[0], 0);
  fill_norm (foreign, layer, ".norm.running_var", weight->dims[0], 1 - 1e-5f);
}

static gboolean
is_conv_weight (const DefcnForeignTensor *t)
{
  return t->n_dims == 4 && g_str_has_prefix (t->name, BACKBONE)
      && g_str_has_suffix (t->name, ".weight");
}

/* Norms of the backbone whose convolution is not there. */
static void
drop_lonely_norms (DefcnForeign *foreign, GPtrArray *ignored)
{
  for (guint i = 0; i < foreign->tensors->len;) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[i];
    const char *norm = g_strrstr (t->name, ".norm.");
    g_autofree char *layer = norm ? g_strndup (t->name, norm - t->name) : NULL;

    if (!layer || !g_str_has_prefix (t->name, BACKBONE)
        || look_up_part (foreign, layer, ".weight")) {
      i++;
      continue;
    }
    g_ptr_array_add (ignored, g_strdup (t->name));
    g_hash_table_remove (foreign->by_name, t->name);
    g_ptr_array_remove_index (foreign->tensors, i);
  }
}

/* Version 3 of FrozenBatchNorm adds 1e-5 to the variance; those before had it
 * in the file. */
static void
upgrade_norms (DefcnForeign *foreign)
{
  static const char suffix[] = ".running_var";

  for (guint i = 0; i < foreign->tensors->len; i++) {
    DefcnForeignTensor *t = foreign->tensors->pdata[i];
    gpointer version;

    if (!g_str_has_suffix (t->name, suffix))
      continue;
    g_autofree char *module =
        g_strndup (t->name, strlen (t->name) - strlen (suffix));
    if (!g_hash_table_lookup_extended (foreign->versions, module, NULL,
            &version)
        || GPOINTER_TO_INT (version) >= 3)
      continue;
    for (gsize k = 0; k < t->len; k++)
      t->data[k] -= 1e-5f;
  }
}

gboolean
defcn_naming_apply (DefcnNaming *naming, DefcnForeign *foreign,
    GPtrArray *ignored, GError **error)
{
  if (!guess (naming, foreign, error)
      || !rename_tensors (*naming, foreign, ignored, error))
    return FALSE;
  drop_lonely_norms (foreign, ignored);
  for (guint i = 0, n = foreign->tensors->len; i < n; i++)
    if (is_conv_weight (foreign->tensors->pdata[i]))
      complete_norm (foreign, foreign->tensors->pdata[i]);
  if (*naming == DEFCN_NAMING_OFFICIAL)
    upgrade_norms (foreign);
  return TRUE;
}

/* Is @t trained when the stem (1) and the stages up to @freeze_at are not? */
static gboolean
is_trained (const DefcnForeignTensor *t, int freeze_at)
{
  const char *s = t->name;
  int stage;

  if (!take_text (&s, BACKBONE))
    return !g_str_has_prefix (s, CELL_ANCHORS);
  if (strstr (s, ".norm."))
    return FALSE;
  if (take_text (&s, "stem."))
    return freeze_at < 1;
  return !take_text (&s, "res") || !take_number (&s, &stage)
      || stage > freeze_at;
}

static gboolean
same_shape (const DefcnForeignTensor *a, const DefcnForeignTensor *b)
{
  return a->n_dims == b->n_dims
      && memcmp (a->dims, b->dims, a->n_dims * sizeof a->dims[0]) == 0;
}

/* Do the trained parameters, in order, have the shapes of the momentum? */
static gboolean
fits (const DefcnForeign *foreign, GPtrArray *trained)
{
  if (trained->len != foreign->momentum->len)
    return FALSE;
  for (guint i = 0; i < trained->len; i++)
    if (foreign->momentum->pdata[i]
        && !same_shape (trained->pdata[i], foreign->momentum->pdata[i]))
      return FALSE;
  return TRUE;
}

gboolean
defcn_naming_momentum (DefcnForeign *foreign, GError **error)
{
  if (foreign->momentum->len == 0)
    return TRUE;
  for (int freeze_at = 0; freeze_at <= 5; freeze_at++) {
    g_autoptr (GPtrArray) trained = g_ptr_array_new ();

    for (guint i = 0; i < foreign->tensors->len; i++)
      if (is_trained (foreign->tensors->pdata[i], freeze_at))
        g_ptr_array_add (trained, foreign->tensors->pdata[i]);
    if (!fits (foreign, trained))
      continue;
    for (guint i = 0; i < trained->len; i++) {
      DefcnForeignTensor *t = foreign->momentum->pdata[i];

      if (t)
        t->name = g_strdup (((DefcnForeignTensor *) trained->pdata[i])->name);
    }
    return TRUE;
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s: its optimizer has %u parameters that are not those of the model",
      foreign->path, foreign->momentum->len);
  return FALSE;
}

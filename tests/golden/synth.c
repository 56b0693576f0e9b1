/* The models of the golden set: config.json -> spec and weights. */
#include "synth.h"

#include <cjson/cJSON.h>
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

/* What defcn does not build; NULL if it builds the case. */
static const char *
unsupported (const cJSON *config)
{
  const cJSON *deform =
      cJSON_GetObjectItemCaseSensitive (get (config, "backbone"),
          "DEFORM_ON_PER_STAGE");
  const cJSON *stage;

  cJSON_ArrayForEach (stage, deform)
  {
    if (cJSON_IsTrue (stage))
      return "deformable convolution";
  }
  if (is_string (config, "third_output", "centerness"))
    return "the centerness branch";
  if (strstr (cJSON_GetStringValue (get (config, "experiment")), "/anchor."))
    return "anchor boxes";
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

DefcnSpec *
testing_synth_spec (const char *config_path, char **skip)
{
  cJSON *config = read_config (config_path);
  const char *reason = unsupported (config);
  g_auto (GStrv) labels = NULL;
  DefcnSpec *spec = NULL;

  *skip = reason ? g_strdup_printf ("%s needs %s", config_path, reason) : NULL;
  if (!reason) {
    const int n_classes = number (config, "num_classes");

    labels = g_new0 (char *, n_classes + 1);
    for (int i = 0; i < n_classes; i++)
      labels[i] = g_strdup_printf ("class%d", i);
    spec = defcn_spec_new ((const char *const *) labels);
    spec->freeze_at = number (config, "freeze_at");
    read_backbone (spec, get (config, "backbone"));
    read_head (spec, config);
    read_rules (spec, config);
  }
  cJSON_Delete (config);
  return spec;
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

  if (!spec)
    return NULL;

  DefcnModel *model = defcn_model_new (spec, be, train, 0, &error);
  if (!model)
    g_error ("%s: %s", config_path, error->message);
  testing_synth_fill (model, config_path);
  return model;
}

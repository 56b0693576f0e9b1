/* DefcnSpec as JSON: one table of fields, read and written by the same rows. */
#include "spec.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "anchors.h"
#include "error.h"

#define MAX_LABEL 255 /* bytes */

typedef enum
{
  FIELD_INT,
  FIELD_BOOL,
  FIELD_FLOAT,
} FieldType;

typedef struct
{
  const char *name;
  FieldType type;
  gsize offset;
  double min, max;
  gboolean optional; /* a file may lack it: defcn_spec_new()'s value */
} Field;

#define INT(f, lo, hi)                                                         \
  {                                                                            \
#f, FIELD_INT, G_STRUCT_OFFSET(DefcnSpec, f), lo, hi                       \
  }
#define BOOL(f)                                                                \
  {                                                                            \
#f, FIELD_BOOL, G_STRUCT_OFFSET(DefcnSpec, f), 0, 1                        \
  }
#define FLOAT(f, lo, hi)                                                       \
  {                                                                            \
#f, FIELD_FLOAT, G_STRUCT_OFFSET(DefcnSpec, f), lo, hi                     \
  }

#define OPTIONAL_INT(f, lo, hi)                                                \
  {                                                                            \
#f, FIELD_INT, G_STRUCT_OFFSET(DefcnSpec, f), lo, hi, TRUE                 \
  }
#define OPTIONAL_BOOL(f)                                                       \
  {                                                                            \
#f, FIELD_BOOL, G_STRUCT_OFFSET(DefcnSpec, f), 0, 1, TRUE                  \
  }
#define OPTIONAL_FLOAT(f, lo, hi)                                              \
  {                                                                            \
#f, FIELD_FLOAT, G_STRUCT_OFFSET(DefcnSpec, f), lo, hi, TRUE               \
  }

/* Every field but backbone, input and labels. */
static const Field fields[] = {
  INT (depth, 0, 152),
  INT (groups, 1, 1024),
  INT (group_width, 1, 1024),
  INT (stem_channels, 1, 4096),
  INT (res2_channels, 1, 4096),
  BOOL (stride_in_1x1),
  OPTIONAL_INT (dcn_from, 0, 5),
  OPTIONAL_BOOL (dcn_modulated),
  INT (freeze_at, 0, 5),
  INT (fpn_channels, 1, 4096),
  BOOL (p6_from_c5),
  INT (tower_depth, 0, 16),
  OPTIONAL_BOOL (dcn_head),
  INT (norm_groups, 0, 4096),
  BOOL (norm_reg_targets),
  OPTIONAL_INT (anchors, 0, DEFCN_MAX_ANCHORS),
  BOOL (filter),
  BOOL (filter_norm),
  INT (tau, 0, 8),
  INT (phi, 1, 15),
  OPTIONAL_BOOL (centerness),
  FLOAT (threshold, 0, 1),
  INT (topk, 1, 1000000),
  INT (max_detections, 1, 100000),
  FLOAT (nms_iou, 0, 1),
  OPTIONAL_FLOAT (duplicate_iou, 0, 1),
  OPTIONAL_FLOAT (working_threshold, 0, 1),
  { "short_edge", FIELD_INT, G_STRUCT_OFFSET (DefcnSpec, input.short_edge), 1,
      16384 },
  { "long_edge", FIELD_INT, G_STRUCT_OFFSET (DefcnSpec, input.long_edge), 1,
      16384 },
  { "divisor", FIELD_INT, G_STRUCT_OFFSET (DefcnSpec, input.divisor), 32,
      1024 },
  { "bgr", FIELD_BOOL, G_STRUCT_OFFSET (DefcnSpec, input.bgr), 0, 1 },
};

static const char *const backbones[] = {
  [DEFCN_BACKBONE_RESNET] = "resnet",
  [DEFCN_BACKBONE_MOBILENETV2] = "mobilenetv2",
};

DefcnSpec *
defcn_spec_new (const char *const *labels)
{
  DefcnSpec *spec = g_new0 (DefcnSpec, 1);

  *spec = (DefcnSpec){
    .backbone = DEFCN_BACKBONE_RESNET,
    .depth = 50,
    .groups = 1,
    .group_width = 64,
    .stem_channels = 64,
    .res2_channels = 256,
    .stride_in_1x1 = TRUE,
    .dcn_modulated = TRUE,
    .freeze_at = 2,
    .fpn_channels = 256,
    .tower_depth = 4,
    .norm_groups = 32,
    .norm_reg_targets = TRUE,
    .filter = TRUE,
    .filter_norm = TRUE,
    .tau = 2,
    .phi = 3,
    .input = { .short_edge = 800,
        .long_edge = 1333,
        .divisor = 32,
        .bgr = TRUE,
        .mean = { 103.53f, 116.28f, 123.675f },
        .std = { 1, 1, 1 } },
    .threshold = 0.05f,
    .topk = 1000,
    .max_detections = 100,
    .working_threshold = 0.3f,
    .n_classes = g_strv_length ((char **) labels),
    .labels = g_strdupv ((char **) labels),
  };
  return spec;
}

DefcnSpec *
defcn_spec_copy (const DefcnSpec *spec)
{
  DefcnSpec *copy = g_memdup2 (spec, sizeof *spec);

  copy->labels = g_strdupv (spec->labels);
  return copy;
}

void
defcn_spec_free (DefcnSpec *spec)
{
  if (!spec)
    return;
  g_strfreev (spec->labels);
  g_free (spec);
}

DefcnDecodeRule
defcn_spec_decode_rule (const DefcnSpec *spec)
{
  return (DefcnDecodeRule){ .threshold = spec->threshold,
    .topk = spec->topk,
    .max_detections = spec->max_detections,
    .nms_iou = spec->nms_iou,
    .duplicate_iou = spec->duplicate_iou };
}

static void
add_floats (cJSON *object, const char *name, const float values[3])
{
  cJSON *array = cJSON_AddArrayToObject (object, name);

  for (int i = 0; i < 3; i++)
    cJSON_AddItemToArray (array, cJSON_CreateNumber (values[i]));
}

char *
defcn_spec_to_json (const DefcnSpec *spec)
{
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "backbone", backbones[spec->backbone]);
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++) {
    const Field *f = &fields[i];

    if (f->type == FIELD_FLOAT)
      cJSON_AddNumberToObject (object, f->name,
          G_STRUCT_MEMBER (float, spec, f->offset));
    else if (f->type == FIELD_BOOL)
      cJSON_AddBoolToObject (object, f->name,
          G_STRUCT_MEMBER (gboolean, spec, f->offset));
    else
      cJSON_AddNumberToObject (object, f->name,
          G_STRUCT_MEMBER (int, spec, f->offset));
  }
  add_floats (object, "mean", spec->input.mean);
  add_floats (object, "std", spec->input.std);
  cJSON_AddItemToObject (object, "labels",
      cJSON_CreateStringArray ((const char *const *) spec->labels,
          spec->n_classes));

  char *text = cJSON_PrintUnformatted (object);
  char *json = g_strdup (text);
  cJSON_free (text);
  cJSON_Delete (object);
  return json;
}

static gboolean
read_field (DefcnSpec *spec, const Field *f, const cJSON *object,
    const char *where, GError **error)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, f->name);
  const gboolean is_bool = f->type == FIELD_BOOL;

  if (!item && f->optional)
    return TRUE;
  if (is_bool ? !cJSON_IsBool (item) : !cJSON_IsNumber (item)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: spec field \"%s\" is %s, not a %s", where, f->name,
        item ? "of another type" : "missing", is_bool ? "boolean" : "number");
    return FALSE;
  }

  const double value = is_bool ? cJSON_IsTrue (item) : item->valuedouble;
  if (!(value >= f->min && value <= f->max)
      || (f->type == FIELD_INT && value != floor (value))) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: spec field \"%s\" is %g, outside %g .. %g", where, f->name, value,
        f->min, f->max);
    return FALSE;
  }
  if (f->type == FIELD_FLOAT)
    G_STRUCT_MEMBER (float, spec, f->offset) = value;
  else
    G_STRUCT_MEMBER (int, spec, f->offset) = value;
  return TRUE;
}

static gboolean
read_floats (float values[3], const cJSON *object, const char *name, double min,
    const char *where, GError **error)
{
  const cJSON *array = cJSON_GetObjectItemCaseSensitive (object, name);
  gboolean good = cJSON_IsArray (array) && cJSON_GetArraySize (array) == 3;

  for (int i = 0; good && i < 3; i++) {
    const cJSON *item = cJSON_GetArrayItem (array, i);

    /* As it is kept: what is taken is what can be written again. */
    good = cJSON_IsNumber (item) && (float) item->valuedouble >= (float) min
        && item->valuedouble <= 1e6;
    values[i] = good ? item->valuedouble : 0;
  }
  if (!good)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: spec field \"%s\" is not three numbers in %g .. 1e6", where, name,
        min);
  return good;
}

static gboolean
read_backbone (DefcnSpec *spec, const cJSON *object, const char *where,
    GError **error)
{
  const char *name = cJSON_GetStringValue (
      cJSON_GetObjectItemCaseSensitive (object, "backbone"));

  for (gsize i = 0; name && i < G_N_ELEMENTS (backbones); i++) {
    if (g_str_equal (name, backbones[i])) {
      spec->backbone = i;
      return TRUE;
    }
  }
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: spec field \"backbone\" is \"%s\", not resnet or mobilenetv2", where,
      name ? name : "");
  return FALSE;
}

/* A label goes to terminals, logs and file names of others. */
static gboolean
is_label (const char *text)
{
  if (!text || strlen (text) > MAX_LABEL || !g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (const char *c = text; *c; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      return FALSE;
  return TRUE;
}

static gboolean
read_labels (DefcnSpec *spec, const cJSON *object, const char *where,
    GError **error)
{
  const cJSON *array = cJSON_GetObjectItemCaseSensitive (object, "labels");
  const cJSON *item;
  g_autoptr (GPtrArray) labels = g_ptr_array_new_with_free_func (g_free);

  cJSON_ArrayForEach (item, array)
  {
    const char *label = cJSON_GetStringValue (item);

    if (!is_label (label)) {
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
          "%s: spec field \"labels\"[%u] is not a UTF-8 string of at most %d "
          "bytes without control characters",
          where, labels->len, MAX_LABEL);
      return FALSE;
    }
    g_ptr_array_add (labels, g_strdup (label));
  }
  if (labels->len == 0 || labels->len > 10000) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: spec field \"labels\" has %u names, wanted 1 .. 10000", where,
        labels->len);
    return FALSE;
  }
  spec->n_classes = labels->len;
  g_ptr_array_add (labels, NULL);
  g_strfreev (spec->labels);
  spec->labels = (char **) g_ptr_array_steal (labels, NULL);
  return TRUE;
}

/* What no single field can tell. */
static gboolean
check_together (const DefcnSpec *spec, const char *where, GError **error)
{
  static const int depths[] = { 18, 34, 50, 101, 152 };
  gboolean known = spec->backbone != DEFCN_BACKBONE_RESNET;

  for (gsize i = 0; i < G_N_ELEMENTS (depths); i++)
    known = known || spec->depth == depths[i];
  if (!known)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no ResNet of depth %d (18, 34, 50, 101, 152)", where, spec->depth);
  else if (spec->dcn_from == 1
      || (spec->dcn_from > 0 && spec->backbone != DEFCN_BACKBONE_RESNET))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no deformable convolutions from stage %d of a %s on (2 to 5 of a "
        "resnet)",
        where, spec->dcn_from, backbones[spec->backbone]);
  else if (spec->dcn_head && spec->tower_depth == 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: dcn_head without a convolution in the towers", where);
  else if (spec->norm_groups > 0 && spec->fpn_channels % spec->norm_groups != 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: %d head channels do not divide into %d norm groups", where,
        spec->fpn_channels, spec->norm_groups);
  else if (spec->anchors > 0 && !defcn_anchors_exist (spec->anchors))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: no network has %d anchors at a location (0, 1, 9)", where,
        spec->anchors);
  else if (spec->anchors > 1 && (spec->filter || spec->centerness))
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: %s goes by location, and those of this network have %d boxes",
        where, spec->filter ? "3DMF" : "centerness", spec->anchors);
  else if (spec->filter && spec->filter_norm && spec->norm_groups == 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: 3DMF has a group norm and the network none (norm_groups 0)",
        where);
  else if (spec->phi % 2 == 0 || spec->tau % 2 != 0)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: 3DMF wants an odd phi and an even tau, not %d and %d", where,
        spec->phi, spec->tau);
  else if (spec->input.divisor % 32 != 0
      || spec->input.long_edge < spec->input.short_edge)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: input %d .. %d divisor %d is not a rule", where,
        spec->input.short_edge, spec->input.long_edge, spec->input.divisor);
  else
    return TRUE;
  return FALSE;
}

DefcnSpec *
defcn_spec_from_json (const char *json, const char *where, GError **error)
{
  static const char *const none[] = { NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (none);
  cJSON *object = cJSON_Parse (json);
  gboolean good = cJSON_IsObject (object);

  if (!good)
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: the spec is not a JSON object", where);
  for (gsize i = 0; good && i < G_N_ELEMENTS (fields); i++)
    good = read_field (spec, &fields[i], object, where, error);
  good = good && read_backbone (spec, object, where, error)
      && read_floats (spec->input.mean, object, "mean", -1e6, where, error)
      && read_floats (spec->input.std, object, "std", 1e-6, where, error)
      && read_labels (spec, object, where, error)
      && check_together (spec, where, error);
  cJSON_Delete (object);
  return good ? g_steal_pointer (&spec) : NULL;
}

/* A model file -> an ONNX file: inputs, outputs, metadata. */
#include "exporter.h"

#include <cjson/cJSON.h>

#include "decode.h"
#include "model.h"
#include "network.h"

#define ANY_SIZE 128 /* of the plan where the size is any */

/* What an export is made of. */
typedef struct
{
  const DefcnExporterOptions *options;
  const DefcnSpec *spec;
  DefcnOnnx *onnx;
  DefcnBackend *be;
  DefcnPlan *plan;
} Export;

void
defcn_exporter_result_free (DefcnExporterResult *result)
{
  if (!result)
    return;
  defcn_spec_free (result->spec);
  g_free (result);
}

static DefcnOnnxDim
batch_dim (const Export *e)
{
  return (
      DefcnOnnxDim){ e->options->batch, e->options->batch ? NULL : "batch" };
}

static DefcnOnnxDim
side_dim (const Export *e, int side, const char *name)
{
  return (DefcnOnnxDim){ side, e->options->width ? NULL : name };
}

static int
padded (int side, int divisor)
{
  return (side + divisor - 1) / divisor * divisor;
}

/* uint8 (n, h, w, 3) RGB -> float (n, 3, h, w) in the rule's order, normalised,
 * with zeros below and to the right up to multiples of the divisor. */
static const char *
add_preprocess (const Export *e, const char *images)
{
  DefcnOnnx *o = e->onnx;
  const DefcnInputRule *rule = &e->spec->input;
  const gint64 divisor[] = { rule->divisor, rule->divisor };
  const char *x, *lacks, *pads[2];

  defcn_onnx_scope (o, "preprocess");
  x = defcn_onnx_add (o, "Cast", images, NULL);
  defcn_onnx_int (o, "to", DEFCN_ONNX_FLOAT);
  if (rule->bgr) {
    x = defcn_onnx_add (o, "Gather", x,
        defcn_onnx_int64s (o, (gint64[]){ 2, 1, 0 }, 3), NULL);
    defcn_onnx_int (o, "axis", 3);
  }
  x = defcn_onnx_add (o, "Sub", x, defcn_onnx_floats (o, rule->mean, 3), NULL);
  x = defcn_onnx_add (o, "Div", x, defcn_onnx_floats (o, rule->std, 3), NULL);
  x = defcn_onnx_add (o, "Transpose", x, NULL);
  defcn_onnx_ints (o, "perm", (gint64[]){ 0, 3, 1, 2 }, 4);
  /* -side modulo the divisor, which has the divisor's sign */
  lacks = defcn_onnx_add (o, "Slice", defcn_onnx_add (o, "Shape", x, NULL),
      defcn_onnx_int64s (o, (gint64[]){ 2 }, 1),
      defcn_onnx_int64s (o, (gint64[]){ 4 }, 1), NULL);
  lacks = defcn_onnx_add (o, "Mod", defcn_onnx_add (o, "Neg", lacks, NULL),
      defcn_onnx_int64s (o, divisor, 2), NULL);
  pads[0] = defcn_onnx_int64s (o, (gint64[6]){ 0 }, 6);
  pads[1] = lacks;
  lacks = defcn_onnx_add_all (o, "Concat", pads, 2);
  defcn_onnx_int (o, "axis", 0);
  return defcn_onnx_add (o, "Pad", x, lacks, defcn_onnx_number (o, 0), NULL);
}

/* Returns: what the network takes. */
static const char *
add_input (const Export *e)
{
  const DefcnExporterOptions *options = e->options;
  const DefcnOnnxDim n = batch_dim (e), c = { 3 };
  const DefcnOnnxDim h = side_dim (e, options->height, "height");
  const DefcnOnnxDim w = side_dim (e, options->width, "width");
  const DefcnOnnxDim bytes[] = { n, h, w, c }, floats[] = { n, c, h, w };

  return options->preprocess
      ? add_preprocess (e,
          defcn_onnx_input (e->onnx, "images", DEFCN_ONNX_UINT8, bytes, 4))
      : defcn_onnx_input (e->onnx, "images", DEFCN_ONNX_FLOAT, floats, 4);
}

/* GStreamer's onnxinference 1.26 takes no model whose metadata do not say,
 * under the names of its outputs, what its tensors are called. */
static void
add_output (const Export *e, const char *name, DefcnOnnxType type,
    const DefcnOnnxDim *dims, int n_dims)
{
  g_autofree char *id = g_strconcat ("defcn-", name, NULL);

  defcn_onnx_output (e->onnx, name, type, dims, n_dims);
  defcn_onnx_metadata (e->onnx, name, id);
}

/* @values: one of each level, of @t's channels and size; none without 3DMF. */
static void
add_heads (const Export *e, const char *const *values, DefcnTensor *const *t)
{
  for (int l = 0; l < DEFCN_N_LEVELS && values[l]; l++) {
    g_autofree char *h = g_strdup_printf ("height_p%d", l + 3);
    g_autofree char *w = g_strdup_printf ("width_p%d", l + 3);
    const DefcnOnnxDim dims[] = { batch_dim (e), { t[l]->c },
      side_dim (e, t[l]->h, h), side_dim (e, t[l]->w, w) };

    add_output (e, values[l], DEFCN_ONNX_FLOAT, dims, 4);
  }
}

/* Returns: how many boxes an image has. */
static int
add_boxes (const Export *e, const DefcnExportHeads *heads)
{
  const DefcnDecodeRule rule = defcn_spec_decode_rule (e->spec);
  DefcnExportBoxes found;

  defcn_export_decode (&found, e->onnx, heads, e->spec->n_classes, &rule);
  const DefcnOnnxDim dims[] = { batch_dim (e), { found.k }, { 4 } };
  add_output (e, found.boxes, DEFCN_ONNX_FLOAT, dims, 3);
  add_output (e, found.scores, DEFCN_ONNX_FLOAT, dims, 2);
  add_output (e, found.labels, DEFCN_ONNX_INT32, dims, 2);
  return found.k;
}

/* Takes @item. */
static void
add_metadata (const Export *e, const char *key, cJSON *item)
{
  char *text = cJSON_IsString (item) ? NULL : cJSON_PrintUnformatted (item);

  defcn_onnx_metadata (e->onnx, key, text ? text : item->valuestring);
  cJSON_free (text);
  cJSON_Delete (item);
}

static cJSON *
three_numbers (const float *values)
{
  cJSON *array = cJSON_CreateArray ();

  for (int i = 0; i < 3; i++) { /* the shortest that is the same float */
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd (text, sizeof text, "%.9g", values[i]);
    cJSON_AddItemToArray (array, cJSON_CreateRaw (text));
  }
  return array;
}

static cJSON *
number (float value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  return cJSON_CreateRaw (g_ascii_formatd (text, sizeof text, "%.6g", value));
}

/* Under the keys that Ultralytics' exports have, where they have them. */
static void
describe (const Export *e, const DefcnWeights *weights)
{
  const DefcnSpec *spec = e->spec;
  const DefcnInputRule *rule = &spec->input;
  g_autofree char *hash = defcn_weights_hash (weights);
  cJSON *names = cJSON_CreateObject ();
  const struct
  {
    const char *key;
    cJSON *value;
  } entries[] = {
    { "description",
        cJSON_CreateString ("DeFCN object detector, without NMS") },
    { "task", cJSON_CreateString ("detect") },
    { "names", names },
    { "stride", cJSON_CreateNumber (rule->divisor) },
    { "pixels",
        cJSON_CreateString (
            rule->bgr && !e->options->preprocess ? "BGR" : "RGB") },
    { "mean", three_numbers (rule->mean) },
    { "std", three_numbers (rule->std) },
    { "normalized", cJSON_CreateBool (e->options->preprocess) },
    { "short_edge", cJSON_CreateNumber (rule->short_edge) },
    { "long_edge", cJSON_CreateNumber (rule->long_edge) },
    { "threshold", number (spec->working_threshold) },
    { "max_detections", cJSON_CreateNumber (spec->max_detections) },
    { "topk", cJSON_CreateNumber (spec->topk) },
    { "duplicate_iou", number (spec->duplicate_iou) },
    { "nms_iou", number (spec->nms_iou) },
    { "model_sha256", cJSON_CreateString (hash) },
    { "defcn.spec",
        cJSON_CreateString (defcn_weights_metadata (weights, "defcn.spec")) },
  };

  for (int i = 0; i < spec->n_classes; i++) {
    g_autofree char *key = g_strdup_printf ("%d", i);

    cJSON_AddStringToObject (names, key, spec->labels[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    add_metadata (e, entries[i].key, entries[i].value);
}

/* Whether the network can have the size that is asked for. */
static gboolean
check_size (const Export *e, GError **error)
{
  const DefcnExporterOptions *o = e->options;
  const int divisor = e->spec->input.divisor;

  if (o->preprocess || (o->width % divisor == 0 && o->height % divisor == 0))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "the size %dx%d is not in multiples of %d, %dx%d is; with --preprocess "
      "the graph pads it",
      o->width, o->height, divisor, padded (o->width, divisor),
      padded (o->height, divisor));
  return FALSE;
}

static DefcnExporterResult *
export_model (Export *e, DefcnModel *model, const DefcnWeights *weights,
    const char *output, GError **error)
{
  const DefcnExporterOptions *o = e->options;
  const int divisor = e->spec->input.divisor;
  g_autoptr (DefcnExporterResult) result = g_new0 (DefcnExporterResult, 1);
  DefcnExportHeads heads;

  if (!check_size (e, error))
    return NULL;
  if (o->decode && (e->spec->centerness || e->spec->anchors > 1)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: a baseline with %s, whose boxes --decode cannot write: leave it "
        "out",
        defcn_weights_path (weights),
        e->spec->centerness ? "centerness" : "several boxes a location");
    return NULL;
  }
  /* Not planned: the steps and their weights are wanted, no memory for maps. */
  e->plan =
      defcn_architecture_build (e->spec, defcn_model_params (model), e->be,
          MAX (o->batch, 1), o->height ? padded (o->height, divisor) : ANY_SIZE,
          o->width ? padded (o->width, divisor) : ANY_SIZE);
  e->onnx = defcn_onnx_new ();
  defcn_export_network (&heads, e->onnx, add_input (e), e->plan, e->be);
  if (o->decode) {
    result->k = add_boxes (e, &heads);
    result->nms = defcn_boxes_drops (e->spec->nms_iou);
  } else {
    add_heads (e, heads.logits, e->plan->logits);
    add_heads (e, heads.ltrb, e->plan->deltas);
    add_heads (e, heads.filter, e->plan->filter);
    add_heads (e, heads.centerness, e->plan->centerness);
  }
  describe (e, weights);
  result->size = defcn_onnx_size (e->onnx);
  result->spec = defcn_spec_copy (e->spec);
  return defcn_onnx_save (e->onnx, output, error) ? g_steal_pointer (&result)
                                                  : NULL;
}

DefcnExporterResult *
defcn_exporter_run (const char *input, const char *output,
    const DefcnExporterOptions *options, GError **error)
{
  g_autoptr (DefcnWeights) weights = defcn_weights_open (input, error);
  g_autoptr (DefcnBackend) be =
      weights ? defcn_backend_new ("reference", 1, error) : NULL;
  g_autoptr (DefcnModel) model =
      be ? defcn_model_open (weights, be, FALSE, error) : NULL;

  if (!model)
    return NULL;

  Export e = { options, defcn_model_spec (model), NULL, be, NULL };
  DefcnExporterResult *result =
      export_model (&e, model, weights, output, error);
  defcn_onnx_free (e.onnx);
  defcn_architecture_free (e.plan);
  return result;
}

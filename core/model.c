/* A model: spec, parameters, plans. */
#include "model.h"

#include <string.h>

/* Of a backend that says nothing, and of one with memory of its own. */
#define MAX_PLANS 8
#define MAX_PLAN_BYTES ((gsize) 4 << 30)
#define MAX_DEVICE_PLANS 64

struct _DefcnModel
{
  DefcnSpec *spec;
  DefcnBackend *be;
  DefcnParams *params;
  gboolean train;
  gboolean shares;   /* spec and params are another's */
  DefcnModel *other; /* one of the two runs at a time; NULL: alone */
  GQueue plans;      /* of DefcnPlan, last used first */
};

DefcnModel *
defcn_model_new (const DefcnSpec *spec, DefcnBackend *be, gboolean train,
    guint64 seed, GError **error)
{
  /* Through the JSON form, whose reader has all the checks. */
  g_autofree char *json = defcn_spec_to_json (spec);
  DefcnSpec *checked = defcn_spec_from_json (json, "model", error);

  if (!checked)
    return NULL;

  DefcnModel *model = g_new0 (DefcnModel, 1);
  checked->aux_classifier = train && spec->aux_classifier;
  model->spec = checked;
  model->be = be;
  model->train = train;
  model->params = defcn_params_new (be, train);
  g_queue_init (&model->plans);
  defcn_architecture_free (defcn_architecture_build (checked, model->params, be,
      1, 128, 128)); /* creates the parameters */
  if (!defcn_params_check (model->params, error)) {
    defcn_model_free (model);
    return NULL;
  }
  defcn_params_initialize (model->params, seed);
  defcn_params_upload (model->params);
  return model;
}

/* The file's dims of @p: OIHW for a weight, one dim otherwise. */
static int
file_dims (gint64 dims[4], const DefcnParam *p)
{
  if (p->kind != DEFCN_PARAM_WEIGHT) {
    dims[0] = p->c;
    return 1;
  }
  dims[0] = p->n;
  dims[1] = p->c;
  dims[2] = p->h;
  dims[3] = p->w;
  return 4;
}

static char *
shape_text (int n_dims, const gint64 *dims)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "", dims[i]);
  return g_string_free (text, FALSE);
}

/* TRUE if @t has the shape of @p. */
static gboolean
check_shape (const DefcnParam *p, const DefcnWeights *weights,
    const DefcnWeightsTensor *t, GError **error)
{
  gint64 dims[4];
  const int n_dims = file_dims (dims, p);

  if (t->n_dims == n_dims
      && memcmp (t->dims, dims, n_dims * sizeof dims[0]) == 0)
    return TRUE;

  g_autofree char *found = shape_text (t->n_dims, t->dims);
  g_autofree char *wanted = shape_text (n_dims, dims);

  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s: tensor \"%s\" is %s, the model wants %s",
      defcn_weights_path (weights), p->name, found, wanted);
  return FALSE;
}

static gboolean
no_tensor (const DefcnParam *p, const DefcnWeights *weights, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL, "%s: no tensor \"%s\"",
      defcn_weights_path (weights), p->name);
  return FALSE;
}

/* Whether the file has every tensor that the network of @spec has, before a
 * byte is taken for it: what is as large as the file says has been sent. */
static gboolean
check_tensors (const DefcnSpec *spec, const DefcnWeights *weights,
    DefcnBackend *be, GError **error)
{
  g_autoptr (DefcnParams) params = defcn_params_new_shapes (be);

  defcn_architecture_free (
      defcn_architecture_build (spec, params, be, 1, 128, 128));
  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const DefcnWeightsTensor *t = defcn_weights_lookup (weights, p->name);

    if (t ? !check_shape (p, weights, t, error)
          : !no_tensor (p, weights, error))
      return FALSE;
  }
  return TRUE;
}

DefcnModel *
defcn_model_open (const DefcnWeights *weights, DefcnBackend *be, gboolean train,
    GError **error)
{
  const char *path = defcn_weights_path (weights);
  const char *json = defcn_weights_metadata (weights, "defcn.spec");

  if (!json) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: no \"defcn.spec\" in its metadata, not a defcn model (see defcn "
        "import)",
        path);
    return NULL;
  }

  g_autoptr (DefcnSpec) spec = defcn_spec_from_json (json, path, error);
  if (!spec || !check_tensors (spec, weights, be, error))
    return NULL;
  g_autoptr (DefcnModel) model = defcn_model_new (spec, be, train, 0, error);
  if (!model || !defcn_model_load (model, weights, FALSE, NULL, error))
    return NULL;
  return g_steal_pointer (&model);
}

DefcnModel *
defcn_model_share (DefcnModel *model, DefcnBackend *be)
{
  DefcnModel *other = g_new0 (DefcnModel, 1);

  other->spec = model->spec;
  other->be = be;
  other->params = model->params;
  other->shares = TRUE;
  g_queue_init (&other->plans);
  return other;
}

void
defcn_model_alternate (DefcnModel *model, DefcnModel *other)
{
  model->other = other;
  other->other = model;
}

void
defcn_model_free (DefcnModel *model)
{
  if (!model)
    return;
  if (model->other)
    model->other->other = NULL;
  g_queue_clear_full (&model->plans, (GDestroyNotify) defcn_architecture_free);
  if (!model->shares) {
    defcn_params_free (model->params);
    defcn_spec_free (model->spec);
  }
  g_free (model);
}

/* OIHW <-> OHWI of one weight. */
static void
transpose (float *dst, const float *src, const DefcnParam *p,
    gboolean to_master)
{
  const gsize hw = (gsize) p->h * p->w, row = hw * p->c;

  for (int o = 0; o < p->n; o++) {
    for (int i = 0; i < p->c; i++) {
      for (gsize k = 0; k < hw; k++) {
        const gsize oihw = o * row + i * hw + k, ohwi = o * row + k * p->c + i;

        dst[to_master ? ohwi : oihw] = src[to_master ? oihw : ohwi];
      }
    }
  }
}

static gboolean
load_param (DefcnParam *p, const DefcnWeights *weights,
    const DefcnWeightsTensor *t, GError **error)
{
  if (!check_shape (p, weights, t, error))
    return FALSE;

  g_autofree float *values = g_new (float, t->len);
  if (!defcn_weights_read (weights, t, values, error))
    return FALSE;
  if (p->kind == DEFCN_PARAM_WEIGHT)
    transpose (p->value, values, p, TRUE);
  else
    memcpy (p->value, values, t->len * sizeof *values);
  return TRUE;
}

gboolean
defcn_model_load (DefcnModel *model, const DefcnWeights *weights,
    gboolean partial, guint *n_missing, GError **error)
{
  guint missing = 0;

  defcn_params_download (model->params); /* what is missing keeps its value */

  for (guint i = 0; i < defcn_params_count (model->params); i++) {
    DefcnParam *p = defcn_params_get (model->params, i);
    const DefcnWeightsTensor *t = defcn_weights_lookup (weights, p->name);

    if (!t && !partial)
      return no_tensor (p, weights, error);
    if (!t)
      missing++;
    else if (!load_param (p, weights, t, error))
      return FALSE;
  }
  if (n_missing)
    *n_missing = missing;
  defcn_params_upload (model->params);
  return TRUE;
}

/* Adds the parameters that are for training alone, or the others. */
static void
add_params (const DefcnModel *model, DefcnWeightsWriter *writer,
    DefcnDtype dtype, gboolean auxiliary)
{
  for (guint i = 0; i < defcn_params_count (model->params); i++) {
    const DefcnParam *p = defcn_params_get (model->params, i);
    const gboolean weight = p->kind == DEFCN_PARAM_WEIGHT;
    gint64 dims[4];
    const int n_dims = file_dims (dims, p);

    if (defcn_architecture_is_auxiliary (p->name) != auxiliary)
      continue;

    g_autofree float *values =
        g_memdup2 (p->value, defcn_param_len (p) * sizeof (float));
    if (weight)
      transpose (values, p->value, p, FALSE);
    defcn_weights_writer_add (writer, p->name, weight ? dtype : DEFCN_DTYPE_F32,
        n_dims, dims, values);
  }
}

void
defcn_model_save (const DefcnModel *model, DefcnWeightsWriter *writer,
    DefcnDtype dtype)
{
  g_autofree char *json = defcn_spec_to_json (model->spec);

  defcn_params_download (model->params);
  defcn_weights_writer_metadata (writer, "format", "pt");
  defcn_weights_writer_metadata (writer, "defcn.spec", json);
  add_params (model, writer, dtype, FALSE);
}

void
defcn_model_save_training (const DefcnModel *model, DefcnWeightsWriter *writer)
{
  defcn_model_save (model, writer, DEFCN_DTYPE_F32);
  add_params (model, writer, DEFCN_DTYPE_F32, TRUE);
}

const DefcnSpec *
defcn_model_spec (const DefcnModel *model)
{
  return model->spec;
}

DefcnParams *
defcn_model_params (const DefcnModel *model)
{
  return model->params;
}

DefcnBackend *
defcn_model_backend (const DefcnModel *model)
{
  return model->be;
}

gsize
defcn_model_bytes (const DefcnModel *model)
{
  gsize bytes = 0;

  for (guint i = 0; !model->shares && i < defcn_params_count (model->params);
       i++)
    bytes += defcn_param_len (defcn_params_get (model->params, i));
  bytes *= 2 * sizeof (float); /* the effective ones are as large */
  for (const GList *l = model->plans.head; l; l = l->next)
    bytes += defcn_net_bytes (((const DefcnPlan *) l->data)->net);
  return bytes;
}

/* Drops the plans least recently used until what is kept fits the limits. */
static void
trim_plans (DefcnModel *model)
{
  const gsize limit = model->be->plan_bytes;
  const gsize max_bytes = limit ? limit : MAX_PLAN_BYTES;
  const guint max_plans = limit ? MAX_DEVICE_PLANS : MAX_PLANS;
  gsize bytes = 0;
  guint kept = 0;

  for (GList *l = model->plans.head; l; l = l->next, kept++) {
    bytes += defcn_net_bytes (((DefcnPlan *) l->data)->net);
    if (kept > 0 && (kept >= max_plans || bytes > max_bytes))
      break;
  }
  while (g_queue_get_length (&model->plans) > kept)
    defcn_architecture_free (g_queue_pop_tail (&model->plans));
}

/* The link of the plan of that size, NULL: there is none. */
static GList *
find_plan (DefcnModel *model, int n, int h, int w)
{
  for (GList *l = model->plans.head; l; l = l->next) {
    const DefcnTensor *input = ((DefcnPlan *) l->data)->input;

    if (input->n == n && input->h == h && input->w == w)
      return l;
  }
  return NULL;
}

static DefcnPlan *
build_plan (DefcnModel *model, int n, int h, int w, GError **error)
{
  DefcnPlan *plan =
      defcn_architecture_build (model->spec, model->params, model->be, n, h, w);
  GList *others = model->other ? find_plan (model->other, n, h, w) : NULL;

  if (others)
    defcn_net_borrow (plan->net, ((DefcnPlan *) others->data)->net);
  if (defcn_net_plan (plan->net, model->train, error))
    return plan;
  defcn_architecture_free (plan);
  return NULL;
}

/* What is kept for other sizes may be the memory that lacks. */
static DefcnPlan *
build_in_any_case (DefcnModel *model, int n, int h, int w, GError **error)
{
  g_autoptr (GError) why = NULL;
  DefcnPlan *plan = build_plan (model, n, h, w, &why);

  if (!plan && !g_queue_is_empty (&model->plans)) {
    g_queue_clear_full (&model->plans,
        (GDestroyNotify) defcn_architecture_free);
    return build_plan (model, n, h, w, error);
  }
  if (!plan)
    g_propagate_error (error, g_steal_pointer (&why));
  return plan;
}

const DefcnPlan *
defcn_model_plan (DefcnModel *model, int n, int h, int w, GError **error)
{
  const int divisor = model->spec->input.divisor;
  GList *l = find_plan (model, n, h, w);

  if (l) {
    g_queue_unlink (&model->plans, l);
    g_queue_push_head_link (&model->plans, l);
    return l->data;
  }
  if (n < 1 || h < 1 || w < 1 || h % divisor || w % divisor) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "a network input of %d x %d x %d is not in multiples of %d", n, h, w,
        divisor);
    return NULL;
  }

  DefcnPlan *plan = build_in_any_case (model, n, h, w, error);
  if (!plan)
    return NULL;
  if (model->be->tune)
    defcn_tune_save (model->be->tune);
  g_queue_push_head (&model->plans, plan);
  trim_plans (model);
  return plan;
}

/* The named parameters of a model: masters in host memory, effective tensors
 * with the frozen batch norm folded in. */
#include "params.h"

#include <math.h>
#include <string.h>

#define NORM_EPSILON 1e-5f

/* One effective tensor (or a weight and bias pair) and what it is made of. */
typedef struct
{
  DefcnParam *weight;  /* or the only vector */
  DefcnParam *bias;    /* NULL without an own bias */
  DefcnParam *norm[4]; /* gamma, beta, mean, variance; NULL without norm */
  DefcnTensor w, b;
  gboolean has_bias; /* @b is there: own bias or batch norm */
  /* In backend memory where the masters are; scale and shift with norm. */
  float *weight_master, *bias_master, *scale, *shift;
} Effective;

struct _DefcnParams
{
  DefcnBackend *be;
  gboolean train;
  gboolean shapes;            /* alone, without memory */
  GPtrArray *list;            /* of DefcnParam, in order of creation */
  GHashTable *by_name;        /* name -> DefcnParam */
  GHashTable *layers;         /* layer name -> Effective, owned by @effective */
  GPtrArray *effective;       /* of Effective */
  const DefcnParam *homeless; /* the first that found no memory, or NULL */
  gboolean on_device;         /* the masters are in backend memory */
  gboolean stale;             /* and newer than the host's */
};

static void
param_free (gpointer data)
{
  DefcnParam *p = data;

  g_free (p->name);
  g_free (p->value);
  g_free (p->grad);
  g_free (p);
}

DefcnParams *
defcn_params_new (DefcnBackend *be, gboolean train)
{
  DefcnParams *params = g_new0 (DefcnParams, 1);

  params->be = be;
  params->train = train;
  params->on_device = train && be->updater;
  params->list = g_ptr_array_new_with_free_func (param_free);
  params->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  params->layers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  params->effective = g_ptr_array_new_with_free_func (g_free);
  return params;
}

DefcnParams *
defcn_params_new_shapes (DefcnBackend *be)
{
  DefcnParams *params = defcn_params_new (be, FALSE);

  params->shapes = TRUE;
  return params;
}

static void
effective_clear (DefcnParams *params, Effective *e)
{
  float *const blocks[] = { e->w.data, e->w.grad, e->b.data, e->b.grad,
    e->weight_master, e->bias_master, e->scale, e->shift };

  for (gsize i = 0; i < G_N_ELEMENTS (blocks); i++)
    if (blocks[i])
      params->be->free (params->be, blocks[i]);
}

void
defcn_params_free (DefcnParams *params)
{
  if (!params)
    return;
  for (guint i = 0; i < params->effective->len; i++)
    effective_clear (params, params->effective->pdata[i]);
  g_ptr_array_unref (params->effective);
  g_hash_table_unref (params->layers);
  g_hash_table_unref (params->by_name);
  g_ptr_array_unref (params->list);
  g_free (params);
}

gboolean
defcn_params_check (const DefcnParams *params, GError **error)
{
  if (!params->homeless)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "%s: no memory for parameter %s", params->be->name,
      params->homeless->name);
  return FALSE;
}

guint
defcn_params_count (const DefcnParams *params)
{
  return params->list->len;
}

DefcnParam *
defcn_params_get (const DefcnParams *params, guint i)
{
  g_return_val_if_fail (i < params->list->len, NULL);
  return params->list->pdata[i];
}

DefcnParam *
defcn_params_lookup (const DefcnParams *params, const char *name)
{
  return g_hash_table_lookup (params->by_name, name);
}

static void
param_fill (DefcnParam *p, guint64 seed)
{
  const gsize len = defcn_param_len (p);

  if (p->init == DEFCN_INIT_CONSTANT) {
    for (gsize i = 0; i < len; i++)
      p->value[i] = p->init_value;
    return;
  }

  const guint32 name_seed = g_str_hash (p->name);
  const guint32 words[3] = { (guint32) seed, (guint32) (seed >> 32),
    name_seed };
  GRand *rand = g_rand_new_with_seed_array (words, G_N_ELEMENTS (words));
  for (gsize i = 0; i < len; i++) {
    if (p->init == DEFCN_INIT_UNIFORM) {
      p->value[i] = p->init_value * (2.0 * g_rand_double (rand) - 1.0);
    } else { /* Box-Muller */
      const double u = 1.0 - g_rand_double (rand), v = g_rand_double (rand);

      p->value[i] =
          p->init_value * sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * v);
    }
  }
  g_rand_free (rand);
}

/* The host's memory, unless there is none. */
static void
allocate (DefcnParams *params, DefcnParam *p)
{
  const gboolean trains = params->train && p->trainable;

  if (params->shapes || params->homeless)
    return;
  p->value = g_try_new0 (float, defcn_param_len (p));
  if (trains && p->value)
    p->grad = g_try_new0 (float, defcn_param_len (p));
  if (!p->value || (trains && !p->grad))
    params->homeless = p;
}

/* Takes @name. */
static DefcnParam *
param_new (DefcnParams *params, char *name, DefcnParamKind kind,
    gboolean trainable, int n, int h, int w, int c, DefcnInit init,
    float init_value)
{
  DefcnParam *p = g_new0 (DefcnParam, 1);

  *p = (DefcnParam){ .name = name,
    .kind = kind,
    .trainable = trainable,
    .n = n,
    .h = h,
    .w = w,
    .c = c,
    .init = init,
    .init_value = init_value };
  allocate (params, p);
  if (init == DEFCN_INIT_CONSTANT && p->value) /* others wait for their seed */
    param_fill (p, 0);
  g_ptr_array_add (params->list, p);
  g_hash_table_insert (params->by_name, p->name, p);
  return p;
}

static DefcnParam *
vector_new (DefcnParams *params, const char *layer, const char *suffix,
    DefcnParamKind kind, gboolean trainable, int c, float init_value)
{
  return param_new (params, g_strconcat (layer, suffix, NULL), kind, trainable,
      1, 1, 1, c, DEFCN_INIT_CONSTANT, init_value);
}

/* Backend memory for an array of @t's dims. */
static float *
take (DefcnParams *params, const DefcnTensor *t, const DefcnParam *owner)
{
  DefcnBackend *be = params->be;
  float *mem;

  if (params->shapes || params->homeless)
    return NULL;
  mem = be->alloc (be, be->size (be, t));
  if (!mem)
    params->homeless = owner;
  return mem;
}

/* Returns: the master in backend memory, NULL where there is none. */
static float *
effective_tensor (DefcnParams *params, DefcnTensor *t, const DefcnParam *shape,
    gboolean grad)
{
  *t = (DefcnTensor){ .n = shape->n,
    .h = shape->h,
    .w = shape->w,
    .c = shape->c,
    .role = DEFCN_TENSOR_PARAM };
  t->data = take (params, t, shape);
  if (grad)
    t->grad = take (params, t, shape);
  return grad && params->on_device ? take (params, t, shape) : NULL;
}

static Effective *
effective_new (DefcnParams *params, const char *layer)
{
  Effective *e = g_new0 (Effective, 1);

  g_ptr_array_add (params->effective, e);
  g_hash_table_insert (params->layers, g_strdup (layer), e);
  return e;
}

void
defcn_params_conv (DefcnParams *params, DefcnTensor **w, DefcnTensor **b,
    const char *name, gboolean norm, gboolean bias, gboolean trainable,
    DefcnInit init, float init_value, float bias_value, int out, int size,
    int in_per_group)
{
  Effective *e = g_hash_table_lookup (params->layers, name);

  if (!e) {
    e = effective_new (params, name);
    e->weight = param_new (params, g_strconcat (name, ".weight", NULL),
        DEFCN_PARAM_WEIGHT, trainable, out, size, size, in_per_group, init,
        init_value);
    e->weight_master =
        effective_tensor (params, &e->w, e->weight, e->weight->grad != NULL);
    if (bias)
      e->bias = vector_new (params, name, ".bias", DEFCN_PARAM_BIAS, trainable,
          out, bias_value);
    if (norm) {
      static const struct
      {
        const char *suffix;
        float value;
      } norms[4] = { { ".norm.weight", 1 }, { ".norm.bias", 0 },
        { ".norm.running_mean", 0 },
        { ".norm.running_var", 1 - NORM_EPSILON } };

      for (int i = 0; i < 4; i++)
        e->norm[i] = vector_new (params, name, norms[i].suffix,
            DEFCN_PARAM_BUFFER, FALSE, out, norms[i].value);
    }
    e->has_bias = bias || norm;
    if (e->has_bias)
      e->bias_master = effective_tensor (params, &e->b,
          bias ? e->bias : e->norm[1], bias && e->bias->grad);
    if (norm && e->weight_master) {
      e->scale = take (params, &e->b, e->norm[0]);
      e->shift = take (params, &e->b, e->norm[1]);
    }
  }
  *w = &e->w;
  *b = e->has_bias ? &e->b : NULL;
}

DefcnTensor *
defcn_params_vector (DefcnParams *params, const char *name, DefcnParamKind kind,
    float init_value, int c)
{
  Effective *e = g_hash_table_lookup (params->layers, name);

  if (!e) {
    e = effective_new (params, name);
    e->weight = vector_new (params, name, "", kind, TRUE, c, init_value);
    e->weight_master =
        effective_tensor (params, &e->w, e->weight, e->weight->grad != NULL);
  }
  return &e->w;
}

void
defcn_params_initialize (DefcnParams *params, guint64 seed)
{
  for (guint i = 0; i < params->list->len; i++)
    param_fill (params->list->pdata[i], seed);
  params->stale = FALSE;
}

/* s = gamma / sqrt (var + eps) */
static float
norm_scale (const Effective *e, int i)
{
  return e->norm[0]->value[i] / sqrtf (e->norm[3]->value[i] + NORM_EPSILON);
}

static void
upload (DefcnBackend *be, DefcnTensor *t, const float *src)
{
  be->upload (be, t, t->data, src);
  t->version++;
}

/* b' = shift + s b */
static float
norm_shift (const Effective *e, int i)
{
  return e->norm[1]->value[i] - norm_scale (e, i) * e->norm[2]->value[i];
}

static void
upload_folded (DefcnBackend *be, Effective *e)
{
  const int out = e->weight->n;
  const gsize row = defcn_param_len (e->weight) / out;
  g_autofree float *w = g_new (float, out *row);
  g_autofree float *b = g_new (float, out);

  for (int o = 0; o < out; o++) {
    const float s = norm_scale (e, o);

    for (gsize i = 0; i < row; i++)
      w[o * row + i] = s * e->weight->value[o * row + i];
    b[o] = norm_shift (e, o) + (e->bias ? s * e->bias->value[o] : 0);
  }
  upload (be, &e->w, w);
  upload (be, &e->b, b);
}

static void
upload_masters (DefcnBackend *be, const Effective *e)
{
  if (e->weight_master)
    be->upload (be, &e->w, e->weight_master, e->weight->value);
  if (e->bias_master)
    be->upload (be, &e->b, e->bias_master, e->bias->value);
  if (!e->scale)
    return;

  const int n = e->weight->n;
  g_autofree float *values = g_new (float, n);
  for (int i = 0; i < n; i++)
    values[i] = norm_scale (e, i);
  be->upload (be, &e->b, e->scale, values);
  for (int i = 0; i < n; i++)
    values[i] = norm_shift (e, i);
  be->upload (be, &e->b, e->shift, values);
}

void
defcn_params_upload (DefcnParams *params)
{
  if (params->stale)
    return;
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    upload_masters (params->be, e);
    if (e->norm[0]) {
      upload_folded (params->be, e);
      continue;
    }
    upload (params->be, &e->w, e->weight->value);
    if (e->bias)
      upload (params->be, &e->b, e->bias->value);
  }
}

void
defcn_params_download (DefcnParams *params)
{
  DefcnBackend *be = params->be;

  if (!params->stale)
    return;
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    if (e->weight_master)
      be->download (be, &e->w, e->weight->value, e->weight_master);
    if (e->bias_master)
      be->download (be, &e->b, e->bias->value, e->bias_master);
  }
  params->stale = FALSE;
}

/* Adds the gradient of @t to @p, row o times s_o with a batch norm. */
static void
download_gradient (DefcnParams *params, const Effective *e, DefcnTensor *t,
    DefcnParam *p, float *scratch)
{
  DefcnBackend *be = params->be;
  const int rows = e->norm[0] ? e->weight->n : 1;
  const gsize row = defcn_param_len (p) / rows;

  be->download (be, t, scratch, t->grad);
  if (params->on_device)
    memset (p->grad, 0, defcn_param_len (p) * sizeof (float));
  else
    be->zero (be, t->grad, be->size (be, t));
  for (int o = 0; o < rows; o++) {
    const float s = e->norm[0] ? norm_scale (e, o) : 1;

    for (gsize i = 0; i < row; i++)
      p->grad[o * row + i] += s * scratch[o * row + i];
  }
}

void
defcn_params_download_gradients (DefcnParams *params)
{
  gsize largest = 0;

  for (guint i = 0; i < params->list->len; i++)
    largest = MAX (largest, defcn_param_len (params->list->pdata[i]));

  g_autofree float *scratch = g_new (float, largest);
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    if (e->w.grad)
      download_gradient (params, e, &e->w, e->weight, scratch);
    if (e->b.grad)
      download_gradient (params, e, &e->b, e->bias, scratch);
  }
}

static void
zero_gradient (DefcnBackend *be, const DefcnTensor *t)
{
  if (t->grad)
    be->zero (be, t->grad, be->size (be, t));
}

void
defcn_params_zero_gradients (DefcnParams *params)
{
  for (guint i = 0; params->on_device && i < params->effective->len; i++) {
    const Effective *e = params->effective->pdata[i];

    zero_gradient (params->be, &e->w);
    zero_gradient (params->be, &e->b);
  }
  /* those of masters on the device are overwritten when they come */
  for (guint i = 0; !params->on_device && i < params->list->len; i++) {
    DefcnParam *p = params->list->pdata[i];

    if (p->grad)
      memset (p->grad, 0, defcn_param_len (p) * sizeof (float));
  }
}

DefcnBackend *
defcn_params_backend (const DefcnParams *params)
{
  return params->be;
}

gboolean
defcn_params_on_device (const DefcnParams *params)
{
  return params->on_device;
}

void
defcn_params_master (DefcnParams *params, const DefcnParam *p,
    DefcnMaster *master)
{
  *master = (DefcnMaster){ 0 };
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    if (e->weight == p)
      *master = (DefcnMaster){ .effective = &e->w,
        .value = e->weight_master,
        .scale = e->scale };
    else if (e->bias == p)
      *master = (DefcnMaster){ .effective = &e->b,
        .value = e->bias_master,
        .scale = e->scale,
        .shift = e->shift };
    if (master->effective) {
      master->rows = e->scale ? e->weight->n : 1;
      break;
    }
  }
  g_return_if_fail (master->value != NULL);
}

double
defcn_params_update (DefcnParams *params, gpointer updater,
    const DefcnUpdateRule *rule)
{
  DefcnBackend *be = params->be;
  const double norm = be->updater->step (be, updater, rule);

  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    e->w.version += e->weight_master != NULL;
    e->b.version += e->bias_master != NULL;
  }
  params->stale = TRUE;
  return norm;
}

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
} Effective;

struct _DefcnParams
{
  DefcnBackend *be;
  gboolean train;
  GPtrArray *list;            /* of DefcnParam, in order of creation */
  GHashTable *by_name;        /* name -> DefcnParam */
  GHashTable *layers;         /* layer name -> Effective, owned by @effective */
  GPtrArray *effective;       /* of Effective */
  const DefcnParam *homeless; /* the first that found no memory, or NULL */
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
  params->list = g_ptr_array_new_with_free_func (param_free);
  params->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  params->layers =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  params->effective = g_ptr_array_new_with_free_func (g_free);
  return params;
}

static void
tensor_clear (DefcnParams *params, DefcnTensor *t)
{
  if (t->data)
    params->be->free (params->be, t->data);
  if (t->grad)
    params->be->free (params->be, t->grad);
}

void
defcn_params_free (DefcnParams *params)
{
  if (!params)
    return;
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    tensor_clear (params, &e->w);
    tensor_clear (params, &e->b);
  }
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
  p->value = g_new0 (float, defcn_param_len (p));
  if (params->train && trainable)
    p->grad = g_new0 (float, defcn_param_len (p));
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

static void
effective_tensor (DefcnParams *params, DefcnTensor *t, const DefcnParam *shape,
    gboolean grad)
{
  DefcnBackend *be = params->be;

  *t = (DefcnTensor){ .n = shape->n,
    .h = shape->h,
    .w = shape->w,
    .c = shape->c,
    .role = DEFCN_TENSOR_PARAM };
  t->data = be->alloc (be, be->size (be, t));
  if (grad)
    t->grad = be->alloc (be, be->size (be, t));
  if ((!t->data || (grad && !t->grad)) && !params->homeless)
    params->homeless = shape;
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
      effective_tensor (params, &e->b, bias ? e->bias : e->norm[1],
          bias && e->bias->grad);
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
    effective_tensor (params, &e->w, e->weight, e->weight->grad != NULL);
  }
  return &e->w;
}

void
defcn_params_initialize (DefcnParams *params, guint64 seed)
{
  for (guint i = 0; i < params->list->len; i++)
    param_fill (params->list->pdata[i], seed);
}

/* s = gamma / sqrt (var + eps), SPEC 2.1. */
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
    b[o] = e->norm[1]->value[o] - s * e->norm[2]->value[o]
        + (e->bias ? s * e->bias->value[o] : 0);
  }
  upload (be, &e->w, w);
  upload (be, &e->b, b);
}

void
defcn_params_upload (DefcnParams *params)
{
  for (guint i = 0; i < params->effective->len; i++) {
    Effective *e = params->effective->pdata[i];

    if (e->norm[0]) {
      upload_folded (params->be, e);
      continue;
    }
    upload (params->be, &e->w, e->weight->value);
    if (e->bias)
      upload (params->be, &e->b, e->bias->value);
  }
}

/* Adds the gradient of @t to @p, row o times s_o with a batch norm. */
static void
download_gradient (DefcnBackend *be, const Effective *e, DefcnTensor *t,
    DefcnParam *p, float *scratch)
{
  const int rows = e->norm[0] ? e->weight->n : 1;
  const gsize row = defcn_param_len (p) / rows;

  be->download (be, t, scratch, t->grad);
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
      download_gradient (params->be, e, &e->w, e->weight, scratch);
    if (e->b.grad)
      download_gradient (params->be, e, &e->b, e->bias, scratch);
  }
}

void
defcn_params_zero_gradients (DefcnParams *params)
{
  for (guint i = 0; i < params->list->len; i++) {
    DefcnParam *p = params->list->pdata[i];

    if (p->grad)
      memset (p->grad, 0, defcn_param_len (p) * sizeof (float));
  }
}

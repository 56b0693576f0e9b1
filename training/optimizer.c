/* SGD and AdamW over the masters, learning rates, averaged weights. */
#include "optimizer.h"

#include <math.h>
#include <string.h>

#define ADAM_BETA1 0.9
#define ADAM_BETA2 0.999
#define ADAM_EPS 1e-8

typedef enum
{
  STATE_MOMENTUM, /* SGD's velocity, AdamW's first moment */
  STATE_SQUARE,   /* AdamW's second moment */
  STATE_EMA,      /* averaged weights */
  N_STATES
} State;

static const char *const state_names[N_STATES] = {
  [STATE_MOMENTUM] = "momentum",
  [STATE_SQUARE] = "square",
  [STATE_EMA] = "ema",
};

/* A trained parameter with its state arrays, NULL where there is none. */
typedef struct
{
  DefcnParam *param;
  float decay; /* weight decay */
  float rate;  /* factor on the learning rate */
  float *state[N_STATES];
} Slot;

struct _DefcnOptimizer
{
  DefcnOptimizerOptions options;
  GArray *slots; /* of Slot */
  gboolean swapped;
};

/* SGD decays everything but norms, as the reference; AdamW weights alone. */
static gboolean
is_decayed (DefcnOptimizerKind kind, const DefcnParam *p)
{
  return kind == DEFCN_OPTIMIZER_ADAMW ? p->kind == DEFCN_PARAM_WEIGHT
                                       : p->kind != DEFCN_PARAM_NORM;
}

static void
slot_clear (gpointer data)
{
  Slot *slot = data;

  for (int s = 0; s < N_STATES; s++)
    g_free (slot->state[s]);
}

DefcnOptimizer *
defcn_optimizer_new (DefcnParams *params, const DefcnOptimizerOptions *options)
{
  DefcnOptimizer *optimizer = g_new0 (DefcnOptimizer, 1);
  const gboolean wanted[N_STATES] = {
    [STATE_MOMENTUM] = TRUE,
    [STATE_SQUARE] = options->kind == DEFCN_OPTIMIZER_ADAMW,
    [STATE_EMA] = options->ema > 0,
  };

  optimizer->options = *options;
  optimizer->slots = g_array_new (FALSE, TRUE, sizeof (Slot));
  g_array_set_clear_func (optimizer->slots, slot_clear);
  for (guint i = 0; i < defcn_params_count (params); i++) {
    DefcnParam *p = defcn_params_get (params, i);
    const gsize len = defcn_param_len (p);
    Slot slot = { .param = p };

    if (!p->trainable || !p->grad)
      continue;
    slot.decay = is_decayed (options->kind, p) ? options->weight_decay : 0;
    slot.rate = g_str_has_prefix (p->name, "backbone.bottom_up.")
        ? options->backbone_lr
        : 1;
    for (int s = 0; s < N_STATES; s++)
      slot.state[s] = wanted[s] ? g_new0 (float, len) : NULL;
    if (slot.state[STATE_EMA])
      memcpy (slot.state[STATE_EMA], p->value, len * sizeof (float));
    g_array_append_val (optimizer->slots, slot);
  }
  return optimizer;
}

void
defcn_optimizer_free (DefcnOptimizer *optimizer)
{
  if (!optimizer)
    return;
  g_array_unref (optimizer->slots);
  g_free (optimizer);
}

/* Half a cosine from 1 at the first iteration to final_lr at the last. */
static double
cosine (const DefcnOptimizerOptions *o, gint64 i)
{
  const double t =
      o->iterations > 1 ? CLAMP ((double) i / (o->iterations - 1), 0, 1) : 1;

  return o->final_lr + (1 - o->final_lr) * (1 + cos (G_PI * t)) / 2;
}

double
defcn_optimizer_lr (const DefcnOptimizerOptions *options, gint64 i)
{
  double lr = options->lr;

  if (i < options->warmup) {
    const double t = (double) i / options->warmup;

    lr *= options->warmup_factor * (1 - t) + t;
  }
  if (options->schedule == DEFCN_SCHEDULE_COSINE)
    return lr * cosine (options, i);
  for (int s = 0; s < options->n_steps; s++)
    if (i >= options->steps[s])
      lr *= 0.1;
  return lr;
}

static double
gradient_norm (const DefcnOptimizer *optimizer)
{
  double total = 0;

  for (guint i = 0; i < optimizer->slots->len; i++) {
    const DefcnParam *p = g_array_index (optimizer->slots, Slot, i).param;
    const gsize len = defcn_param_len (p);
    double sum = 0;

    for (gsize k = 0; k < len; k++)
      sum += (double) p->grad[k] * p->grad[k];
    total += sum;
  }
  return sqrt (total);
}

/* g += wd p; v = m v + g; p -= lr v (SPEC 8).  @scale: of the gradient. */
static void
step_sgd (const Slot *slot, float momentum, float lr, float scale)
{
  const gsize len = defcn_param_len (slot->param);
  const float *grad = slot->param->grad, decay = slot->decay;
  float *p = slot->param->value, *v = slot->state[STATE_MOMENTUM];

  for (gsize k = 0; k < len; k++) {
    v[k] = momentum * v[k] + (scale * grad[k] + decay * p[k]);
    p[k] -= lr * v[k];
  }
}

/* Decoupled decay; @t counts steps from 1 for the bias correction. */
static void
step_adamw (const Slot *slot, double lr, float scale, gint64 t)
{
  const gsize len = defcn_param_len (slot->param);
  const float *grad = slot->param->grad;
  const float keep = 1 - lr * slot->decay;
  const float b1 = ADAM_BETA1, b2 = ADAM_BETA2;
  const float rate = lr / (1 - pow (ADAM_BETA1, t));
  const float root = 1 / sqrt (1 - pow (ADAM_BETA2, t));
  float *p = slot->param->value;
  float *m = slot->state[STATE_MOMENTUM], *v = slot->state[STATE_SQUARE];

  for (gsize k = 0; k < len; k++) {
    const float g = scale * grad[k];

    m[k] = b1 * m[k] + (1 - b1) * g;
    v[k] = b2 * v[k] + (1 - b2) * g * g;
    p[k] = keep * p[k] - rate * m[k] / (sqrtf (v[k]) * root + (float) ADAM_EPS);
  }
}

static void
step_ema (const Slot *slot, float decay)
{
  const gsize len = defcn_param_len (slot->param);
  const float *p = slot->param->value;
  float *ema = slot->state[STATE_EMA];

  for (gsize k = 0; k < len; k++)
    ema[k] = decay * ema[k] + (1 - decay) * p[k];
}

double
defcn_optimizer_step (DefcnOptimizer *optimizer, gint64 i)
{
  const DefcnOptimizerOptions *o = &optimizer->options;
  const double norm = gradient_norm (optimizer);
  const double lr = defcn_optimizer_lr (o, i);
  const double ramp = (1.0 + i) / (10.0 + i);

  g_return_val_if_fail (!optimizer->swapped, norm);
  if (!isfinite (norm))
    return norm;

  const float scale =
      o->clip_norm > 0 && norm > o->clip_norm ? o->clip_norm / norm : 1;
  for (guint s = 0; s < optimizer->slots->len; s++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, s);

    if (o->kind == DEFCN_OPTIMIZER_ADAMW)
      step_adamw (slot, lr * slot->rate, scale, i + 1);
    else
      step_sgd (slot, o->momentum, lr * slot->rate, scale);
    if (slot->state[STATE_EMA])
      step_ema (slot, MIN (o->ema, ramp));
  }
  return norm;
}

void
defcn_optimizer_swap_ema (DefcnOptimizer *optimizer)
{
  if (optimizer->options.ema <= 0)
    return;
  optimizer->swapped = !optimizer->swapped;
  for (guint s = 0; s < optimizer->slots->len; s++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, s);
    const gsize len = defcn_param_len (slot->param);
    float *p = slot->param->value, *ema = slot->state[STATE_EMA];

    for (gsize k = 0; k < len; k++) {
      const float x = p[k];

      p[k] = ema[k];
      ema[k] = x;
    }
  }
}

static char *
state_name (State s, const DefcnParam *p)
{
  return g_strdup_printf ("optimizer.%s.%s", state_names[s], p->name);
}

void
defcn_optimizer_save (const DefcnOptimizer *optimizer,
    DefcnWeightsWriter *writer)
{
  g_return_if_fail (!optimizer->swapped);
  for (guint i = 0; i < optimizer->slots->len; i++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, i);
    const DefcnParam *p = slot->param;
    const gint64 dims[4] = { p->n, p->h, p->w, p->c };

    for (int s = 0; s < N_STATES; s++) {
      g_autofree char *name = state_name (s, p);

      if (slot->state[s])
        defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims,
            slot->state[s]);
    }
  }
}

static gboolean
load_state (float *state, const DefcnParam *p, const char *name,
    const DefcnWeights *weights, GError **error)
{
  const DefcnWeightsTensor *t = defcn_weights_lookup (weights, name);
  const char *path = defcn_weights_path (weights);

  if (!t) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: no tensor \"%s\" of the optimizer's state", path, name);
    return FALSE;
  }
  if (t->dtype != DEFCN_DTYPE_F32 || t->n_dims != 4 || t->dims[0] != p->n
      || t->dims[1] != p->h || t->dims[2] != p->w || t->dims[3] != p->c) {
    g_autoptr (GString) found = g_string_new (NULL);

    for (int d = 0; d < t->n_dims; d++)
      g_string_append_printf (found, "%s%" G_GINT64_FORMAT, d ? "x" : "",
          t->dims[d]);
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: tensor \"%s\" is %s of dtype %d, the optimizer wants %dx%dx%dx%d "
        "F32",
        path, name, found->str, t->dtype, p->n, p->h, p->w, p->c);
    return FALSE;
  }
  return defcn_weights_read (weights, t, state, error);
}

gboolean
defcn_optimizer_load (DefcnOptimizer *optimizer, const DefcnWeights *weights,
    GError **error)
{
  for (guint i = 0; i < optimizer->slots->len; i++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, i);

    for (int s = 0; s < N_STATES; s++) {
      g_autofree char *name = state_name (s, slot->param);

      if (slot->state[s]
          && !load_state (slot->state[s], slot->param, name, weights, error))
        return FALSE;
    }
  }
  return TRUE;
}

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

/* A trained parameter with its state arrays, NULL where there is none, in the
 * memory of the host or, with an updater, of the backend. */
typedef struct
{
  DefcnParam *param;
  float decay; /* weight decay */
  float rate;  /* factor on the learning rate */
  float *state[N_STATES];
  float
      *held; /* the current value between two swaps, where a backend updates */
} Slot;

struct _DefcnOptimizer
{
  DefcnOptimizerOptions options;
  DefcnParams *params;
  DefcnBackend *be; /* that updates, NULL: the host does */
  gpointer updater;
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

static DefcnTensor
tensor_of (const DefcnParam *p)
{
  return (DefcnTensor){ .n = p->n,
    .h = p->h,
    .w = p->w,
    .c = p->c,
    .role = DEFCN_TENSOR_PARAM };
}

static void
read_state (float *dst, const DefcnOptimizer *optimizer, const Slot *slot,
    State s)
{
  const DefcnTensor t = tensor_of (slot->param);

  if (optimizer->be)
    optimizer->be->download (optimizer->be, &t, dst, slot->state[s]);
  else
    memcpy (dst, slot->state[s], defcn_tensor_len (&t) * sizeof (float));
}

static void
write_state (const DefcnOptimizer *optimizer, const Slot *slot, State s,
    const float *src)
{
  const DefcnTensor t = tensor_of (slot->param);

  if (optimizer->be)
    optimizer->be->upload (optimizer->be, &t, slot->state[s], src);
  else
    memcpy (slot->state[s], src, defcn_tensor_len (&t) * sizeof (float));
}

/* Zeroed; NULL if the backend has none left. */
static float *
new_state (DefcnBackend *be, const DefcnParam *p)
{
  const DefcnTensor t = tensor_of (p);

  return be ? be->alloc (be, be->size (be, &t))
            : g_new0 (float, defcn_tensor_len (&t));
}

static void
free_states (DefcnOptimizer *optimizer)
{
  DefcnBackend *be = optimizer->be;

  for (guint i = 0; i < optimizer->slots->len; i++) {
    Slot *slot = &g_array_index (optimizer->slots, Slot, i);

    for (int s = 0; s < N_STATES; s++) {
      if (be && slot->state[s])
        be->free (be, slot->state[s]);
      else
        g_free (slot->state[s]);
      slot->state[s] = NULL;
    }
  }
}

/* FALSE: the backend @be has not the memory. */
static gboolean
take_states (DefcnOptimizer *optimizer, DefcnBackend *be)
{
  const DefcnOptimizerOptions *o = &optimizer->options;
  const gboolean wanted[N_STATES] = {
    [STATE_MOMENTUM] = TRUE,
    [STATE_SQUARE] = o->kind == DEFCN_OPTIMIZER_ADAMW,
    [STATE_EMA] = o->ema > 0,
  };

  optimizer->be = be;
  for (guint i = 0; i < optimizer->slots->len; i++) {
    Slot *slot = &g_array_index (optimizer->slots, Slot, i);

    for (int s = 0; s < N_STATES; s++) {
      slot->state[s] = wanted[s] ? new_state (be, slot->param) : NULL;
      if (wanted[s] && !slot->state[s])
        return FALSE;
    }
  }
  return TRUE;
}

/* FALSE if the backend does not update, or has not the memory: the host does,
 * from what it downloads. */
static gboolean
take_updater (DefcnOptimizer *optimizer, DefcnBackend *be)
{
  g_autofree DefcnMaster *masters =
      g_new (DefcnMaster, MAX (optimizer->slots->len, 1));

  if (!defcn_params_on_device (optimizer->params))
    return FALSE;
  if (take_states (optimizer, be)) {
    for (guint i = 0; i < optimizer->slots->len; i++) {
      const Slot *slot = &g_array_index (optimizer->slots, Slot, i);

      defcn_params_master (optimizer->params, slot->param, &masters[i]);
      masters[i].momentum = slot->state[STATE_MOMENTUM];
      masters[i].square = slot->state[STATE_SQUARE];
      masters[i].average = slot->state[STATE_EMA];
      masters[i].decay = slot->decay;
      masters[i].rate = slot->rate;
    }
    optimizer->updater =
        be->updater->create (be, masters, optimizer->slots->len, NULL);
  }
  if (!optimizer->updater)
    free_states (optimizer);
  return optimizer->updater != NULL;
}

DefcnOptimizer *
defcn_optimizer_new (DefcnParams *params, const DefcnOptimizerOptions *options)
{
  DefcnOptimizer *optimizer = g_new0 (DefcnOptimizer, 1);

  defcn_params_download (params);
  optimizer->params = params;
  optimizer->options = *options;
  optimizer->slots = g_array_new (FALSE, TRUE, sizeof (Slot));
  for (guint i = 0; i < defcn_params_count (params); i++) {
    DefcnParam *p = defcn_params_get (params, i);
    Slot slot = { .param = p };

    if (!p->trainable || !p->grad)
      continue;
    slot.decay = is_decayed (options->kind, p) ? options->weight_decay : 0;
    slot.rate = g_str_has_prefix (p->name, "backbone.bottom_up.")
        ? options->backbone_lr
        : 1;
    g_array_append_val (optimizer->slots, slot);
  }
  if (!take_updater (optimizer, defcn_params_backend (params)))
    take_states (optimizer, NULL);
  for (guint i = 0; options->ema > 0 && i < optimizer->slots->len; i++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, i);

    write_state (optimizer, slot, STATE_EMA, slot->param->value);
  }
  return optimizer;
}

void
defcn_optimizer_free (DefcnOptimizer *optimizer)
{
  if (!optimizer)
    return;
  if (optimizer->updater)
    optimizer->be->updater->free (optimizer->be, optimizer->updater);
  for (guint i = 0; i < optimizer->slots->len; i++)
    g_free (g_array_index (optimizer->slots, Slot, i).held);
  free_states (optimizer);
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

/* 1 up to the cooldown, from there in a line to final_lr at the last. */
static double
wsd (const DefcnOptimizerOptions *o, gint64 i)
{
  const double end = o->iterations - 1;
  const double begin = end - o->cooldown * o->iterations;
  const double t = i > begin ? CLAMP ((i - begin) / (end - begin), 0, 1) : 0;

  return 1 + (o->final_lr - 1) * t;
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
  if (options->schedule == DEFCN_SCHEDULE_WSD)
    return lr * wsd (options, i);
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

/* g += wd p; v = m v + g; p -= lr v, as torch.  @scale: of the gradient. */
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

static double
average_ramp (gint64 i)
{
  return (1.0 + i) / (10.0 + i);
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

static double
step_on_device (const DefcnOptimizer *optimizer, gint64 i)
{
  const DefcnOptimizerOptions *o = &optimizer->options;
  const gboolean adamw = o->kind == DEFCN_OPTIMIZER_ADAMW;
  const DefcnUpdateRule rule = { .lr = defcn_optimizer_lr (o, i),
    .clip = o->clip_norm,
    .momentum = adamw ? ADAM_BETA1 : o->momentum,
    .beta2 = ADAM_BETA2,
    .epsilon = ADAM_EPS,
    .bias1 = 1 - pow (ADAM_BETA1, i + 1),
    .bias2 = 1 - pow (ADAM_BETA2, i + 1),
    .average = MIN (o->ema, average_ramp (i)) };

  return defcn_params_update (optimizer->params, optimizer->updater, &rule);
}

static double
step_on_host (DefcnOptimizer *optimizer, gint64 i)
{
  const DefcnOptimizerOptions *o = &optimizer->options;
  const double norm = gradient_norm (optimizer);
  const double lr = defcn_optimizer_lr (o, i);

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
      step_ema (slot, MIN (o->ema, average_ramp (i)));
  }
  return norm;
}

double
defcn_optimizer_step (DefcnOptimizer *optimizer, gint64 i)
{
  g_return_val_if_fail (!optimizer->swapped, 0);

  if (optimizer->updater)
    return step_on_device (optimizer, i);
  if (defcn_params_on_device (optimizer->params))
    defcn_params_download_gradients (optimizer->params);
  return step_on_host (optimizer, i);
}

/* The backend keeps both: the host's value alone comes and goes. */
static void
swap_held (const DefcnOptimizer *optimizer, Slot *slot)
{
  DefcnParam *p = slot->param;
  const gsize size = defcn_param_len (p) * sizeof (float);

  if (slot->held) {
    memcpy (p->value, slot->held, size);
    g_clear_pointer (&slot->held, g_free);
    return;
  }
  slot->held = g_memdup2 (p->value, size);
  read_state (p->value, optimizer, slot, STATE_EMA);
}

void
defcn_optimizer_swap_ema (DefcnOptimizer *optimizer)
{
  if (optimizer->options.ema <= 0)
    return;
  defcn_params_download (optimizer->params);
  optimizer->swapped = !optimizer->swapped;
  for (guint s = 0; optimizer->be && s < optimizer->slots->len; s++)
    swap_held (optimizer, &g_array_index (optimizer->slots, Slot, s));
  if (optimizer->be)
    return;
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

gboolean
defcn_optimizer_visit (DefcnOptimizer *optimizer,
    gboolean (*visit) (float *state, gsize n, gpointer data), gpointer data)
{
  g_return_val_if_fail (!optimizer->swapped, FALSE);
  for (guint i = 0; i < optimizer->slots->len; i++) {
    const Slot *slot = &g_array_index (optimizer->slots, Slot, i);
    const gsize len = defcn_param_len (slot->param);

    for (int s = 0; s < N_STATES; s++) {
      g_autofree float *state = g_new (float, len);

      if (!slot->state[s])
        continue;
      read_state (state, optimizer, slot, s);
      if (!visit (state, len, data))
        return FALSE;
      write_state (optimizer, slot, s, state);
    }
  }
  return TRUE;
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
      g_autofree float *state = g_new (float, defcn_param_len (p));

      if (!slot->state[s])
        continue;
      read_state (state, optimizer, slot, s);
      defcn_weights_writer_add (writer, name, DEFCN_DTYPE_F32, 4, dims, state);
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
      g_autofree float *state = g_new (float, defcn_param_len (slot->param));

      if (!slot->state[s])
        continue;
      if (!load_state (state, slot->param, name, weights, error))
        return FALSE;
      write_state (optimizer, slot, s, state);
    }
  }
  return TRUE;
}

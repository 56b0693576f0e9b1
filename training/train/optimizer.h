/* Optimisers over the master parameters, learning-rate schedules, EMA.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "params.h"
#include "weights.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_OPTIMIZER_SGD,   /* the paper's; no Nesterov */
  DEFCN_OPTIMIZER_ADAMW, /* decoupled weight decay, betas .9 .999, eps 1e-8 */
} DefcnOptimizerKind;

typedef enum
{
  DEFCN_SCHEDULE_STEP,   /* times 0.1 at each of steps[] */
  DEFCN_SCHEDULE_COSINE, /* to final_lr * lr at the last iteration */
  /* Warm-up, stable, decay: constant, then in a line to final_lr * lr over the
   * last cooldown of the iterations.  Until then a run does not depend on how
   * long it is going to be. */
  DEFCN_SCHEDULE_WSD,
} DefcnScheduleKind;

typedef struct
{
  DefcnOptimizerKind kind;
  double lr, momentum, weight_decay; /* 0.01, 0.9, 1e-4; norms: decay 0 */
  double backbone_lr;                /* factor for "backbone.bottom_up.*", 1 */
  double clip_norm;                  /* global gradient norm limit, 0: none */
  DefcnScheduleKind schedule;
  gint64 iterations;
  gint64 steps[8];
  int n_steps;
  gint64 warmup;        /* 1000 */
  double warmup_factor; /* 0.001 */
  double final_lr;      /* cosine, wsd, 0.01 */
  double cooldown;      /* wsd, 0.2 */
  double ema;           /* decay of the averaged weights, 0: none; ramps as
                           min (ema, (1 + i) / (10 + i)) */
} DefcnOptimizerOptions;

typedef struct _DefcnOptimizer DefcnOptimizer;

/* For the trained parameters of @params, which it borrows; the average starts
 * from their present values.  Weight decay: SGD on everything but
 * norms, AdamW on convolution weights alone. */
DefcnOptimizer *defcn_optimizer_new (DefcnParams *params,
    const DefcnOptimizerOptions *options);
void defcn_optimizer_free (DefcnOptimizer *optimizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnOptimizer, defcn_optimizer_free)

/* Learning rate of 0-based iteration @i. */
double defcn_optimizer_lr (const DefcnOptimizerOptions *options, gint64 i);
/* One update from the masters' gradients, on the device where these are there
 * (params.h), as iteration @i, which also counts AdamW's steps; not between two
 * swaps.  Returns the global gradient norm before clipping.  Does nothing to
 * the parameters if the norm is not finite, and returns it. */
double defcn_optimizer_step (DefcnOptimizer *optimizer, gint64 i);
/* Exchanges the averaged and the current weights of the host (evaluation, final
 * save); twice is nothing.  No-op without EMA. */
void defcn_optimizer_swap_ema (DefcnOptimizer *optimizer);

/* Calls @visit with every array of the state, of @n floats in the same order
 * for the same model and options, which may change it; stops at FALSE, which is
 * what it then returns.  Not between two swaps. */
gboolean defcn_optimizer_visit (DefcnOptimizer *optimizer,
    gboolean (*visit) (float *state, gsize n, gpointer data), gpointer data);

/* State as F32 tensors "optimizer.<name>.<parameter>" in the parameter's own
 * order (n, h, w, c), <name> momentum, square (AdamW), ema.  Not between two
 * swaps.  load: every one must be there with its shape; after a failure the
 * optimizer is good for freeing alone. */
void defcn_optimizer_save (const DefcnOptimizer *optimizer,
    DefcnWeightsWriter *writer);
gboolean defcn_optimizer_load (DefcnOptimizer *optimizer,
    const DefcnWeights *weights, GError **error);

G_END_DECLS

/* What a training run leaves: checkpoints to go on from, and models for users.
 *
 * A checkpoint is a model file (core/weights.h) in full precision with the
 * optimiser's tensors beside the parameters, and the metadata "defcn.recipe",
 * "defcn.iteration", "defcn.best_ap", "defcn.unevaluated" (1 or 0), and of
 * recipes with a normalizer_momentum "defcn.normalizer".  Both have
 * "defcn.training": JSON of where the weights come from.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "recipe.h"

G_BEGIN_DECLS

/* The state of a run that outlives the process. */
typedef struct
{
  const DefcnRecipe *recipe;
  DefcnModel *model;
  DefcnOptimizer *optimizer;
  DefcnStep *step;  /* whose running mean goes on too, or NULL */
  gint64 iteration; /* updates that were done */
  double best_ap;   /* of the evaluations so far, -1: none */
  /* The evaluation that is due after these updates was interrupted. */
  gboolean unevaluated;
  const char *data;  /* checksum of the training data, or NULL */
  gboolean any_data; /* _load() takes a checkpoint of other annotations */
} DefcnCheckpoint;

/* FALSE with @error, and @path as it was, also where the device does not give
 * all of it. */
gboolean defcn_checkpoint_save (const DefcnCheckpoint *state, const char *path,
    GError **error);
/* Loads into the model and the optimiser of @state and sets the numbers.  FALSE
 * with @error naming the key if @path was trained by another recipe; keys that
 * do not change the numbers, and the length of the run, may differ. */
gboolean defcn_checkpoint_load (DefcnCheckpoint *state, const char *path,
    GError **error);

/* A model file for users: averaged weights, half precision.  @ap, @ap50: what
 * it reached, below 0: not known.  Fails as the former does. */
gboolean defcn_checkpoint_save_model (const DefcnCheckpoint *state,
    const char *path, double ap, double ap50, GError **error);

/* Bytes that the two files above will have at most. */
void defcn_checkpoint_sizes (const DefcnCheckpoint *state, guint64 *checkpoint,
    guint64 *model);

G_END_DECLS

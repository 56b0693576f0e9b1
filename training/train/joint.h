/* A run of several ranks: one recipe, equal parts of a batch, the same data,
 * the same state, and what all know after an update.  Only rank 0 needs the
 * folder of the run and the weights to start from; data has the same paths
 * everywhere.  Every function takes NULL for @ranks, a process that is alone,
 * and does nothing then.  Thread rule: one thread at a time. */
#pragma once

#include "checkpoint.h"
#include "ranks/ranks.h"

G_BEGIN_DECLS

/* The recipe of rank 0, finished, whose batch can be divided.  @own: (transfer
 * full): what rank 0 has made, NULL elsewhere.  NULL with @error. */
DefcnRecipe *defcn_joint_recipe (DefcnRanks *ranks, DefcnRecipe *own,
    GError **error);

/* Has the loader of @recipe give this rank's part of each batch.  @micro: how
 * many images of it go through the network at once.  FALSE with @error where
 * the batch has no equal parts of whole passes. */
gboolean defcn_joint_divide (DefcnRecipe *recipe, int *micro,
    const DefcnRanks *ranks, GError **error);

/* FALSE with @error where a rank has other annotations than rank 0, or computes
 * with something else. */
gboolean defcn_joint_check_data (DefcnRanks *ranks,
    const DefcnDataset *training, const DefcnDataset *validation,
    GError **error);
gboolean defcn_joint_check_device (DefcnRanks *ranks, const DefcnBackend *be,
    GError **error);

/* All parameters become rank 0's. */
gboolean defcn_joint_share_model (DefcnRanks *ranks, DefcnModel *model,
    GError **error);
/* So do the numbers, the step's running mean and the optimiser's state. */
gboolean defcn_joint_share_state (DefcnRanks *ranks, DefcnCheckpoint *state,
    GError **error);

/* What an update was on one rank, and then on all. */
typedef struct
{
  DefcnStepLosses losses; /* the parts are summed, with their total */
  double norm;            /* of the gradient: all have the same bits */
  int stop;               /* signal that asks to stop, 0: none; any rank's */
  gboolean parted;        /* the ranks have other models: none is to be kept */
} DefcnJointUpdate;

/* FALSE with @error where ranks have parted: another norm is another model. */
gboolean defcn_joint_update (DefcnRanks *ranks, DefcnJointUpdate *update,
    gint64 iteration, GError **error);

G_END_DECLS

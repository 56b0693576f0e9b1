/* One training step up to the gradients: forward, assign, loss, backward.
 *
 * Thread rule: one thread at a time per step.
 */
#pragma once

#include "data/augment.h"
#include "loss.h"
#include "model.h"
#include "ranks/collective.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_BOX_LOSS_GIOU,
  DEFCN_BOX_LOSS_L1, /* of codes relative to anchors */
} DefcnBoxLoss;

typedef struct
{
  DefcnAssignRule assign;
  DefcnBoxLoss box_loss;
  double reg_weight;     /* of the box loss: 2.0, for FCOS 1.0 */
  double aux_reg_weight; /* of the box loss of the auxiliary foregrounds, 0 */
  /* What is divided by is a running mean of the numbers of foregrounds of the
   * batches, m times the last one plus 1 - m times this batch's; 0: this
   * batch's.  detectron2 trains RetinaNet with .9, from 100 on. */
  double normalizer_momentum;
} DefcnStepRule;

/* As they enter the total: over the number of foregrounds, of the auxiliary
 * ones for aux (classes and boxes), of the whole batch or their running mean;
 * box over their centerness where that is an output. */
typedef struct
{
  double cls, box, aux, centerness, total;
  int n_foreground, n_foreground_aux;
  double sum_centerness; /* targets of all foregrounds, with such an output */
} DefcnStepLosses;

typedef struct _DefcnStep DefcnStep;

/* @model: borrowed, opened for training, outlives the step. */
DefcnStep *defcn_step_new (DefcnModel *model, const DefcnStepRule *rule);
void defcn_step_free (DefcnStep *step);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnStep, defcn_step_free)

/* The batches of the next steps are this rank's part of larger ones: counts of
 * foregrounds and gradients become those of all ranks, losses stay this one's
 * share.  @ranks: borrowed, NULL for a process that is alone; @collective:
 * borrowed, NULL where the ranks sum gradients. */
void defcn_step_set_ranks (DefcnStep *step, DefcnRanks *ranks,
    DefcnCollective *collective);

/* Computes the losses of the batch of @n examples and leaves their gradient in
 * the masters (which are zeroed first), the device's where these are there.
 * The batch goes through the network @micro images at a time, each micro-batch
 * padded to its own largest image; the normalisers are those of the whole
 * batch, so the result is that of one large batch.  Several micro-batches take
 * a second forward pass, because the number of foregrounds is known only after
 * all of them.  FALSE with @error set. */
gboolean defcn_step_run (DefcnStep *step, DefcnExample *const *examples, int n,
    int micro, DefcnStepLosses *losses, GError **error);

/* Adds the parts and their total, and no counts. */
void defcn_step_add_losses (DefcnStepLosses *sum,
    const DefcnStepLosses *losses);

/* Alpha of eq. 4 for the next steps; the rule's until set. */
void defcn_step_set_alpha (DefcnStep *step, float alpha);

/* The running mean, of rules that have one; set where a run goes on. */
double defcn_step_normalizer (const DefcnStep *step);
void defcn_step_set_normalizer (DefcnStep *step, double normalizer);

/* For tests: what image @i of the last micro-batch was assigned, borrowed. */
const DefcnAssignment *defcn_step_assignment (const DefcnStep *step, int i);
const DefcnAssignment *defcn_step_aux (const DefcnStep *step, int i);
/* For tests: its predictions, without values where the heads stay on the
 * device. */
const DefcnLevel *defcn_step_levels (const DefcnStep *step, int i);

G_END_DECLS

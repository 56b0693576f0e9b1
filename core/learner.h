/* What training asks of a backend that keeps the heads and the masters where
 * they are: qualities for the matching, the losses with their gradients, and
 * the update.
 *
 * For the first two only this crosses in one step: up 24 bytes per object, 32
 * per window and 12 per listed location, with 16 more for a box; down 4
 * bytes per candidate of the one-to-one matching, 8 * topk * n_levels per
 * object of the auxiliary one, and 24 of sums.
 */
#pragma once

#include "boxes.h"
#include "tensor.h"

G_BEGIN_DECLS

typedef struct _DefcnBackend DefcnBackend;

/* The head outputs of a batch, n_levels each; a level's location is row * width
 * + column of it, an image's those of its levels one after the other. */
typedef struct
{
  DefcnTensor *const *logits; /* (n, h, w, n_classes) */
  DefcnTensor *const *deltas; /* (n, h, w, 4) */
  DefcnTensor *const *filter; /* (n, h, w, 1), NULL entries without 3DMF */
  /* (n, h, w, n_classes) of the auxiliary loss; NULL entries: that has
   * @logits, as it has where this is NULL */
  DefcnTensor *const *aux_logits;
  int n_levels;
  int strides[DEFCN_N_LEVELS];
} DefcnHeads;

/* An object that locations may belong to. */
typedef struct
{
  float x1, y1, x2, y2; /* input pixels */
  int label, image;
} DefcnTruth;

/* The locations of a level that are candidates for an object, a rectangle. */
typedef struct
{
  int truth, level;
  int x, y, w, h;
  gsize first; /* its qualities begin here, row by row */
} DefcnWindow;

/* A location of a level and how well it suits an object. */
typedef struct
{
  int location;
  float quality;
} DefcnRanked;

/* Which qualities, p^(1 - alpha) IoU^alpha (eq. 4; not a number: -1), are
 * wanted. */
typedef struct
{
  const DefcnTruth *truths;
  const DefcnWindow *windows;
  guint n_truths, n_windows;
  gsize n_values; /* of all windows */
  float alpha;
  gboolean additive; /* of windows: (1 - alpha) p + alpha IoU instead */
  /* Best locations per object and level by the auxiliary logits and without
   * filter, 0: none. */
  int topk;
} DefcnQualityQuery;

/* A location that has a class. */
typedef struct
{
  int image, location, label;
} DefcnPositive;

#define DEFCN_LABEL_IGNORED (-2) /* of a location that classifies nothing */

/* All locations that are not listed are background.  An ignored one may be a
 * positive all the same, of either loss: then it is that. */
typedef struct
{
  const DefcnPositive *ignored; /* their label is DEFCN_LABEL_IGNORED */
  guint n_ignored;
  const DefcnPositive *positives;
  const float (*targets)[4]; /* l, t, r, b of @positives */
  guint n_positives;
  gboolean has_aux;              /* there is an auxiliary loss */
  const DefcnPositive *aux;      /* its positives */
  const float (*aux_targets)[4]; /* of @aux; NULL: it has no box loss */
  guint n_aux;
  double cls_scale, box_scale, aux_scale, aux_box_scale;
} DefcnLossInput;

/* Sums times their scale; aux is that of its classes and boxes. */
typedef struct
{
  double cls, box, aux;
} DefcnLossSums;

/* The arithmetic is that of training/assign/poto.c and
 * training/train/loss.c. */
typedef struct
{
  /* @values: n_values, with the filter.  @best: (n_truths, n_levels, topk),
   * best first, ties by lower location, -1 where a level has fewer.  Waits for
   * queued work; FALSE with @error. */
  gboolean (*qualities) (DefcnBackend *be, const DefcnHeads *heads,
      const DefcnQualityQuery *query, float *values, DefcnRanked *best,
      GError **error);
  /* Queues the losses and writes the gradients of all heads.  FALSE with @error
   * when there is no memory. */
  gboolean (*losses) (DefcnBackend *be, const DefcnHeads *heads,
      const DefcnLossInput *input, GError **error);
  /* Of the last losses(); waits for queued work. */
  void (*sums) (DefcnBackend *be, DefcnLossSums *sums);
} DefcnLearner;

/* A trained parameter for an updater: dense float32 arrays of the backend's
 * memory, @rows rows each.  Fields that are not there are NULL. */
typedef struct
{
  DefcnTensor *effective; /* what steps read; grad is the gradient of that */
  float *value;           /* the master */
  /* (rows): data = scale value + shift, dvalue = scale grad; NULL: 1 and 0 */
  const float *scale, *shift;
  int rows;
  float *momentum; /* SGD's velocity, AdamW's first moment */
  float *square;   /* AdamW's second moment; NULL: SGD */
  float *average;  /* averaged weights */
  float decay;     /* weight decay */
  float rate;      /* factor on the learning rate */
} DefcnMaster;

/* The numbers of one update. */
typedef struct
{
  double lr;
  double clip;    /* limit of the global norm of all gradients, 0: none */
  float momentum; /* AdamW: beta 1 */
  float beta2, epsilon;
  double bias1, bias2; /* AdamW: 1 - beta 1 ^ t, 1 - beta 2 ^ t */
  float average;       /* decay of the averaged weights */
} DefcnUpdateRule;

/* Updates masters where they are, with the arithmetic of
 * training/train/optimizer.c in the same order. */
typedef struct
{
  /* @masters are copied, what they point to is borrowed.  NULL with @error. */
  gpointer (*create) (DefcnBackend *be, const DefcnMaster *masters, guint n,
      GError **error);
  /* From the gradients, which stay, to masters, averages and effective data.
   * Returns their global norm; if it is not finite, nothing has changed.  Waits
   * for queued work. */
  double (
      *step) (DefcnBackend *be, gpointer updater, const DefcnUpdateRule *rule);
  void (*free) (DefcnBackend *be, gpointer updater);
} DefcnUpdater;

G_END_DECLS

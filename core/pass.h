/* What a backend does for a pass of the detector beside the network's steps:
 * images to input before them, the search for scores behind.  The work is the
 * same every time, whatever images and thresholds are, so that replay() can
 * record all of it: a pass is then one launch and one wait.
 *
 *   for each image k: pass->place (be, input, k, image, preprocess)
 *   pass->seek (be, threshold, duplicate_iou)
 *   replayed: pass->preprocess (be, input), the steps, pass->find (be, ..)
 *   sync
 *   for each image k: pass->found (be, candidates, k)
 *
 * Thread rule: as the backend's.
 */
#pragma once

#include "boxes.h"
#include "scaler.h"
#include "tensor.h"

G_BEGIN_DECLS

typedef struct _DefcnBackend DefcnBackend;

typedef struct
{
  /* What preprocess() makes image @n of @input of: the rectangle of @p, or
   * zeros where @image is NULL.  Pixels of the host may change when it returns.
   * FALSE if it cannot be done there: the caller does it and uploads. */
  gboolean (*place) (DefcnBackend *be, const DefcnTensor *input, int n,
      const DefcnImage *image, const DefcnPreprocess *p);
  /* Queues the whole of @input, with the bits of defcn_scaler_run() (scaler.h);
   * every image of it has been placed. */
  void (*preprocess) (DefcnBackend *be, const DefcnTensor *input);
  /* What find() looks for from then on: every score above @threshold that the
   * local duplicate filter (boxes.h; @duplicate_iou of its rule) leaves. */
  void (*seek) (DefcnBackend *be, float threshold, float duplicate_iou);
  /* Queues the search in all images of the heads, n_levels tensors each; those
   * of @filter may be NULL. */
  void (*find) (DefcnBackend *be, DefcnTensor *const *logits,
      DefcnTensor *const *deltas, DefcnTensor *const *filter, int n_levels);
  /* What the last find() has found in image @image, in any order; waits for it
   * if nobody has.  FALSE if that is too much, or did not arrive: the caller
   * takes the heads instead. */
  gboolean (*found) (DefcnBackend *be, GArray *candidates, int image);
} DefcnPass;

G_END_DECLS

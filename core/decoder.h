/* Boxes out of the heads of a pass.  Where the backend can, it looks for the
 * scores and the heads stay there, else they come to the host.
 *
 *   defcn_decoder_seek (decoder, threshold, duplicate_iou)
 *   queued behind the steps: defcn_decoder_find (decoder, plan)
 *   sync
 *   defcn_decoder_take (decoder, plan, TRUE)
 *   for each image k: defcn_decoder_decode (decoder, boxes, k, rule)
 *   defcn_decoder_check (decoder, &error)
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "architecture.h"

G_BEGIN_DECLS

typedef struct _DefcnDecoder DefcnDecoder;

/* @be is borrowed and outlives it. */
DefcnDecoder *defcn_decoder_new (DefcnBackend *be, int n_classes);
void defcn_decoder_free (DefcnDecoder *decoder);

/* Of a backend with a pass (pass.h): tells it what to look for, and queues the
 * search in the heads of @plan, the same work every time; heads with centerness
 * come to the host instead. */
void defcn_decoder_seek (DefcnDecoder *decoder, float threshold,
    float duplicate_iou);
void defcn_decoder_find (DefcnDecoder *decoder, const DefcnPlan *plan);

/* The pass over @plan is done; @has_found: the search behind it too.  FALSE:
 * there is no memory for its heads. */
gboolean defcn_decoder_take (DefcnDecoder *decoder, const DefcnPlan *plan,
    gboolean has_found);
/* @boxes (DefcnBox), emptied, of image @image of the pass that was taken last,
 * in pixels of the upright picture in the network's input.  What the backend
 * has looked for may be too little for @rule: it then looks again. */
void defcn_decoder_decode (DefcnDecoder *decoder, GArray *boxes, int image,
    const DefcnDecodeRule *rule);
/* FALSE with @error set: heads that were decoded did not arrive. */
gboolean defcn_decoder_check (const DefcnDecoder *decoder, GError **error);

G_END_DECLS

/* The network's input: images of any size, format and orientation resized,
 * turned upright, normalised and padded, on the device where it can, else on
 * the host.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "backend.h"
#include "place.h"

G_BEGIN_DECLS

typedef struct _DefcnInput DefcnInput;

/* Both arguments are borrowed and outlive it. */
DefcnInput *defcn_input_new (DefcnBackend *be, const DefcnInputRule *rule);
void defcn_input_free (DefcnInput *input);

/* Of images and their places those that @batch, of int, names become images 0,
 * 1, .. of @x, and zeros the rest of it. */

/* Hands them to the device, whose preprocess() has yet to be called (pass.h);
 * FALSE where it cannot. */
gboolean defcn_input_place (DefcnInput *input, const DefcnTensor *x,
    const DefcnImage *images, const GArray *places, const GArray *batch);
/* Does all of it on the host and uploads.  FALSE with @error set: no memory, or
 * pixels that the host cannot read. */
gboolean defcn_input_upload (DefcnInput *input, const DefcnTensor *x,
    const DefcnImage *images, const GArray *places, const GArray *batch,
    GError **error);

/* FALSE with @error set: there is none for the picture of @place. */
gboolean defcn_input_no_memory (const DefcnPlace *place, GError **error);

G_END_DECLS

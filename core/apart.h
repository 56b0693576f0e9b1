/* Images of a run apart: several lanes, each a thread that takes the next image
 * through a network of its own, over the weights of the model (backend.h,
 * share()).  No thread waits for another between two steps, an image stays in
 * the caches of its core, and a batch needs the activations of as many images
 * as there are lanes.  What an image gives is what it gives alone.
 *
 * Thread rule: one thread at a time, and meanwhile nobody else has the model.
 */
#pragma once

#include "runner.h"

G_BEGIN_DECLS

typedef struct _DefcnApart DefcnApart;

/* As many lanes as @images or the backend's threads, each with its share of the
 * threads.  @model is borrowed and outlives it.  NULL where that is one lane,
 * where so many are slower than one image after the other on all threads, where
 * the backend cannot share, or where there are no threads to be had. */
DefcnApart *defcn_apart_new (DefcnModel *model, int images);
void defcn_apart_free (DefcnApart *apart);

/* Runs images of @run that wait: as many as fill the lanes, and the rest where
 * that is faster than one after the other on all threads.  What cannot be done,
 * for want of memory say, waits as before, and so does what has not been begun
 * by then.  done() is called by the lanes' threads, of several at a time.  Adds
 * to @times what it took, the stages in proportion. */
void defcn_apart_run (DefcnApart *apart, const DefcnRun *run,
    DefcnRunnerTimes *times);

/* Memory of the lanes' plans, in bytes. */
gsize defcn_apart_bytes (const DefcnApart *apart);

G_END_DECLS

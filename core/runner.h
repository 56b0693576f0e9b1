/* Passes of the network over images that have their places: input, steps,
 * boxes.
 *
 * Thread rule: one thread at a time per runner; runners of models that share
 * weights (model.h) may run at the same time.
 */
#pragma once

#include "model.h"
#include "place.h"

G_BEGIN_DECLS

typedef struct _DefcnRunner DefcnRunner;

/* Images, and what becomes of them.  All of it is borrowed. */
typedef struct
{
  GArray **boxes; /* DefcnBox, of each image */
  const DefcnImage *images;
  GArray *places; /* DefcnPlace, of each; done: its boxes are there */
  const DefcnDecodeRule *rules; /* of each; NULL: @rule is everybody's */
  DefcnDecodeRule rule;
  int n;
  /* The boxes of image @i are there: until it returns decode() is about it. */
  void (*done) (DefcnRunner *runner, int i, gpointer data);
  gpointer data;
} DefcnRun;

/* Microseconds. */
typedef struct
{
  gint64 preprocess, inference, postprocess;
} DefcnRunnerTimes;

/* @model is borrowed and outlives it.  @most: images of a pass at most;
 * @fills: and never fewer, the rest blank. */
DefcnRunner *defcn_runner_new (DefcnModel *model, int most, gboolean fills);
void defcn_runner_free (DefcnRunner *runner);

/* One pass, over image @first and others of its size in the network that wait.
 * FALSE with @error set, which names the image where it is one of several. */
gboolean defcn_runner_pass (DefcnRunner *runner, const DefcnRun *run, int first,
    GError **error);
/* All images that wait, the last one of the run last. */
gboolean defcn_runner_run (DefcnRunner *runner, const DefcnRun *run,
    GError **error);

/* The last image again, by another rule; a run that failed, or one of nothing,
 * leaves none. */
void defcn_runner_decode (DefcnRunner *runner, GArray *boxes,
    const DefcnDecodeRule *rule);
/* There is no last image. */
void defcn_runner_forget (DefcnRunner *runner);

/* Adds to @times what passes took since it was asked last. */
void defcn_runner_take_times (DefcnRunner *runner, DefcnRunnerTimes *times);

/* The place of image @i. */
static inline DefcnPlace *
defcn_run_place (const DefcnRun *run, int i)
{
  return &g_array_index (run->places, DefcnPlace, i);
}

/* Whether there is something of image @i to look at, and nobody has. */
static inline gboolean
defcn_run_waits (const DefcnRun *run, int i)
{
  return defcn_run_place (run, i)->w > 0 && !defcn_run_place (run, i)->done;
}

G_END_DECLS

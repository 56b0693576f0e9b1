/* A training case of the golden set: model, batch and what is expected. */
#pragma once

#include "train/step.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

/* What a test works on. */
typedef struct
{
  cJSON *manifest;
  char *name;            /* key of manifest: the file's name */
  const cJSON *expected; /* what is there, borrowed */
  DefcnWeights *file;
  DefcnBackend *be;
  DefcnModel *model;
  DefcnStep *step;
  GPtrArray *examples; /* of DefcnExample */
  gboolean switched;   /* the gradients show a switch */
  double worst;        /* how far off one of them is, of its norm */
} TestingRun;

/* Opens the case of the file @below the golden folder with the backend under
 * test and seed weights.  FALSE after g_test_skip() where defcn does not build
 * what it needs; clear @run anyway. */
gboolean testing_train_init (TestingRun *run, const char *below);
void testing_train_clear (TestingRun *run);

/* Forward and backward over the whole batch, @micro images at a time. */
DefcnStepLosses testing_train_step (TestingRun *run, int micro);

G_END_DECLS

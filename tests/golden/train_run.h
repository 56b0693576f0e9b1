/* A training case of the golden set: model, batch and what is expected. */
#pragma once

#include "train/step.h"

#include <cjson/cJSON.h>

G_BEGIN_DECLS

typedef struct
{
  char *config, *file; /* paths */
  char *run;           /* key of manifest.json: the file's name */
} TestingCase;

/* What a test works on. */
typedef struct
{
  cJSON *config, *manifest;
  const char *name;      /* key of manifest, borrowed */
  const cJSON *expected; /* what is there, borrowed */
  DefcnWeights *file;
  DefcnBackend *be;
  DefcnModel *model;
  DefcnStep *step;
  GPtrArray *examples; /* of DefcnExample */
  gboolean switched;   /* the gradients show a switch */
} TestingRun;

/* Opens the case with the backend under test and seed weights.  FALSE after
 * g_test_skip() where defcn does not build what it needs; clear @run anyway. */
gboolean testing_train_init (TestingRun *run, const TestingCase *c);
void testing_train_clear (TestingRun *run);

/* One forward and backward pass over the whole batch at once. */
DefcnStepLosses testing_train_step (TestingRun *run);

/* The number @name of @object (which may be NULL), else @otherwise. */
double testing_train_number (const cJSON *object, const char *name,
    double otherwise);

G_END_DECLS

/* What `defcn bench` measures: a network with its input and its times, stage by
 * stage.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "detector.h"
#include "train/recipe.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_STAGE_PREPROCESS,
  DEFCN_STAGE_UPLOAD,
  DEFCN_STAGE_STEM,
  DEFCN_STAGE_RES2,
  DEFCN_STAGE_RES3,
  DEFCN_STAGE_RES4,
  DEFCN_STAGE_RES5,
  DEFCN_STAGE_BACKBONE,
  DEFCN_STAGE_FPN,
  DEFCN_STAGE_TOWERS,
  DEFCN_STAGE_MAX3D,
  DEFCN_STAGE_FILTER,
  DEFCN_STAGE_CLS,
  DEFCN_STAGE_BOX,
  DEFCN_STAGE_DOWNLOAD,
  DEFCN_STAGE_POSTPROCESS,
  DEFCN_STAGE_GRADIENTS, /* of a training step, up to them */
  DEFCN_STAGE_UPDATE,
  DEFCN_N_STAGES
} DefcnStage;

/* Milliseconds of every repetition. */
typedef struct
{
  double *ms;
  int n;
} DefcnSamples;

enum
{
  DEFCN_BENCH_N_CROWDS = 4
};

/* What the command line says. */
typedef struct
{
  char *model, *preset, *size, *dump, *save;
  char **settings; /* KEY=VALUE over the preset */
  int width, height, batch, classes, repetitions;
  gboolean train, json, verbose;
  DefcnDetectorOptions device;
} DefcnBenchOptions;

typedef struct
{
  DefcnRecipe *recipe;
  DefcnBackend *be;
  DefcnModel *model;
  const DefcnPlan *plan;
  DefcnScaler *scaler;
  DefcnImage image; /* the frame that is preprocessed, NV12 */
  guint8 *frame, *rgb;
  float *input, *heads;
  GArray *boxes;
  DefcnSamples stages[DEFCN_N_STAGES];
  DefcnSamples *nodes; /* one per step */
  guint64 macs[DEFCN_N_STAGES];
  DefcnSamples forward, total; /* the network without stops; everything */
  /* Images of a repetition.  Where they go apart the plan is of one, and stages
   * and total are of one on all threads; whole_batch is of all of them. */
  int batch;
  DefcnSamples whole_batch;
  gsize weight_bytes,
      batch_bytes; /* of the model; of the batch's activations */
  DefcnSamples crowds[DEFCN_BENCH_N_CROWDS]; /* download and postprocess */
  int n_found[DEFCN_BENCH_N_CROWDS];
  double peak;      /* float32 operations a second; 0: not known */
  gboolean train;   /* training steps, not detections */
  gboolean verbose; /* report every step too */
} DefcnBench;

/* Now, in milliseconds of a clock that never jumps. */
double defcn_bench_stages_now (void);

/* Opens the network, with random weights where no model is given, makes its
 * input and takes room for the times.  FALSE with @error, and what is open then
 * is for defcn_bench_stages_close(). */
gboolean defcn_bench_stages_open (DefcnBench *bench,
    const DefcnBenchOptions *options, GError **error);
void defcn_bench_stages_close (DefcnBench *bench);

/* Fills the times of all stages of a detection, of the network and its steps.
 * FALSE with @error. */
gboolean defcn_bench_stages_measure (DefcnBench *bench, GError **error);

G_END_DECLS

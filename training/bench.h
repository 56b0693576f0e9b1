/* What `defcn bench` measures, and the two forms of its report.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

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
extern const int defcn_bench_crowds[DEFCN_BENCH_N_CROWDS]; /* objects */

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
  DefcnSamples crowds[DEFCN_BENCH_N_CROWDS]; /* download and postprocess */
  int n_found[DEFCN_BENCH_N_CROWDS];
  double peak;      /* float32 operations a second; 0: not known */
  gboolean train;   /* training steps, not detections */
  gboolean verbose; /* report every step too */
} DefcnBench;

/* Now, in milliseconds of a clock that never jumps. */
double defcn_bench_now (void);

/* Training steps on one fixed batch of noise with boxes: fills the stages
 * gradients and update, and the total; the first step is not counted.  Called
 * with the plan of a model opened for training and room for the samples. */
gboolean defcn_bench_train (DefcnBench *bench, GError **error);

/* From heads on the device to boxes with as many objects as defcn_bench_crowds
 * says, or as the finest level has room for: fills crowds and n_found.  For a
 * batch of one; what the heads held is gone. */
gboolean defcn_bench_measure_crowds (DefcnBench *bench, GError **error);

/* A table for people on standard output. */
void defcn_bench_report_text (const DefcnBench *bench);
/* The same as a JSON object, with the machine and the versions; (transfer
 * full). */
char *defcn_bench_report_json (const DefcnBench *bench);

/* Writes the measured network as a safetensors file: "y0" is the input, "wN" and
 * "bN" the parameters of step N, with the batch norm folded in, "yN" what the
 * heads gave, all NHWC or OHWI; metadata "defcn.steps" is a JSON array of the
 * steps, from 1, with the numbers of their inputs.  FALSE with @error. */
gboolean defcn_bench_dump (const DefcnBench *bench, const char *path,
    GError **error);

G_END_DECLS

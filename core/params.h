/* The named parameters of a model, shared by all its nets.
 *
 * Each parameter has an official name (the state_dict name of the reference
 * code) and its master copy in host memory.  What the steps of a net read are
 * *effective* tensors in backend memory: a convolution's weight with the
 * frozen batch norm behind it folded in (w' = s w, b' = beta - s mean, s =
 * gamma / sqrt (var + 1e-5)), anything else as it is.
 *
 *   defcn_params_upload (params);              masters -> effective tensors
 *   ... forward, backward ...
 *   defcn_params_download_gradients (params);  dw += s dw'
 *   ... the optimizer changes the masters ...
 *
 * Where the backend has an updater (learner.h), a model in training has its
 * masters in backend memory, and the host's values and gradients are copies:
 *
 *   ... forward, backward ...
 *   defcn_params_update (params, updater, &rule);  masters, effective tensors
 *   defcn_params_download (params);                before the host reads, or
 *                                                  writes and then uploads
 *
 * A name is created by the first net that asks for it and found by the others.
 * Thread rule: one thread at a time.
 */
#pragma once

#include "backend.h"

G_BEGIN_DECLS

typedef enum
{
  DEFCN_PARAM_WEIGHT, /* convolution weight, (out, kh, kw, in / groups) */
  DEFCN_PARAM_BIAS,   /* convolution bias */
  DEFCN_PARAM_NORM,   /* group norm gamma or beta: no weight decay */
  DEFCN_PARAM_SCALE,  /* the learnt scalar of a level */
  DEFCN_PARAM_BUFFER, /* frozen batch norm: never trained */
} DefcnParamKind;

typedef enum
{
  DEFCN_INIT_CONSTANT,
  DEFCN_INIT_NORMAL,  /* standard deviation @init_value */
  DEFCN_INIT_UNIFORM, /* in [-@init_value, @init_value) */
} DefcnInit;

typedef struct
{
  char *name; /* official, e.g. "head.cls_subnet.0.weight" */
  DefcnParamKind kind;
  int n, h, w, c;     /* as DefcnTensor has them for a parameter */
  gboolean trainable; /* has a gradient and is updated */
  float *value;       /* host, dense OHWI */
  float *grad;        /* host, NULL unless trainable and training */
  DefcnInit init;     /* how to start it without a file */
  float init_value;
} DefcnParam;

typedef struct _DefcnParams DefcnParams;

/* @be: borrowed, outlives the params.  @train: keep gradients. */
DefcnParams *defcn_params_new (DefcnBackend *be, gboolean train);
/* Names and dims alone: without memory for values, of which there must be no
 * use, to ask what a network would have. */
DefcnParams *defcn_params_new_shapes (DefcnBackend *be);
void defcn_params_free (DefcnParams *params);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnParams, defcn_params_free)

/* Whether every parameter has its memory; FALSE with
 * DEFCN_ERROR_BACKEND that names the first that has none, and then nothing but
 * free() is allowed. */
gboolean defcn_params_check (const DefcnParams *params, GError **error);

/* All parameters in order of creation; borrowed. */
guint defcn_params_count (const DefcnParams *params);
DefcnParam *defcn_params_get (const DefcnParams *params, guint i);
/* Returns: (nullable): the parameter of that official name. */
DefcnParam *defcn_params_lookup (const DefcnParams *params, const char *name);
static inline gsize
defcn_param_len (const DefcnParam *p)
{
  return (gsize) p->n * p->h * p->w * p->c;
}

/* For net.c: the effective weight and bias of a convolution called @name
 * ("@name.weight", and with @norm "@name.norm.*", and with @bias
 * "@name.bias").  *@b is NULL with neither.  @init, @init_value are the
 * weight's, @bias_value the bias's; @trainable covers both.  Random values are
 * zero until initialize(). */
void defcn_params_conv (DefcnParams *params, DefcnTensor **w, DefcnTensor **b,
    const char *name, gboolean norm, gboolean bias, gboolean trainable,
    DefcnInit init, float init_value, float bias_value, int out, int size,
    int in_per_group);
/* For net.c: the effective tensor of a vector parameter. */
DefcnTensor *defcn_params_vector (DefcnParams *params, const char *name,
    DefcnParamKind kind, float init_value, int c);

/* Fills every parameter by its init rule from @seed; buffers become the
 * identity.  Same seed, same values, whatever the order of creation. */
void defcn_params_initialize (DefcnParams *params, guint64 seed);

/* Folds the masters and uploads the effective tensors.  Nothing is done after
 * an update on the device until download(): they are up to date. */
void defcn_params_upload (DefcnParams *params);
/* Brings the host's values up to date; nothing to do but after an update on the
 * device. */
void defcn_params_download (DefcnParams *params);
/* Adds the gradients of the effective tensors to the masters' and zeroes
 * the former.  With the masters on the device: overwrites the host's gradients
 * and zeroes nothing. */
void defcn_params_download_gradients (DefcnParams *params);
/* Zeroes the masters' gradients, on the device where they are; the host's
 * copies of those stay until they are downloaded again. */
void defcn_params_zero_gradients (DefcnParams *params);

/* Returns: what new() was given. */
DefcnBackend *defcn_params_backend (const DefcnParams *params);
/* Whether the masters are in backend memory. */
gboolean defcn_params_on_device (const DefcnParams *params);
/* Fills in what the params know of @p, which must be trained and on the device,
 * and zeroes the rest. */
void defcn_params_master (DefcnParams *params, const DefcnParam *p,
    DefcnMaster *master);
/* One update by an updater of the backend; returns its norm. */
double defcn_params_update (DefcnParams *params, gpointer updater,
    const DefcnUpdateRule *rule);

G_END_DECLS

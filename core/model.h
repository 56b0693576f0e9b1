/* A model: a spec, its parameters, and a plan for every input size in use.
 *
 * A model file is safetensors (weights.h) with tensors under the official
 * state_dict names and the metadata
 *   "defcn.spec"       JSON of DefcnSpec, field names as in spec.h
 *   "defcn.training"   JSON, provenance: data, recipe, iterations (free form)
 *   "format"           "pt"
 *
 * Thread rule: one thread at a time per model.
 */
#pragma once

#include "architecture.h"
#include "weights.h"

G_BEGIN_DECLS

typedef struct _DefcnModel DefcnModel;

/* A model with parameters initialised from @seed.  @spec is copied, @be is
 * borrowed and outlives the model.  @train: plans can go backward. */
DefcnModel *defcn_model_new (const DefcnSpec *spec, DefcnBackend *be,
    gboolean train, guint64 seed, GError **error);
/* A model from an opened file: spec from its metadata, then
 * defcn_model_load(). */
DefcnModel *defcn_model_open (const DefcnWeights *weights, DefcnBackend *be,
    gboolean train, GError **error);
/* The same model for another thread: the parameters of @model, which must not
 * change while it runs, and plans of its own, on a backend that shares @model's
 * memory (backend.h).  Both are borrowed and outlive it. */
DefcnModel *defcn_model_share (DefcnModel *model, DefcnBackend *be);
/* From now on @model and @other, which shares it, do not run at the same time,
 * and plans of the same size are in the same memory. */
void defcn_model_alternate (DefcnModel *model, DefcnModel *other);
void defcn_model_free (DefcnModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnModel, defcn_model_free)

/* Copies the file's tensors into the parameters of the same names and uploads
 * them.  Every parameter must be there with its shape (an error names tensor,
 * found and wanted shape); tensors of other names are ignored.  With
 * @partial, a missing parameter keeps its value and *@n_missing counts. */
gboolean defcn_model_load (DefcnModel *model, const DefcnWeights *weights,
    gboolean partial, guint *n_missing, GError **error);
/* Adds the parameters of inference and the spec to @writer; weights as @dtype,
 * vectors always F32. */
void defcn_model_save (const DefcnModel *model, DefcnWeightsWriter *writer,
    DefcnDtype dtype);
/* The same as F32, with the parameters that are for training alone. */
void defcn_model_save_training (const DefcnModel *model,
    DefcnWeightsWriter *writer);

const DefcnSpec *defcn_model_spec (const DefcnModel *model);
DefcnParams *defcn_model_params (const DefcnModel *model);
DefcnBackend *defcn_model_backend (const DefcnModel *model);
/* Memory of its weights, as they are and as steps read them, unless it shares
 * another's, and of activations of its plans; what the backend packs for its
 * steps comes on top. */
gsize defcn_model_bytes (const DefcnModel *model);

/* The plan for @n images of @h x @w, multiples of the rule's divisor, made on
 * first use and kept: as many of the last used as the backend has memory for
 * (DefcnBackend.plan_bytes), fewer where a new one finds none.  Borrowed, valid
 * until the next call.  NULL with @error set.  What the backend measured on the
 * way is kept (DefcnBackend.tune). */
const DefcnPlan *defcn_model_plan (DefcnModel *model, int n, int h, int w,
    GError **error);

G_END_DECLS

/* Weights of other programs: named float tensors, whatever the file.
 *
 * Errors are DEFCN_ERROR_FORMAT and name the file and the tensor.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "weights.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;
  int n_dims;
  gint64 dims[DEFCN_WEIGHTS_MAX_DIMS];
  gsize len;
  float *data; /* dense, last dim fastest, finite */
} DefcnForeignTensor;

typedef struct
{
  char *path;
  const char *format;   /* "torch", "numpy", "safetensors": for people */
  const char *detector; /* of another program, of which only the backbone is
                           ours, for people; or NULL */
  char *place;          /* of the weights in the file, NULL: it is those */
  GPtrArray *tensors;   /* of DefcnForeignTensor, in the file's order */
  GHashTable *by_name;  /* name -> DefcnForeignTensor */
  GPtrArray *momentum;  /* of DefcnForeignTensor without name or NULL: one per
                           trained parameter, in the optimizer's order */
  gint64 iteration;     /* of a training checkpoint, else -1 */
  char *author;         /* "__author__" of detectron2's files, else NULL */
  GHashTable *versions; /* module -> its version in the state's _metadata */
  gsize limit;          /* of all tensors together, elements */
} DefcnForeign;

/* How numbers are stored in a file. */
typedef enum
{
  DEFCN_ELEMENT_F64,
  DEFCN_ELEMENT_F32,
  DEFCN_ELEMENT_F16,
  DEFCN_ELEMENT_BF16,
  DEFCN_ELEMENT_I64,
  DEFCN_ELEMENT_I32,
  DEFCN_ELEMENT_I16,
  DEFCN_ELEMENT_I8,
  DEFCN_ELEMENT_U8, /* booleans too */
} DefcnElement;

/* A view of numbers somewhere in a file. */
typedef struct
{
  const guint8 *data;
  gsize bytes; /* of @data */
  DefcnElement element;
  gboolean big_endian;
  int n_dims;
  gint64 dims[DEFCN_WEIGHTS_MAX_DIMS];
  gint64 strides[DEFCN_WEIGHTS_MAX_DIMS]; /* elements */
  gint64 offset;                          /* elements */
} DefcnForeignArray;

void defcn_foreign_free (DefcnForeign *foreign);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnForeign, defcn_foreign_free)

/* Returns: (nullable) */
DefcnForeignTensor *defcn_foreign_lookup (const DefcnForeign *foreign,
    const char *name);

/* For the readers of formats. */

/* Nothing in it yet; tensors may have @limit elements together. */
DefcnForeign *defcn_foreign_new (const char *path, const char *format,
    gsize limit);
gsize defcn_foreign_element_size (DefcnElement element);
/* Fills @strides for dense data. */
void defcn_foreign_array_dense (DefcnForeignArray *array, gboolean fortran);
/* Checks that @array lies within its bytes and copies it as floats.
 * Returns: (transfer full): NULL with @error that calls it @name: outside, too
 * large, a value that is not finite. */
DefcnForeignTensor *defcn_foreign_copy (DefcnForeign *foreign, const char *name,
    const DefcnForeignArray *array, GError **error);
/* The same, into the set.  A name that is there already is an error. */
gboolean defcn_foreign_add (DefcnForeign *foreign, const char *name,
    const DefcnForeignArray *array, GError **error);
void defcn_foreign_tensor_free (DefcnForeignTensor *tensor);

G_END_DECLS

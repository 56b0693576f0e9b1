/* The model file: safetensors, tensors by name plus JSON metadata.
 *
 * Format: 8 bytes little-endian header length N; N bytes of JSON, an object
 * that maps each tensor's name to {"dtype", "shape", "data_offsets": [begin,
 * end]} and "__metadata__" to an object of strings; then the data, dense and
 * little-endian.  dtypes read: F64, F32, F16, BF16; others of safetensors may
 * be in the file: I64, I32, I16, I8, U64, U32, U16, U8, BOOL, F8_E4M3, F8_E5M2.
 * A model's own keys in the metadata are specified at the top of model.h.
 *
 * The loader trusts nothing: header length, JSON, every offset, shape, product
 * of dims, gap and overlap, duplicate names.  Errors are DEFCN_ERROR_FORMAT
 * and name the file and the tensor.
 *
 * Thread rule: an opened file may be read from several threads at once.
 */
#pragma once

#include "error.h"

G_BEGIN_DECLS

#define DEFCN_WEIGHTS_MAX_DIMS 8

typedef enum
{
  DEFCN_DTYPE_F32,
  DEFCN_DTYPE_F16,
  DEFCN_DTYPE_BF16,
  DEFCN_DTYPE_F64,
  DEFCN_DTYPE_I64,
  DEFCN_DTYPE_I32,
  DEFCN_DTYPE_I16,
  DEFCN_DTYPE_I8,
  DEFCN_DTYPE_U64,
  DEFCN_DTYPE_U32,
  DEFCN_DTYPE_U16,
  DEFCN_DTYPE_U8,
  DEFCN_DTYPE_BOOL,
  DEFCN_DTYPE_F8_E4M3,
  DEFCN_DTYPE_F8_E5M2,
} DefcnDtype;

typedef struct
{
  const char *name;
  DefcnDtype dtype;
  int n_dims;
  gint64 dims[DEFCN_WEIGHTS_MAX_DIMS]; /* as in the file: OIHW for a conv */
  gsize len;                           /* elements */
  gconstpointer data;                  /* of the file, unaligned */
} DefcnWeightsTensor;

typedef struct _DefcnWeights DefcnWeights;

/* Whether @data begins as such a file does: with the length of a header that is
 * there, and the header. */
gboolean defcn_weights_is (const guint8 *data, gsize size);
/* Reads the regular file @path and checks all of its header.  NULL with @error
 * set. */
DefcnWeights *defcn_weights_open (const char *path, GError **error);
/* The same for @bytes in memory; @name stands for the path in messages. */
DefcnWeights *defcn_weights_open_bytes (GBytes *bytes, const char *name,
    GError **error);
void defcn_weights_free (DefcnWeights *weights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnWeights, defcn_weights_free)

const char *defcn_weights_path (const DefcnWeights *weights);
/* Returns: (nullable): the metadata string under @key. */
const char *defcn_weights_metadata (const DefcnWeights *weights,
    const char *key);
guint defcn_weights_count (const DefcnWeights *weights);
const DefcnWeightsTensor *defcn_weights_get (const DefcnWeights *weights,
    guint i);
/* Returns: (nullable) */
const DefcnWeightsTensor *defcn_weights_lookup (const DefcnWeights *weights,
    const char *name);
/* Lower-case hex SHA-256 of the whole file; (transfer full). */
char *defcn_weights_hash (const DefcnWeights *weights);

/* Converts @t (F64, F32, F16, BF16) to float in the file's order.  @dst holds
 * @t->len floats.  FALSE with an error that names file and tensor if a value
 * is NaN or infinite, or the dtype is another one. */
gboolean defcn_weights_read (const DefcnWeights *weights,
    const DefcnWeightsTensor *t, float *dst, GError **error);

/* Writes the file anew, where it was opened from, with @value under @key of its
 * metadata.  All else is kept: the other metadata, the tensors' order, dtypes
 * and bytes.  Atomic: a temporary file beside it, fsync, rename; a link is
 * followed.  @weights stays what it was. */
gboolean defcn_weights_set_metadata (const DefcnWeights *weights,
    const char *key, const char *value, GError **error);

/* Collects tensors and writes them to a file. */
typedef struct _DefcnWeightsWriter DefcnWeightsWriter;

DefcnWeightsWriter *defcn_weights_writer_new (void);
void defcn_weights_writer_free (DefcnWeightsWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnWeightsWriter, defcn_weights_writer_free)

void defcn_weights_writer_metadata (DefcnWeightsWriter *writer, const char *key,
    const char *value);
/* @data: float32 in the file's order (OIHW for a conv), copied; stored as
 * @dtype, F32 or F16 (round to nearest even; what overflows F16 is an error
 * of save()). */
void defcn_weights_writer_add (DefcnWeightsWriter *writer, const char *name,
    DefcnDtype dtype, int n_dims, const gint64 *dims, const float *data);
/* Bytes of the file that save() writes. */
guint64 defcn_weights_writer_size (DefcnWeightsWriter *writer);
/* Atomic: a temporary file beside @path, fsync, rename; never in the place of a
 * folder, device or FIFO.  Tensors are sorted by name, so the same content
 * gives the same bytes. */
gboolean defcn_weights_writer_save (DefcnWeightsWriter *writer,
    const char *path, GError **error);

G_END_DECLS

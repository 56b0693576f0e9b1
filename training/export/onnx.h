/* An ONNX file that is put together: nodes, constants, inputs, outputs, text.
 *
 *   DefcnOnnx *onnx = defcn_onnx_new ();
 *   const char *x = defcn_onnx_input (onnx, "images", DEFCN_ONNX_FLOAT, ..);
 *   x = defcn_onnx_add (onnx, "Sigmoid", x, NULL);
 *   defcn_onnx_output (onnx, x, DEFCN_ONNX_FLOAT, ..);
 *   if (!defcn_onnx_save (onnx, "scores.onnx", &error)) ..
 *
 * Opset 17 is the oldest that has all that is used here and in engines of today
 * the newest that all take: onnxruntime from 1.12, OpenVINO from 2022.3,
 * TensorRT from 8.6.
 *
 * Names of values are borrowed from the file until it is freed.
 *
 * Thread rule: one thread at a time per file.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_ONNX_OPSET 17
/* What protobuf takes in one piece; beyond it weights would have to lie in
 * files of their own. */
#define DEFCN_ONNX_MAX_BYTES G_MAXINT32

/* TensorProto.DataType */
typedef enum
{
  DEFCN_ONNX_FLOAT = 1,
  DEFCN_ONNX_UINT8 = 2,
  DEFCN_ONNX_INT32 = 6,
  DEFCN_ONNX_INT64 = 7,
} DefcnOnnxType;

/* A dimension: its size, or its name where it is any. */
typedef struct
{
  gint64 size;
  const char *name; /* NULL: @size */
} DefcnOnnxDim;

typedef struct _DefcnOnnx DefcnOnnx;

DefcnOnnx *defcn_onnx_new (void);
void defcn_onnx_free (DefcnOnnx *onnx);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnOnnx, defcn_onnx_free)

/* Names of the nodes that follow begin with @name. */
void defcn_onnx_scope (DefcnOnnx *onnx, const char *name);

/* Appends a node and returns its output; the inputs' names end with NULL, ""
 * is one that is left out. */
const char *defcn_onnx_add (DefcnOnnx *onnx, const char *op,
    ...) G_GNUC_NULL_TERMINATED;
const char *defcn_onnx_add_all (DefcnOnnx *onnx, const char *op,
    const char *const *inputs, int n);
/* Another output of the last node. */
const char *defcn_onnx_also (DefcnOnnx *onnx);
/* Names the first output of the last node, which nothing has read yet.
 * Returns: @name, kept. */
const char *defcn_onnx_call (DefcnOnnx *onnx, const char *name);
/* Attributes of the last node. */
void defcn_onnx_int (DefcnOnnx *onnx, const char *name, gint64 value);
void defcn_onnx_ints (DefcnOnnx *onnx, const char *name, const gint64 *values,
    int n);
void defcn_onnx_float (DefcnOnnx *onnx, const char *name, float value);
void defcn_onnx_string (DefcnOnnx *onnx, const char *name, const char *value);

/* A constant: a vector of @n, or a scalar; one of a kind is there once. */
const char *defcn_onnx_int64s (DefcnOnnx *onnx, const gint64 *values, int n);
const char *defcn_onnx_int64 (DefcnOnnx *onnx, gint64 value);
const char *defcn_onnx_floats (DefcnOnnx *onnx, const float *values, int n);
const char *defcn_onnx_number (DefcnOnnx *onnx, float value);

/* A tensor of floats that @fill is asked for when the file is written, so that
 * no two are in memory at once; @tensor and @from are borrowed until then.  One
 * that is there by that name stays.  Returns: @name, kept. */
typedef void (
    *DefcnOnnxFill) (float *values, gconstpointer tensor, gpointer from);
const char *defcn_onnx_tensor (DefcnOnnx *onnx, const char *name,
    const gint64 *dims, int n_dims, DefcnOnnxFill fill, gconstpointer tensor,
    gpointer from);

/* Returns: @name, kept. */
const char *defcn_onnx_input (DefcnOnnx *onnx, const char *name,
    DefcnOnnxType type, const DefcnOnnxDim *dims, int n_dims);
/* The value @name is given out. */
void defcn_onnx_output (DefcnOnnx *onnx, const char *name, DefcnOnnxType type,
    const DefcnOnnxDim *dims, int n_dims);
/* An entry of metadata_props. */
void defcn_onnx_metadata (DefcnOnnx *onnx, const char *key, const char *value);

/* Bytes of the file. */
guint64 defcn_onnx_size (DefcnOnnx *onnx);
/* Written as output.h has it; the same content gives the same bytes.  FALSE
 * with @error naming @path, also where it would take more than
 * DEFCN_ONNX_MAX_BYTES: then nothing is written. */
gboolean defcn_onnx_save (DefcnOnnx *onnx, const char *path, GError **error);

G_END_DECLS

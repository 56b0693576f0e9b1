/* An ONNX file that is put together.  Numbers of fields are those of onnx.proto
 * (github.com/onnx/onnx, Apache-2.0), under the names of its messages. */
#include "onnx.h"

#include <string.h>

#include "data/output.h"
#include "error.h"
#include "protobuf.h"

#define IR_VERSION 8 /* that of opset 17 */

enum
{
  MODEL_IR_VERSION = 1,
  MODEL_PRODUCER_NAME = 2,
  MODEL_PRODUCER_VERSION = 3,
  MODEL_GRAPH = 7,
  MODEL_OPSET_IMPORT = 8,
  MODEL_METADATA_PROPS = 14,
  OPSET_VERSION = 2,
  ENTRY_KEY = 1,
  ENTRY_VALUE = 2,
  GRAPH_NODE = 1,
  GRAPH_NAME = 2,
  GRAPH_INITIALIZER = 5,
  GRAPH_INPUT = 11,
  GRAPH_OUTPUT = 12,
  NODE_INPUT = 1,
  NODE_OUTPUT = 2,
  NODE_NAME = 3,
  NODE_OP_TYPE = 4,
  NODE_ATTRIBUTE = 5,
  ATTRIBUTE_NAME = 1,
  ATTRIBUTE_F = 2,
  ATTRIBUTE_I = 3,
  ATTRIBUTE_S = 4,
  ATTRIBUTE_INTS = 8,
  ATTRIBUTE_TYPE = 20,
  TENSOR_DIMS = 1,
  TENSOR_DATA_TYPE = 2,
  TENSOR_NAME = 8,
  TENSOR_RAW_DATA = 9,
  VALUE_NAME = 1,
  VALUE_TYPE = 2,
  TYPE_TENSOR = 1,
  TENSOR_TYPE_ELEM = 1,
  TENSOR_TYPE_SHAPE = 2,
  SHAPE_DIM = 1,
  DIM_VALUE = 1,
  DIM_PARAM = 2,
};

/* AttributeProto.AttributeType */
enum
{
  TYPE_FLOAT = 1,
  TYPE_INT = 2,
  TYPE_STRING = 3,
  TYPE_INTS = 7,
};

/* A tensor that is written when the file is. */
typedef struct
{
  GByteArray *head; /* of the initializer, up to its numbers */
  gsize len;        /* numbers */
  DefcnOnnxFill fill;
  gconstpointer tensor;
  gpointer from;
} Tensor;

struct _DefcnOnnx
{
  GStringChunk *names;
  const char *scope;
  guint n_nodes;
  GByteArray *node;      /* the last, not yet in @graph; NULL: none */
  const char *node_name; /* and what its outputs' names begin with */
  GPtrArray *outputs;    /* and these */
  GByteArray *graph;     /* without @tensors */
  GByteArray *model;     /* what comes before the graph */
  GHashTable *constants; /* GBytes of the initializer -> name */
  GHashTable *tensors_by_name;
  GArray *tensors; /* of Tensor */
};

static void
tensor_clear (gpointer tensor)
{
  g_byte_array_unref (((Tensor *) tensor)->head);
}

DefcnOnnx *
defcn_onnx_new (void)
{
  DefcnOnnx *onnx = g_new0 (DefcnOnnx, 1);
  g_autoptr (GByteArray) opset = g_byte_array_new ();

  onnx->names = g_string_chunk_new (4096);
  onnx->scope = "";
  onnx->outputs = g_ptr_array_new ();
  onnx->graph = g_byte_array_new ();
  onnx->model = g_byte_array_new ();
  onnx->constants = g_hash_table_new_full (g_bytes_hash, g_bytes_equal,
      (GDestroyNotify) g_bytes_unref, NULL);
  onnx->tensors_by_name = g_hash_table_new (g_str_hash, g_str_equal);
  onnx->tensors = g_array_new (FALSE, FALSE, sizeof (Tensor));
  g_array_set_clear_func (onnx->tensors, tensor_clear);
  defcn_protobuf_int (onnx->model, MODEL_IR_VERSION, IR_VERSION);
  defcn_protobuf_string (onnx->model, MODEL_PRODUCER_NAME, "defcn");
  defcn_protobuf_string (onnx->model, MODEL_PRODUCER_VERSION, DEFCN_VERSION);
  defcn_protobuf_int (opset, OPSET_VERSION, DEFCN_ONNX_OPSET);
  defcn_protobuf_message (onnx->model, MODEL_OPSET_IMPORT, opset);
  defcn_protobuf_string (onnx->graph, GRAPH_NAME, "defcn");
  return onnx;
}

void
defcn_onnx_free (DefcnOnnx *onnx)
{
  if (!onnx)
    return;
  if (onnx->node)
    g_byte_array_unref (onnx->node);
  g_array_unref (onnx->tensors);
  g_hash_table_unref (onnx->tensors_by_name);
  g_hash_table_unref (onnx->constants);
  g_byte_array_unref (onnx->model);
  g_byte_array_unref (onnx->graph);
  g_ptr_array_unref (onnx->outputs);
  g_string_chunk_free (onnx->names);
  g_free (onnx);
}

void
defcn_onnx_scope (DefcnOnnx *onnx, const char *name)
{
  onnx->scope = g_string_chunk_insert_const (onnx->names, name);
}

static const char *
keep (DefcnOnnx *onnx, const char *name)
{
  return g_string_chunk_insert_const (onnx->names, name);
}

/* The last node is whole. */
static void
finish_node (DefcnOnnx *onnx)
{
  if (!onnx->node)
    return;
  for (guint i = 0; i < onnx->outputs->len; i++)
    defcn_protobuf_string (onnx->node, NODE_OUTPUT, onnx->outputs->pdata[i]);
  g_ptr_array_set_size (onnx->outputs, 0);
  defcn_protobuf_message (onnx->graph, GRAPH_NODE, onnx->node);
  g_clear_pointer (&onnx->node, g_byte_array_unref);
}

/* The node is named for its place, its first output as the node. */
static void
begin_node (DefcnOnnx *onnx, const char *op, const char *const *inputs, int n)
{
  g_autofree char *name =
      g_strdup_printf ("%s/%s_%u", onnx->scope, op, onnx->n_nodes++);

  finish_node (onnx);
  onnx->node = g_byte_array_new ();
  onnx->node_name = keep (onnx, name);
  for (int i = 0; i < n; i++)
    defcn_protobuf_string (onnx->node, NODE_INPUT, inputs[i]);
  defcn_protobuf_string (onnx->node, NODE_NAME, name);
  defcn_protobuf_string (onnx->node, NODE_OP_TYPE, op);
}

/* An output of the last node, @name is kept. */
static const char *
add_output (DefcnOnnx *onnx, const char *name)
{
  g_ptr_array_add (onnx->outputs, (gpointer) name);
  return name;
}

const char *
defcn_onnx_also (DefcnOnnx *onnx)
{
  g_autofree char *name =
      g_strdup_printf ("%s.%u", onnx->node_name, onnx->outputs->len);

  return add_output (onnx, keep (onnx, name));
}

const char *
defcn_onnx_call (DefcnOnnx *onnx, const char *name)
{
  onnx->outputs->pdata[0] = (gpointer) keep (onnx, name);
  return onnx->outputs->pdata[0];
}

const char *
defcn_onnx_add_all (DefcnOnnx *onnx, const char *op, const char *const *inputs,
    int n)
{
  begin_node (onnx, op, inputs, n);
  return add_output (onnx, onnx->node_name);
}

const char *
defcn_onnx_add (DefcnOnnx *onnx, const char *op, ...)
{
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();
  const char *input;
  va_list list;

  va_start (list, op);
  while ((input = va_arg (list, const char *)))
    g_ptr_array_add (inputs, (gpointer) input);
  va_end (list);
  return defcn_onnx_add_all (onnx, op, (const char *const *) inputs->pdata,
      inputs->len);
}

static GByteArray *
attribute_new (const char *name, int type)
{
  GByteArray *attribute = g_byte_array_new ();

  defcn_protobuf_string (attribute, ATTRIBUTE_NAME, name);
  defcn_protobuf_int (attribute, ATTRIBUTE_TYPE, type);
  return attribute;
}

/* Takes @attribute. */
static void
add_attribute (DefcnOnnx *onnx, GByteArray *attribute)
{
  defcn_protobuf_message (onnx->node, NODE_ATTRIBUTE, attribute);
  g_byte_array_unref (attribute);
}

void
defcn_onnx_int (DefcnOnnx *onnx, const char *name, gint64 value)
{
  GByteArray *attribute = attribute_new (name, TYPE_INT);

  defcn_protobuf_int (attribute, ATTRIBUTE_I, value);
  add_attribute (onnx, attribute);
}

void
defcn_onnx_ints (DefcnOnnx *onnx, const char *name, const gint64 *values, int n)
{
  GByteArray *attribute = attribute_new (name, TYPE_INTS);

  for (int i = 0; i < n; i++)
    defcn_protobuf_int (attribute, ATTRIBUTE_INTS, values[i]);
  add_attribute (onnx, attribute);
}

void
defcn_onnx_float (DefcnOnnx *onnx, const char *name, float value)
{
  GByteArray *attribute = attribute_new (name, TYPE_FLOAT);

  defcn_protobuf_float (attribute, ATTRIBUTE_F, value);
  add_attribute (onnx, attribute);
}

void
defcn_onnx_string (DefcnOnnx *onnx, const char *name, const char *value)
{
  GByteArray *attribute = attribute_new (name, TYPE_STRING);

  defcn_protobuf_string (attribute, ATTRIBUTE_S, value);
  add_attribute (onnx, attribute);
}

/* A TensorProto without its numbers and its name. */
static GByteArray *
tensor_new (DefcnOnnxType type, const gint64 *dims, int n_dims)
{
  GByteArray *tensor = g_byte_array_new ();

  for (int i = 0; i < n_dims; i++)
    defcn_protobuf_int (tensor, TENSOR_DIMS, dims[i]);
  defcn_protobuf_int (tensor, TENSOR_DATA_TYPE, type);
  return tensor;
}

/* @data: little-endian. */
static const char *
add_constant (DefcnOnnx *onnx, DefcnOnnxType type, int n_dims, int n,
    gconstpointer data, gsize len)
{
  const gint64 dims[] = { n };
  g_autoptr (GByteArray) tensor = tensor_new (type, dims, n_dims);
  g_autoptr (GBytes) content = NULL;
  const char *name;

  defcn_protobuf_bytes (tensor, TENSOR_RAW_DATA, data, len);
  content = g_bytes_new (tensor->data, tensor->len);
  name = g_hash_table_lookup (onnx->constants, content);
  if (name)
    return name;

  g_autofree char *new_name =
      g_strdup_printf ("constant.%u", g_hash_table_size (onnx->constants));
  name = keep (onnx, new_name);
  defcn_protobuf_string (tensor, TENSOR_NAME, name);
  defcn_protobuf_message (onnx->graph, GRAPH_INITIALIZER, tensor);
  g_hash_table_insert (onnx->constants, g_steal_pointer (&content),
      (gpointer) name);
  return name;
}

static const char *
add_int64s (DefcnOnnx *onnx, const gint64 *values, int n, int n_dims)
{
  g_autofree gint64 *words = g_new (gint64, n);

  for (int i = 0; i < n; i++)
    words[i] = GINT64_TO_LE (values[i]);
  return add_constant (onnx, DEFCN_ONNX_INT64, n_dims, n, words,
      n * sizeof *words);
}

const char *
defcn_onnx_int64s (DefcnOnnx *onnx, const gint64 *values, int n)
{
  return add_int64s (onnx, values, n, 1);
}

const char *
defcn_onnx_int64 (DefcnOnnx *onnx, gint64 value)
{
  return add_int64s (onnx, &value, 1, 0);
}

/* Floats as they are in the file, in place. */
static void
to_little_endian (float *values, gsize n)
{
  for (gsize i = 0; G_BYTE_ORDER == G_BIG_ENDIAN && i < n; i++) {
    guint32 word;

    memcpy (&word, &values[i], sizeof word);
    word = GUINT32_TO_LE (word);
    memcpy (&values[i], &word, sizeof word);
  }
}

static const char *
add_floats (DefcnOnnx *onnx, const float *values, int n, int n_dims)
{
  g_autofree float *words = g_memdup2 (values, n * sizeof *values);

  to_little_endian (words, n);
  return add_constant (onnx, DEFCN_ONNX_FLOAT, n_dims, n, words,
      n * sizeof *words);
}

const char *
defcn_onnx_floats (DefcnOnnx *onnx, const float *values, int n)
{
  return add_floats (onnx, values, n, 1);
}

const char *
defcn_onnx_number (DefcnOnnx *onnx, float value)
{
  return add_floats (onnx, &value, 1, 0);
}

const char *
defcn_onnx_tensor (DefcnOnnx *onnx, const char *name, const gint64 *dims,
    int n_dims, DefcnOnnxFill fill, gconstpointer tensor, gpointer from)
{
  Tensor t = { .len = 1, .fill = fill, .tensor = tensor, .from = from };

  name = keep (onnx, name);
  if (!g_hash_table_add (onnx->tensors_by_name, (gpointer) name))
    return name;
  for (int i = 0; i < n_dims; i++)
    t.len *= dims[i];
  t.head = tensor_new (DEFCN_ONNX_FLOAT, dims, n_dims);
  defcn_protobuf_string (t.head, TENSOR_NAME, name);
  defcn_protobuf_header (t.head, TENSOR_RAW_DATA, t.len * sizeof (float));
  g_array_append_val (onnx->tensors, t);
  return name;
}

/* A ValueInfoProto into the graph. */
static void
add_value (DefcnOnnx *onnx, int field, const char *name, DefcnOnnxType type,
    const DefcnOnnxDim *dims, int n_dims)
{
  g_autoptr (GByteArray) shape = g_byte_array_new ();
  g_autoptr (GByteArray) tensor = g_byte_array_new ();
  g_autoptr (GByteArray) of_type = g_byte_array_new ();
  g_autoptr (GByteArray) value = g_byte_array_new ();

  for (int i = 0; i < n_dims; i++) {
    g_autoptr (GByteArray) dim = g_byte_array_new ();

    if (dims[i].name)
      defcn_protobuf_string (dim, DIM_PARAM, dims[i].name);
    else
      defcn_protobuf_int (dim, DIM_VALUE, dims[i].size);
    defcn_protobuf_message (shape, SHAPE_DIM, dim);
  }
  defcn_protobuf_int (tensor, TENSOR_TYPE_ELEM, type);
  defcn_protobuf_message (tensor, TENSOR_TYPE_SHAPE, shape);
  defcn_protobuf_message (of_type, TYPE_TENSOR, tensor);
  defcn_protobuf_string (value, VALUE_NAME, name);
  defcn_protobuf_message (value, VALUE_TYPE, of_type);
  defcn_protobuf_message (onnx->graph, field, value);
}

const char *
defcn_onnx_input (DefcnOnnx *onnx, const char *name, DefcnOnnxType type,
    const DefcnOnnxDim *dims, int n_dims)
{
  add_value (onnx, GRAPH_INPUT, name, type, dims, n_dims);
  return keep (onnx, name);
}

void
defcn_onnx_output (DefcnOnnx *onnx, const char *name, DefcnOnnxType type,
    const DefcnOnnxDim *dims, int n_dims)
{
  add_value (onnx, GRAPH_OUTPUT, name, type, dims, n_dims);
}

void
defcn_onnx_metadata (DefcnOnnx *onnx, const char *key, const char *value)
{
  g_autoptr (GByteArray) entry = g_byte_array_new ();

  defcn_protobuf_string (entry, ENTRY_KEY, key);
  defcn_protobuf_string (entry, ENTRY_VALUE, value);
  defcn_protobuf_message (onnx->model, MODEL_METADATA_PROPS, entry);
}

/* What stands before the numbers of @tensor: it is a message in the graph. */
static GByteArray *
tensor_header (const Tensor *tensor)
{
  GByteArray *header = g_byte_array_new ();

  defcn_protobuf_header (header, GRAPH_INITIALIZER,
      tensor->head->len + (guint64) tensor->len * sizeof (float));
  g_byte_array_append (header, tensor->head->data, tensor->head->len);
  return header;
}

static guint64
graph_size (DefcnOnnx *onnx)
{
  guint64 size;

  finish_node (onnx);
  size = onnx->graph->len;
  for (guint i = 0; i < onnx->tensors->len; i++) {
    const Tensor *tensor = &g_array_index (onnx->tensors, Tensor, i);
    g_autoptr (GByteArray) header = tensor_header (tensor);

    size += header->len + (guint64) tensor->len * sizeof (float);
  }
  return size;
}

/* All that comes before the graph's own bytes. */
static GByteArray *
model_header (DefcnOnnx *onnx)
{
  GByteArray *header = g_byte_array_new ();

  g_byte_array_append (header, onnx->model->data, onnx->model->len);
  defcn_protobuf_header (header, MODEL_GRAPH, graph_size (onnx));
  return header;
}

guint64
defcn_onnx_size (DefcnOnnx *onnx)
{
  g_autoptr (GByteArray) header = model_header (onnx);

  return header->len + graph_size (onnx);
}

static void
write_bytes (FILE *file, const GByteArray *bytes)
{
  fwrite (bytes->data, 1, bytes->len, file);
}

static void
write_tensor (FILE *file, const Tensor *tensor)
{
  g_autoptr (GByteArray) header = tensor_header (tensor);
  g_autofree float *values = g_new (float, tensor->len);

  tensor->fill (values, tensor->tensor, tensor->from);
  to_little_endian (values, tensor->len);
  write_bytes (file, header);
  fwrite (values, sizeof *values, tensor->len, file);
}

gboolean
defcn_onnx_save (DefcnOnnx *onnx, const char *path, GError **error)
{
  g_autoptr (GByteArray) header = model_header (onnx);
  g_autoptr (DefcnOutput) output = NULL;
  const guint64 size = defcn_onnx_size (onnx);

  if (size > DEFCN_ONNX_MAX_BYTES) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: it would have %" G_GUINT64_FORMAT " bytes, an ONNX file has at "
        "most %d",
        path, size, DEFCN_ONNX_MAX_BYTES);
    return FALSE;
  }
  output = defcn_output_open (path, error);
  if (!output)
    return FALSE;

  FILE *file = defcn_output_file (output);
  write_bytes (file, header);
  write_bytes (file, onnx->graph);
  for (guint i = 0; i < onnx->tensors->len && !ferror (file); i++)
    write_tensor (file, &g_array_index (onnx->tensors, Tensor, i));
  return defcn_output_close (output, error);
}

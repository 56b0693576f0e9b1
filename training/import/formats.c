/* Which reader opens which file of weights. */
#include "formats.h"

#include "data/file.h"
#include "error.h"
#include "numpy.h"
#include "torch.h"

#include <string.h>

/* Files that people take for weights, or that are weights of another kind. */
static const struct
{
  gsize offset, len;
  const char *bytes, *what;
} others[] = {
  { 0, 15, "version https:/",
      "a pointer of git-lfs, not the file itself (git lfs pull brings that)" },
  { 257, 5, "ustar",
      "a tar archive: unpack it; one of PyTorch before 0.1.10 has to be loaded "
      "and saved by a newer one" },
  { 0, 2, "\x1f\x8b", "compressed by gzip: unpack it" },
  { 0, 3, "BZh", "compressed by bzip2: unpack it" },
  { 0, 5,
      "\xfd"
      "7zXZ",
      "compressed by xz: unpack it" },
  { 0, 4, "\x28\xb5\x2f\xfd", "compressed by zstd: unpack it" },
  { 0, 4, "7z\xbc\xaf", "a 7z archive: unpack it" },
  { 0, 4, "Rar!", "a rar archive: unpack it" },
  { 0, 4, "\x89HDF", "HDF5, of Keras perhaps, which is not read" },
  { 0, 6, "\x93NUMPY", "one array of NumPy: a folder of them is read" },
  { 0, 4, "GGUF", "GGUF, which is not read" },
  { 4, 4, "TFL3", "a model of TensorFlow Lite, which is not read" },
  { 0, 4, "ftrt", "an engine of TensorRT, which is not read" },
  { 0, 4, "%PDF", "a PDF" },
  { 0, 4, "\x89PNG", "a picture" },
  { 0, 3, "\xff\xd8\xff", "a picture" },
};

/* What @data is, for people; NULL: it may be weights. */
static const char *
describe (const guint8 *data, gsize size)
{
  gsize start = size >= 3 && memcmp (data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

  if (size == 0)
    return "empty";
  if (defcn_weights_is (data, size)) /* whose length may look like text */
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    if (size >= others[i].offset + others[i].len
        && memcmp (data + others[i].offset, others[i].bytes, others[i].len)
            == 0)
      return others[i].what;
  while (start < size && g_ascii_isspace (data[start]))
    start++;
  if (start < size && data[start] == '<')
    return "a page of a web server, which the download has brought in place of "
           "the file";
  if (start < size && (data[start] == '{' || data[start] == '['))
    return "JSON: the answer of a server, or an index that names the files of "
           "weights";
  /* ONNX: field 1, a small version; field 2, the producer's name, or 7, the
   * graph. */
  if (size >= 4 && data[0] == 0x08 && data[1] < 0x20
      && (data[2] == 0x12 || data[2] == 0x3a))
    return "a model of ONNX, which is not read: the checkpoint that it was "
           "made of is";
  return NULL;
}

static DefcnForeign *
open_safetensors (GBytes *bytes, const char *name, GError **error)
{
  /* One more than the element; 0: no weights. */
  static const int elements[] = {
    [DEFCN_DTYPE_F32] = 1 + DEFCN_ELEMENT_F32,
    [DEFCN_DTYPE_F16] = 1 + DEFCN_ELEMENT_F16,
    [DEFCN_DTYPE_BF16] = 1 + DEFCN_ELEMENT_BF16,
    [DEFCN_DTYPE_F64] = 1 + DEFCN_ELEMENT_F64,
    [DEFCN_DTYPE_I64] = 1 + DEFCN_ELEMENT_I64,
    [DEFCN_DTYPE_I32] = 1 + DEFCN_ELEMENT_I32,
    [DEFCN_DTYPE_I16] = 1 + DEFCN_ELEMENT_I16,
    [DEFCN_DTYPE_I8] = 1 + DEFCN_ELEMENT_I8,
    [DEFCN_DTYPE_U8] = 1 + DEFCN_ELEMENT_U8,
    [DEFCN_DTYPE_BOOL] = 1 + DEFCN_ELEMENT_U8,
    [DEFCN_DTYPE_F8_E5M2] = 0,
  };
  g_autoptr (DefcnWeights) weights =
      defcn_weights_open_bytes (bytes, name, error);

  if (!weights)
    return NULL;
  g_autoptr (DefcnForeign) foreign =
      defcn_foreign_new (name, "safetensors", g_bytes_get_size (bytes));
  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    DefcnForeignArray array = { .data = t->data, .n_dims = t->n_dims };

    if (elements[t->dtype] == 0)
      continue;
    array.element = (DefcnElement) (elements[t->dtype] - 1);
    array.bytes = t->len * defcn_foreign_element_size (array.element);
    memcpy (array.dims, t->dims, sizeof array.dims);
    defcn_foreign_array_dense (&array, FALSE);
    if (!defcn_foreign_add (foreign, t->name, &array, error))
      return NULL;
  }
  return g_steal_pointer (&foreign);
}

DefcnForeign *
defcn_formats_open_bytes (GBytes *bytes, gboolean ema, const char *name,
    GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (defcn_torch_is (data, size))
    return defcn_torch_open (data, size, ema, name, error);
  if (defcn_numpy_is_pickle (data, size))
    return defcn_numpy_open_pickle (data, size, ema, name, error);
  const char *what = describe (data, size);
  if (!what)
    return open_safetensors (bytes, name, error);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: no weights: it is %s", name, what);
  return NULL;
}

DefcnForeign *
defcn_formats_open (const char *path, gboolean ema, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return defcn_numpy_open_folder (path, error);

  g_autoptr (GMappedFile) map = defcn_file_map (path, error);
  if (!map)
    return NULL;
  g_autoptr (GBytes) bytes = g_mapped_file_get_bytes (map);
  return defcn_formats_open_bytes (bytes, ema, path, error);
}

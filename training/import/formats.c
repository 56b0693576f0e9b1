/* Which reader opens which file of weights. */
#include "formats.h"

#include "data/file.h"
#include "numpy.h"
#include "torch.h"

#include <string.h>

static DefcnForeign *
open_safetensors (GBytes *bytes, const char *name, GError **error)
{
  static const DefcnElement elements[] = {
    [DEFCN_DTYPE_F32] = DEFCN_ELEMENT_F32,
    [DEFCN_DTYPE_F16] = DEFCN_ELEMENT_F16,
    [DEFCN_DTYPE_BF16] = DEFCN_ELEMENT_BF16,
    [DEFCN_DTYPE_I32] = DEFCN_ELEMENT_I32,
    [DEFCN_DTYPE_I64] = DEFCN_ELEMENT_I64,
    [DEFCN_DTYPE_U8] = DEFCN_ELEMENT_U8,
  };
  g_autoptr (DefcnWeights) weights =
      defcn_weights_open_bytes (bytes, name, error);

  if (!weights)
    return NULL;
  g_autoptr (DefcnForeign) foreign =
      defcn_foreign_new (name, "safetensors", g_bytes_get_size (bytes));
  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    DefcnForeignArray array = { .data = t->data,
      .element = elements[t->dtype],
      .n_dims = t->n_dims };

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
  return open_safetensors (bytes, name, error);
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

/* Weights of other programs: PyTorch's zip and stream, pickled arrays, .npy;
 * then the names and the network that they would become. */
#include "import/derive.h"
#include "import/formats.h"
#include "input.h"
#include "import/numpy.h"

static void
convert (DefcnForeign *foreign)
{
  g_autoptr (GPtrArray) ignored = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  DefcnNaming naming;
  gboolean full;

  if (!defcn_naming_apply (&naming, foreign, ignored, &error)) {
    fuzz_check (NULL, error);
    return;
  }
  g_autoptr (DefcnSpec) spec =
      defcn_derive_spec (&full, foreign, naming, NULL, &error);
  fuzz_check (spec, error);
  g_clear_error (&error);
  if (foreign->momentum && !defcn_naming_momentum (foreign, &error))
    fuzz_check (NULL, error);
}

static void
read_npy (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  DefcnForeignArray array = { 0 };

  if (!defcn_numpy_parse (&array, data, size, "input", &error)) {
    fuzz_check (NULL, error);
    return;
  }
  g_autoptr (DefcnForeign) foreign = defcn_foreign_new ("input", "numpy", size);
  const gboolean good = defcn_foreign_add (foreign, "array", &array, &error);
  fuzz_check (good ? foreign : NULL, error);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open_bytes (bytes, FALSE, "input", &error);

  fuzz_check (foreign, error);
  if (foreign)
    convert (foreign);
  read_npy (data, size);
  return 0;
}

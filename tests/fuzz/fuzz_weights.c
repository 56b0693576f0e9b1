/* The model file: header, tensors, and the spec in its metadata. */
#include "input.h"
#include "model.h"

static void
read_tensors (const DefcnWeights *weights)
{
  for (guint i = 0; i < defcn_weights_count (weights); i++) {
    const DefcnWeightsTensor *t = defcn_weights_get (weights, i);
    g_autofree float *values = g_new (float, t->len);
    g_autoptr (GError) error = NULL;

    if (defcn_weights_lookup (weights, t->name) != t)
      g_error ("tensor \"%s\" is not found", t->name);
    const gboolean good = defcn_weights_read (weights, t, values, &error);
    fuzz_check (good ? t : NULL, error);
  }
}

static void
read_spec (const char *json)
{
  g_autoptr (GError) error = NULL, again = NULL;
  g_autoptr (DefcnSpec) spec = defcn_spec_from_json (json, "input", &error);

  fuzz_check (spec, error);
  if (!spec)
    return;

  /* What was accepted is accepted again in its written form. */
  g_autofree char *text = defcn_spec_to_json (spec);
  g_autoptr (DefcnSpec) copy = defcn_spec_from_json (text, "written", &again);
  if (!copy)
    g_error ("%s", again->message);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnWeights) weights =
      defcn_weights_open_bytes (bytes, "input", &error);

  fuzz_check (weights, error);
  if (weights) {
    const char *spec = defcn_weights_metadata (weights, "defcn.spec");

    read_tensors (weights);
    if (spec)
      read_spec (spec);
  }
  return 0;
}

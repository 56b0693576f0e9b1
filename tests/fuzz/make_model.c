/* Writes the smallest model that there is, a seed for fuzz_model.
 *
 * usage: make_model corpus/model/smallest
 */
#include "model.h"

int
main (int argc, char **argv)
{
  static const char *const labels[] = { "person", NULL };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, &error);
  g_autoptr (DefcnModel) model = NULL;

  spec->depth = 18;
  spec->stem_channels = spec->res2_channels = 1;
  spec->fpn_channels = spec->norm_groups = 1;
  spec->tower_depth = 0;
  spec->input.short_edge = 32;
  spec->input.long_edge = 64;
  spec->threshold = 0.001f;
  model = defcn_model_new (spec, be, FALSE, 5, &error);
  if (model)
    defcn_model_save (model, writer, DEFCN_DTYPE_F16);
  if (model && argc == 2 && defcn_weights_writer_save (writer, argv[1], &error))
    return 0;
  g_printerr ("%s\n", error ? error->message : "usage: make_model PATH");
  return 1;
}

/* YOLO's data.yaml, as text of any encoding. */
#include "convert/data_yaml.h"
#include "input.h"

#include <string.h>

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_auto (DefcnDataYaml) yaml = { 0 };
  g_autoptr (GError) error = NULL;
  const gboolean good =
      defcn_data_yaml_read (&yaml, fuzz_input_path (data, size), &error);

  fuzz_check (good ? &yaml : NULL, error);
  for (guint i = 0; good && yaml.names && yaml.names[i]; i++)
    if (!*yaml.names[i])
      g_error ("class %u has no name", i);
  for (int k = 0; good && k < DEFCN_DATA_YAML_N_SPLITS; k++)
    for (guint i = 0; yaml.splits[k] && i < yaml.splits[k]->len; i++)
      if (!*(char *) yaml.splits[k]->pdata[i])
        g_error ("an empty folder");
  return 0;
}

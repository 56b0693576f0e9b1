/* data.yaml where libyaml was not found. */
#include "data_yaml.h"

#include "error.h"

gboolean
defcn_data_yaml_read (DefcnDataYaml *yaml, const char *path, GError **error)
{
  *yaml = (DefcnDataYaml){ 0 };
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s: this build reads no YAML (libyaml was not found): --labels and "
      "--images say what it says",
      path);
  return FALSE;
}

void
defcn_data_yaml_clear (DefcnDataYaml *yaml G_GNUC_UNUSED)
{
}

/* The working threshold of a model file. */
#include "calibrate.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEY "working_threshold"

gboolean
defcn_calibrate_check (const char *path, GError **error)
{
  char *real = realpath (path, NULL);
  g_autofree char *folder = real ? g_path_get_dirname (real) : NULL;
  const gboolean good =
      real && !g_access (real, W_OK) && !g_access (folder, W_OK);

  if (!good)
    g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno),
        "%s: cannot be written: %s", path, g_strerror (errno));
  free (real);
  return good;
}

gboolean
defcn_calibrate_write (const DefcnWeights *weights, double threshold,
    GError **error)
{
  const char *text = defcn_weights_metadata (weights, "defcn.spec");
  cJSON *spec = text ? cJSON_Parse (text) : NULL;

  if (!cJSON_IsObject (spec)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: has no \"defcn.spec\" of a model", defcn_weights_path (weights));
    cJSON_Delete (spec);
    return FALSE;
  }
  cJSON_DeleteItemFromObjectCaseSensitive (spec, KEY);
  cJSON_AddNumberToObject (spec, KEY, threshold);

  char *json = cJSON_PrintUnformatted (spec);
  const gboolean good =
      defcn_weights_set_metadata (weights, "defcn.spec", json, error);
  cJSON_free (json);
  cJSON_Delete (spec);
  return good;
}

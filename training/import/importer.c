/* Foreign weights -> official names -> spec -> checked against the network ->
 * model file. */
#include "importer.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "derive.h"
#include "formats.h"

#define BACKBONE "backbone.bottom_up."
#define MAX_NAMED 6 /* tensors in one message */

typedef struct
{
  const DefcnImporterOptions *options;
  const char *input;
  DefcnForeign *foreign;
  DefcnModel *model;
  DefcnImporterResult *done;
} Job;

void
defcn_importer_result_free (DefcnImporterResult *result)
{
  if (!result)
    return;
  defcn_spec_free (result->spec);
  g_free (result->place);
  g_clear_pointer (&result->missing, g_ptr_array_unref);
  g_clear_pointer (&result->ignored, g_ptr_array_unref);
  g_free (result);
}

/* @spec with the "field=value" of @settings, through its JSON form, whose
 * reader has all the checks. */
static DefcnSpec *
apply_settings (const DefcnSpec *spec, char **settings, GError **error)
{
  g_autofree char *json = defcn_spec_to_json (spec);
  cJSON *object = cJSON_Parse (json);
  gboolean good = TRUE;

  for (; good && settings && *settings; settings++) {
    g_auto (GStrv) pair = g_strsplit (*settings, "=", 2);
    cJSON *value = pair[0] && pair[1] ? cJSON_Parse (pair[1]) : NULL;

    if (!value && pair[0] && pair[1])
      value = cJSON_CreateString (pair[1]);
    good = value && cJSON_HasObjectItem (object, pair[0])
        && cJSON_ReplaceItemInObjectCaseSensitive (object, pair[0], value);
    if (!good) {
      cJSON_Delete (value);
      g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
          "\"%s\" is not FIELD=VALUE of a field of the spec", *settings);
    }
  }
  char *text = cJSON_PrintUnformatted (object);
  DefcnSpec *result = good ? defcn_spec_from_json (text, "--set", error) : NULL;
  cJSON_free (text);
  cJSON_Delete (object);
  return result;
}

static gboolean
is_wanted (const Job *job, const DefcnParam *p)
{
  return job->done->full || g_str_has_prefix (p->name, BACKBONE);
}

static int
file_dims (gint64 dims[4], const DefcnParam *p)
{
  const gint64 all[] = { p->n, p->c, p->h, p->w };

  if (p->kind != DEFCN_PARAM_WEIGHT) {
    dims[0] = p->c;
    return 1;
  }
  memcpy (dims, all, sizeof all);
  return 4;
}

static char *
shape_text (int n_dims, const gint64 *dims)
{
  GString *text = g_string_new (NULL);

  for (int i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, i ? "x" : "", dims[i]);
  if (n_dims == 0)
    g_string_append (text, "a scalar");
  return g_string_free (text, FALSE);
}

static gboolean
check_shape (const Job *job, const DefcnForeignTensor *t, const DefcnParam *p,
    GError **error)
{
  gint64 dims[4];
  const int n = file_dims (dims, p);

  if (t->n_dims == n && memcmp (t->dims, dims, n * sizeof dims[0]) == 0)
    return TRUE;
  g_autofree char *found = shape_text (t->n_dims, t->dims);
  g_autofree char *wanted = shape_text (n, dims);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s: tensor \"%s\" is %s, the model wants %s", job->input, p->name, found,
      wanted);
  return FALSE;
}

/* A parameter's initial value in the file's order. */
static float *
initial_value (const DefcnParam *p)
{
  float *data = g_new (float, defcn_param_len (p));
  gsize i = 0;

  for (int o = 0; o < p->n; o++)
    for (int c = 0; c < p->c; c++)
      for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++)
          data[i++] = p->value[(((gsize) o * p->h + y) * p->w + x) * p->c + c];
  return data;
}

static void
write_param (const Job *job, DefcnWeightsWriter *writer, const DefcnParam *p,
    const float *data)
{
  gint64 dims[4];
  const int n = file_dims (dims, p);

  defcn_weights_writer_add (writer, p->name,
      n == 4 ? job->options->dtype : DEFCN_DTYPE_F32, n, dims, data);
}

/* Adds every wanted parameter; without --partial none may be missing. */
static gboolean
write_params (const Job *job, DefcnWeightsWriter *writer, GError **error)
{
  const DefcnParams *params = defcn_model_params (job->model);
  DefcnImporterResult *done = job->done;

  for (guint i = 0; i < defcn_params_count (params); i++) {
    const DefcnParam *p = defcn_params_get (params, i);
    const DefcnForeignTensor *t = defcn_foreign_lookup (job->foreign, p->name);

    if (!is_wanted (job, p))
      continue;
    if (t) {
      if (!check_shape (job, t, p, error))
        return FALSE;
      write_param (job, writer, p, t->data);
      done->n_tensors++;
      done->n_numbers += t->len;
    } else {
      g_ptr_array_add (done->missing, g_strdup (p->name));
      if (done->full) {
        g_autofree float *data = initial_value (p);

        write_param (job, writer, p, data);
      }
    }
  }
  return TRUE;
}

static gboolean
check_missing (const Job *job, GError **error)
{
  const GPtrArray *missing = job->done->missing;
  g_autoptr (GString) names = g_string_new (NULL);

  if (missing->len == 0 || (job->options->partial && job->done->n_tensors > 0))
    return TRUE;
  for (guint i = 0; i < MIN (missing->len, MAX_NAMED); i++)
    g_string_append_printf (names, "%s%s", i ? ", " : "",
        (const char *) missing->pdata[i]);
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
      "%s: %u tensors are missing: %s%s (--partial goes without)", job->input,
      missing->len, names->str, missing->len > MAX_NAMED ? ", .." : "");
  return FALSE;
}

/* What the source has and the network does not. */
static void
note_unused (const Job *job)
{
  const DefcnParams *params = defcn_model_params (job->model);

  for (guint i = 0; i < job->foreign->tensors->len; i++) {
    const DefcnForeignTensor *t = job->foreign->tensors->pdata[i];
    const DefcnParam *p = defcn_params_lookup (params, t->name);

    if (!p || !is_wanted (job, p))
      g_ptr_array_add (job->done->ignored, g_strdup (t->name));
  }
}

/* Takes @object. */
static void
add_json (DefcnWeightsWriter *writer, const char *key, cJSON *object)
{
  char *text = cJSON_PrintUnformatted (object);

  defcn_weights_writer_metadata (writer, key, text);
  cJSON_free (text);
  cJSON_Delete (object);
}

static cJSON *
provenance (const Job *job)
{
  cJSON *object = cJSON_CreateObject ();
  g_autofree char *base = g_path_get_basename (job->input);
  g_autofree char *name = g_utf8_make_valid (base, -1);

  cJSON_AddStringToObject (object, "imported", name);
  cJSON_AddStringToObject (object, "format", job->done->format);
  cJSON_AddStringToObject (object, "naming",
      defcn_naming_text (job->done->naming));
  if (job->done->iteration >= 0)
    cJSON_AddNumberToObject (object, "iteration", job->done->iteration);
  if (job->done->missing->len > 0)
    cJSON_AddItemToObject (object, "missing",
        cJSON_CreateStringArray ((const char *const *)
                                     job->done->missing->pdata,
            job->done->missing->len));
  return object;
}

/* The fields of the spec that a backbone decides. */
static cJSON *
backbone_fields (const DefcnSpec *spec)
{
  static const char *const names[] = { "backbone", "depth", "groups",
    "group_width", "stem_channels", "res2_channels", "stride_in_1x1",
    "dcn_from", "dcn_modulated", "bgr", "mean", "std" };
  g_autofree char *json = defcn_spec_to_json (spec);
  cJSON *all = cJSON_Parse (json), *object = cJSON_CreateObject ();

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    cJSON_AddItemToObject (object, names[i],
        cJSON_DetachItemFromObjectCaseSensitive (all, names[i]));
  cJSON_Delete (all);
  return object;
}

static gboolean
write_file (const Job *job, const char *output, GError **error)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

  if (!write_params (job, writer, error) || !check_missing (job, error))
    return FALSE;
  note_unused (job);
  defcn_weights_writer_metadata (writer, "format", "pt");
  add_json (writer, "defcn.training", provenance (job));
  if (job->done->full) {
    g_autofree char *json = defcn_spec_to_json (job->done->spec);

    defcn_weights_writer_metadata (writer, "defcn.spec", json);
  } else {
    add_json (writer, "defcn.backbone", backbone_fields (job->done->spec));
  }
  return defcn_weights_writer_save (writer, output, error);
}

/* The network whose parameters are written; of a backbone's, with the smallest
 * head, for that is not looked at. */
static DefcnModel *
new_model (const DefcnImporterResult *done, DefcnBackend *be, GError **error)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_copy (done->spec);

  if (!done->full) {
    spec->fpn_channels = spec->norm_groups = 1;
    spec->tower_depth = 0;
  }
  return defcn_model_new (spec, be, FALSE, 0, error);
}

/* A backbone is what is left. */
static void
drop_head (DefcnForeign *foreign, GPtrArray *ignored)
{
  for (guint i = foreign->tensors->len; i-- > 0;) {
    const DefcnForeignTensor *t = foreign->tensors->pdata[i];

    if (g_str_has_prefix (t->name, BACKBONE))
      continue;
    g_ptr_array_add (ignored, g_strdup (t->name));
    g_hash_table_remove (foreign->by_name, t->name);
    g_ptr_array_remove_index (foreign->tensors, i);
  }
}

DefcnImporterResult *
defcn_importer_run (const char *input, const char *output,
    const DefcnImporterOptions *options, GError **error)
{
  g_autoptr (DefcnImporterResult) done = g_new0 (DefcnImporterResult, 1);
  g_autoptr (DefcnForeign) foreign =
      defcn_formats_open (input, options->ema, error);
  g_autoptr (DefcnSpec) spec = NULL;

  if (!foreign)
    return NULL;
  done->format = foreign->format;
  done->place = g_strdup (foreign->place);
  done->iteration = foreign->iteration;
  done->missing = g_ptr_array_new_with_free_func (g_free);
  done->ignored = g_ptr_array_new_with_free_func (g_free);
  if (!defcn_naming_apply (&done->naming, foreign, done->ignored, error))
    return NULL;
  done->detector = foreign->detector;
  if (options->backbone)
    drop_head (foreign, done->ignored);
  if (!(spec = defcn_derive_spec (&done->full, foreign, done->naming,
            options->labels, error))
      || !(done->spec = apply_settings (spec, options->settings, error)))
    return NULL;

  g_autoptr (DefcnBackend) be = defcn_backend_new ("reference", 1, error);
  g_autoptr (DefcnModel) model = be ? new_model (done, be, error) : NULL;
  const Job job = { options, input, foreign, model, done };
  if (!model || !write_file (&job, output, error))
    return NULL;
  return g_steal_pointer (&done);
}

/* What a training run leaves: checkpoints and models. */
#include "checkpoint.h"

#include "data/list.h"

#include <cjson/cJSON.h>
#include <string.h>

/* Of a list of paths. */
static char *
basenames (const char *paths)
{
  g_auto (GStrv) names = defcn_list_split (paths);

  for (guint i = 0; names[i]; i++) {
    char *name = g_path_get_basename (names[i]);

    g_free (names[i]);
    names[i] = name;
  }
  return defcn_list_join ((const char *const *) names);
}

static char *
provenance (const DefcnCheckpoint *state, double ap, double ap50)
{
  const DefcnRecipe *recipe = state->recipe;
  g_autofree char *text = defcn_recipe_to_text (recipe);
  g_autofree char *data = basenames (recipe->annotations);
  g_autofree char *init =
      recipe->init ? g_path_get_basename (recipe->init) : NULL;
  cJSON *object = cJSON_CreateObject ();

  cJSON_AddStringToObject (object, "tool", "defcn " DEFCN_VERSION);
  cJSON_AddStringToObject (object, "annotations", data);
  if (init)
    cJSON_AddStringToObject (object, "init", init);
  cJSON_AddNumberToObject (object, "iterations", state->iteration);
  cJSON_AddNumberToObject (object, "images",
      (double) state->iteration * recipe->loader.batch);
  if (ap >= 0) {
    cJSON_AddNumberToObject (object, "ap", ap);
    cJSON_AddNumberToObject (object, "ap50", ap50);
  }
  cJSON_AddStringToObject (object, "recipe", text);

  char *json = cJSON_PrintUnformatted (object);
  char *copy = g_strdup (json);
  cJSON_free (json);
  cJSON_Delete (object);
  return copy;
}

/* The model that the averaged weights make. */
static DefcnWeightsWriter *
write_model (const DefcnCheckpoint *state, double ap, double ap50)
{
  DefcnWeightsWriter *writer = defcn_weights_writer_new ();
  g_autofree char *training = provenance (state, ap, ap50);

  defcn_optimizer_swap_ema (state->optimizer);
  defcn_model_save (state->model, writer, DEFCN_DTYPE_F16);
  defcn_optimizer_swap_ema (state->optimizer);
  defcn_weights_writer_metadata (writer, "defcn.training", training);
  return writer;
}

/* Writes what came from the device, if all of that came. */
static gboolean
save (const DefcnCheckpoint *state, DefcnWeightsWriter *writer,
    const char *path, GError **error)
{
  DefcnBackend *be = defcn_model_backend (state->model);

  return be->sync (be, error)
      && defcn_weights_writer_save (writer, path, error);
}

gboolean
defcn_checkpoint_save_model (const DefcnCheckpoint *state, const char *path,
    double ap, double ap50, GError **error)
{
  g_autoptr (DefcnWeightsWriter) writer = write_model (state, ap, ap50);

  return save (state, writer, path, error);
}

/* All that a run goes on from. */
static DefcnWeightsWriter *
write_state (const DefcnCheckpoint *state)
{
  DefcnWeightsWriter *writer = defcn_weights_writer_new ();
  g_autofree char *training = provenance (state, -1, -1);
  g_autofree char *recipe = defcn_recipe_to_file (state->recipe);
  g_autofree char *iteration =
      g_strdup_printf ("%" G_GINT64_FORMAT, state->iteration);
  char best[G_ASCII_DTOSTR_BUF_SIZE], normalizer[G_ASCII_DTOSTR_BUF_SIZE];

  defcn_model_save_training (state->model, writer);
  defcn_optimizer_save (state->optimizer, writer);
  defcn_weights_writer_metadata (writer, "defcn.training", training);
  defcn_weights_writer_metadata (writer, "defcn.recipe", recipe);
  defcn_weights_writer_metadata (writer, "defcn.iteration", iteration);
  if (state->data)
    defcn_weights_writer_metadata (writer, "defcn.data", state->data);
  defcn_weights_writer_metadata (writer, "defcn.best_ap",
      g_ascii_dtostr (best, sizeof best, state->best_ap));
  defcn_weights_writer_metadata (writer, "defcn.unevaluated",
      state->unevaluated ? "1" : "0");
  if (state->step && state->recipe->step.normalizer_momentum > 0)
    defcn_weights_writer_metadata (writer, "defcn.normalizer",
        g_ascii_dtostr (normalizer, sizeof normalizer,
            defcn_step_normalizer (state->step)));
  return writer;
}

gboolean
defcn_checkpoint_save (const DefcnCheckpoint *state, const char *path,
    GError **error)
{
  g_autoptr (DefcnWeightsWriter) writer = write_state (state);

  return save (state, writer, path, error);
}

/* Beyond what is written now: other numbers of iterations and of AP. */
#define MORE_DIGITS 256

void
defcn_checkpoint_sizes (const DefcnCheckpoint *state, guint64 *checkpoint,
    guint64 *model)
{
  DefcnWeightsWriter *writer = write_state (state);

  *checkpoint = defcn_weights_writer_size (writer) + MORE_DIGITS;
  defcn_weights_writer_free (writer);
  writer = write_model (state, 0, 0);
  *model = defcn_weights_writer_size (writer) + MORE_DIGITS;
  defcn_weights_writer_free (writer);
}

/* Whether @line begins with one of @keys, which NULL ends. */
static gboolean
begins_with (const char *line, const char *const *keys)
{
  for (; *keys; keys++)
    if (g_str_has_prefix (line, *keys))
      return TRUE;
  return FALSE;
}

/* Keys that may differ between a run and its continuation.  Another number of
 * iterations changes the schedule from here on, which is what it is for; the
 * lower ones are what the saved model is used with: only inference reads
 * them. */
static gboolean
is_free_key (const char *line)
{
  static const char *const keys[] = { "workers=", "cache=", "eval_interval=",
    "checkpoint_interval=", "log_interval=", "threads=", "precision=",
    "micro_batch=", "iterations=", "epochs=",
    /* inference */
    "short_edge=", "test_long_edge=", "threshold=", "max_detections=",
    "nms_iou=", "duplicate_iou=", "working_threshold=",
    /* what it begins with, what it is watched on, what it may read */
    "init=", "val_annotations=", "val_images=", "max_damaged=",
    "max_unreadable=", "absolute_names=", "max_megapixels=", NULL };

  return begins_with (line, keys);
}

/* Keys of which a checkpoint from before them says nothing, whatever they
 * were. */
static gboolean
is_untold_key (const char *line)
{
  static const char *const keys[] = { "annotations=", "images=", "polygons=",
    NULL };

  return begins_with (line, keys);
}

/* Whether the key of @line is that of the data. */
static gboolean
is_data_key (const char *line)
{
  static const char *const keys[] = { "annotations=", "images=", NULL };

  return begins_with (line, keys);
}

/* Whether @line, key=value, is in @lines. */
static gboolean
has_line (char *const *lines, const char *line)
{
  return g_strv_contains ((const char *const *) lines, line);
}

/* Whether the key of @line has a value in @lines. */
static gboolean
has_key (char *const *lines, const char *line)
{
  const char *equals = strchr (line, '=');
  const gsize len = equals ? (gsize) (equals - line) + 1 : strlen (line);

  for (guint i = 0; lines[i]; i++)
    if (strncmp (lines[i], line, len) == 0)
      return TRUE;
  return FALSE;
}

/* Names what the recipe says otherwise than the checkpoint's.  A key that is
 * younger than the checkpoint had its default then. */
static gboolean
check_recipe (const DefcnCheckpoint *state, const char *then, const char *path,
    GError **error)
{
  g_autoptr (DefcnRecipe) plain = defcn_recipe_new (NULL, NULL);
  g_autofree char *now = defcn_recipe_to_file (state->recipe);
  g_autofree char *defaults = defcn_recipe_to_text (plain);
  g_auto (GStrv) old_lines = g_strsplit (then ? then : "", "\n", -1);
  g_auto (GStrv) new_lines = g_strsplit (now, "\n", -1);
  g_auto (GStrv) default_lines = g_strsplit (defaults, "\n", -1);

  for (guint i = 0; new_lines[i]; i++) {
    const char *line = new_lines[i];
    const gboolean young = old_lines[0] && !has_key (old_lines, line)
        && (is_untold_key (line) || has_line (default_lines, line));

    if (is_free_key (line) || young || has_line (old_lines, line)
        || (state->any_data && is_data_key (line)))
      continue;
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s was trained by another recipe: \"%s\" is not in it%s", path, line,
        is_data_key (line) ? " (--force goes on with other data)" : "");
    return FALSE;
  }
  return TRUE;
}

/* The same files may have other annotations than they had. */
static gboolean
check_data (const DefcnCheckpoint *state, const char *then, const char *path,
    GError **error)
{
  if (!then || !state->data || state->any_data
      || g_str_equal (then, state->data))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
      "%s was trained on other annotations than %s has now (--force goes on "
      "with them)",
      path, state->recipe->annotations);
  return FALSE;
}

/* @value: that of @text, 0 where there is none.  A mean of ones may be a little
 * less than one. */
static gboolean
read_normalizer (double *value, const char *text, const char *path,
    GError **error)
{
  char *end = NULL;

  *value = text ? g_ascii_strtod (text, &end) : 0;
  if (!text || (*end == '\0' && *value >= 0.999 && *value <= G_MAXFLOAT))
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
      "%s: \"defcn.normalizer\" is \"%s\", wanted a number from 1", path, text);
  return FALSE;
}

gboolean
defcn_checkpoint_load (DefcnCheckpoint *state, const char *path, GError **error)
{
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, error);

  if (!weights)
    return FALSE;

  const char *iteration = defcn_weights_metadata (weights, "defcn.iteration");
  const char *best = defcn_weights_metadata (weights, "defcn.best_ap");
  const char *unevaluated =
      defcn_weights_metadata (weights, "defcn.unevaluated");
  double normalizer;
  gint64 done;
  if (!iteration
      || !g_ascii_string_to_signed (iteration, 10, 0, G_MAXINT64, &done,
          NULL)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s is no checkpoint of defcn train", path);
    return FALSE;
  }
  if (!read_normalizer (&normalizer,
          defcn_weights_metadata (weights, "defcn.normalizer"), path, error)
      || !check_recipe (state, defcn_weights_metadata (weights, "defcn.recipe"),
          path, error)
      || !check_data (state, defcn_weights_metadata (weights, "defcn.data"),
          path, error)
      || !defcn_model_load (state->model, weights, FALSE, NULL, error)
      || !defcn_optimizer_load (state->optimizer, weights, error))
    return FALSE;
  if (done > state->recipe->optimizer.iterations) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: it is at iteration %" G_GINT64_FORMAT
        ", the recipe ends at %" G_GINT64_FORMAT,
        path, done, state->recipe->optimizer.iterations);
    return FALSE;
  }
  state->iteration = done;
  state->best_ap = best ? g_ascii_strtod (best, NULL) : -1;
  state->unevaluated = unevaluated && g_str_equal (unevaluated, "1");
  if (state->step && normalizer > 0)
    defcn_step_set_normalizer (state->step, normalizer);
  return TRUE;
}

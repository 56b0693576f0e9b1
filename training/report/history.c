/* What the folder of a training run tells. */
#include "history.h"

#include "weights.h"

#include <math.h>
#include <string.h>

#define LARGEST 9007199254740992.0 /* iteration that a double counts to */

static const char *const keys[DEFCN_HISTORY_N] = { "loss", "loss_cls",
  "loss_box", "loss_aux", "loss_centerness", "lr", "grad_norm",
  "images_per_second" };

static void
evaluation_clear (gpointer data)
{
  cJSON_Delete (((DefcnEvaluation *) data)->figures);
}

static void
json_free (gpointer data)
{
  cJSON_Delete (data);
}

static DefcnHistory *
history_new (const char *path, const char *name)
{
  DefcnHistory *h = g_new0 (DefcnHistory, 1);

  h->path = g_strdup (path);
  h->name = name ? g_strdup (name) : g_path_get_basename (path);
  h->updates = g_array_new (FALSE, FALSE, sizeof (DefcnUpdates));
  h->evaluations = g_array_new (FALSE, FALSE, sizeof (DefcnEvaluation));
  g_array_set_clear_func (h->evaluations, evaluation_clear);
  h->machines = g_ptr_array_new_with_free_func (json_free);
  h->notes = g_ptr_array_new_with_free_func (g_free);
  return h;
}

void
defcn_history_free (DefcnHistory *h)
{
  if (!h)
    return;
  g_free (h->path);
  g_free (h->name);
  g_array_unref (h->updates);
  g_array_unref (h->evaluations);
  g_ptr_array_unref (h->machines);
  g_clear_pointer (&h->recipe, g_ptr_array_unref);
  g_free (h->model);
  cJSON_Delete (h->training);
  g_ptr_array_unref (h->notes);
  g_free (h);
}

static void G_GNUC_PRINTF (2, 3) note (DefcnHistory *h, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (h->notes, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

double
defcn_history_number (const cJSON *object, const char *key)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive (object, key);

  return cJSON_IsNumber (item) && isfinite (item->valuedouble)
      ? item->valuedouble
      : NAN;
}

/* What was counted while lines were read. */
typedef struct
{
  guint n_torn, first_torn, n_repeated, n_unfinite;
} Counts;

/* Takes away what is not before @iteration: the run went on from a checkpoint
 * and did it again. */
static guint
drop_from (GArray *rows, gint64 iteration)
{
  const gsize size = g_array_get_element_size (rows);
  const guint old = rows->len;
  guint n = old;

  while (n > 0 && *(gint64 *) (rows->data + (n - 1) * size) >= iteration)
    n--;
  g_array_set_size (rows, n);
  return old - n;
}

/* An evaluation comes after the updates of its iteration. */
static void
add_updates (DefcnHistory *h, Counts *counts, gint64 iteration,
    const cJSON *object)
{
  DefcnUpdates row = { .iteration = iteration };
  const guint repeated = drop_from (h->updates, iteration);

  if (repeated)
    drop_from (h->evaluations, iteration);
  counts->n_repeated += repeated;
  for (int k = 0; k < DEFCN_HISTORY_N; k++)
    row.values[k] = defcn_history_number (object, keys[k]);
  counts->n_unfinite += isnan (row.values[DEFCN_HISTORY_LOSS]) != 0;
  g_array_append_val (h->updates, row);
}

/* FALSE where the line is none. */
static gboolean
read_line (DefcnHistory *h, Counts *counts, const char *line, gsize len)
{
  cJSON *object = cJSON_ParseWithLength (line, len);
  const double at = defcn_history_number (object, "iteration");

  if (!(at >= 0 && at <= LARGEST)) {
    cJSON_Delete (object);
    return FALSE;
  }
  if (cJSON_GetObjectItemCaseSensitive (object, "machine")) {
    g_ptr_array_add (h->machines, object);
    return TRUE;
  }
  if (cJSON_GetObjectItemCaseSensitive (object, "loss")) {
    add_updates (h, counts, at, object);
  } else if (cJSON_GetObjectItemCaseSensitive (object, "ap50")) {
    const DefcnEvaluation row = { at, object };

    counts->n_repeated += drop_from (h->evaluations, at);
    g_array_append_val (h->evaluations, row);
    return TRUE;
  }
  cJSON_Delete (object);
  return TRUE;
}

void
defcn_history_read (DefcnHistory *h, const char *text, gsize len)
{
  Counts counts = { 0 };
  guint number = 0;

  for (gsize at = 0; at < len;) {
    const char *end = memchr (text + at, '\n', len - at);
    const gsize n = end ? (gsize) (end - text) - at : len - at;

    number++;
    if (n > 0 && !read_line (h, &counts, text + at, n)) {
      counts.first_torn = counts.n_torn ? counts.first_torn : number;
      counts.n_torn++;
    }
    at += n + 1;
  }
  if (counts.n_torn)
    note (h,
        "%u line%s of metrics.jsonl cannot be read and %s left out, the first "
        "is line %u: the run was cut off while it wrote, or is writing.",
        counts.n_torn, counts.n_torn > 1 ? "s" : "",
        counts.n_torn > 1 ? "are" : "is", counts.first_torn);
  if (counts.n_repeated)
    note (h,
        "%u line%s of metrics.jsonl repeat what was there already, as a "
        "resumed run does: the later ones count.",
        counts.n_repeated, counts.n_repeated > 1 ? "s" : "");
  if (counts.n_unfinite)
    note (h, "The loss is not finite in %u of %u lines: gaps in its curve.",
        counts.n_unfinite, h->updates->len);
}

/* TRUE where the file is there. */
static gboolean
read_metrics (DefcnHistory *h)
{
  g_autofree char *path = g_build_filename (h->path, "metrics.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize len = 0;

  if (!g_file_get_contents (path, &text, &len, &error)) {
    note (h, "No curves: %s", error->message);
    return FALSE;
  }
  defcn_history_read (h, text, len);
  if (h->updates->len == 0)
    note (h, "metrics.jsonl has no line of updates yet.");
  if (h->evaluations->len == 0)
    note (h,
        "metrics.jsonl has no evaluation: the run had no validation set, "
        "or has not come to one.");
  return TRUE;
}

/* FALSE where @text is no recipe. */
static gboolean
take_recipe (DefcnHistory *h, const char *text)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_data (file, text, -1, G_KEY_FILE_NONE, NULL))
    return FALSE;
  g_auto (GStrv) names = g_key_file_get_keys (file, "recipe", NULL, NULL);
  if (!names || !names[0])
    return FALSE;
  g_clear_pointer (&h->recipe, g_ptr_array_unref);
  h->recipe = g_ptr_array_new_with_free_func (g_free);
  for (char **name = names; *name; name++) {
    char *value = g_key_file_get_value (file, "recipe", *name, NULL);

    g_ptr_array_add (h->recipe, g_strdup (*name));
    g_ptr_array_add (h->recipe, value ? value : g_strdup (""));
  }
  return TRUE;
}

/* TRUE where the file is there. */
static gboolean
read_recipe (DefcnHistory *h)
{
  g_autofree char *path = g_build_filename (h->path, "recipe.ini", NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  if (!take_recipe (h, text))
    note (h, "recipe.ini has no readable [recipe].");
  return TRUE;
}

/* What the model file says of its training, the recipe too where the folder has
 * none.  FALSE with @error where it is no model file. */
static gboolean
read_model (DefcnHistory *h, GError **error)
{
  g_autoptr (DefcnWeights) weights = defcn_weights_open (h->model, error);

  if (!weights)
    return FALSE;
  if (!defcn_weights_metadata (weights, "defcn.spec")) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_MODEL,
        "%s: is no whole model, but weights to train from", h->model);
    return FALSE;
  }
  const char *text = defcn_weights_metadata (weights, "defcn.training");
  h->training = text ? cJSON_Parse (text) : NULL;
  const cJSON *recipe =
      cJSON_GetObjectItemCaseSensitive (h->training, "recipe");
  if (!h->recipe && cJSON_IsString (recipe))
    take_recipe (h, recipe->valuestring);
  return TRUE;
}

/* The first that can be read.  TRUE where one is there, though it may be
 * damaged. */
static gboolean
find_model (DefcnHistory *h)
{
  static const char *const names[] = { "best.safetensors",
    "model.safetensors" };
  gboolean is_there = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (names) && !h->model; i++) {
    g_autoptr (GError) error = NULL;

    h->model = g_build_filename (h->path, names[i], NULL);
    if (g_file_test (h->model, G_FILE_TEST_EXISTS)) {
      is_there = TRUE;
      if (read_model (h, &error))
        return TRUE;
      note (h, "The model cannot be read: %s", error->message);
    }
    g_clear_pointer (&h->model, g_free);
  }
  if (!is_there)
    note (h, "No model yet: neither best.safetensors nor model.safetensors.");
  return is_there;
}

DefcnHistory *
defcn_history_open (const char *path, const char *name, GError **error)
{
  g_autoptr (DefcnHistory) h = history_new (path, name);

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: no such run: neither a folder nor a model file", path);
    return NULL;
  }
  if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
    h->model = g_strdup (path);
    if (!read_model (h, error))
      return NULL;
    note (h, "A model file alone: no curves.");
    return g_steal_pointer (&h);
  }
  const gboolean has_metrics = read_metrics (h);
  const gboolean has_recipe = read_recipe (h);
  const gboolean has_model = find_model (h);
  if (!has_metrics && !has_recipe && !has_model) {
    g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE,
        "%s: is no run: it has neither metrics.jsonl nor recipe.ini nor a "
        "model",
        path);
    return NULL;
  }
  if (!h->recipe)
    note (h, "The recipe is not known.");
  return g_steal_pointer (&h);
}

const cJSON *
defcn_history_last (const DefcnHistory *h)
{
  const GArray *rows = h->evaluations;

  return rows->len
      ? g_array_index (rows, DefcnEvaluation, rows->len - 1).figures
      : NULL;
}

const char *
defcn_history_recipe (const DefcnHistory *h, const char *key)
{
  for (guint i = 0; h->recipe && i + 1 < h->recipe->len; i += 2)
    if (g_str_equal (h->recipe->pdata[i], key))
      return h->recipe->pdata[i + 1];
  return NULL;
}

/* Checkpoints, models and metrics of a run: what is kept, what is refused. */
#include "train/checkpoint.h"
#include "folder.h"
#include "metrics.h"

#include <math.h>
#include <string.h>

static char *folder;

typedef struct
{
  DefcnRecipe *recipe;
  DefcnBackend *be;
  DefcnCheckpoint state;
} Rig;

/* A tiny run of its own @seed, with @setting over its recipe. */
static void
rig_init (Rig *rig, gint64 seed, const char *setting)
{
  static const char *const labels[] = { "one", "two", NULL };
  static const char *const settings[] = { "annotations=a.json", "images=i",
    "backbone=resnet18", "fpn_channels=16", "norm_groups=4", "tower_depth=1",
    "ema=0.5", "warmup=0" };
  g_autoptr (GError) error = NULL;

  *rig = (Rig){ .recipe = defcn_recipe_new (NULL, &error) };
  g_assert_no_error (error);
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++)
    g_assert_true (defcn_recipe_set (rig->recipe, settings[i], &error));
  g_assert_true (!setting || defcn_recipe_set (rig->recipe, setting, &error));
  g_assert_true (defcn_recipe_finish (rig->recipe, &error));
  DefcnSpec *spec = rig->recipe->spec;
  spec->stem_channels = spec->res2_channels = 8;
  spec->n_classes = 2;
  g_strfreev (spec->labels);
  spec->labels = g_strdupv ((char **) labels);
  rig->be = defcn_backend_new ("reference", 1, &error);
  rig->state = (DefcnCheckpoint){ .recipe = rig->recipe,
    .model = defcn_model_new (spec, rig->be, TRUE, seed, &error),
    .best_ap = -1 };
  g_assert_no_error (error);
  rig->state.optimizer =
      defcn_optimizer_new (defcn_model_params (rig->state.model),
          &rig->recipe->optimizer);
}

static void
rig_clear (Rig *rig)
{
  defcn_optimizer_free (rig->state.optimizer);
  defcn_model_free (rig->state.model);
  defcn_backend_free (rig->be);
  defcn_recipe_free (rig->recipe);
}

/* An update from gradients of one, so that every tensor of the optimiser has
 * something to lose. */
static void
update (Rig *rig)
{
  DefcnParams *params = defcn_model_params (rig->state.model);

  for (guint i = 0; i < defcn_params_count (params); i++) {
    DefcnParam *p = defcn_params_get (params, i);

    for (gsize k = 0; p->grad && k < defcn_param_len (p); k++)
      p->grad[k] = 1;
  }
  g_assert_cmpfloat (defcn_optimizer_step (rig->state.optimizer,
                         rig->state.iteration++),
      >, 0);
}

static void
assert_same_files (const char *a, const char *b)
{
  g_autofree char *x = NULL, *y = NULL;
  gsize n, m;

  g_assert_true (g_file_get_contents (a, &x, &n, NULL));
  g_assert_true (g_file_get_contents (b, &y, &m, NULL));
  g_assert_cmpmem (x, n, y, m);
}

/* What is loaded saves to the same bytes, and goes on to the same. */
static void
test_round (void)
{
  g_autofree char *first = folder_file (folder, "first");
  g_autofree char *second = folder_file (folder, "second");
  g_autoptr (GError) error = NULL;
  Rig a, b;

  rig_init (&a, 1, "aux_classifier=true");
  rig_init (&b, 2, "aux_classifier=true");
  update (&a);
  a.state.best_ap = 0.1;
  a.state.unevaluated = TRUE;
  g_assert_true (defcn_checkpoint_save (&a.state, first, &error));
  g_assert_true (defcn_checkpoint_load (&b.state, first, &error));
  g_assert_no_error (error);
  g_assert_cmpint (b.state.iteration, ==, 1);
  g_assert_cmpfloat (b.state.best_ap, ==, 0.1);
  g_assert_true (b.state.unevaluated);
  g_assert_true (defcn_checkpoint_save (&b.state, second, &error));
  assert_same_files (first, second);

  update (&a);
  update (&b);
  a.state.unevaluated = b.state.unevaluated = FALSE;
  g_assert_true (defcn_checkpoint_save (&a.state, first, &error));
  g_assert_true (defcn_checkpoint_save (&b.state, second, &error));
  assert_same_files (first, second);
  g_assert_true (defcn_checkpoint_load (&b.state, first, &error));
  g_assert_false (b.state.unevaluated);
  rig_clear (&a);
  rig_clear (&b);
}

/* A running number of foregrounds goes on; without a momentum none is kept, and
 * of a file without one it stays what it was. */
static void
test_normalizer (void)
{
  g_autofree char *path = folder_file (folder, "normalizer");
  static const char *const settings[] = { "normalizer_momentum=0.9",
    "normalizer_momentum=0" };

  for (int k = 0; k < 2; k++) {
    Rig a, b;

    rig_init (&a, 1, settings[k]);
    rig_init (&b, 1, settings[k]);
    a.state.step = defcn_step_new (a.state.model, &a.recipe->step);
    b.state.step = defcn_step_new (b.state.model, &b.recipe->step);
    defcn_step_set_normalizer (a.state.step, 1000.0 / 3);
    g_assert_true (defcn_checkpoint_save (&a.state, path, NULL));
    g_assert_true (defcn_checkpoint_load (&b.state, path, NULL));
    g_assert_cmpfloat (defcn_step_normalizer (b.state.step), ==,
        k == 0 ? 1000.0 / 3 : 100);
    defcn_step_free (a.state.step);
    defcn_step_free (b.state.step);
    rig_clear (&a);
    rig_clear (&b);
  }
}

/* A number that losses cannot be divided by is refused. */
static void
test_no_normalizer (void)
{
  static const char *const numbers[] = { "", "x", "0", "-5", "nan", "inf",
    "2x" };
  g_autofree char *path = folder_file (folder, "no-normalizer");
  Rig rig;

  rig_init (&rig, 1, "normalizer_momentum=0.9");
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
    g_autoptr (GError) error = NULL;

    defcn_model_save (rig.state.model, writer, DEFCN_DTYPE_F32);
    defcn_optimizer_save (rig.state.optimizer, writer);
    defcn_weights_writer_metadata (writer, "defcn.iteration", "7");
    defcn_weights_writer_metadata (writer, "defcn.normalizer", numbers[i]);
    g_assert_true (defcn_weights_writer_save (writer, path, NULL));
    g_assert_false (defcn_checkpoint_load (&rig.state, path, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, "\"defcn.normalizer\" is \""));
    g_assert_nonnull (strstr (error->message, path));
  }
  rig_clear (&rig);
}

/* What files will have is known before the first update, but for a few digits,
 * which are allowed for. */
static void
test_sizes (void)
{
  g_autofree char *checkpoint = folder_file (folder, "checkpoint");
  g_autofree char *model = folder_file (folder, "model");
  guint64 of_checkpoint, of_model;
  GStatBuf about;
  Rig rig;

  rig_init (&rig, 1, "optimizer=adamw");
  defcn_checkpoint_sizes (&rig.state, &of_checkpoint, &of_model);
  for (int i = 0; i < 3; i++)
    update (&rig);
  rig.state.iteration = 1e15;
  rig.state.best_ap = 1.0 / 3;
  g_assert_true (defcn_checkpoint_save (&rig.state, checkpoint, NULL));
  g_assert_true (
      defcn_checkpoint_save_model (&rig.state, model, 1.0 / 3, 2.0 / 3, NULL));
  g_assert_cmpint (g_stat (checkpoint, &about), ==, 0);
  g_assert_cmpuint (about.st_size, <=, of_checkpoint);
  g_assert_cmpuint (about.st_size, >, of_checkpoint - 512);
  g_assert_cmpint (g_stat (model, &about), ==, 0);
  g_assert_cmpuint (about.st_size, <=, of_model);
  g_assert_cmpuint (about.st_size, >, of_model - 512);
  rig_clear (&rig);
}

/* The tensor @name of @file is the average, which is not what trains. */
static void
check_averaged (Rig *rig, const DefcnWeights *file, const char *name)
{
  const DefcnParam *p =
      defcn_params_lookup (defcn_model_params (rig->state.model), name);
  const gsize len = defcn_param_len (p);
  g_autofree float *trained = g_memdup2 (p->value, len * sizeof (float));
  g_autofree float *found = g_new (float, len);

  g_assert_true (defcn_weights_read (file, defcn_weights_lookup (file, name),
      found, NULL));
  defcn_optimizer_swap_ema (rig->state.optimizer);
  for (gsize i = 0; i < len; i++) {
    g_assert_cmpfloat_with_epsilon (found[i], p->value[i],
        1e-3 * fabsf (p->value[i]));
    g_assert_cmpfloat (fabsf (trained[i] - p->value[i]), >,
        2e-3 * fabsf (p->value[i]));
  }
  defcn_optimizer_swap_ema (rig->state.optimizer);
}

/* A model has the averaged weights in half precision, tells where it is from,
 * and leaves the run as it was. */
static void
test_model (void)
{
  g_autofree char *model = folder_file (folder, "model");
  g_autofree char *before = folder_file (folder, "before");
  g_autofree char *after = folder_file (folder, "after");
  g_autoptr (GError) error = NULL;
  Rig rig;

  rig_init (&rig, 1, NULL);
  for (int i = 0; i < 10; i++)
    update (&rig);
  g_assert_true (defcn_checkpoint_save (&rig.state, before, &error));
  g_assert_true (
      defcn_checkpoint_save_model (&rig.state, model, 0.25, 0.5, &error));
  g_assert_true (defcn_checkpoint_save (&rig.state, after, &error));
  assert_same_files (before, after);

  g_autoptr (DefcnWeights) file = defcn_weights_open (model, &error);
  g_assert_no_error (error);
  cJSON *json = cJSON_Parse (defcn_weights_metadata (file, "defcn.training"));
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "ap50")->valuedouble, ==, 0.5);
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "images")->valuedouble, ==,
      160);
  g_assert_cmpstr (cJSON_GetObjectItem (json, "annotations")->valuestring, ==,
      "a.json");
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "ap")->valuedouble, ==, 0.25);
  g_assert_cmpfloat (cJSON_GetObjectItem (json, "iterations")->valuedouble, ==,
      10);
  cJSON_Delete (json);
  g_assert_null (defcn_weights_metadata (file, "defcn.iteration"));
  g_assert_cmpint (defcn_weights_lookup (file, "head.cls_score.weight")->dtype,
      ==, DEFCN_DTYPE_F16);
  check_averaged (&rig, file, "head.scales.0.scale");
  check_averaged (&rig, file, "head.cls_score.bias");
  rig_clear (&rig);
}

/* What a model reached is told where it is known, be it nothing. */
static void
test_reached (void)
{
  static const double aps[] = { -1, 0, 0.5 };
  g_autofree char *path = folder_file (folder, "reached");
  Rig rig;

  rig_init (&rig, 1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (aps); i++) {
    g_assert_true (
        defcn_checkpoint_save_model (&rig.state, path, aps[i], aps[i], NULL));
    g_autoptr (DefcnWeights) file = defcn_weights_open (path, NULL);
    cJSON *json = cJSON_Parse (defcn_weights_metadata (file, "defcn.training"));
    g_assert_true (cJSON_HasObjectItem (json, "ap") == (aps[i] >= 0));
    g_assert_true (cJSON_HasObjectItem (json, "ap50") == (aps[i] >= 0));
    cJSON_Delete (json);
  }
  rig_clear (&rig);
}

/* Keys that change the numbers are those of the checkpoint; others are free. */
static void
test_recipe (void)
{
  static const struct
  {
    const char *setting;
    gboolean good;
  } cases[] = { { "lr=0.5", FALSE }, { "seed=2", FALSE }, { "batch=4", FALSE },
    { "ema=0.25", FALSE }, { "threads=7", TRUE }, { "workers=7", TRUE },
    { "precision=bf16", TRUE }, { "cache=7", TRUE },
    { "eval_interval=7", TRUE }, { "micro_batch=8", TRUE },
    { "duplicate_iou=0.7", TRUE }, { "working_threshold=0.7", TRUE },
    { "nms_iou=0.7", TRUE }, { "short_edge=384", TRUE },
    { "test_long_edge=1000", TRUE }, { "threshold=0.5", TRUE },
    { "max_detections=7", TRUE }, { "short_edges=640", FALSE },
    { "long_edge=640", FALSE }, { "iterations=7", TRUE }, { "epochs=7", TRUE },
    { "log_interval=7", TRUE }, { "checkpoint_interval=7", TRUE },
    { "init=x", TRUE }, { "max_unreadable=0.5", TRUE },
    { "max_damaged=0.5", TRUE }, { "background=true", FALSE },
    { "classes=one", FALSE }, { "polygons=true", FALSE },
    { "val_images=", TRUE } };
  g_autofree char *path = folder_file (folder, "recipe");
  Rig rig;

  rig_init (&rig, 1, NULL);
  g_assert_true (defcn_checkpoint_save (&rig.state, path, NULL));
  rig_clear (&rig);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    rig_init (&rig, 1, cases[i].setting);
    g_assert_cmpint (defcn_checkpoint_load (&rig.state, path, &error), ==,
        cases[i].good);
    if (!cases[i].good) {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
      g_assert_nonnull (strstr (error->message, cases[i].setting));
      g_assert_true (g_str_has_prefix (error->message, path));
    }
    rig_clear (&rig);
  }
}

/* A run goes on with the annotations that it had, or with others by request; a
 * checkpoint of before they were noted takes any. */
static void
test_data (void)
{
  static const struct
  {
    const char *then, *now;
    gboolean any, good;
  } cases[] = { { "a", "a", FALSE, TRUE }, { "a", "b", FALSE, FALSE },
    { "a", "b", TRUE, TRUE }, { NULL, "b", FALSE, TRUE } };
  g_autofree char *path = folder_file (folder, "data");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    Rig rig;

    rig_init (&rig, 1, NULL);
    rig.state.data = cases[i].then;
    g_assert_true (defcn_checkpoint_save (&rig.state, path, NULL));
    rig.state.data = cases[i].now;
    rig.state.any_data = cases[i].any;
    g_assert_cmpint (defcn_checkpoint_load (&rig.state, path, &error), ==,
        cases[i].good);
    if (!cases[i].good)
      g_assert_nonnull (
          strstr (error->message, "other annotations than a.json has now"));
    rig_clear (&rig);
  }
}

/* A checkpoint that is older than a key goes on where the key has its default,
 * and names it elsewhere; one without any recipe is refused. */
static void
test_young_key (void)
{
  static const struct
  {
    const char *without, *setting; /* the key that it lacks, what is set now */
    const char *named;             /* NULL: it goes on */
    const char *then;              /* what was set then */
  } cases[] = {
    { "ignore_regions=", NULL, NULL },
    { "ignore_regions=", "ignore_regions=true", "\"ignore_regions=true\"" },
    { "ignore_regions=", "cooldown=0.5", "\"cooldown=0.5\"" },
    { "cooldown=", NULL, NULL },
    { "cooldown=", "cooldown=0.5", "\"cooldown=0.5\"" },
    { "alpha=", NULL, NULL }, { "alpha=", "alpha=0.5", "\"alpha=0.5\"" },
    { "ema=", NULL, "\"ema=0.5\"" }, /* of the rig, not the default */
    { "lr=", "lr=0.5", "\"lr=0.5\"" }, { "lr=", NULL, NULL },
    { "cooldown=", NULL, "\"lr=0.01\"", "lr=0.5" },
    { "", NULL, "\"[recipe]\"" }, /* no recipe at all */
  };
  g_autofree char *path = folder_file (folder, "young");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
    g_autoptr (GString) text = g_string_new (NULL);
    g_autoptr (GError) error = NULL;
    Rig then, now;

    rig_init (&then, 1, cases[i].then);
    g_autofree char *recipe = defcn_recipe_to_text (then.recipe);
    g_auto (GStrv) lines = g_strsplit (recipe, "\n", -1);
    for (int k = 0; lines[k]; k++)
      if (!g_str_has_prefix (lines[k], cases[i].without))
        g_string_append_printf (text, "%s\n", lines[k]);
    defcn_model_save (then.state.model, writer, DEFCN_DTYPE_F32);
    defcn_optimizer_save (then.state.optimizer, writer);
    defcn_weights_writer_metadata (writer, "defcn.iteration", "7");
    if (text->len > 0)
      defcn_weights_writer_metadata (writer, "defcn.recipe", text->str);
    g_assert_true (defcn_weights_writer_save (writer, path, NULL));
    rig_clear (&then);

    rig_init (&now, 1, cases[i].setting);
    g_assert_cmpint (defcn_checkpoint_load (&now.state, path, &error), ==,
        cases[i].named == NULL);
    if (cases[i].named) {
      g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
      g_assert_nonnull (strstr (error->message, cases[i].named));
      g_assert_true (g_str_has_prefix (error->message, path));
    }
    rig_clear (&now);
  }
}

/* A model, an iteration that is no number, no file: named, and refused. */
static void
test_no_checkpoint (void)
{
  static const char *const iterations[] = { NULL, "", "x", "-1", "1.5", "1x",
    "9223372036854775808" };
  g_autofree char *path = folder_file (folder, "none");
  g_autoptr (GError) absent = NULL;
  Rig rig;

  rig_init (&rig, 1, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (iterations); i++) {
    g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
    g_autoptr (GError) error = NULL;

    defcn_model_save (rig.state.model, writer, DEFCN_DTYPE_F32);
    defcn_optimizer_save (rig.state.optimizer, writer);
    if (iterations[i])
      defcn_weights_writer_metadata (writer, "defcn.iteration", iterations[i]);
    g_assert_true (defcn_weights_writer_save (writer, path, NULL));
    g_assert_false (defcn_checkpoint_load (&rig.state, path, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
    g_assert_nonnull (strstr (error->message, "is no checkpoint"));
  }
  rig.state.iteration = 270001; /* of 270000 */
  g_assert_true (defcn_checkpoint_save (&rig.state, path, NULL));
  g_autoptr (GError) beyond = NULL;
  g_assert_false (defcn_checkpoint_load (&rig.state, path, &beyond));
  g_assert_nonnull (strstr (beyond->message, "the recipe ends at 270000"));
  g_assert_false (
      defcn_checkpoint_load (&rig.state, "/nowhere.safetensors", &absent));
  g_assert_nonnull (strstr (absent->message, "/nowhere.safetensors"));
  rig_clear (&rig);
}

static void
write_line (const char *path, gint64 last, int iteration)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnMetrics) metrics = defcn_metrics_open (path, last, &error);
  cJSON *line = cJSON_CreateObject ();

  g_assert_no_error (error);
  cJSON_AddNumberToObject (line, "iteration", iteration);
  g_assert_true (defcn_metrics_write (metrics, line, NULL));

  /* there at once, for whoever follows the run */
  g_autofree char *want = g_strdup_printf ("{\"iteration\":%d}\n", iteration);
  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_true (g_str_has_suffix (text, want));
}

static void
assert_text (const char *path, const char *want)
{
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, want);
}

/* A resumed run keeps the lines before it and drops what it repeats and what
 * is cut off; a new run drops all. */
static void
test_metrics (void)
{
  static const char cut[] = "{\"iteration\":1}\nx\n{\"iteration\":2}\n"
                            "{\"iteration\":\"1\"}\n{\"loss\":1}\n"
                            "{\"iteration\":3}\n{\"iteration\":1,\"los";
  g_autofree char *path = folder_write (folder, "lines", cut, strlen (cut));
  g_autoptr (GError) error = NULL;

  write_line (path, 2, 4);
  assert_text (path,
      "{\"iteration\":1}\n{\"iteration\":2}\n{\"iteration\":4}\n");
  write_line (path, -1, 5);
  assert_text (path, "{\"iteration\":5}\n");
  g_autofree char *start = folder_write (folder, "lines",
      "{\"iteration\":0}\n{\"iteration\":1}\n", 32);
  write_line (path, 0, 1); /* evaluated before its first update */
  assert_text (path, "{\"iteration\":0}\n{\"iteration\":1}\n");
  g_remove (path);
  write_line (path, 2, 6);
  assert_text (path, "{\"iteration\":6}\n");
  g_assert_null (defcn_metrics_open ("/dev/null/lines", 0, &error));
  g_assert_nonnull (strstr (error->message, "/dev/null/lines"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/checkpoint/round", test_round);
  g_test_add_func ("/checkpoint/normalizer", test_normalizer);
  g_test_add_func ("/checkpoint/no-normalizer", test_no_normalizer);
  g_test_add_func ("/checkpoint/sizes", test_sizes);
  g_test_add_func ("/checkpoint/model", test_model);
  g_test_add_func ("/checkpoint/reached", test_reached);
  g_test_add_func ("/checkpoint/recipe", test_recipe);
  g_test_add_func ("/checkpoint/data", test_data);
  g_test_add_func ("/checkpoint/young-key", test_young_key);
  g_test_add_func ("/checkpoint/no-checkpoint", test_no_checkpoint);
  g_test_add_func ("/metrics/lines", test_metrics);

  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

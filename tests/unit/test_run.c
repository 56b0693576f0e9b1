/* The start of a training run: what its recipe is, what it opens. */
#include "train/run.h"
#include "folder.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static char *folder, *output;

static const char annotations[] =
    "{\"images\":[{\"id\":1,\"file_name\":\"1.png\",\"width\":9,\"height\":9},"
    "{\"id\":2,\"file_name\":\"2.png\",\"width\":9,\"height\":9},"
    "{\"id\":3,\"file_name\":\"3.png\",\"width\":9,\"height\":9}],"
    "\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}],"
    "\"annotations\":[{\"id\":1,\"image_id\":1,\"category_id\":2,"
    "\"bbox\":[1,1,5,5],\"area\":25,\"iscrowd\":0},"
    "{\"id\":2,\"image_id\":3,\"category_id\":1,"
    "\"bbox\":[1,1,5,5],\"area\":25,\"iscrowd\":0}]}";

static void
print_nothing (const char *text)
{
}

/* The later of preset, file, settings and paths decides. */
static void
test_recipe (void)
{
  static const char text[] = "[recipe]\npreset=coco.poto\nlr=0.5\nbatch=3\n"
                             "annotations=of-file\nimages=of-file\n";
  char *settings[] = { "batch=4", "images=of-set", "seed=5", "precision=tf32",
    NULL };
  char *of_option[] = { "of;option", "another", NULL };
  g_autofree char *path = folder_write (folder, "r.ini", text, strlen (text));
  char *files[] = { path, NULL };
  DefcnRunOptions options = { .files = files,
    .set = settings,
    .images = of_option,
    .device = { .precision = "bf16" } };
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = defcn_run_recipe (&options, &error);

  g_assert_no_error (error);
  g_assert_false (recipe->spec->filter); /* of the preset that the file names */
  g_assert_cmpint (recipe->spec->depth, ==, 50); /* and finished */
  g_assert_cmpfloat (recipe->optimizer.lr, ==, 0.5);
  g_assert_cmpint (recipe->loader.batch, ==, 4);
  g_assert_cmpint (recipe->loader.seed, ==, 5);
  g_assert_cmpstr (recipe->precision, ==, "bf16");
  g_assert_true (g_str_has_suffix (recipe->annotations, "/of-file"));
  g_assert_cmpstr (recipe->images, ==, "of\\;option;another");

  options.preset = "coco.poto.3dmf";
  g_autoptr (DefcnRecipe) other = defcn_run_recipe (&options, &error);
  g_assert_no_error (error);
  g_assert_true (other->spec->filter); /* the option's goes before the file's */
}

/* A run that is resumed goes by its own recipe, unless it is told another;
 * where there is none it says which file it misses. */
static void
test_own_recipe (void)
{
  static const char text[] = "[recipe]\npreset=coco.poto\nlr=0.5\n"
                             "annotations=a\nimages=i\n";
  char *settings[] = { "batch=4", NULL }, *any[] = { "b", NULL };
  g_autofree char *run = folder_new ();
  g_autofree char *path = folder_write (run, "recipe.ini", text, strlen (text));
  char *files[] = { path, NULL };
  DefcnRunOptions own = { .output = run, .resume = TRUE, .set = settings };
  DefcnRunOptions other = { .output = run,
    .resume = TRUE,
    .preset = "coco.fcos",
    .annotations = any,
    .images = any };
  DefcnRunOptions anew = { .output = run, .annotations = any, .images = any };
  DefcnRunOptions none = { .output = folder, .resume = TRUE };
  DefcnRunOptions said = { .output = folder, .resume = TRUE, .files = files };
  DefcnRunOptions bare = { .output = "/nowhere",
    .resume = TRUE,
    .annotations = any,
    .images = any };
  const struct
  {
    const DefcnRunOptions *options;
    double lr;
  } cases[] = { { &own, 0.5 }, { &other, 0.01 }, { &anew, 0.01 },
    { &said, 0.5 }, { &bare, 0.01 } };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) recipe =
        defcn_run_recipe (cases[i].options, &error);

    g_assert_no_error (error);
    g_assert_cmpfloat (recipe->optimizer.lr, ==, cases[i].lr);
    g_assert_cmpint (recipe->loader.batch, ==, i == 0 ? 4 : 16);
  }
  g_assert_null (defcn_run_recipe (&none, &error));
  g_assert_nonnull (strstr (error->message, "recipe.ini: No such file"));
  folder_remove (g_steal_pointer (&run));
}

/* Wrong ones are said, of whatever they come from. */
static void
test_bad_recipe (void)
{
  char *nowhere[] = { "/nowhere.ini", NULL }, *settings[] = { "lr=x", NULL };
  char *any[] = { "a", NULL };
  const DefcnRunOptions cases[] = { { .files = nowhere },
    { .set = settings, .annotations = any, .images = any }, { .images = any },
    { .preset = "none" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_run_recipe (&cases[i], &error));
    g_assert_nonnull (error);
  }
}

/* Opens a run of @settings in the folder @output.  FALSE with @error. */
static gboolean
open_run (DefcnRun *run, DefcnRunOptions *options, const char *settings,
    GError **error)
{
  g_autofree char *data =
      folder_write (folder, "a.json", annotations, strlen (annotations));
  g_auto (GStrv) set = g_strsplit (settings, " ", -1);

  options->annotations = (char *[]){ data, NULL };
  options->images = (char *[]){ folder, NULL };
  options->set = set;
  run->options = options;
  run->recipe = defcn_run_recipe (options, error);
  run->state.recipe = run->recipe;
  const gboolean good = run->recipe && defcn_run_open (run, error);
  options->annotations = options->images = NULL;
  options->set = NULL;
  return good;
}

#define TINY                                                                   \
  "backbone=mobilenetv2 freeze_at=0 fpn_channels=16 norm_groups=4 "            \
  "tower_depth=1 "                                                             \
  "batch=2 threads=1 workers=1 canvas_width=32 canvas_height=32 "

/* The model has the labels of the data, epochs become updates, and the folder
 * gets the recipe.  Images without a box do not count. */
static void
test_open (void)
{
  static const struct
  {
    const char *settings;
    gint64 last;
  } cases[] = { { TINY "iterations=7", 7 }, { TINY "epochs=10", 10 },
    { TINY "epochs=1.2", 2 }, { TINY "epochs=0.1", 1 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnRunOptions options = { .output = output,
      .device = { .device = "cpu" } };
    DefcnRun run = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_true (open_run (&run, &options, cases[i].settings, &error));
    g_assert_no_error (error);
    g_assert_cmpint (run.last, ==, cases[i].last);
    g_assert_cmpint (run.state.iteration, ==, 0);
    g_assert_cmpfloat (run.state.best_ap, ==, -1);
    const DefcnSpec *spec = defcn_model_spec (run.state.model);
    g_assert_cmpint (spec->n_classes, ==, 2);
    g_assert_cmpstr (spec->labels[0], ==, "cat");
    g_assert_cmpstr (spec->labels[1], ==, "dog");
    g_autofree char *path = defcn_run_file (&run, "recipe.ini");
    g_autofree char *want = defcn_recipe_to_file (run.recipe);
    g_autofree char *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_cmpstr (text, ==, want);
    defcn_run_close (&run);
    defcn_recipe_free (run.recipe);
  }
}

/* Every second of three images is what the run is watched on. */
static void
test_held_out (void)
{
  const GPrintFunc print = g_set_print_handler (print_nothing);
  DefcnRunOptions options = { .output = output, .device = { .device = "cpu" } };
  DefcnRun run = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (open_run (&run, &options, TINY "holdout=2", &error));
  g_set_print_handler (print);
  g_assert_no_error (error);
  g_assert_cmpuint (run.dataset->samples->len, ==, 2);
  g_assert_cmpuint (run.validation->samples->len, ==, 1);
  const DefcnSample *held = run.validation->samples->pdata[0];
  g_assert_cmpint (held->id, ==, 2);
  defcn_run_close (&run);
  defcn_recipe_free (run.recipe);
}

/* A file of one tensor, which no model has. */
static void
write_strange (const char *path)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

  defcn_weights_writer_add (writer, "strange", DEFCN_DTYPE_F32, 1,
      (const gint64[]){ 1 }, (const float[]){ 1 });
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
}

/* What a run starts from is read where it begins, and not where it goes on. */
static void
test_strange_start (void)
{
  g_autofree char *path = folder_file (folder, "strange.safetensors");
  g_autofree char *settings = g_strdup_printf (TINY "init=%s", path);
  DefcnRunOptions options = { .output = output, .device = { .device = "cpu" } };
  DefcnRun run = { 0 };
  g_autoptr (GError) error = NULL;

  write_strange (path);
  g_assert_false (open_run (&run, &options, settings, &error));
  g_assert_nonnull (strstr (error->message, "none of its tensors"));
  defcn_run_close (&run);
  defcn_recipe_free (run.recipe);
}

/* What a run cannot be opened with is named. */
static void
test_bad_open (void)
{
  static const struct
  {
    const char *settings, *device, *precision, *words;
    gboolean resume;
  } cases[] = {
    { TINY "init=/nowhere.safetensors", "cpu", NULL, "/nowhere.safetensors",
        FALSE },
    { TINY "val_annotations=/none.json val_images=/", "cpu", NULL, "/none.json",
        FALSE },
    { TINY "lr=1", "cpu", NULL, "checkpoint.safetensors", TRUE },
    { TINY "lr=1", "cpu", "fp16", "\"fp16\", wanted fp32, tf32 or bf16",
        FALSE },
    { TINY "precision=tf32", "cpu", NULL, "\"tf32\" is for CUDA", FALSE },
    { TINY "precision=bf16", "reference", NULL, "reference has no bf16",
        FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnRunOptions options = { .output = output,
      .resume = cases[i].resume,
      .device = { .device = cases[i].device,
          .precision = cases[i].precision } };
    DefcnRun run = { 0 };
    g_autoptr (GError) error = NULL;

    const GPrintFunc print = g_set_print_handler (print_nothing);
    g_assert_false (open_run (&run, &options, cases[i].settings, &error));
    g_set_print_handler (print);
    g_assert_nonnull (strstr (error->message, cases[i].words));
    defcn_run_close (&run);
    defcn_recipe_free (run.recipe);
  }
}

/* What a validation set's pictures would only show at the first evaluation. */
static void
test_bad_validation (void)
{
  g_autofree char *pictures = folder_new ();
  g_autofree char *path = folder_file (folder, "a.json");
  g_autofree char *settings =
      g_strdup_printf (TINY "val_annotations=%s val_images=%s", path, pictures);
  static const struct
  {
    int width;
    const char *text, *words;
  } cases[] = { { 18, NULL, "3.png: 18 x 9 pixels, its record says 9 x 9" },
    { 0, "", "3.png: neither JPEG" }, { 0, "<html>", "3.png: neither JPEG" },
    { 0, "\x89PNG\r\n\x1a\n", "3.png: " } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnRunOptions options = { .output = output,
      .device = { .device = "cpu" } };
    DefcnRun run = { 0 };
    g_autoptr (GError) error = NULL;

    for (int k = 1; k <= 3; k++) {
      g_autofree char *name = g_strdup_printf ("%d.png", k);
      g_autofree char *file = folder_file (pictures, name);
      g_autoptr (DefcnPicture) picture =
          defcn_picture_new (k == 3 && cases[i].width ? cases[i].width : 9, 9);

      if (k == 3 && cases[i].text)
        g_assert_true (g_file_set_contents (file, cases[i].text, -1, NULL));
      else
        g_assert_true (defcn_picture_save (picture, file, NULL));
    }
    g_assert_false (open_run (&run, &options, settings, &error));
    g_assert_nonnull (strstr (error->message, cases[i].words));
    defcn_run_close (&run);
    defcn_recipe_free (run.recipe);
  }
  folder_remove (g_steal_pointer (&pictures));
}

/* A disk that will not take the run's files ends it before it begins. */
static void
test_no_room (void)
{
  g_autofree char *room = folder_new ();
  DefcnRunOptions options = { .output = room, .device = { .device = "cpu" } };
  DefcnRun run = { 0 };
  g_autoptr (GError) error = NULL;
  struct rlimit limit, low;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  low = limit;
  low.rlim_cur = 1 << 20; /* a checkpoint has more, all else less */
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &low), ==, 0);
  const gboolean opened = open_run (&run, &options, TINY "lr=1", &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  signal (SIGXFSZ, SIG_DFL);
  g_assert_false (opened);
  g_assert_nonnull (strstr (error->message, "no room for"));
  g_assert_true (g_str_has_prefix (error->message, room));
  defcn_run_close (&run);
  defcn_recipe_free (run.recipe);
  g_clear_error (&error);

  DefcnRun again = { 0 }; /* nothing is left of the first try */
  g_assert_true (open_run (&again, &options, TINY "lr=1", &error));
  g_assert_no_error (error);
  defcn_run_close (&again);
  defcn_recipe_free (again.recipe);
  folder_remove (g_steal_pointer (&room));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  output = folder_new ();
  for (int i = 1; i <= 3; i++) {
    g_autofree char *name = g_strdup_printf ("%d.png", i);
    g_autofree char *path = folder_file (folder, name);
    g_autoptr (DefcnPicture) picture = defcn_picture_new (9, 9);

    memset (picture->rgb, i, 9 * 9 * 3);
    g_assert_true (defcn_picture_save (picture, path, NULL));
  }
  g_test_add_func ("/run/recipe", test_recipe);
  g_test_add_func ("/run/own-recipe", test_own_recipe);
  g_test_add_func ("/run/bad-recipe", test_bad_recipe);
  g_test_add_func ("/run/open", test_open);
  g_test_add_func ("/run/held-out", test_held_out);
  g_test_add_func ("/run/strange-start", test_strange_start);
  g_test_add_func ("/run/bad-open", test_bad_open);
  g_test_add_func ("/run/bad-validation", test_bad_validation);
  g_test_add_func ("/run/no-room", test_no_room);

  const int status = g_test_run ();
  folder_remove (folder);
  folder_remove (output);
  return status;
}

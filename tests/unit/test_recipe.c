/* Recipes: presets, keys, key files, and what is said about wrong ones. */
#include "folder.h"
#include "train/recipe.h"

#include <string.h>

/* A recipe that only lacks what a case is about. */
static DefcnRecipe *
whole_recipe (void)
{
  g_autoptr (GError) error = NULL;
  DefcnRecipe *recipe = defcn_recipe_new (NULL, &error);

  g_assert_no_error (error);
  g_assert_true (defcn_recipe_set (recipe, "annotations=a.json", &error));
  g_assert_true (defcn_recipe_set (recipe, "images=i", &error));
  return recipe;
}

/* Every preset is complete, and its text sets another recipe to the same. */
static void
test_presets (void)
{
  const char *const *names = defcn_recipe_presets ();

  g_assert_cmpuint (g_strv_length ((char **) names), ==, 12);
  for (; *names; names++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (*names, &error);
    g_autoptr (DefcnRecipe) other = defcn_recipe_new (NULL, &error);

    g_assert_no_error (error);
    g_assert_true (defcn_recipe_set (recipe, "annotations=a", NULL));
    g_assert_true (defcn_recipe_set (recipe, "images=i", NULL));
    g_assert_true (defcn_recipe_finish (recipe, &error));
    g_autofree char *text = defcn_recipe_to_text (recipe);
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
    g_assert_cmpstr (lines[0], ==, "[recipe]");
    for (guint i = 1; lines[i]; i++)
      g_assert_true (
          !lines[i][0] || defcn_recipe_set (other, lines[i], &error));
    g_autofree char *again = defcn_recipe_to_text (other);
    g_assert_cmpstr (again, ==, text);
  }
}

/* A row of the paper: CrowdHuman's schedule and sizes, one-to-one alone. */
static void
test_preset_values (void)
{
  g_autoptr (DefcnRecipe) r = defcn_recipe_new ("crowdhuman.poto", NULL);

  g_assert_false (r->spec->filter);
  g_assert_cmpint (r->step.assign.aux_topk, ==, 0);
  g_assert_cmpfloat (r->step.assign.radius, ==, 0);
  g_assert_cmpint (r->optimizer.iterations, ==, 30000);
  g_assert_cmpint (r->optimizer.n_steps, ==, 2);
  g_assert_cmpint (r->optimizer.steps[1], ==, 25000);
  g_assert_cmpint (r->loader.augment.n_short_edges, ==, 1);
  g_assert_cmpint (r->spec->max_detections, ==, 500);
}

/* What --set refuses, and the words that it says why with. */
static void
test_bad_values (void)
{
  static const struct
  {
    const char *assignment, *words;
  } cases[] = {
    { "lr", "not key=value" },
    { "", "not key=value" },
    { "lrr=1", "no recipe key \"lrr\"" },
    { "lr=", "\"lr\" is \"\", wanted a number" },
    { "lr=fast", "\"lr\" is \"fast\", wanted a number in 0 .. 10" },
    { "lr=1x", "wanted a number" },
    { "lr=nan", "wanted a number" },
    { "lr=-1", "wanted a number" },
    { "lr=11", "in 0 .. 10" },
    { "batch=1.5", "wanted a whole number in 1 .. 4096" },
    { "batch=0", "wanted a whole number" },
    { "filter=yes", "wanted true or false" },
    { "assigner=none", "wanted poto, argmax, fcos" },
    { "optimizer=adam", "wanted sgd, adamw" },
    { "short_edges=640;x", "wanted a whole number" },
    { "short_edges=32;32;32;32;32;32;32;32;32;32;32;32;32;32;32;32;32",
        "at most 16" },
    { "steps=1;2;3;4;5;6;7;8;9", "at most 8" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();
    g_autofree char *before = defcn_recipe_to_text (recipe);

    g_assert_false (defcn_recipe_set (recipe, cases[i].assignment, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, cases[i].words));
    if (!strstr (cases[i].assignment, ";")) {
      g_autofree char *after = defcn_recipe_to_text (recipe);
      g_assert_cmpstr (after, ==, before);
    }
  }
}

/* What does not belong together, each set over a good recipe. */
static void
test_finish (void)
{
  static const struct
  {
    const char *assignment, *words;
  } cases[] = {
    { "annotations=", "annotations and images" },
    { "images=", "annotations and images" },
    { "val_images=v", "val_annotations and val_images" },
    { "short_edges=", "short_edges is empty" },
    { "canvas_width=64", "canvas_width and canvas_height" },
    { "scale_min=2", "scale_min is above scale_max" },
    { "assigner=fcos", "set filter=false" },
    { "backbone=", "\"backbone\" is \"\"" },
    { "backbone=vgg", "\"backbone\" is \"vgg\"" },
    { "backbone=resnet50x", "\"backbone\" is \"resnet50x\"" },
    { "backbone=resnet20", "\"backbone\" is \"resnet20\"" },
    { "pixels=rgb", "\"pixels\" is \"rgb\"" },
  };
  g_autoptr (GError) none = NULL;
  g_autoptr (DefcnRecipe) good = whole_recipe ();

  g_assert_true (defcn_recipe_finish (good, &none));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();

    g_assert_true (defcn_recipe_set (recipe, cases[i].assignment, NULL));
    g_assert_false (defcn_recipe_finish (recipe, &error));
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, cases[i].words));
  }
}

/* Backbones and pixel rules become the spec's fields. */
static void
test_spec (void)
{
  static const struct
  {
    const char *backbone, *pixels;
    int depth, res2;
    gboolean bgr;
  } cases[] = {
    { "resnet18", "msra", 18, 64, TRUE },
    { "resnet34", "torchvision", 34, 64, FALSE },
    { "resnet50", "msra", 50, 256, TRUE },
    { "resnet152", "torchvision", 152, 256, FALSE },
    { "mobilenetv2", "torchvision", 0, 0, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) r = whole_recipe ();
    g_autofree char *backbone =
        g_strconcat ("backbone=", cases[i].backbone, NULL);
    g_autofree char *pixels = g_strconcat ("pixels=", cases[i].pixels, NULL);

    g_assert_true (defcn_recipe_set (r, backbone, NULL));
    g_assert_true (defcn_recipe_set (r, pixels, NULL));
    g_assert_true (defcn_recipe_finish (r, NULL));
    g_assert_cmpint (r->spec->depth, ==, cases[i].depth);
    if (cases[i].res2)
      g_assert_cmpint (r->spec->res2_channels, ==, cases[i].res2);
    g_assert_cmpint (r->spec->input.bgr, ==, cases[i].bgr);
    g_assert_cmpfloat_with_epsilon (r->spec->input.mean[0],
        cases[i].bgr ? 103.53 : 123.675, 1e-4);
    g_assert_cmpint (r->micro_batch, ==, 16); /* the batch */
  }
}

/* A key file goes over its preset; its paths are relative to itself, those of
 * --set to the working directory. */
static void
test_file (void)
{
  static const char text[] = "[recipe]\npreset=coco.poto\nlr=0.5\n"
                             "annotations=sub/../a.json\nimages=\n";
  char *folder = folder_new ();
  g_autofree char *path = folder_write (folder, "r.ini", text, strlen (text));
  g_autofree char *want = folder_file (folder, "a.json");
  g_autoptr (GError) error = NULL;
  g_autofree char *preset = defcn_recipe_file_preset (path, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (preset, ==, "coco.poto");
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (preset, &error);
  g_assert_true (defcn_recipe_load (recipe, path, &error));
  g_assert_cmpfloat (recipe->optimizer.lr, ==, 0.5);
  g_assert_cmpstr (recipe->annotations, ==, want);
  g_assert_null (recipe->images);
  g_assert_true (defcn_recipe_set (recipe, " images = here ", &error));
  g_assert_cmpstr (recipe->images, ==, "here");
  folder_remove (folder);
}

/* Key files that are none are named, with what is wrong in them. */
static void
test_bad_files (void)
{
  static const struct
  {
    const char *text, *words;
    gboolean preset; /* its preset cannot be read either */
  } cases[] = {
    { "", "[recipe]", TRUE },
    { "lr=1\n", "r.ini", TRUE },
    { "[other]\nlr=1\n", "no group [recipe]", TRUE },
    { "[recipe]\nlrr=1\n", "no recipe key \"lrr\"", FALSE },
    { "[recipe]\nlr=x\n", "wanted a number", FALSE },
    { "[recipe]\nlr=\\q\n", "lr", FALSE },
    { "[recipe]\nimages=\377\n", "images", FALSE },
    { "[recipe]\npreset=\\q\n", "preset", TRUE },
  };
  char *folder = folder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        folder_write (folder, "r.ini", cases[i].text, strlen (cases[i].text));
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();
    g_autoptr (GError) error = NULL, why = NULL;

    g_assert_null (defcn_recipe_file_preset (path, &why));
    g_assert_cmpint (why != NULL, ==, cases[i].preset);
    if (g_str_has_prefix (cases[i].text, "[recipe]\npreset"))
      g_propagate_error (&error, g_steal_pointer (&why));
    else
      g_assert_false (defcn_recipe_load (recipe, path, &error));
    g_assert_nonnull (strstr (error->message, cases[i].words));
    g_assert_true (g_str_has_prefix (error->message, path));
  }
  folder_remove (folder);
}

/* An unknown preset is answered with those that there are, an absent file with
 * its name. */
static void
test_absent (void)
{
  g_autoptr (GError) error = NULL, missing = NULL;

  g_assert_null (defcn_recipe_new ("none", &error));
  g_assert_nonnull (strstr (error->message, "crowdhuman.poto.3dmf.aux"));
  g_assert_null (defcn_recipe_file_preset ("/nowhere.ini", &missing));
  g_assert_nonnull (strstr (missing->message, "/nowhere.ini"));
}

/* The help has a line for every key. */
static void
test_help (void)
{
  g_autofree char *help = defcn_recipe_help ();
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, NULL);
  g_autofree char *text = defcn_recipe_to_text (recipe);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 1; lines[i] && lines[i][0]; i++) {
    g_auto (GStrv) parts = g_strsplit (lines[i], "=", 2);
    g_autofree char *row = g_strdup_printf ("\n  %-20s ", parts[0]);

    g_assert_nonnull (strstr (help, row));
  }
  g_assert_nonnull (strstr (help, "coco.poto.9x"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/presets", test_presets);
  g_test_add_func ("/recipe/preset-values", test_preset_values);
  g_test_add_func ("/recipe/bad-values", test_bad_values);
  g_test_add_func ("/recipe/finish", test_finish);
  g_test_add_func ("/recipe/spec", test_spec);
  g_test_add_func ("/recipe/file", test_file);
  g_test_add_func ("/recipe/bad-files", test_bad_files);
  g_test_add_func ("/recipe/absent", test_absent);
  g_test_add_func ("/recipe/help", test_help);
  return g_test_run ();
}

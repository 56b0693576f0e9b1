/* What a training starts from: tensors that fit, classes by name, and what the
 * file asks of the recipe. */
#include "train/init.h"
#include "folder.h"
#include "train/recipe.h"

#include <string.h>

static char *folder;

#define TINY                                                                   \
  "backbone=mobilenetv2;pixels=torchvision;fpn_channels=16;norm_groups=4;"     \
  "tower_depth=1;freeze_at=0;annotations=a;images=i"

/* A recipe of @settings, ";" between them. */
static DefcnRecipe *
recipe_of (const char *settings)
{
  g_autoptr (GError) error = NULL;
  DefcnRecipe *recipe = defcn_recipe_new (NULL, &error);
  g_auto (GStrv) lines = g_strsplit (settings, ";", -1);

  for (guint i = 0; lines[i]; i++) {
    if (!lines[i][0])
      continue;
    g_assert_true (defcn_recipe_set (recipe, lines[i], &error));
    g_assert_no_error (error);
  }
  return recipe;
}

/* A model of the recipe @settings with classes @labels. */
static DefcnModel *
model_of (DefcnBackend *be, const char *settings, const char *labels,
    guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = recipe_of (settings);

  g_assert_true (defcn_recipe_finish (recipe, &error));
  g_strfreev (recipe->spec->labels);
  recipe->spec->labels = g_strsplit (labels, ",", -1);
  recipe->spec->n_classes = g_strv_length (recipe->spec->labels);
  DefcnModel *model = defcn_model_new (recipe->spec, be, TRUE, seed, &error);
  g_assert_no_error (error);
  return model;
}

/* The file @name of a model of @settings and @labels. */
static char *
write_model (DefcnBackend *be, const char *settings, const char *labels)
{
  g_autoptr (DefcnModel) model = model_of (be, settings, labels, 1);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  char *path = folder_file (folder, "start.safetensors");

  DefcnParam *p =
      defcn_params_lookup (defcn_model_params (model), "head.cls_score.bias");
  for (int i = 0; i < p->c; i++)
    p->value[i] = i + 1;
  defcn_model_save_training (model, writer);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
  return path;
}

static DefcnBackend *
open_reference (void)
{
  return defcn_backend_new ("reference", 1, NULL);
}

/* Classes go by name, wherever they stand; all else is taken where it fits; one
 * line tells. */
static void
test_classes (void)
{
  static const struct
  {
    const char *theirs, *ours;
    float biases[3]; /* 0: starts anew */
    const char *said, *not_said;
  } cases[] = {
    { "person", "dog,person", { 0, 1 }, "taken over: person", "cls_score" },
    { "a,b,c", "c,x,a", { 3, 0, 1 }, "that start anew: x", "cls_score" },
    { "a,b", "a,b", { 1, 2 }, "taken over: a, b", "anew" },
    { "a,b", "b", { 2 }, "taken over: b", "anew" },
    { "cat", "dog", { 0 }, "starts anew: head.cls_score.weight", "taken over" },
  };
  g_autoptr (DefcnBackend) be = open_reference ();

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = write_model (be, TINY, cases[i].theirs);
    g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
    g_autoptr (DefcnModel) model = model_of (be, TINY, cases[i].ours, 2);
    g_autoptr (DefcnModel) fresh = model_of (be, TINY, cases[i].ours, 2);
    g_autofree char *report = NULL;

    g_assert_true (defcn_init_load (model, &report, weights, &error));
    g_assert_no_error (error);
    g_assert_nonnull (strstr (report, cases[i].said));
    g_assert_null (strstr (report, cases[i].not_said));
    const DefcnParam *bias =
        defcn_params_lookup (defcn_model_params (model), "head.cls_score.bias");
    const DefcnParam *initial =
        defcn_params_lookup (defcn_model_params (fresh), "head.cls_score.bias");
    for (int k = 0; k < bias->c; k++)
      g_assert_cmpfloat (bias->value[k], ==,
          cases[i].biases[k] > 0 ? cases[i].biases[k] : initial->value[k]);
  }
}

/* A weight of the file is the model's to the last bit, in its own order. */
static void
test_rows (void)
{
  g_autoptr (DefcnBackend) be = open_reference ();
  g_autofree char *path = write_model (be, TINY, "x,y");
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  g_autoptr (DefcnModel) from = model_of (be, TINY, "x,y", 1);
  g_autoptr (DefcnModel) to = model_of (be, TINY, "y", 2);
  g_autofree char *report = NULL;
  static const char *const names[] = { "head.cls_score.weight",
    "head.bbox_pred.weight" };

  g_assert_true (defcn_init_load (to, &report, weights, NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    const DefcnParam *a =
        defcn_params_lookup (defcn_model_params (from), names[i]);
    const DefcnParam *b =
        defcn_params_lookup (defcn_model_params (to), names[i]);
    const gsize row = defcn_param_len (b) / b->n;

    g_assert_cmpmem (a->value + (i == 0 ? row : 0),
        defcn_param_len (b) * sizeof (float), b->value,
        defcn_param_len (b) * sizeof (float));
  }
}

/* Of another width only the backbone fits, and what does not is counted; a file
 * of nothing that fits is refused. */
static void
test_other_width (void)
{
  g_autoptr (DefcnBackend) be = open_reference ();
  g_autofree char *path = write_model (be, TINY, "x");
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  g_autoptr (DefcnModel) wide = model_of (be, TINY ";fpn_channels=24", "x", 2);
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();
  g_autofree char *other = folder_file (folder, "other.safetensors");
  g_autofree char *report = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_init_load (wide, &report, weights, NULL));
  g_assert_nonnull (strstr (report, "starts anew: "));
  g_assert_nonnull (strstr (report, " more"));

  defcn_weights_writer_add (writer, "none", DEFCN_DTYPE_F32, 1,
      (const gint64[]){ 1 }, (const float[]){ 1 });
  g_assert_true (defcn_weights_writer_save (writer, other, NULL));
  g_autoptr (DefcnWeights) nothing = defcn_weights_open (other, NULL);
  g_clear_pointer (&report, g_free);
  g_assert_false (defcn_init_load (wide, &report, nothing, &error));
  g_assert_nonnull (strstr (error->message, "none of its tensors"));
}

/* The last layer of the box branch means something else with anchors and starts
 * anew; the rest is taken. */
static void
test_anchors (void)
{
  g_autoptr (DefcnBackend) be = open_reference ();

  for (int anchors = 0; anchors < 2; anchors++) {
    g_autofree char *path =
        write_model (be, anchors ? TINY ";anchors=1" : TINY, "x");
    g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);

    for (int ours = 0; ours < 2; ours++) {
      g_autoptr (DefcnModel) model =
          model_of (be, ours ? TINY ";anchors=1" : TINY, "x", 2);
      g_autofree char *report = NULL;

      g_assert_true (defcn_init_load (model, &report, weights, NULL));
      g_assert_cmpint (strstr (report, "head.bbox_pred.weight") != NULL, ==,
          anchors != ours);
      g_assert_null (strstr (report, "head.cls_score"));
    }
  }
}

/* Nine classifiers a location: each takes the rows of its own anchor, by name;
 * towers without norms are none with. */
static void
test_nine (void)
{
#define NINE ";anchors=9;assigner=retinanet;filter=false;aux_topk=0"
  g_autoptr (DefcnBackend) be = open_reference ();
  g_autofree char *path = write_model (be, TINY NINE, "x,y");
  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, NULL);
  g_autoptr (DefcnModel) model = model_of (be, TINY NINE, "y,z,x", 2);
  g_autoptr (DefcnModel) bare =
      model_of (be, TINY NINE ";norm_groups=0", "x", 2);
  g_autoptr (DefcnModel) one = model_of (be, TINY, "x", 2);
  g_autofree char *report = NULL, *of_bare = NULL, *of_one = NULL;

  g_assert_true (defcn_init_load (model, &report, weights, NULL));
  const DefcnParam *bias =
      defcn_params_lookup (defcn_model_params (model), "head.cls_score.bias");
  g_assert_cmpint (bias->c, ==, 27);
  for (int a = 0; a < 9; a++) { /* the file's are 1, 2, 3 .. */
    g_assert_cmpfloat (bias->value[3 * a], ==, 2 * a + 2);
    g_assert_cmpfloat (bias->value[3 * a + 2], ==, 2 * a + 1);
  }
  g_assert_null (strstr (report, "head.bbox_pred"));
  g_assert_true (defcn_init_load (bare, &of_bare, weights, NULL));
  g_assert_nonnull (strstr (of_bare, "head.cls_subnet.0.weight"));
  g_assert_true (defcn_init_load (one, &of_one, weights, NULL));
  g_assert_nonnull (strstr (of_one, "head.cls_score.weight"));
#undef NINE
}

/* What the file decides is set where nobody has, kept where it is the same, and
 * contradicted where it is not; a head may be another. */
static void
test_adopt (void)
{
  static const struct
  {
    const char *settings;
    const char *set;   /* what is adopted; NULL: nothing, or refused */
    const char *words; /* of the refusal */
  } cases[] = {
    { "",
        "backbone=mobilenetv2 pixels=torchvision fpn_channels=16 "
        "tower_depth=1 norm_groups=4",
        NULL },
    { "backbone=mobilenetv2;pixels=torchvision;fpn_channels=32;"
      "tower_depth=1;norm_groups=4",
        NULL, NULL },
    { "backbone=resnet18", NULL,
        "backbone=mobilenetv2, the recipe says "
        "resnet18" },
    { "pixels=msra", NULL, "pixels=torchvision, the recipe says msra" },
  };
  g_autoptr (DefcnBackend) be = open_reference ();
  g_autofree char *path = write_model (be, TINY, "x");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) recipe = recipe_of (cases[i].settings);
    g_autoptr (GError) error = NULL;
    g_autofree char *set = NULL;

    g_assert_cmpint (defcn_init_adopt (recipe, &set, path, &error), ==,
        cases[i].words == NULL);
    g_assert_cmpstr (set, ==, cases[i].set);
    if (cases[i].words)
      g_assert_nonnull (strstr (error->message, cases[i].words));
  }
}

/* A backbone's file: a tensor, which says nothing, and @fields of its spec. */
static void
write_backbone (const char *path, const char *fields)
{
  g_autoptr (DefcnWeightsWriter) writer = defcn_weights_writer_new ();

  defcn_weights_writer_add (writer, "none", DEFCN_DTYPE_F32, 1,
      (const gint64[]){ 1 }, (const float[]){ 1 });
  defcn_weights_writer_metadata (writer, "defcn.backbone", fields);
  g_assert_true (defcn_weights_writer_save (writer, path, NULL));
}

/* A backbone's file decides the stride rule too. */
static void
test_backbone (void)
{
  static const char fields[] =
      "{\"backbone\":\"resnet\",\"depth\":50,\"groups\":1,\"group_width\":64,"
      "\"stem_channels\":64,\"res2_channels\":256,\"stride_in_1x1\":false,"
      "\"bgr\":false,\"mean\":[123.675,116.28,103.53],"
      "\"std\":[58.395,57.12,57.375]}";
  g_autofree char *path = folder_file (folder, "backbone.safetensors");
  g_autoptr (DefcnRecipe) recipe = recipe_of ("");
  g_autoptr (DefcnRecipe) other = recipe_of ("stride_in_1x1=true");
  g_autofree char *set = NULL, *none = NULL;
  g_autoptr (GError) error = NULL;

  write_backbone (path, fields);
  g_assert_true (defcn_init_adopt (recipe, &set, path, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (set, ==, "pixels=torchvision stride_in_1x1=false");
  g_assert_false (defcn_init_adopt (other, &none, path, &error));
  g_assert_nonnull (strstr (error->message, "stride_in_1x1=false, the recipe"));
}

/* A row of the paper that names its backbone takes no other in silence; of that
 * one the pixels are still the file's. */
static void
test_row (void)
{
  static const struct
  {
    const char *preset;
    int depth;
    gboolean good;
  } cases[] = {
    { "coco.fcos.ctr.res101.2x", 50, FALSE },
    { "coco.poto.3dmf.aux.x101_32x8d_dcn.2x", 50, FALSE },
    { "coco.fcos.ctr.res101.2x", 101, TRUE },
    { "coco.fcos.ctr.2x", 101, TRUE }, /* names none */
  };
  g_autofree char *path = folder_file (folder, "row.safetensors");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (cases[i].preset, NULL);
    g_autofree char
        *set = NULL,
        *fields = g_strdup_printf (
            "{\"backbone\":\"resnet\",\"depth\":%d,\"groups\":1,"
            "\"group_width\":64,\"stem_channels\":64,\"res2_channels\":256,"
            "\"stride_in_1x1\":true,\"bgr\":false,"
            "\"mean\":[123.675,116.28,103.53],"
            "\"std\":[58.395,57.12,57.375]}",
            cases[i].depth);
    g_autoptr (GError) error = NULL;

    write_backbone (path, fields);
    g_assert_cmpint (defcn_init_adopt (recipe, &set, path, &error), ==,
        cases[i].good);
    if (cases[i].good)
      g_assert_nonnull (strstr (set, "pixels=torchvision"));
    else
      g_assert_nonnull (strstr (error->message, "backbone=resnet50, the"));
  }
}

/* A ResNeXt's file brings its word, its pixels and its stride; one that is
 * deformable asks for that, one that is not leaves it to the recipe. */
static void
test_resnext (void)
{
  static const struct
  {
    const char *deformable, *settings, *set;
  } cases[] = {
    { "", "", "backbone=resnext101_32x8d pixels=fair stride_in_1x1=false" },
    { "", "dcn_from=3",
        "backbone=resnext101_32x8d pixels=fair stride_in_1x1=false" },
    { "\"dcn_from\":3,\"dcn_modulated\":true,", "",
        "backbone=resnext101_32x8d pixels=fair stride_in_1x1=false "
        "dcn_from=3" },
    { "\"dcn_from\":4,\"dcn_modulated\":false,", "dcn_from=3",
        "backbone=resnext101_32x8d pixels=fair stride_in_1x1=false "
        "dcn_modulated=false" },
  };
  g_autofree char *path = folder_file (folder, "resnext.safetensors");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *fields = g_strdup_printf (
        "{\"backbone\":\"resnet\",\"depth\":101,\"groups\":32,"
        "\"group_width\":8,\"stem_channels\":64,\"res2_channels\":256,"
        "\"stride_in_1x1\":false,%s\"bgr\":true,"
        "\"mean\":[103.53,116.28,123.675],\"std\":[57.375,57.12,58.395]}",
        cases[i].deformable);
    g_autoptr (DefcnRecipe) recipe = recipe_of (cases[i].settings);
    g_autofree char *set = NULL;
    g_autoptr (GError) error = NULL;

    write_backbone (path, fields);
    g_assert_true (defcn_init_adopt (recipe, &set, path, &error));
    g_assert_no_error (error);
    g_assert_cmpstr (set, ==, cases[i].set);
  }
}

/* A detector with deformable towers asks for those, and brings them. */
static void
test_deformable (void)
{
  g_autoptr (DefcnBackend) be = open_reference ();
  g_autofree char *path =
      write_model (be, TINY ";dcn_head=true;dcn_modulated=false", "x");
  g_autoptr (DefcnRecipe) recipe = recipe_of (TINY);
  g_autofree char *set = NULL, *report = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (defcn_init_adopt (recipe, &set, path, &error));
  g_assert_cmpstr (set, ==, "dcn_modulated=false dcn_head=true");

  g_autoptr (DefcnWeights) weights = defcn_weights_open (path, &error);
  g_autoptr (DefcnModel) model =
      model_of (be, TINY ";dcn_head=true;dcn_modulated=false", "x", 2);
  g_assert_true (defcn_init_load (model, &report, weights, &error));
  g_assert_null (strstr (report, "starts anew"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/init/classes", test_classes);
  g_test_add_func ("/init/rows", test_rows);
  g_test_add_func ("/init/other-width", test_other_width);
  g_test_add_func ("/init/anchors", test_anchors);
  g_test_add_func ("/init/nine", test_nine);
  g_test_add_func ("/init/adopt", test_adopt);
  g_test_add_func ("/init/row", test_row);
  g_test_add_func ("/init/backbone", test_backbone);
  g_test_add_func ("/init/resnext", test_resnext);
  g_test_add_func ("/init/deformable", test_deformable);

  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

/* Recipes: presets, keys, key files, and what is said about wrong ones. */
#include "folder.h"
#include "train/paper.h"
#include "train/presets.h"
#include "train/recipe.h"

#include <glib/gstdio.h>
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

/* Every key is in the place that it names, and its text is what it was set to;
 * after which the text of any preset leaves nothing of it. */
static void
test_keys (void)
{
  g_autoptr (DefcnRecipe) r = defcn_recipe_new (NULL, NULL);
  const DefcnAugment *a = &r->loader.augment;
  const DefcnOptimizerOptions *o = &r->optimizer;
  const char *const *names = defcn_presets_names ();
  g_autoptr (GString) want = g_string_new ("[recipe]\n");
  static const char *const settings[] = {
    "holdout=29",
    "classes=owl;eel",
    "background=true",
    "polygons=true",
    "max_damaged=0.46875",
    "absolute_names=true",
    "exif=false",
    "max_megapixels=30",
    "backbone=resnet18",
    "pixels=torchvision",
    "stride_in_1x1=false",
    "dcn_from=4",
    "dcn_modulated=false",
    "dcn_head=true",
    "freeze_at=3",
    "fpn_channels=96",
    "p6_from_c5=true",
    "tower_depth=5",
    "norm_groups=6",
    "filter=false",
    "filter_norm=false",
    "tau=4",
    "phi=7",
    "centerness=true",
    "anchors=1",
    "short_edge=97",
    "test_long_edge=98",
    "threshold=0.125",
    "max_detections=11",
    "nms_iou=0.25",
    "duplicate_iou=0.875",
    "working_threshold=0.375",
    "assigner=argmax",
    "alpha=0.5",
    "final_alpha=0.375",
    "alpha_hold=0.25",
    "additive=true",
    "radius=0.75",
    "aux_topk=12",
    "aux_assigner=quality-topk",
    "aux_classifier=true",
    "skip_unplaced=true",
    "ignore_regions=true",
    "box_loss=l1",
    "normalizer_momentum=0.84375",
    "reg_weight=1.25",
    "aux_reg_weight=0.75",
    "batch=13",
    "micro_batch=14",
    "group=15",
    "workers=16",
    "cache=31",
    "seed=17",
    "max_unreadable=0.375",
    "short_edges=40;41",
    "long_edge=99",
    "flip=0.625",
    "color=0.0625",
    "crop=0.1875",
    "expand=0.3125",
    "mosaic=0.4375",
    "canvas_width=18",
    "canvas_height=19",
    "scale_min=0.5625",
    "scale_max=2.5",
    "optimizer=adamw",
    "lr=0.03125",
    "backbone_lr=0.6875",
    "momentum=0.8125",
    "weight_decay=0.015625",
    "clip_norm=35",
    "schedule=wsd",
    "iterations=900000000001",
    "epochs=20",
    "steps=21;22;23",
    "warmup=24",
    "warmup_factor=0.9375",
    "final_lr=0.0078125",
    "cooldown=0.59375",
    "ema=0.96875",
    "eval_interval=25",
    "checkpoint_interval=26",
    "log_interval=27",
    "threads=28",
    "precision=tf32",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (settings); i++) {
    g_assert_true (defcn_recipe_set (r, settings[i], NULL));
    g_string_append_printf (want, "%s\n", settings[i]);
  }
  const gboolean places[] = {
    r->holdout == 29,
    g_str_equal (r->read.classes, "owl;eel"),
    r->loader.background,
    r->read.polygons,
    r->read.max_damaged == 0.46875,
    r->read.absolute_names,
    !r->exif,
    r->read.picture.max_megapixels == 30,
    g_str_equal (r->backbone, "resnet18"),
    g_str_equal (r->pixels, "torchvision"),
    !r->spec->stride_in_1x1,
    r->spec->dcn_from == 4,
    !r->spec->dcn_modulated,
    r->spec->dcn_head,
    r->spec->freeze_at == 3,
    r->spec->fpn_channels == 96,
    r->spec->p6_from_c5,
    r->spec->tower_depth == 5,
    r->spec->norm_groups == 6,
    !r->spec->filter,
    !r->spec->filter_norm,
    r->spec->tau == 4,
    r->spec->phi == 7,
    r->spec->centerness,
    r->spec->anchors == 1,
    r->spec->input.short_edge == 97,
    r->spec->input.long_edge == 98,
    r->spec->threshold == 0.125f,
    r->spec->max_detections == 11,
    r->spec->nms_iou == 0.25f,
    r->spec->duplicate_iou == 0.875f,
    r->spec->working_threshold == 0.375f,
    g_str_equal (r->step.assign.assigner->name, "argmax"),
    r->step.assign.alpha == 0.5f,
    r->final_alpha == 0.375f,
    r->alpha_hold == 0.25,
    r->step.assign.additive,
    r->step.assign.radius == 0.75f,
    r->step.assign.aux_topk == 12,
    r->step.assign.auxiliary == DEFCN_AUXILIARY_QUALITY_TOPK,
    r->spec->aux_classifier,
    r->step.assign.skip_unplaced,
    r->step.assign.ignore_regions,
    r->step.box_loss == DEFCN_BOX_LOSS_L1,
    r->step.normalizer_momentum == 0.84375,
    r->step.reg_weight == 1.25,
    r->step.aux_reg_weight == 0.75,
    r->loader.batch == 13,
    r->micro_batch == 14,
    r->loader.group == 15,
    r->loader.workers == 16,
    r->loader.cache == 31,
    r->loader.seed == 17,
    r->loader.max_unreadable == 0.375,
    a->n_short_edges == 2 && a->short_edges[1] == 41,
    a->long_edge == 99,
    a->flip == 0.625f,
    a->color == 0.0625f,
    a->crop == 0.1875f,
    a->expand == 0.3125f,
    a->mosaic == 0.4375f,
    a->canvas_width == 18,
    a->canvas_height == 19,
    a->scale_min == 0.5625f,
    a->scale_max == 2.5f,
    o->kind == DEFCN_OPTIMIZER_ADAMW,
    o->lr == 0.03125,
    o->backbone_lr == 0.6875,
    o->momentum == 0.8125,
    o->weight_decay == 0.015625,
    o->clip_norm == 35,
    o->schedule == DEFCN_SCHEDULE_WSD,
    o->iterations == 900000000001,
    r->epochs == 20,
    o->n_steps == 3 && o->steps[2] == 23,
    o->warmup == 24,
    o->warmup_factor == 0.9375,
    o->final_lr == 0.0078125,
    o->cooldown == 0.59375,
    o->ema == 0.96875,
    r->eval_interval == 25,
    r->checkpoint_interval == 26,
    r->log_interval == 27,
    r->threads == 28,
    g_str_equal (r->precision, "tf32"),
  };
  G_STATIC_ASSERT (G_N_ELEMENTS (places) == G_N_ELEMENTS (settings));
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    if (!places[i])
      g_error ("%s is in some other place", settings[i]);
  g_autofree char *found = defcn_recipe_to_text (r);
  g_assert_cmpstr (found, ==, want->str);

  for (; *names; names++) {
    g_autoptr (DefcnRecipe) preset = defcn_recipe_new (*names, NULL);
    g_autofree char *text = defcn_recipe_to_text (preset);
    g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

    for (guint i = 1; lines[i][0]; i++)
      g_assert_true (defcn_recipe_set (r, lines[i], NULL));
    g_autofree char *again = defcn_recipe_to_text (r);
    g_assert_cmpstr (again, ==, text);
  }
}

/* Every preset is complete: it lacks only data. */
static void
test_presets (void)
{
  const char *const *names = defcn_presets_names ();

  for (; *names; names++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (*names, &error);

    g_assert_no_error (error);
    g_assert_false (defcn_recipe_finish (recipe, NULL));
    g_assert_true (defcn_recipe_set (recipe, "annotations=a", NULL));
    g_assert_true (defcn_recipe_set (recipe, "images=i", NULL));
    g_assert_true (defcn_recipe_finish (recipe, &error));
    g_assert_no_error (error);
  }
}

/* The rows of the paper's tables: what each says otherwise than the first, key
 * by key. */
static void
test_preset_values (void)
{
  static const char *const all[] = { "holdout=0",
    "classes=", "background=false", "polygons=true", "max_damaged=0.1",
    "absolute_names=false", "exif=true", "max_megapixels=100",
    "backbone=resnet50", "pixels=msra", "stride_in_1x1=true", "dcn_from=0",
    "dcn_modulated=true", "dcn_head=false", "freeze_at=2", "fpn_channels=256",
    "p6_from_c5=false", "tower_depth=4", "norm_groups=32", "filter=true",
    "filter_norm=true", "tau=2", "phi=3", "centerness=false", "anchors=0",
    "short_edge=800", "test_long_edge=1333", "threshold=0.05",
    "max_detections=100", "nms_iou=0", "duplicate_iou=0",
    "working_threshold=0.3", "assigner=poto", "alpha=0.8", "final_alpha=-1",
    "alpha_hold=0.7", "additive=false", "radius=1.5", "aux_topk=9",
    "aux_assigner=quality-atss", "aux_classifier=false", "skip_unplaced=false",
    "ignore_regions=false", "box_loss=giou", "normalizer_momentum=0",
    "reg_weight=2", "aux_reg_weight=0", "batch=16", "micro_batch=0", "group=2",
    "workers=2", "cache=-1", "seed=1", "max_unreadable=0.01",
    "short_edges=640;672;704;736;768;800", "long_edge=1333", "flip=0.5",
    "color=0", "crop=0", "expand=0", "mosaic=0", "canvas_width=0",
    "canvas_height=0", "scale_min=0.5", "scale_max=1.5", "optimizer=sgd",
    "lr=0.01", "backbone_lr=1", "momentum=0.9", "weight_decay=0.0001",
    "clip_norm=0", "schedule=step", "iterations=270000", "epochs=0",
    "steps=210000;250000", "warmup=1000", "warmup_factor=0.001",
    "final_lr=0.01", "cooldown=0.2", "ema=0", "eval_interval=10000",
    "checkpoint_interval=1000", "log_interval=20", "threads=0",
    "precision=fp32", NULL };
#define CROWD "radius=0 " CROWD_SIZES
#define RETINANET                                                              \
  "assigner=retinanet anchors=9 filter=false norm_groups=0 p6_from_c5=true "   \
  "aux_topk=0 box_loss=l1 reg_weight=1 normalizer_momentum=0.9 nms_iou=0.5 "
#define CROWD_SIZES                                                            \
  "short_edges=800 long_edge=1400 test_long_edge=1400 "                        \
  "max_detections=500 iterations=30000 steps=20000;25000 "                     \
  "eval_interval=5000 group=0 "
#define FCOS                                                                   \
  "assigner=fcos filter=false centerness=true aux_topk=0 reg_weight=1 "        \
  "nms_iou=0.6 "
#define X101_DCN                                                               \
  "pixels=fair stride_in_1x1=false dcn_from=3 backbone=resnext101_"
  static const struct
  {
    const char *name, *otherwise;
  } cases[] = {
    { "coco.retinanet", RETINANET },
    { "coco.fcos",
        "assigner=fcos filter=false aux_topk=0 reg_weight=1 nms_iou=0.6" },
    { "coco.fcos.ctr", FCOS },
    { "coco.fcos.ctr.x101_32x8d_dcn", FCOS X101_DCN "32x8d" },
    { "coco.fcos.ctr.x101_64x4d_dcn", FCOS X101_DCN "64x4d" },
    { "coco.atss",
        "assigner=atss filter=false centerness=true aux_topk=0 nms_iou=0.6" },
    { "coco.loss", "assigner=loss filter=false aux_topk=0" },
    { "coco.center", "assigner=center filter=false aux_topk=0" },
    { "coco.anchor", "assigner=anchor anchors=1 filter=false aux_topk=0" },
    { "coco.poto", "filter=false aux_topk=0" },
    { "coco.poto.inside", "filter=false aux_topk=0 radius=0" },
    { "coco.poto.global", "filter=false aux_topk=0 radius=-1" },
    { "coco.poto.add", "filter=false aux_topk=0 additive=true" },
    { "coco.poto.argmax", "assigner=argmax filter=false aux_topk=0" },
    { "coco.poto.alpha0", "filter=false aux_topk=0 alpha=0" },
    { "coco.poto.alpha0.2", "filter=false aux_topk=0 alpha=0.2" },
    { "coco.poto.alpha0.4", "filter=false aux_topk=0 alpha=0.4" },
    { "coco.poto.alpha0.6", "filter=false aux_topk=0 alpha=0.6" },
    { "coco.poto.alpha1", "filter=false aux_topk=0 alpha=1" },
    { "coco.poto.3dmf.tau0_phi1", "aux_topk=0 tau=0 phi=1" },
    { "coco.poto.3dmf.tau0_phi3", "aux_topk=0 tau=0" },
    { "coco.poto.3dmf.tau0_phi5", "aux_topk=0 tau=0 phi=5" },
    { "coco.poto.3dmf.tau2_phi1", "aux_topk=0 phi=1" },
    { "coco.poto.3dmf.tau2_phi5", "aux_topk=0 phi=5" },
    { "coco.poto.3dmf.tau4_phi1", "aux_topk=0 tau=4 phi=1" },
    { "coco.poto.3dmf.tau4_phi3", "aux_topk=0 tau=4" },
    { "coco.poto.3dmf.tau4_phi5", "aux_topk=0 tau=4 phi=5" },
    { "coco.fcos.ctr.res101",
        "assigner=fcos filter=false centerness=true aux_topk=0 reg_weight=1 "
        "nms_iou=0.6 backbone=resnet101" },
    { "coco.poto.3dmf.aux.res101", "backbone=resnet101" },
    { "coco.poto.3dmf", "aux_topk=0" },
    { "coco.poto.3dmf_wo_gn", "filter_norm=false aux_topk=0" },
    { "coco.poto.3dmf.aux", "" },
    { "coco.poto.3dmf.aux.fcos", "aux_assigner=fcos" },
    { "coco.poto.3dmf.aux.atss", "aux_assigner=atss" },
    { "coco.poto.3dmf.aux.quality_fcos", "aux_assigner=quality-fcos" },
    { "coco.poto.3dmf.aux.quality_topk", "aux_assigner=quality-topk" },
    { "coco.poto.3dmf.aux.x101_32x8d_dcn", X101_DCN "32x8d" },
    { "coco.poto.3dmf.aux.x101_64x4d_dcn", X101_DCN "64x4d" },
    { "coco.poto.3dmf.aux.dcn_head", "dcn_head=true" },
    { "coco.poto.3dmf_wo_gn.aux", "filter_norm=false" },
    { "coco.poto.1x",
        "filter=false aux_topk=0 iterations=90000 steps=60000;80000" },
    { "coco.poto.2x",
        "filter=false aux_topk=0 iterations=180000 steps=120000;160000" },
    { "coco.poto.3x", "filter=false aux_topk=0" },
    { "coco.poto.6x",
        "filter=false aux_topk=0 iterations=540000 steps=480000;520000" },
    { "coco.poto.9x",
        "filter=false aux_topk=0 iterations=810000 steps=750000;790000" },
    { "coco.poto.2x_ss",
        "filter=false aux_topk=0 iterations=180000 steps=120000;160000 "
        "short_edges=800" },
    { "coco.fcos.9x_ss",
        "assigner=fcos filter=false aux_topk=0 reg_weight=1 nms_iou=0.6 "
        "iterations=810000 steps=750000;790000 short_edges=800" },
    { "coco.poto.alpha0.2.1x",
        "filter=false aux_topk=0 alpha=0.2 iterations=90000 "
        "steps=60000;80000" },
    { "crowdhuman.retinanet", RETINANET CROWD },
    { "crowdhuman.fcos",
        "assigner=fcos filter=false centerness=true aux_topk=0 reg_weight=1 "
        "nms_iou=0.6 radius=1.5 " CROWD_SIZES },
    { "crowdhuman.atss",
        "assigner=atss filter=false centerness=true aux_topk=0 "
        "nms_iou=0.6 " CROWD },
    { "crowdhuman.poto", CROWD "filter=false aux_topk=0" },
    { "crowdhuman.poto.3dmf", CROWD "aux_topk=0" },
    { "crowdhuman.poto.3dmf.aux", CROWD },
  };

  static const char *const scheduled[] = { "coco.poto.1x", "coco.poto.2x",
    "coco.poto.3x", "coco.poto.6x", "coco.poto.9x", "coco.poto.2x_ss",
    "coco.fcos.9x_ss", "coco.poto.alpha0.2.1x", NULL };
  g_assert_cmpuint (g_strv_length ((char **) defcn_presets_names ())
          + g_strv_length ((char **) scheduled),
      ==, G_N_ELEMENTS (cases));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (cases[i].name, NULL);
    g_auto (GStrv) otherwise = g_strsplit (cases[i].otherwise, " ", -1);
    g_autoptr (GString) want = g_string_new ("[recipe]\n");
    g_autofree char *text = defcn_recipe_to_text (recipe);

    for (int k = 0; all[k]; k++) {
      const char *line = all[k];
      const gsize key = strcspn (line, "=") + 1;

      for (int m = 0; otherwise[m]; m++)
        if (strncmp (otherwise[m], line, key) == 0)
          line = otherwise[m];
      g_string_append_printf (want, "%s\n", line);
    }
    g_assert_cmpstr (text, ==, want->str);
  }
#undef CROWD
#undef FCOS
#undef X101_DCN
#undef RETINANET
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
    { "assigner=none",
        "wanted poto, argmax, loss, center, fcos, atss, anchor, retinanet" },
    { "box_loss=iou", "wanted giou, l1" },
    { "normalizer_momentum=1.5", "in 0 .. 1" },
    { "anchors=10", "in 0 .. 9" },
    { "aux_assigner=poto",
        "wanted quality-atss, quality-topk, quality-fcos, atss, fcos" },
    { "radius=-1.5", "in -1 .. 100" },
    { "optimizer=adam", "wanted sgd, adamw" },
    { "schedule=line", "wanted step, cosine, wsd" },
    { "final_alpha=-2", "in -1 .. 1" },
    { "alpha_hold=1.5", "in 0 .. 1" },
    { "cooldown=-0.1", "in 0 .. 1" },
    { "aux_reg_weight=-1", "in 0 .. 100" },
    { "skip_unplaced=1", "wanted true or false" },
    { "ignore_regions=1", "wanted true or false" },
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

/* The ends of a range belong to it, words of truth come in any case, and what
 * is odd but goes together is let be. */
static void
test_good_values (void)
{
  static const char *const cases[][2] = { { "lr=0", "lr=10" },
    { "alpha=0", "alpha=1" }, { "batch=1", "batch=4096" },
    { "filter=TRUE", "filter=False" }, { "scale_min=1.5", "scale_max=1.5" },
    { "val_annotations=a", "val_images=b" }, { "steps=", "short_edges=;640;" },
    { "steps=1;2;3;4;5;6;7;8", "threads=1024" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();

    for (int k = 0; k < 2; k++)
      g_assert_true (defcn_recipe_set (recipe, cases[i][k], &error));
    g_assert_true (defcn_recipe_finish (recipe, &error));
    g_assert_no_error (error);
  }

  g_autoptr (DefcnRecipe) canvas = whole_recipe ();
  g_assert_true (defcn_recipe_set (canvas, "short_edges=", NULL));
  g_assert_true (defcn_recipe_set (canvas, "canvas_width=64", NULL));
  g_assert_true (defcn_recipe_set (canvas, "canvas_height=64", NULL));
  g_assert_true (defcn_recipe_set (canvas, "micro_batch=3", NULL));
  g_assert_true (defcn_recipe_set (canvas, "batch=9", NULL));
  g_assert_true (defcn_recipe_set (canvas, "group=2", NULL)); /* has no part */
  g_assert_true (defcn_recipe_finish (canvas, NULL));
  g_assert_cmpint (canvas->micro_batch, ==, 3);

  /* The group of the defaults is for batches that it divides. */
  static const struct
  {
    const char *batch;
    int group;
  } groups[] = { { "batch=9", 0 }, { "batch=1", 0 }, { "batch=6", 2 } };
  for (gsize i = 0; i < G_N_ELEMENTS (groups); i++) {
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();

    g_assert_true (defcn_recipe_set (recipe, groups[i].batch, NULL));
    g_assert_true (defcn_recipe_finish (recipe, NULL));
    g_assert_cmpint (recipe->loader.group, ==, groups[i].group);
    g_assert_cmpint (recipe->micro_batch, ==, recipe->loader.batch);
  }
}

/* What does not belong together, each set over a good recipe. */
static void
test_finish (void)
{
  static const struct
  {
    const char *assignment, *words, *before[4];
  } cases[] = {
    { "annotations=", "annotations and images" },
    { "images=", "annotations and images" },
    { "val_images=v", "val_annotations and val_images" },
    { "val_annotations=v", "val_annotations and val_images" },
    { "aux_topk=0", "set aux_topk", { "aux_classifier=true" } },
    { "holdout=2", "without val_annotations",
        { "val_images=v", "val_annotations=v" } },
    { "holdout=1", "holdout=1 leaves nothing" },
    { "short_edges=", "short_edges is empty" },
    { "canvas_width=64", "canvas_width and canvas_height" },
    { "scale_min=2", "scale_min is above scale_max" },
    { "assigner=fcos", "set filter=false" },
    { "centerness=true", "centerness is for the assigners fcos and atss" },
    { "assigner=loss", "centerness is for the assigners fcos and atss",
        { "filter=false", "centerness=true", "aux_topk=0" } },
    { "anchors=1", "without anchors",
        { "assigner=fcos", "filter=false", "centerness=true", "aux_topk=0" } },
    { "assigner=anchor", "set anchors=1", { "filter=false" } },
    { "anchors=2", "anchors=2, wanted 0, 1 or 9" },
    { "anchors=9", "assigner fcos is for locations of one box",
        { "assigner=fcos", "filter=false" } },
    { "assigner=retinanet", "set anchors=9", { "anchors=1", "filter=false" } },
    { "anchors=9", "auxiliary loss is for locations of one box",
        { "assigner=retinanet", "filter=false" } },
    { "filter=true", "set filter=false",
        { "assigner=retinanet", "anchors=9", "aux_topk=0" } },
    { "box_loss=l1", "coded relative to anchors" },
    { "norm_groups=33", "norm_groups=33 does not divide fpn_channels=256" },
    { "norm_groups=0", "set filter_norm=false" },
    { "assigner=anchor", "set filter=false", { "anchors=1" } },
    { "assigner=atss", "anchors=0 and aux_topk=0",
        { "filter=false", "centerness=true" } },
    { "assigner=fcos", "set radius to 0 or more",
        { "filter=false", "radius=-1" } },
    { "micro_batch=3", "micro_batch=3 does not divide batch=16" },
    { "micro_batch=32", "micro_batch=32 does not divide batch=16" },
    { "batch=9", "micro_batch=4 does not divide batch=9", { "micro_batch=4" } },
    { "batch=9", "group=2 does not divide batch=9", { "group=2" } },
    { "group=3", "group=3 does not divide batch=16" },
    { "backbone=", "\"backbone\" is \"\"" },
    { "backbone=vgg", "\"backbone\" is \"vgg\"" },
    { "backbone=resnet50x", "\"backbone\" is \"resnet50x\"" },
    { "backbone=resnet20", "\"backbone\" is \"resnet20\"" },
    { "backbone=resnext101", "\"backbone\" is \"resnext101\"" },
    { "backbone=resnext34_32x4d", "\"backbone\" is \"resnext34_32x4d\"" },
    { "backbone=resnext101_32x8dx", "\"backbone\" is \"resnext101_32x8dx\"" },
    { "backbone=resnext101_1x8d", "\"backbone\" is \"resnext101_1x8d\"" },
    { "backbone=resnext101_32x0d", "\"backbone\" is \"resnext101_32x0d\"" },
    { "backbone=resnext101_1025x8d", "resnext101_32x8d and its like" },
    { "dcn_from=1", "dcn_from=1 is for stages 2 to 5 of a ResNet" },
    { "backbone=mobilenetv2", "dcn_from=3 is for stages 2 to 5 of a ResNet",
        { "dcn_from=3" } },
    { "tower_depth=0", "dcn_head without a convolution", { "dcn_head=true" } },
    { "pixels=rgb", "\"pixels\" is \"rgb\"" },
    { "precision=", "\"precision\" is \"\"" },
    { "precision=auto", "\"precision\" is \"auto\"" },
    { "precision=fp16",
        "\"precision\" is \"fp16\", wanted fp32, tf32 or bf16" },
  };
  g_autoptr (GError) none = NULL;
  g_autoptr (DefcnRecipe) good = whole_recipe ();

  g_assert_true (defcn_recipe_finish (good, &none));
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();

    for (int k = 0; k < 4 && cases[i].before[k]; k++)
      g_assert_true (defcn_recipe_set (recipe, cases[i].before[k], NULL));
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
    int groups, width; /* 0: 1 x 64 */
  } cases[] = {
    { "resnet18", "msra", 18, 64, TRUE },
    { "resnet34", "torchvision", 34, 64, FALSE },
    { "resnet50", "msra", 50, 256, TRUE },
    { "resnet101", "msra", 101, 256, TRUE },
    { "resnet152", "torchvision", 152, 256, FALSE },
    { "mobilenetv2", "torchvision", 0, 0, FALSE },
    { "resnext50_32x4d", "torchvision", 50, 256, FALSE, 32, 4 },
    { "resnext101_32x8d", "fair", 101, 256, TRUE, 32, 8 },
    { "resnext101_64x4d", "fair", 101, 256, TRUE, 64, 4 },
    { "resnext152_1024x1024d", "msra", 152, 256, TRUE, 1024, 1024 },
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
    for (int c = 0; c < 3; c++) {
      static const float rgb[] = { 123.675f, 116.28f, 103.53f };
      static const float std[] = { 58.395f, 57.12f, 57.375f };

      g_assert_cmpfloat (r->spec->input.mean[c], ==,
          rgb[cases[i].bgr ? 2 - c : c]);
      g_assert_cmpfloat (r->spec->input.std[c], ==,
          !cases[i].bgr                               ? std[c]
              : g_str_equal (cases[i].pixels, "fair") ? std[2 - c]
                                                      : 1);
    }
    g_assert_cmpint (r->spec->groups, ==, MAX (cases[i].groups, 1));
    g_assert_cmpint (r->spec->group_width, ==,
        cases[i].width ? cases[i].width : 64);
    /* where all published ResNeXts have it */
    g_assert_cmpint (r->spec->stride_in_1x1, ==, cases[i].groups == 0);
    g_assert_cmpint (r->spec->input.divisor, ==, 32);
    g_assert_cmpint (r->micro_batch, ==, 16); /* the batch */
  }
}

/* The stride that somebody asked for is kept, and a ResNet in the place of a
 * preset's ResNeXt is none. */
static void
test_replaced_backbone (void)
{
  g_autoptr (DefcnRecipe) asked = whole_recipe ();
  g_autoptr (DefcnRecipe) small =
      defcn_recipe_new ("coco.poto.3dmf.aux.x101_32x8d_dcn", NULL);

  g_assert_true (defcn_recipe_set (asked, "backbone=resnext50_32x4d", NULL));
  g_assert_true (defcn_recipe_set (asked, "stride_in_1x1=true", NULL));
  g_assert_true (defcn_recipe_finish (asked, NULL));
  g_assert_true (asked->spec->stride_in_1x1);

  g_assert_true (defcn_recipe_set (small, "annotations=a", NULL));
  g_assert_true (defcn_recipe_set (small, "images=i", NULL));
  g_assert_true (defcn_recipe_finish (small, NULL));
  g_assert_cmpint (small->spec->groups, ==, 32);
  g_assert_true (defcn_recipe_set (small, "backbone=resnet18", NULL));
  g_assert_true (defcn_recipe_finish (small, NULL));
  g_assert_cmpint (small->spec->groups, ==, 1);
  g_assert_cmpint (small->spec->group_width, ==, 64);
  g_assert_cmpint (small->spec->res2_channels, ==, 64);
  g_assert_cmpint (small->spec->dcn_from, ==, 3);
}

/* Alpha stays for its part of the iterations and goes in a line to the last
 * one's, beyond which it stays again; without a final one it stays. */
static void
test_alpha (void)
{
  static const struct
  {
    const char *final_alpha, *hold;
    gint64 iterations, i;
    double want;
  } cases[] = {
    { "-1", "0", 101, 0, 0.8 },
    { "-1", "0", 101, 100, 0.8 },
    { "0.4", "0", 101, 0, 0.8 },
    { "0.4", "0", 101, 25, 0.7 },
    { "0.4", "0", 101, 100, 0.4 },
    { "0.4", "0", 101, 1000, 0.4 },
    { "0.4", "0.5", 100, 50, 0.8 },
    { "0.4", "0.5", 100, 51, 0.8 - 0.4 / 49 },
    { "0.4", "0.5", 100, 99, 0.4 },
    { "1", "0.5", 101, 100, 1 },
    { "0", "0.2", 101, 100, 0 },
    { "0.4", "1", 100, 99, 0.8 },
    { "0.4", "1", 100, 200, 0.8 },
    { "0.4", "0", 1, 0, 0.8 },
  };

  for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
    g_autoptr (DefcnRecipe) r = whole_recipe ();
    g_autofree char *last =
        g_strconcat ("final_alpha=", cases[k].final_alpha, NULL);
    g_autofree char *hold = g_strconcat ("alpha_hold=", cases[k].hold, NULL);

    g_assert_true (defcn_recipe_set (r, last, NULL));
    g_assert_true (defcn_recipe_set (r, hold, NULL));
    r->optimizer.iterations = cases[k].iterations;
    g_assert_cmpfloat_with_epsilon (defcn_recipe_alpha (r, cases[k].i),
        cases[k].want, 1e-6);
  }
}

/* A key file goes over its preset; its paths are relative to itself, each of
 * several and of a file whose own path is relative too, those of --set to the
 * working directory. */
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

static void
test_relative_file (void)
{
  static const char text[] = "[recipe]\nannotations=a.json;../b;/c\n"
                             "init=w;1\n";
  char *folder = folder_new ();
  g_autofree char *path = folder_write (folder, "r.ini", text, strlen (text));
  g_autofree char *home = g_get_current_dir ();
  g_autofree char *name = g_path_get_basename (folder);
  g_autofree char *parent = g_path_get_dirname (folder);
  g_autofree char *relative = g_build_filename (name, "r.ini", NULL);
  g_autofree char *a = folder_file (folder, "a.json");
  g_autofree char *b = g_build_filename (parent, "b", NULL);
  g_autofree char *want = g_strjoin (";", a, b, "/c", NULL);
  g_autofree char *init = folder_file (folder, "w;1");
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (NULL, &error);

  g_assert_cmpint (g_chdir (parent), ==, 0);
  g_assert_true (defcn_recipe_load (recipe, relative, &error));
  g_assert_cmpint (g_chdir (home), ==, 0);
  g_assert_cmpstr (recipe->annotations, ==, want);
  g_assert_cmpstr (recipe->init, ==, init);
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

/* What a run writes is the run's own recipe again, paths and all; a mark at its
 * start is no text. */
static void
test_repeat (void)
{
  static const char *const images[] = { "photos", "/a b/c", "a\\b;../c",
    "a\\\\;b\\;c", " lead", "uml\xc3\xa4ut" };
  char *folder = folder_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (images); i++) {
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();
    g_autoptr (DefcnRecipe) again = defcn_recipe_new (NULL, NULL);
    g_autoptr (GError) error = NULL;
    g_autofree char *set = g_strdup_printf ("images=%s", images[i]);

    g_assert_true (defcn_recipe_set (recipe, set, NULL));
    g_assert_true (defcn_recipe_set (recipe, "classes=owl;eel\\;s\\", NULL));
    g_autofree char *text = defcn_recipe_to_file (recipe);
    g_autofree char *marked = g_strconcat ("\xef\xbb\xbf", text, NULL);
    g_autofree char *path =
        folder_write (folder, "r.ini", marked, strlen (marked));
    g_assert_true (defcn_recipe_load (again, path, &error));
    g_assert_no_error (error);
    g_autofree char *repeated = defcn_recipe_to_file (again);
    g_assert_cmpstr (repeated, ==, text);

    g_autoptr (DefcnRecipe) told = defcn_recipe_new (NULL, NULL);
    g_assert_true (defcn_recipe_parse (told, text, "rank 0", &error));
    g_autofree char *retold = defcn_recipe_to_file (told);
    g_assert_cmpstr (retold, ==, text);
    g_assert_true (g_path_is_absolute (again->annotations));
  }
  folder_remove (folder);
}

/* A schedule is of COCO's presets, alone, and one of those that there are. */
static void
test_no_schedule (void)
{
  static const char *const names[] = { "coco.poto.4x", "coco.poto.2x.2x",
    "coco.poto.2x_", "coco.poto.2x_ms", "coco.poto._ss", "coco.poto.",
    "coco.2x", "2x", ".2x", "", "crowdhuman.poto.2x", "none.2x",
    "coco.poto.2x_ss_ss" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GError) error = NULL;

    if (defcn_recipe_new (names[i], &error))
      g_error ("\"%s\" is a preset", names[i]);
    g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_VALUE);
    g_assert_nonnull (strstr (error->message, "those of COCO with .1x"));
  }
}

/* Every preset stands somewhere in the paper or its release, and what stands
 * there is a preset. */
static void
test_places (void)
{
  const char *const *presets = defcn_presets_names ();
  const char *const *placed = defcn_paper_presets ();

  for (int i = 0; presets[i]; i++)
    if (!g_strv_contains (placed, presets[i]))
      g_error ("%s has no place in the paper (paper.c)", presets[i]);
  for (int i = 0; placed[i]; i++) {
    const char *place = defcn_paper_place (placed[i]);

    if (!g_strv_contains (presets, placed[i]))
      g_error ("%s has a place and is no preset", placed[i]);
    if (!strstr (place, "table") && !strstr (place, "release"))
      g_error ("%s is in no table: %s", placed[i], place);
  }
  g_assert_cmpstr (defcn_paper_place ("none"), ==, "");
}

/* The presets in backquotes in @text, with @head before them. */
static GHashTable *
find_names (const char *text, const char *head)
{
  GHashTable *names =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (const char *at = strstr (text, head); at; at = strstr (at + 1, head)) {
    const char *from = at + 1;

    g_hash_table_add (names, g_strndup (from, strcspn (from, "` |")));
  }
  return names;
}

/* The table of the paper's tables and figures names every preset, and none that
 * is not there; every table and figure has a row. */
static void
test_paper (void)
{
  static const char *const heads[] = { "`coco.", "`crowdhuman." };
  g_autofree char *path = g_build_filename (g_getenv ("DEFCN_TEST_SOURCES"),
      "training", "PAPER.md", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  guint n = 0;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (GHashTable) named =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (heads); i++) {
    g_autoptr (GHashTable) found = find_names (text, heads[i]);
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init (&iter, found);
    while (g_hash_table_iter_next (&iter, &name, NULL)) {
      g_autoptr (DefcnRecipe) recipe = defcn_recipe_new (name, NULL);

      if (!recipe)
        g_error ("%s: \"%s\" is no preset", path, (char *) name);
      g_hash_table_add (named, g_strdup (name));
      n++;
    }
  }
  g_test_message ("%u names", n);
  for (int i = 0; defcn_presets_names ()[i]; i++) {
    const char *preset = defcn_presets_names ()[i];
    g_autofree char *paper = g_strconcat (preset, ".2x", NULL);

    if (!g_hash_table_contains (named, preset)
        && !g_hash_table_contains (named, paper))
      g_error ("%s does not name the preset %s", path, preset);
  }
  for (int i = 1; i <= 10; i++) {
    g_autofree char *table = g_strdup_printf ("\n| %d |", i);
    g_autofree char *figure = g_strdup_printf ("\n| figure %d", i);

    if (!strstr (text, table))
      g_error ("%s has no row of table %d", path, i);
    if (i <= 5 && !strstr (text, figure))
      g_error ("%s has no row of figure %d", path, i);
  }
}

/* A recipe that is no file is named as the caller says. */
static void
test_bad_text (void)
{
  static const char *const cases[][2] = {
    { "[recipe]\nlr=x\n", "wanted a num" }, { "[recipe]\nlrr=1\n", "lrr" },
    { "words", "from rank 0: " }, { "[other]\nlr=1\n", "no group [recipe]" }
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnRecipe) recipe = whole_recipe ();
    g_autoptr (GError) error = NULL;

    g_assert_false (
        defcn_recipe_parse (recipe, cases[i][0], "from rank 0", &error));
    g_assert_true (g_str_has_prefix (error->message, "from rank 0: "));
    g_assert_nonnull (strstr (error->message, cases[i][1]));
  }
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
  for (int i = 0; defcn_presets_names ()[i]; i++) {
    const char *name = defcn_presets_names ()[i];
    g_autofree char *row =
        g_strdup_printf ("\n  %-32s %s\n", name, defcn_paper_place (name));

    g_assert_nonnull (strstr (help, row));
  }
  g_assert_nonnull (strstr (help,
      "\n  .2x                              iterations=180000, "
      "steps=120000;160000: the paper's\n"));
  g_assert_nonnull (strstr (help, "\n  .9x "));
  g_assert_nonnull (strstr (help, "\n  .1x_ss .2x_ss ... "));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/recipe/keys", test_keys);
  g_test_add_func ("/recipe/presets", test_presets);
  g_test_add_func ("/recipe/preset-values", test_preset_values);
  g_test_add_func ("/recipe/bad-values", test_bad_values);
  g_test_add_func ("/recipe/good-values", test_good_values);
  g_test_add_func ("/recipe/finish", test_finish);
  g_test_add_func ("/recipe/spec", test_spec);
  g_test_add_func ("/recipe/replaced-backbone", test_replaced_backbone);
  g_test_add_func ("/recipe/alpha", test_alpha);
  g_test_add_func ("/recipe/file", test_file);
  g_test_add_func ("/recipe/relative-file", test_relative_file);
  g_test_add_func ("/recipe/bad-files", test_bad_files);
  g_test_add_func ("/recipe/repeat", test_repeat);
  g_test_add_func ("/recipe/bad-text", test_bad_text);
  g_test_add_func ("/recipe/absent", test_absent);
  g_test_add_func ("/recipe/help", test_help);
  g_test_add_func ("/recipe/no-schedule", test_no_schedule);
  g_test_add_func ("/recipe/places", test_places);
  g_test_add_func ("/recipe/paper", test_paper);
  return g_test_run ();
}

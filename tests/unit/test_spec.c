/* The spec in a model file: every field, its range, and what is refused. */
#include "model.h"

#include <string.h>

static const char *const labels[] = { "person", "car", NULL };

/* @json with the value of @field, up to the next comma or brace of its level,
 * replaced. */
static char *
with_field (const char *json, const char *field, const char *value)
{
  g_autofree char *key = g_strdup_printf ("\"%s\":", field);
  const char *at = strstr (json, key);

  g_assert_nonnull (at);
  at += strlen (key);
  const char *end = *at == '[' ? strchr (at, ']') + 1 : at + strcspn (at, ",}");
  return g_strdup_printf ("%.*s%s%s", (int) (at - json), json, value, end);
}

/* FALSE with an error of the right kind that names the file. */
static gboolean
accepts (const char *json, const char *named)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnSpec) spec =
      defcn_spec_from_json (json, "x.safetensors", &error);

  if (spec) {
    g_autofree char *again = defcn_spec_to_json (spec);

    g_assert_no_error (error);
    g_assert_cmpstr (again, ==, json);
    return TRUE;
  }
  g_assert_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT);
  g_assert_true (g_str_has_prefix (error->message, "x.safetensors: "));
  if (!strstr (error->message, named))
    g_error ("\"%s\" does not say \"%s\"", error->message, named);
  return FALSE;
}

/* Both ends of every range are good, and come back as they were; what is just
 * beyond is not. */
static void
test_ranges (void)
{
  static const struct
  {
    const char *field, *low, *high; /* good */
    const char *below, *above;      /* bad; NULL: nothing there */
  } cases[] = {
    { "depth", "18", "152", "-1", "153" },
    { "groups", "1", "1024", "0", "1025" },
    { "group_width", "1", "1024", "0", "1025" },
    { "stem_channels", "1", "4096", "0", "4097" },
    { "res2_channels", "1", "4096", "0", "4097" },
    { "dcn_from", "2", "5", "-1", "6" },
    { "freeze_at", "0", "5", "-1", "6" },
    { "fpn_channels", "32", "4096", "0", "4097" },
    { "tower_depth", "0", "16", "-1", "17" },
    { "norm_groups", "1", "256", "0", "4097" },
    { "anchors", "0", "1", "-1", "10" },
    { "tau", "0", "8", "-2", "10" },
    { "phi", "1", "15", "-1", "17" },
    { "threshold", "0", "1", "-0.001", "1.001" },
    { "topk", "1", "1000000", "0", "1000001" },
    { "max_detections", "1", "100000", "0", "100001" },
    { "nms_iou", "0", "1", "-0.001", "1.001" },
    { "duplicate_iou", "0", "1", "-0.001", "1.001" },
    { "working_threshold", "0", "1", "-0.001", "1.001" },
    { "short_edge", "1", "1333", "0", "16385" },
    { "long_edge", "800", "16384", "0", "16385" },
    { "divisor", "32", "1024", "31", "1056" },
    { "mean", "[-1000000,0,0]", "[0,0,1000000]", "[-1000001,0,0]",
        "[0,0,1000001]" },
    { "std", "[0.5,1,1]", "[1,1,1000000]", "[1,1,1e-7]", "[1,1,1000001]" },
  };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *field = cases[i].field;
    g_autofree char *low = with_field (json, field, cases[i].low);
    g_autofree char *high = with_field (json, field, cases[i].high);
    g_autofree char *below = with_field (json, field, cases[i].below);
    g_autofree char *above = with_field (json, field, cases[i].above);

    g_assert_true (accepts (low, field));
    g_assert_true (accepts (high, field));
    g_assert_false (accepts (below, field));
    g_assert_false (accepts (above, field));
  }

  /* which is a little less in a float, and comes back all the same */
  g_autofree char *smallest = with_field (json, "std", "[1e-6,1,1]");
  g_autoptr (DefcnSpec) good = defcn_spec_from_json (smallest, "x", NULL);
  g_assert_nonnull (good);
  g_autofree char *written = defcn_spec_to_json (good);
  g_autoptr (DefcnSpec) again = defcn_spec_from_json (written, "x", NULL);
  g_assert_nonnull (again);
}

/* Each field is read into its own place: all of them changed come back. */
static void
test_fields (void)
{
  static const DefcnSpec wanted = {
    .backbone = DEFCN_BACKBONE_RESNET,
    .depth = 101,
    .groups = 3,
    .group_width = 5,
    .stem_channels = 7,
    .res2_channels = 11,
    .stride_in_1x1 = FALSE,
    .dcn_from = 4,
    .dcn_modulated = FALSE,
    .freeze_at = 4,
    .fpn_channels = 39,
    .p6_from_c5 = TRUE,
    .tower_depth = 9,
    .dcn_head = TRUE,
    .norm_groups = 13,
    .norm_reg_targets = FALSE,
    .anchors = 1,
    .filter = FALSE,
    .filter_norm = FALSE,
    .tau = 6,
    .phi = 5,
    .centerness = TRUE,
    .threshold = 0.375f,
    .topk = 17,
    .max_detections = 19,
    .nms_iou = 0.625f,
    .duplicate_iou = 0.875f,
    .working_threshold = 0.4375f,
    .input = { .short_edge = 21,
        .long_edge = 22,
        .divisor = 64,
        .bgr = FALSE,
        .mean = { 1, 2, 3 },
        .std = { 4, 5, 6 } },
  };
  static const char json[] =
      "{\"backbone\":\"resnet\",\"depth\":101,\"groups\":3,"
      "\"group_width\":5,\"stem_channels\":7,\"res2_channels\":11,"
      "\"stride_in_1x1\":false,\"dcn_from\":4,\"dcn_modulated\":false,"
      "\"freeze_at\":4,\"fpn_channels\":39,"
      "\"p6_from_c5\":true,\"tower_depth\":9,\"dcn_head\":true,"
      "\"norm_groups\":13,\"norm_reg_targets\":false,\"anchors\":1,"
      "\"filter\":false,\"filter_norm\":false,"
      "\"tau\":6,\"phi\":5,\"centerness\":true,\"threshold\":0.375,\"topk\":17,"
      "\"max_detections\":19,\"nms_iou\":0.625,\"duplicate_iou\":0.875,"
      "\"working_threshold\":0.4375,\"short_edge\":21,"
      "\"long_edge\":22,\"divisor\":64,\"bgr\":false,\"mean\":[1,2,3],"
      "\"std\":[4,5,6],\"labels\":[\"a\",\"\",\"\xc3\xa9\"]}";
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnSpec) found = defcn_spec_from_json (json, "x", &error);

  g_assert_no_error (error);
  g_assert_cmpint (found->n_classes, ==, 3);
  g_assert_cmpstr (found->labels[2], ==, "\xc3\xa9");
  g_assert_null (found->labels[3]);

  DefcnSpec plain = *found;
  plain.n_classes = 0;
  plain.labels = NULL;
  g_assert_cmpmem (&plain, G_STRUCT_OFFSET (DefcnSpec, input), &wanted,
      G_STRUCT_OFFSET (DefcnSpec, input));
  g_assert_cmpint (plain.input.short_edge, ==, 21);
  g_assert_cmpint (plain.input.long_edge, ==, 22);
  g_assert_cmpint (plain.input.divisor, ==, 64);
  g_assert_false (plain.input.bgr);
  for (int i = 0; i < 3; i++) {
    g_assert_cmpfloat (plain.input.mean[i], ==, 1 + i);
    g_assert_cmpfloat (plain.input.std[i], ==, 4 + i);
  }
  g_assert_cmpfloat (plain.threshold, ==, 0.375f);
  g_assert_cmpint (plain.topk, ==, 17);
  g_assert_cmpint (plain.max_detections, ==, 19);
  g_assert_cmpfloat (plain.nms_iou, ==, 0.625f);
  g_assert_cmpfloat (plain.duplicate_iou, ==, 0.875f);
  g_assert_cmpfloat (plain.working_threshold, ==, 0.4375f);
  g_assert_true (accepts (json, ""));

  /* a copy stands on its own */
  g_autoptr (DefcnSpec) copy = defcn_spec_copy (found);
  g_clear_pointer (&found, defcn_spec_free);
  g_autofree char *again = defcn_spec_to_json (copy);
  g_assert_cmpstr (again, ==, json);
  defcn_spec_free (NULL);
}

/* Files from before a field have its default; one that has it but no number
 * there is refused. */
static void
test_optional (void)
{
  static const struct
  {
    const char *field;
    gsize offset;
    float value;
  } cases[] = {
    { "duplicate_iou", G_STRUCT_OFFSET (DefcnSpec, duplicate_iou), 0 },
    { "working_threshold", G_STRUCT_OFFSET (DefcnSpec, working_threshold),
        0.3f },
  };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);

  spec->duplicate_iou = 0.75f;
  spec->working_threshold = 0.5f;
  g_autofree char *json = defcn_spec_to_json (spec);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *key = g_strdup_printf ("\"%s\":", cases[i].field);
    char *at = strstr (json, key);
    const char *rest = strchr (at, ',') + 1;
    g_autofree char *without =
        g_strdup_printf ("%.*s%s", (int) (at - json), json, rest);
    g_autofree char *null = with_field (json, cases[i].field, "null");
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnSpec) read = defcn_spec_from_json (without, "x", &error);

    g_assert_no_error (error);
    g_assert_cmpfloat (G_STRUCT_MEMBER (float, read, cases[i].offset), ==,
        cases[i].value);
    g_assert_false (accepts (null, cases[i].field));
  }

  /* what boxes are coded by too */
  spec->anchors = 1;
  g_autofree char *coded = defcn_spec_to_json (spec);
  g_auto (GStrv) parts = g_strsplit (coded, "\"anchors\":1,", 2);
  g_autofree char *before = g_strconcat (parts[0], parts[1], NULL);
  g_autoptr (DefcnSpec) sides = defcn_spec_from_json (before, "x", NULL);
  g_assert_cmpint (sides->anchors, ==, 0);
}

/* Those from before deformable convolutions have none. */
static void
test_undeformed (void)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autoptr (GError) error = NULL;

  spec->dcn_from = 3;
  spec->dcn_modulated = FALSE;
  spec->dcn_head = TRUE;
  g_autofree char *json = defcn_spec_to_json (spec);
  g_autoptr (GString) text = g_string_new (json);
  g_string_replace (text, "\"dcn_from\":3,\"dcn_modulated\":false,", "", 1);
  g_string_replace (text, "\"dcn_head\":true,", "", 1);
  g_assert_cmpuint (text->len + 51, ==, strlen (json));
  g_autoptr (DefcnSpec) read = defcn_spec_from_json (text->str, "x", &error);
  g_assert_no_error (error);
  g_assert_cmpint (read->dcn_from, ==, 0);
  g_assert_true (read->dcn_modulated);
  g_assert_false (read->dcn_head);
}

/* What no value of one field alone can be is refused by name: types, missing
 * ones, and fields that do not go together. */
static void
test_refused (void)
{
  static const struct
  {
    const char *field, *value, *named;
  } cases[] = {
    { "depth", "51", "51" },
    { "depth", "1e9", "depth" },
    { "depth", "50.5", "depth" },
    { "depth", "\"50\"", "not a number" },
    { "depth", "null", "depth" },
    { "filter", "1", "\"filter\" is of another type, not a boolean" },
    { "bgr", "\"true\"", "bgr" },
    { "dcn_from", "1", "no deformable convolutions from stage 1 of a resnet" },
    { "dcn_modulated", "1", "\"dcn_modulated\" is of another type" },
    { "backbone", "\"vgg\"", "\"vgg\"" },
    { "backbone", "5", "backbone" },
    { "norm_groups", "33", "256 head channels do not divide into 33" },
    { "norm_groups", "0", "3DMF has a group norm and the network none" },
    { "anchors", "2", "no network has 2 anchors at a location (0, 1, 9)" },
    { "anchors", "9", "3DMF goes by location" },
    { "phi", "2", "phi" },
    { "tau", "3", "not 3 and 3" },
    { "divisor", "48", "48" },
    { "long_edge", "799", "800 .. 799" },
    { "std", "[0,1,1]", "\"std\"" },
    { "std", "[1,1]", "\"std\"" },
    { "mean", "[1,2,3,4]", "\"mean\"" },
    { "mean", "[1,2,\"3\"]", "\"mean\"" },
    { "mean", "5", "\"mean\"" },
    { "labels", "[]", "\"labels\" has 0 names" },
    { "labels", "5", "\"labels\" has 0 names" },
    { "labels", "[\"a\",1]", "\"labels\"[1]" },
    { "labels", "[\"\\u001b[31m\"]", "\"labels\"[0]" },
    { "labels", "[\"a\\nb\"]", "\"labels\"[0]" },
    { "labels", "[\"\xff\"]", "\"labels\"[0] is not a UTF-8" },
  };
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *bad = with_field (json, cases[i].field, cases[i].value);

    g_assert_false (accepts (bad, cases[i].named));
  }
  g_autofree char *deform = with_field (json, "dcn_from", "3");
  g_autofree char *mobile = with_field (deform, "backbone", "\"mobilenetv2\"");
  g_assert_true (accepts (deform, ""));
  g_assert_false (accepts (mobile, "from stage 3 of a mobilenetv2"));
  g_autofree char *head = with_field (json, "dcn_head", "true");
  g_autofree char *towerless = with_field (head, "tower_depth", "0");
  g_assert_true (accepts (head, ""));
  g_assert_false (accepts (towerless, "dcn_head without a convolution"));
  g_assert_false (accepts ("[]", "JSON object"));
  g_assert_false (accepts ("{", "JSON object"));
  g_assert_false (accepts ("{}", "\"depth\" is missing, not a number"));
}

/* MobileNetV2 has no depth to speak of, so that any will do; short and long
 * edge may be equal. */
static void
test_accepted (void)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);
  g_autofree char *mobile = with_field (json, "backbone", "\"mobilenetv2\"");
  g_autofree char *shallow = with_field (mobile, "depth", "0");
  g_autofree char *square = with_field (json, "long_edge", "800");
  g_autofree char *plain = with_field (json, "filter", "false");
  g_autofree char *nine = with_field (plain, "anchors", "9");
  g_autofree char *bare = with_field (nine, "norm_groups", "0");
  g_autofree char *weighed = with_field (nine, "centerness", "true");

  g_assert_true (accepts (json, ""));
  g_assert_true (accepts (shallow, ""));
  g_assert_true (accepts (square, ""));
  g_assert_true (accepts (bare, ""));
  g_assert_false (accepts (weighed, "centerness goes by location"));
}

/* 10000 classes are the most. */
static void
test_labels (void)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);

  for (int n = 10000; n <= 10001; n++) {
    g_autoptr (GString) list = g_string_new ("[\"x\"");

    for (int i = 1; i < n; i++)
      g_string_append (list, ",\"x\"");
    g_string_append_c (list, ']');
    g_autofree char *many = with_field (json, "labels", list->str);
    g_assert_cmpint (accepts (many, "10001 names"), ==, n == 10000);
  }
}

/* The published model, number by number. */
static void
test_published (void)
{
  g_autoptr (DefcnSpec) spec = defcn_spec_new (labels);
  g_autofree char *json = defcn_spec_to_json (spec);
  g_autoptr (DefcnSpec) read = defcn_spec_from_json (json, "x", NULL);

  g_assert_cmpint (spec->n_classes, ==, 2);
  g_assert_true (g_str_has_prefix (json,
      "{\"backbone\":\"resnet\",\"depth\":50,\"groups\":1,\"group_width\":64,"
      "\"stem_channels\":64,\"res2_channels\":256,\"stride_in_1x1\":true,"
      "\"dcn_from\":0,\"dcn_modulated\":true,"
      "\"freeze_at\":2,\"fpn_channels\":256,\"p6_from_c5\":false,"
      "\"tower_depth\":4,\"dcn_head\":false,\"norm_groups\":32,"
      "\"norm_reg_targets\":true,\"anchors\":0,"
      "\"filter\":true,\"filter_norm\":true,\"tau\":2,\"phi\":3,"
      "\"centerness\":false,\"threshold\":0.05"));
  g_assert_cmpfloat (read->threshold, ==, 0.05f);
  g_assert_cmpfloat (read->input.mean[2], ==, 123.675f);
  g_assert_nonnull (strstr (json,
      ",\"topk\":1000,\"max_detections\":100,\"nms_iou\":0,"
      "\"duplicate_iou\":0,\"working_threshold\":0.3"));
  g_assert_nonnull (strstr (json,
      ",\"short_edge\":800,\"long_edge\":1333,\"divisor\":32,\"bgr\":true,"
      "\"mean\":[103.5"));
  g_assert_nonnull (
      strstr (json, ",\"std\":[1,1,1],\"labels\":[\"person\",\"car\"]}"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/spec/ranges", test_ranges);
  g_test_add_func ("/spec/fields", test_fields);
  g_test_add_func ("/spec/optional", test_optional);
  g_test_add_func ("/spec/undeformed", test_undeformed);
  g_test_add_func ("/spec/refused", test_refused);
  g_test_add_func ("/spec/accepted", test_accepted);
  g_test_add_func ("/spec/labels", test_labels);
  g_test_add_func ("/spec/published", test_published);
  return g_test_run ();
}

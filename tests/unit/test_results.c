/* Boxes of a file: whose they are, what they are worth, what is refused. */
#include "eval/results.h"
#include "data/annotations.h"
#include "folder.h"

#include <string.h>

static char *folder;

#define COCO                                                                   \
  "{\"images\":[{\"id\":\"a\",\"file_name\":\"a\",\"width\":90,\"height\":90}" \
  ","                                                                          \
  "{\"id\":9007199254740993,\"file_name\":\"b\",\"width\":90,\"height\":90}]," \
  "\"categories\":[{\"id\":7,\"name\":\"owl\"},{\"id\":9,\"name\":\"eel\"}],"  \
  "\"annotations\":[{\"id\":1,\"image_id\":\"a\",\"category_id\":7,"           \
  "\"bbox\":[1,2,30,40],\"area\":1200,\"iscrowd\":0},"                         \
  "{\"id\":2,\"image_id\":9007199254740993,\"category_id\":9,"                 \
  "\"bbox\":[5,2,30,40],\"area\":1200,\"iscrowd\":0}]}"

/* All of its ids are numbers. */
#define NUMBERS                                                                \
  "{\"images\":[{\"id\":1,\"file_name\":\"a\",\"width\":90,\"height\":90}],"   \
  "\"categories\":[{\"id\":7,\"name\":\"owl\"}],\"annotations\":[]}"

#define CROWD                                                                  \
  "{\"ID\":\"a\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[1,2,30,40]}]}\n"   \
  "{\"ID\":\"b\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":[5,2,30,40]}]}\n"

static gboolean
measure (DefcnFigures *out, const char *name, const char *data,
    const char *results, GError **error)
{
  g_autofree char *path = folder_write (folder, name, data, strlen (data));
  g_autofree char *file =
      folder_write (folder, "results", results, strlen (results));
  g_autoptr (DefcnDataset) dataset =
      defcn_annotations_open (path, folder, NULL, NULL);
  DefcnEvaluateOptions options = defcn_evaluate_defaults;

  options.threshold = 0;
  g_assert_nonnull (dataset);
  return defcn_results_evaluate (dataset, file, &options, out, error);
}

/* What is found counts, of whatever form the ids are; boxes of other categories
 * do not. */
static void
test_coco (void)
{
  static const struct
  {
    const char *results;
    double ap50;
    guint n_other;
  } cases[] = {
    { "[]", 0, 0 },
    { "[{\"image_id\":\"a\",\"category_id\":7,\"bbox\":[1,2,30,40],"
      "\"score\":0.9}]",
        0.5, 0 },
    { "\xef\xbb\xbf [{\"score\":0.9,\"image_id\":\"\\u0061\",\"category_id\":7,"
      "\"bbox\":[1,2,30,40],\"segmentation\":[[1,2]]},"
      "{\"image_id\":9007199254740993,\"category_id\":9,\"bbox\":[5,2,30,40],"
      "\"score\":0.1},"
      "{\"image_id\":\"a\",\"category_id\":8,\"bbox\":[1,2,30,40],"
      "\"score\":0.9}]",
        1, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (DefcnFigures) out = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_true (measure (&out, "c.json", COCO, cases[i].results, &error));
    g_assert_no_error (error);
    g_assert_cmpfloat_with_epsilon (defcn_figures_ap50 (&out), cases[i].ap50,
        1e-9);
    g_assert_cmpuint (out.n_other, ==, cases[i].n_other);
    g_autofree char *table = defcn_figures_table (&out, TRUE);
    g_assert_nonnull (strstr (table, " results\n"));
    g_assert_null (strstr (table, "NMS"));
    g_assert_true (cases[i].n_other == 0
        || strstr (table, "other categories, left out: 1\n"));
    g_assert_nonnull (strstr (table, "\nowl"));
    g_assert_nonnull (strstr (table, "2 images\n"));
  }
}

/* Results as other tools write them: ids and numbers in quotes or not, images
 * by their files' names, an array within an object, UTF-16; a box of a negative
 * size matches nothing, even where it lies on an object. */
static void
test_forms (void)
{
  static const char data[] =
      "{\"images\":[{\"id\":1,\"file_name\":\"x/one.two.jpg\",\"width\":90,"
      "\"height\":90},{\"id\":2,\"file_name\":\"b.jpg\",\"width\":90,"
      "\"height\":90}],\"categories\":[{\"id\":\"7\",\"name\":\"owl\"}],"
      "\"annotations\":[{\"id\":1,\"image_id\":\"1\",\"category_id\":7,"
      "\"bbox\":[\"1\",2,\"30\",40],\"area\":\"1200\",\"iscrowd\":\"0\"}]}";
#define ROW(image, category, box, score)                                       \
  "{\"image_id\":" image ",\"category_id\":" category ",\"bbox\":[" box        \
  "],\"score\":" score "}"
  static const struct
  {
    const char *results;
    double ap50;
    guint n_negative;
  } cases[] = {
    { "[" ROW ("1", "7", "1,2,30,40", "0.9") "]", 1, 0 },
    { "[" ROW ("\"1\"", "\"7\"", "1,\"2\",30,40", "\"0.9\"") "]", 1, 0 },
    { "[" ROW ("\"one.two\"", "7", "1,2,30,40", "1") "]", 1, 0 },
    { "[" ROW ("\"one.two.jpg\"", "7", "1,2,30,40", "1") "]", 1, 0 },
    { "[" ROW ("\"any/one.two.jpg\"", "7", "1,2,30,40", "1") "]", 1, 0 },
    { "{\"info\":[],\"annotations\":[" ROW ("1", "7", "1,2,30,40",
          "1") "],\"images\":[]}",
        1, 0 },
    { "{\"predictions\":[" ROW ("1", "7", "1,2,30,40", "1") "]}", 1, 0 },
    { "[" ROW ("1", "7", "31,42,-30,-40", "0.9") "]", 0, 1 },
    { "[" ROW ("1", "7", "31,2,-30,40", "0.9") "," ROW ("2", "7", "1,2,3,-4",
          "0.9") "," ROW ("1", "7", "1,2,30,40", "1") "]",
        1, 2 },
  };
#undef ROW

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (DefcnFigures) out = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_true (measure (&out, "f.json", data, cases[i].results, &error));
    g_assert_no_error (error);
    g_assert_cmpfloat_with_epsilon (defcn_figures_ap50 (&out), cases[i].ap50,
        1e-9);
    g_assert_cmpuint (out.n_negative, ==, cases[i].n_negative);
    g_autofree char *table = defcn_figures_table (&out, TRUE);
    g_assert_true (
        !cases[i].n_negative == !strstr (table, "negative width or height"));
  }

  g_auto (DefcnFigures) out = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *wide = folder_file (folder, "wide");
  g_autofree char *json = folder_write (folder, "f.json", data, strlen (data));
  g_autoptr (DefcnDataset) dataset =
      defcn_annotations_open (json, folder, NULL, &error);
  gsize len;
  g_autofree char *text =
      g_convert (cases[0].results, -1, "UTF-16", "UTF-8", NULL, &len, NULL);
  g_assert_true (g_file_set_contents (wide, text, len, NULL));
  g_assert_true (defcn_results_evaluate (dataset, wide,
      &defcn_evaluate_defaults, &out, &error));
  g_assert_cmpfloat_with_epsilon (defcn_figures_ap50 (&out), 1, 1e-9);
}

/* CrowdHuman's lines; an image without one has no boxes.  An array has them by
 * number. */
static void
test_crowdhuman (void)
{
  static const char both[] =
      "{\"ID\":\"b\",\"dtboxes\":[{\"box\":[5,2,30,40],\"score\":0.5,\"tag\":1}"
      "],\"width\":90,\"height\":90}\r\n\r\n"
      "{\"ID\":\"a\",\"dtboxes\":[{\"box\":[1,2,30,40],\"score\":0.9}]}";
  static const char one[] =
      "{\"ID\":\"b\",\"dtboxes\":[{\"box\":[5,2,30,40],\"score\":0.5}],"
      "\"width\":90,\"height\":90}\n";
  g_autofree char *png = folder_file (folder, "a.png");
  g_autoptr (DefcnPicture) picture = defcn_picture_new (90, 90);
  g_auto (DefcnFigures) all = { 0 }, half = { 0 };
  g_autoptr (GError) error = NULL;

  static const char array[] =
      "[{\"image_id\":1,\"category_id\":1,\"bbox\":[5,2,30,40],\"score\":0.5}]";
  g_autofree char *second = folder_file (folder, "b.png");
  g_auto (DefcnFigures) numbered = { 0 };

  g_assert_true (defcn_picture_save (picture, png, NULL));
  g_assert_true (measure (&all, "c.odgt", CROWD, both, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (all.crowd[0].recall, ==, 1);
  g_assert_true (measure (&half, "c.odgt", CROWD, one, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (half.crowd[0].recall, ==, 0.5);

  g_assert_true (defcn_picture_save (picture, second, NULL));
  g_assert_true (measure (&numbered, "c.odgt", CROWD, array, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (numbered.crowd[0].recall, ==, 0.5);
  g_remove (second);
}

/* What is no result is named with its row. */
static void
test_refused (void)
{
  static const struct
  {
    const char *name, *results, *words;
  } cases[] = {
    { "c.json", "", "not a JSON array" },
    { "c.json", "{}", "not a JSON array" },
    { "c.json", "[", "[0] is not a JSON object" },
    { "c.json", "[{}]", "[0] is no result" },
    { "c.json",
        "[{\"image_id\":\"a\",\"category_id\":7,\"bbox\":[1,2,3],"
        "\"score\":1}]",
        "[0] is no result" },
    { "c.json",
        "[{\"image_id\":\"c\",\"category_id\":7,\"bbox\":[1,2,3,4],"
        "\"score\":1}]",
        "has no image \"c\"" },
    { "n.json",
        "[{\"image_id\":\"c\",\"category_id\":7,\"bbox\":[1,2,3,4],"
        "\"score\":1}]",
        "has no image \"c\"" },
    { "c.json",
        "[{\"image_id\":\"a\",\"category_id\":0,\"bbox\":[1,2,3,4],"
        "\"score\":1},{\"image_id\":\"a\",\"category_id\":\"1\","
        "\"bbox\":[1,2,3,4],\"score\":1}]",
        "none of its 2 results is of a category of" },
    { "c.json", "[] ]", "more text after its array" },
    { "c.odgt", "x", "line 1 is not valid JSON" },
    { "c.odgt", "{}", "line 1 has no \"ID\"" },
    { "c.odgt", "\n{\"ID\":\"c\",\"dtboxes\":[]}", "line 2: " },
    { "c.odgt", "{\"ID\":\"b\",\"dtboxes\":[{\"box\":[1,2,3,4]}]}",
        "line 1: a box has no" },
    { "c.odgt",
        "{\"ID\":\"b\",\"dtboxes\":[],\"width\":9,\"height\":9}\n"
        "{\"ID\":\"b\",\"dtboxes\":[],\"width\":9,\"height\":9}\n",
        "image b is there twice" },
    { "c.odgt", "{\"ID\":\"b\",\"dtboxes\":[],\"width\":9}", "b.jpg" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gboolean crowd = g_str_has_suffix (cases[i].name, "odgt");
    g_auto (DefcnFigures) out = { 0 };
    g_autoptr (GError) error = NULL;

    g_assert_false (measure (&out, cases[i].name,
        crowd                       ? CROWD
            : *cases[i].name == 'n' ? NUMBERS
                                    : COCO,
        cases[i].results, &error));
    if (!strstr (error->message, cases[i].words))
      g_error ("%s", error->message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/results/coco", test_coco);
  g_test_add_func ("/results/forms", test_forms);
  g_test_add_func ("/results/crowdhuman", test_crowdhuman);
  g_test_add_func ("/results/refused", test_refused);

  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

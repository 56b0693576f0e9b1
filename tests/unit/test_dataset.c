/* Annotation files: what is read, what is left out, and every refusal. */
#include "data/annotations.h"

#include "error.h"
#include "folder.h"
#include "data/json_scan.h"
#include "testing.h"

#include <float.h>
#include <string.h>
#include <time.h>

static char *folder;

static DefcnDataset *
open_text_with (const char *name, const char *text, gsize len,
    const DefcnReadOptions *options, GError **error)
{
  g_autofree char *path = folder_write (folder, name, text, len);

  return defcn_annotations_open (path, "pictures", options, error);
}

static DefcnDataset *
open_text (const char *name, const char *text, gsize len, GError **error)
{
  return open_text_with (name, text, len, NULL, error);
}

static DefcnDataset *
open_good (const char *name, const char *text)
{
  g_autoptr (GError) error = NULL;
  DefcnDataset *dataset = open_text (name, text, strlen (text), &error);

  g_assert_no_error (error);
  g_assert_nonnull (dataset);
  return dataset;
}

/* The error names the file and says @want. */
static void
assert_refused (const char *name, const char *text, gsize len, const char *want)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) dataset = open_text (name, text, len, &error);

  if (dataset || !error || error->domain != DEFCN_ERROR
      || !strstr (error->message, name) || !strstr (error->message, want))
    g_error ("%.*s: \"%s\" does not say \"%s\"", (int) len, text,
        error ? error->message : "no error", want);
}

static const DefcnSample *
sample_at (const DefcnDataset *dataset, guint i)
{
  g_assert_cmpuint (i, <, dataset->samples->len);
  return dataset->samples->pdata[i];
}

/* Good for some more calls. */
static const DefcnObject *
object_at (const DefcnDataset *dataset, guint i, guint k)
{
  static DefcnObject ring[8];
  static guint turn;
  g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
  DefcnObject *o = &ring[turn++ % G_N_ELEMENTS (ring)];

  g_assert_cmpuint (k, <, objects->len);
  *o = g_array_index (objects, DefcnObject, k);
  return o;
}

#define IMAGE(id)                                                              \
  "{\"id\":" #id ",\"file_name\":\"" #id ".jpg\",\"width\":20,\"height\":10}"
#define TAIL "],\"categories\":[{\"id\":1,\"name\":\"a\"}]}"
/* One image, 7, and one category, 1. */
#define WITH(annotations)                                                      \
  "{\"images\":[" IMAGE (7) "],\"annotations\":[" annotations TAIL
#define BOX "\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4]"

/* Ids and numbers in quotes on one side and not on the other, flags of any
 * form: all mean the same.  An id that is both a number and a string is two. */
static void
test_quoted (void)
{
  static const char *const annotations[] = {
    "{\"note\":\"\\\"NaN\",\"id\":1,\"image_id\":7,\"category_id\":1,"
    "\"bbox\":[1,2,3,4],\"area\":NaN,\"iscrowd\":-Infinity,"
    "\"segmentation\":NaN}",
    "{\"id\":1,\"image_id\":\"7\",\"category_id\":\"1\",\"bbox\":[1,2,3,4]}",
    "{\"id\":\"x\",\"image_id\":7,\"category_id\":1,"
    "\"bbox\":[\"1\",\"2.0\",\"3\",\"4e0\"],\"area\":\"12\"}",
    "{\"id\":1,\"image_id\":\"7\",\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":\"0\"}",
    "{\"id\":1,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":false}",
    "{\"id\":1,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":\"false\"}",
    /* crowds */
    "{\"id\":1,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":\"1\"}",
    "{\"id\":1,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":true}",
    "{\"id\":1,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2,3,4],"
    "\"iscrowd\":\"True\"}",
  };
  static const char *const images[] = {
    IMAGE (7),
    "{\"id\":\"7\",\"file_name\":\"\\\"NaN\",\"width\":\"20\",\"height\":10,"
    "\"note\":NaN}",
  };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (annotations); i++) {
    g_autofree char *text =
        g_strdup_printf ("{\"images\":[%s],\"annotations\":[%s" TAIL,
            images[i % 2], annotations[i / 2]);
    g_autoptr (DefcnDataset) dataset = open_good ("a.json", text);
    const DefcnObject *o = object_at (dataset, 0, 0);

    g_assert_cmpuint (dataset->n_damaged + dataset->n_orphans, ==, 0);
    g_assert_cmpint (sample_at (dataset, 0)->width, ==, 20);
    g_assert_cmpstr (sample_at (dataset, 0)->name, ==,
        i % 2 ? "\"NaN" : "7.jpg");
    g_assert_cmpint (o->label, ==, 0);
    g_assert_cmpfloat (o->bbox[3], ==, 4);
    g_assert_cmpfloat (o->area, ==, 12);
    g_assert_cmpint (o->crowd, ==, i / 2 >= 6);
  }

  static const char both[] = "{\"images\":[" IMAGE (
      7) ",{\"id\":\"7\",\"file_name\":\"s.jpg\"}],"
         "\"annotations\":[{\"id\":1,\"image_id\":7,\"category_id\":1,"
         "\"bbox\":[1,1,1,1]},{\"id\":2,\"image_id\":\"7\",\"category_id\":1,"
         "\"bbox\":[2,2,2,2]},{\"id\":3,\"image_id\":\"07\",\"category_id\":1,"
         "\"bbox\":[3,3,3,3]}" TAIL;
  g_autoptr (DefcnDataset) two = open_good ("a.json", both);
  g_assert_cmpuint (two->n_orphans, ==, 1); /* "07" is another id */
  for (guint i = 0; i < 2; i++) {
    g_assert_cmpuint (sample_at (two, i)->n_objects, ==, 1);
    g_assert_cmpfloat (object_at (two, i, 0)->bbox[0], ==,
        g_str_equal (sample_at (two, i)->name, "s.jpg") ? 2 : 1);
  }
}

/* Annotations without an id are taken, and are not of one id. */
static void
test_no_ids (void)
{
  g_autoptr (DefcnDataset) dataset = open_good ("a.json",
      WITH ("{" BOX "},{\"id\":null," BOX "},{\"id\":1," BOX "}"));
  g_autofree char *notes = defcn_dataset_notes (dataset);

  g_assert_cmpuint (sample_at (dataset, 0)->n_objects, ==, 3);
  g_assert_cmpstr (notes, ==, "");
}

/* Boxes in parts of the picture, or of two corners, are taken as they are and
 * said to look so. */
static void
test_odd_boxes (void)
{
#define AT(id, box)                                                            \
  "{\"id\":" id ",\"image_id\":7,\"category_id\":1,\"bbox\":[" box "]}"
  static const struct
  {
    const char *text, *words;
  } cases[] = {
    { WITH (AT ("1", "0.1,0.2,0.5,0.5") "," AT ("2", "0,0,1,1")),
        "all boxes are within one pixel" },
    { WITH (AT ("1", "0.1,0.2,0.5,0.5") "," AT ("2", "0,0,2,1")), NULL },
    { WITH (AT ("1", "10,5,19,9") "," AT ("2", "0,0,2,1")),
        "1 of 2 boxes reach beyond their pictures" },
    { WITH (AT ("1", "10,5,11,6")), NULL }, /* a pixel or two are no matter */
  };
#undef AT

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnDataset) dataset = open_good ("a.json", cases[i].text);
    g_autofree char *notes = defcn_dataset_notes (dataset);

    g_assert_cmpuint (sample_at (dataset, 0)->n_objects, >, 0);
    if (cases[i].words ? !strstr (notes, cases[i].words) : *notes != '\0')
      g_error ("%s: %s", cases[i].text, notes);
  }
}

/* Other formats of JSON are told what they look like. */
static void
test_other_formats (void)
{
  static const char *const cases[][2] = {
    { "[]", "a JSON array" },
    { "{\"version\":\"5\",\"shapes\":[],\"imagePath\":\"a\"}", "labelme" },
    { "{\"_via_img_metadata\":{}}", "VIA" },
    { "{\"metainfo\":{},\"data_list\":[]}", "MMEngine" },
    { "{\"info\":{},\"items\":[]}", "Datumaro" },
    { "{\"tags\":[],\"objects\":[]}", "Supervisely" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ("o.json", cases[i][0], strlen (cases[i][0]), cases[i][1]);
}

/* Both kinds of files may be in any encoding of Unicode. */
static void
test_encodings (void)
{
  static const char *const texts[] = { WITH ("{\"id\":1," BOX "}"),
    "{\"ID\":\"\303\244\",\"gtboxes\":[{\"tag\":\"person\","
    "\"fbox\":[1,2,3,4]}]}\n" };
  static const char *const encodings[] = { "UTF-16", "UTF-16LE", "UTF-16BE",
    "UTF-32", "UTF-32BE" };

  for (gsize i = 0; i < 2 * G_N_ELEMENTS (encodings); i++) {
    const char *name = i % 2 ? "a.odgt" : "a.json";
    g_autoptr (GError) error = NULL;
    gsize len;
    g_autofree char *text = g_convert (texts[i % 2], -1, encodings[i / 2],
        "UTF-8", NULL, &len, NULL);
    g_autoptr (DefcnDataset) dataset = open_text (name, text, len, &error);

    g_assert_no_error (error);
    g_assert_cmpfloat (object_at (dataset, 0, 0)->bbox[3], ==, 4);
    assert_refused (name, text, len - 1, "damaged or cut off: no UTF-");
  }
}

/* A file with annotations first, unsorted ids, escapes and members that nobody
 * asked for gives images by id, labels by category id, boxes as they are. */
static void
test_coco (void)
{
  static const char text[] =
      " {\"annotations\" : [\n"
      " {\"segmentation\":[[1,2,3,4,5,6]],\"id\":9,\"image_id\":30,"
      "\"category_id\":18,\"bbox\":[1.5,2.25,10,20.5],\"area\":77.5,"
      "\"iscrowd\":0},\r\n"
      "{\"id\":3,\"bbox\":[0,0,5,6],\"category_id\":2,\"image_id\":4 , "
      "\"iscrowd\":1,\"segmentation\":{\"counts\":[1,2,{}],\"size\":[]}},"
      "{\"id\":4,\"bbox\":[0,0,5,0],\"category_id\":2,\"image_id\":4}"
      "],\"info\":{\"images\":[1,{\"annotations\":\"]}\"}],\"x\":\"\\\"}\"},"
      "\"licenses\":[null,true,-1e-3,\"\\\\\"],"
      "\"images\":[{\"width\":640,\"height\":480,\"id\":30,"
      "\"file_name\":\"b\\u0041\\\"/segmentation\"},"
      "{\"note\":\"segmentation\",\"file_name\":\"\xc3\xa4.png\","
      "\"segmentation\":[[1]],\"height\":9,\"id\":4,\"width\":8}],"
      "\"categories\":[{\"id\":18,\"name\":\"dog\"},"
      "{\"name\":\"bi\\u00e9\",\"id\":2,\"supercategory\":\"x\"}]}\n";
  g_autoptr (DefcnDataset) dataset = open_good ("a.json", text);

  g_assert_false (dataset->crowdhuman);
  g_assert_cmpuint (dataset->labels->len, ==, 2);
  g_assert_cmpstr (dataset->labels->pdata[0], ==, "bi\xc3\xa9");
  g_assert_cmpstr (dataset->labels->pdata[1], ==, "dog");
  g_assert_cmpint (g_array_index (dataset->category_ids, gint64, 0), ==, 2);
  g_assert_cmpint (g_array_index (dataset->category_ids, gint64, 1), ==, 18);

  g_assert_cmpuint (dataset->samples->len, ==, 2);
  g_assert_cmpint (sample_at (dataset, 0)->id, ==, 4);
  g_assert_cmpstr (sample_at (dataset, 0)->name, ==, "\xc3\xa4.png");
  g_assert_cmpint (sample_at (dataset, 0)->width, ==, 8);
  g_assert_cmpint (sample_at (dataset, 0)->height, ==, 9);
  g_assert_cmpint (sample_at (dataset, 1)->id, ==, 30);
  g_assert_cmpstr (sample_at (dataset, 1)->name, ==, "bA\"/segmentation");

  const DefcnObject *crowd = object_at (dataset, 0, 0);
  const DefcnObject *empty = object_at (dataset, 0, 1);
  const DefcnObject *dog = object_at (dataset, 1, 0);
  g_assert_true (crowd->crowd);
  g_assert_cmpint (crowd->label, ==, 0);
  g_assert_cmpfloat (crowd->area, ==, 30);
  g_assert_false (empty->crowd);
  g_assert_cmpuint (dataset->n_empty, ==, 1);
  g_assert_false (dog->crowd);
  g_assert_false (dog->untrainable);
  g_assert_cmpint (dog->label, ==, 1);
  g_assert_cmpfloat (dog->area, ==, 77.5);
  g_assert_cmpfloat (dog->x1, ==, 1.5f);
  g_assert_cmpfloat (dog->y1, ==, 2.25f);
  g_assert_cmpfloat (dog->x2, ==, 11.5f);
  g_assert_cmpfloat (dog->y2, ==, 22.75f);
  g_assert_cmpfloat (dog->bbox[3], ==, 20.5);

  g_autofree char *path = defcn_dataset_image_path (dataset, 0);
  g_assert_cmpstr (path, ==, "pictures/\xc3\xa4.png");
}

/* A list of polygons needs one of three points, as in the reference, where that
 * is asked for: else a box is a box, and counted.  Run lengths, an empty list,
 * null or no segmentation rule nothing out. */
static void
test_segmentation (void)
{
  static const struct
  {
    const char *value;
    gboolean trainable;
  } cases[] = {
    { "[[1,2,3,4,5,6]]", TRUE },
    { "[[1,2,3,4,5,6,7,8]]", TRUE },
    { " [ [ 1 , 2 , 3 , 4 , 5.5 , 6e1 ] ] ", TRUE },
    { "[[1,2],[1,2,3,4,5,6]]", TRUE },
    { "[[1,2,3,4,5,6],[]]", TRUE },
    { "[[1,2,3,4,5]]", FALSE },
    { "[[1,2,3,4,5,6,7]]", FALSE },
    { "[[1,2,3,4]]", FALSE },
    { "[[1,2,3],[4,5,6]]", FALSE },
    { "[[]]", FALSE },
    { "[[],[]]", FALSE },
    { "[1,2,3,4,5,6]", FALSE },
    { "[]", TRUE },
    { "[ \n]", TRUE },
    { "null", TRUE },
    { "{\"counts\":[1,2],\"size\":[3,4]}", TRUE },
    { "{\"counts\":\"]}\\\"[\",\"size\":[3,4]}", TRUE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    for (int k = 0; k < 4; k++) {
      const int crowd = k % 2, polygons = k / 2;
      const DefcnReadOptions options = { .polygons = polygons };
      const gboolean out = polygons && !crowd && !cases[i].trainable;
      g_autofree char *text =
          g_strdup_printf (WITH ("{\"id\":5,\"segmentation\":%s," BOX
                                 ",\"iscrowd\":%d}"),
              cases[i].value, crowd);
      g_autoptr (DefcnDataset) dataset =
          open_text_with ("s.json", text, strlen (text), &options, NULL);
      g_autoptr (GArray) used = defcn_dataset_trainable (dataset, FALSE);
      g_autofree char *notes = defcn_dataset_notes (dataset);
      const DefcnObject *o = object_at (dataset, 0, 0);

      if (o->untrainable != out)
        g_error ("%s", cases[i].value);
      g_assert_cmpuint (used->len, ==, !crowd && !out);
      g_assert_cmpuint (dataset->n_flat, ==, !crowd && !cases[i].trainable);
      g_assert_true (
          (strstr (notes, "1 objects without a polygon") != NULL) == out);
      g_assert_cmpfloat (o->x2, ==, 4);
    }
  }
}

/* Training uses the images with a box that is no crowd, and those alone. */
static void
test_trainable (void)
{
  static const char text[] =
      "{\"images\":[" IMAGE (1) "," IMAGE (2) "," IMAGE (3) "," IMAGE (
          4) "],\"annotations\":["
             "{\"id\":1,\"image_id\":4,\"category_id\":1,\"bbox\":[1,2,3,4],"
             "\"iscrowd\":1},"
             "{\"id\":2,\"image_id\":4,\"category_id\":1,\"bbox\":[1,2,3,4]},"
             "{\"id\":3,\"image_id\":3,\"category_id\":1,\"bbox\":[1,2,3,4],"
             "\"iscrowd\":true},"
             "{\"id\":4,\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],"
             "\"iscrowd\":false}" TAIL;
  g_autoptr (DefcnDataset) dataset = open_good ("t.json", text);
  g_autoptr (GArray) used = defcn_dataset_trainable (dataset, FALSE);

  g_assert_cmpuint (used->len, ==, 2);
  g_assert_cmpuint (g_array_index (used, guint, 0), ==, 0);
  g_assert_cmpuint (g_array_index (used, guint, 1), ==, 3);
}

/* Every refusal of a COCO file says where and what. */
static void
test_coco_refused (void)
{
  static const struct
  {
    const char *text, *want;
  } cases[] = {
    { "", "not a JSON object" },
    { "[]", "a JSON array" },
    { "{}", "no \"images\"" },
    { "{\"images\":[]}", "no \"categories\"" },
    { "{\"images\":[],\"categories\":[]}", "no \"annotations\"" },
    { "{\"images\":[],\"categories\":[],\"annotations\":[]}", "no images" },
    { "{\"images\":[" IMAGE (1) "],\"categories\":[],\"annotations\":[]}",
        "no categories" },
    { "{\"images\":{},\"categories\":[]}", "\"images\" is not an array" },
    { "{\"images\":[],\"images\":[]}", "\"images\" is there twice" },
    { "{\"images\":[] \"x\":1}", "no JSON, after 13 bytes" },
    { "{\"images\" []}", "no JSON, after 10 bytes" },
    { "{,}", "no JSON, after 1 bytes" },
    { "{\"a\":1,}", "no JSON, after 7 bytes" },
    { "{\"a\":}", "cut off in \"a\"" },
    { WITH ("") " x", "more text after" },
    { "{\"images\":[4],\"categories\":[],\"annotations\":[]}",
        "images[0] is not a JSON object" },
    { "{\"images\":[" IMAGE (1)
            IMAGE (2) "],\"categories\":[],\"annotations\":[]}",
        "images[1] is not a JSON object" },
    { "{\"images\":[" IMAGE (1) ",],\"categories\":[],\"annotations\":[]}",
        "images[1] is not a JSON object" },
    { "{\"images\":[{\"id\":1 2}],\"categories\":[],\"annotations\":[]}",
        "images[0] is not a JSON object" },
    { "{\"images\":[{\"id\":x}],\"categories\":[],\"annotations\":[]}",
        "images[0] is not valid JSON" },
    { "{\"images\":[{\"id\":[1}}],\"categories\":[],\"annotations\":[]}",
        "images[0] is not valid JSON" },
    { "{\"images\":[{\"x\":1}],\"categories\":[],\"annotations\":[]}",
        "images[0]: \"id\" is neither a whole number nor a string" },
    { "{\"images\":[{\"id\":1.5}],\"categories\":[],\"annotations\":[]}",
        "images[0]: \"id\" is neither a whole number nor a string" },
    { "{\"images\":[{\"id\":1e300}],\"categories\":[],\"annotations\":[]}",
        "images[0]: \"id\" is neither a whole number nor a string" },
    { "{\"images\":[{\"id\":[]}],\"categories\":[],\"annotations\":[]}",
        "images[0]: \"id\" is neither a whole number nor a string" },
    { "{\"images\":[{\"id\":1,\"width\":\"5px\",\"file_name\":\"a\"}],"
      "\"categories\":[],\"annotations\":[]}",
        "image 1: \"width\" and \"height\" are not two whole numbers" },
    { "{\"images\":[{\"id\":1,\"file_name\":\"../a\"}],\"categories\":[],"
      "\"annotations\":[]}",
        "image 1: \"../a\" is not below the folder of images" },
    { "{\"images\":[{\"id\":\"b\",\"file_name\":\"/a\"}],\"categories\":[],"
      "\"annotations\":[]}",
        "image \"b\": \"/a\" is absolute: --absolute-names" },
    { "{\"images\":[{\"id\":1,\"width\":5,\"height\":4}],\"categories\":[],"
      "\"annotations\":[]}",
        "image 1 has no \"file_name\"" },
    { "{\"images\":[{\"id\":1,\"width\":9,\"height\":1e9,\"file_name\":\"a\"}],"
      "\"categories\":[],\"annotations\":[]}",
        "image 1: \"width\" and \"height\" are not" },
    { "{\"images\":[{\"id\":1,\"width\":1000001,\"height\":1,"
      "\"file_name\":\"a\"}],\"categories\":[],\"annotations\":[]}",
        "image 1: \"width\" and \"height\" are not" },
    { "{\"images\":[{\"id\":1,\"width\":1000000,\"height\":1000001,"
      "\"file_name\":\"a\"}],\"categories\":[],\"annotations\":[]}",
        "image 1: \"width\" and \"height\" are not" },
    { "{\"images\":[" IMAGE (8) ",{\"id\":8,\"file_name\":\"b\"}],"
                                "\"categories\":[],\"annotations\":[]}",
        "image 8 is there twice, of two files" },
    { "{\"images\":[" IMAGE (
          8) "],\"categories\":[{\"id\":1}],\"annotations\":[]}",
        "category 1 has no \"name\"" },
    { "{\"images\":[" IMAGE (8) "],\"categories\":[{\"id\":1,\"name\":"
                                "\"\xff\"}],\"annotations\":[]}",
        "category 1 has no \"name\"" },
    { "{\"images\":[" IMAGE (
          8) "],\"categories\":[{\"id\":1,\"name\":\"a\"},"
             "{\"id\":0,\"name\":\"c\"},{\"id\":1,\"name\":\"b\"}],"
             "\"annotations\":[]}",
        "category 1 is there twice" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ("r.json", cases[i].text, strlen (cases[i].text),
        cases[i].want);
}

/* One damaged annotation is skipped, counted and named; more than the share
 * that is allowed end the reading with the first of them. */
static void
test_damaged (void)
{
  static const struct
  {
    const char *text, *want;
  } cases[] = {
    { WITH ("{\"id\":[]," BOX "}"), "annotations[0]: \"id\" is neither" },
    { WITH ("{\"id\":1.5," BOX "}"), "annotations[0]: \"id\" is neither" },
    { WITH ("{\"image_id\":6,\"category_id\":1,\"bbox\":[1,2,3,4]}"),
        "annotations[0]: no image 6" },
    { WITH ("{\"id\":null,\"image_id\":7,\"category_id\":1,\"bbox\":[]}"),
        "annotations[0]: \"bbox\"" },
    { WITH ("{\"id\":5,\"category_id\":1,\"bbox\":[1,2,3,4]}"),
        "annotations[0]: \"image_id\"" },
    { WITH ("{\"id\":5,\"image_id\":7,\"bbox\":[1,2,3,4]}"),
        "annotations[0]: \"category_id\"" },
    { WITH ("{\"id\":5,\"image_id\":6,\"category_id\":1,\"bbox\":[1,2,3,4]}"),
        "annotation 5: no image 6" },
    { WITH ("{\"id\":5,\"image_id\":7,\"category_id\":2,\"bbox\":[1,2,3,4]}"),
        "annotation 5: no category 2" },
    { WITH ("{\"id\":5," BOX ",\"area\":\"4m\"}"),
        "annotation 5: \"area\" is not a number" },
    { WITH ("{\"id\":5," BOX ",\"area\":1e999}"),
        "annotation 5: \"area\" is not a number" },
    { WITH ("{\"id\":5,\"image_id\":7,\"category_id\":1}"),
        "annotation 5: \"bbox\"" },
    { WITH ("{\"id\":\"b\",\"image_id\":7,\"category_id\":1,\"bbox\":[]}"),
        "annotation \"b\": \"bbox\"" },
    { WITH ("{\"id\":5,\"image_id\":7,\"category_id\":1,"
            "\"bbox\":[1,2,nan,4]}"),
        "annotations[0] is not valid JSON" },
  };
  static const char two[] = WITH (
      "{\"id\":5,\"image_id\":7,\"category_id\":1,\"bbox\":[1,2]},"
      "{\"id\":6,\"image_id\":7,\"category_id\":1,\"bbox\":[-1,-1,-1,-1]},"
      "{\"id\":7," BOX "}");
  DefcnReadOptions options = { .max_damaged = 0.5 };
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (DefcnDataset) dataset = open_good ("d.json", cases[i].text);
    g_autofree char *notes = defcn_dataset_notes (dataset);

    g_assert_cmpuint (dataset->n_damaged + dataset->n_orphans, ==, 1);
    g_assert_cmpuint (dataset->n_orphans, ==,
        strstr (cases[i].want, ": no ") != NULL);
    g_assert_cmpuint (sample_at (dataset, 0)->n_objects, ==, 0);
    if (!strstr (notes, cases[i].want))
      g_error ("%s: %s", cases[i].want, notes);
  }
  g_assert_null (
      open_text_with ("two.json", two, strlen (two), &options, &error));
  g_assert_nonnull (strstr (error->message,
      "2 of 3 annotations are damaged, more than the share of 0.5"));
  g_assert_nonnull (strstr (error->message, "annotation 5: \"bbox\""));
  options.max_damaged = 0.7;
  g_autoptr (DefcnDataset) most =
      open_text_with ("two.json", two, strlen (two), &options, NULL);
  g_assert_cmpuint (most->n_damaged, ==, 2);
  g_assert_cmpuint (sample_at (most, 0)->n_objects, ==, 1);
}

/* One damaged image is skipped, counted and named, and what is on it with it;
 * more than the share that is allowed end the reading. */
static void
test_damaged_image (void)
{
  static const struct
  {
    const char *row, *want;
  } cases[] = {
    { "null", "images[0] is not a JSON object" },
    { "[1,{\"a\":2}]", "images[0] is not a JSON object" },
    { "{\"id\":6,\"width\":nan}", "images[0] is not valid JSON" },
    { "{\"id\":6,\"file_name\":NaN}", "image 6 has no \"file_name\"" },
    { "{\"file_name\":\"a\"}", "images[0]: \"id\" is neither" },
    { "{\"id\":6}", "image 6 has no \"file_name\"" },
    { "{\"id\":6,\"file_name\":4}", "image 6 has no \"file_name\"" },
    { "{\"id\":6,\"file_name\":\"a\\nclasses 9\"}",
        "image 6: \"file_name\" has control characters" },
    { "{\"id\":6,\"file_name\":\"a\",\"width\":-9,\"height\":9}",
        "image 6: \"width\" and \"height\" are not" },
  };
  static const char objects[] =
      "{\"id\":5,\"image_id\":6,\"category_id\":1,\"bbox\":[1,2,3,4]},"
      "null,{\"id\":6," BOX "}";
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text =
        g_strdup_printf ("{\"images\":[%s," IMAGE (
                             7) "],\"annotations\":[%s" TAIL,
            cases[i].row, objects);
    g_autoptr (DefcnDataset) dataset = open_good ("d.json", text);
    g_autofree char *notes = defcn_dataset_notes (dataset);

    g_assert_cmpuint (dataset->n_bad_images, ==, 1);
    g_assert_cmpuint (dataset->n_orphans, ==, 1);
    g_assert_cmpuint (dataset->n_damaged, ==, 1);
    g_assert_cmpuint (dataset->samples->len, ==, 1);
    g_assert_cmpuint (sample_at (dataset, 0)->n_objects, ==, 1);
    if (!strstr (notes, cases[i].want)
        || !strstr (notes, "annotation 5: no image 6")
        || !strstr (notes, "annotations[1] is not a JSON object"))
      g_error ("%s: %s", cases[i].want, notes);
  }

  static const char twice[] = "{\"images\":[" IMAGE (7) "," IMAGE (
      7) "," IMAGE (8) "],\"annotations\":[{\"id\":6," BOX "}" TAIL;
  g_autoptr (DefcnDataset) one = open_good ("twice.json", twice);
  g_assert_cmpuint (one->n_bad_images, ==, 1);
  g_assert_cmpuint (one->samples->len, ==, 2);
  g_assert_cmpuint (sample_at (one, 0)->n_objects, ==, 1);
  g_assert_cmpint (sample_at (one, 1)->id, ==, 8);

  static const char two[] = "{\"images\":[{\"id\":1},{\"id\":2}," IMAGE (
      7) "],\"annotations\":[" TAIL;
  DefcnReadOptions options = { .max_damaged = 0.5 };
  g_assert_null (
      open_text_with ("two.json", two, strlen (two), &options, &error));
  g_assert_nonnull (strstr (error->message,
      "2 of 3 images are damaged, more than the share of 0.5 allowed "
      "(max_damaged): image 1 has no"));
  options.max_damaged = 0.7;
  g_autoptr (DefcnDataset) most =
      open_text_with ("two.json", two, strlen (two), &options, NULL);
  g_assert_cmpuint (most->samples->len, ==, 1);
}

/* Ids may be strings, and numbers of any length: all are told apart, found, and
 * written as they stood. */
static void
test_odd_ids (void)
{
  static const char *const ids[] = { "\"0000001_0299_d_0000001\"",
    "\"0000001_0299_d_0000002\"", "\"5\"", "5", "9007199254740993",
    "9007199254740992", "-9007199254740993", "9223372036854775807",
    "123456789012345678901", "123456789012345678902", "0" };
  g_autoptr (GString) images = g_string_new (NULL);
  g_autoptr (GString) objects = g_string_new (NULL);
  const guint n = G_N_ELEMENTS (ids);

  for (guint i = 0; i < n; i++) {
    g_string_append_printf (images,
        "%s{\"id\":%s,\"file_name\":\"%u\",\"width\":9,\"height\":9}",
        i ? "," : "", ids[i], i);
    g_string_append_printf (objects,
        "%s{\"id\":%s,\"image_id\":%s,\"category_id\":\"c\","
        "\"bbox\":[%u,0,1,1]}",
        i ? "," : "", ids[i], ids[i], i);
  }
  g_autofree char *text = g_strdup_printf ("{\"images\":[%s],\"annotations\":[%"
                                           "s],\"categories\":[{\"id\":\"c\","
                                           "\"name\":\"c\"}]}",
      images->str, objects->str);
  g_autoptr (DefcnDataset) dataset = open_good ("odd.json", text);
  gboolean seen[G_N_ELEMENTS (ids)] = { FALSE };

  g_assert_cmpuint (dataset->samples->len, ==, n);
  for (guint i = 0; i < n; i++) {
    const DefcnSample *sample = sample_at (dataset, i);
    const guint was = g_ascii_strtoull (sample->name, NULL, 10);
    g_autofree char *id = defcn_dataset_id (dataset, sample->id);

    g_assert_cmpstr (id, ==, ids[was]);
    g_assert_cmpuint (sample->n_objects, ==, 1);
    g_assert_cmpfloat (object_at (dataset, i, 0)->x1, ==, was);
    seen[was] = TRUE;
  }
  for (guint i = 0; i < n; i++)
    g_assert_true (seen[i]);
  g_autofree char *category = defcn_dataset_id (dataset,
      g_array_index (dataset->category_ids, gint64, 0));
  g_assert_cmpstr (category, ==, "\"c\"");
}

/* What a file does not say is 0, and a mark at its start is no text. */
static void
test_no_size (void)
{
  static const char *const sizes[] = { "", ",\"width\":null,\"height\":null",
    ",\"width\":9", ",\"width\":0,\"height\":0" };

  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *text = g_strdup_printf (
        "\xef\xbb\xbf{\"images\":[{\"id\":1,\"file_name\":\"a\"%s}],"
        "\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"b\"}]}",
        sizes[i]);
    g_autoptr (DefcnDataset) dataset = open_good ("n.json", text);

    g_assert_cmpint (sample_at (dataset, 0)->width, ==, 0);
    g_assert_cmpint (sample_at (dataset, 0)->height, ==, 0);
  }
  g_autoptr (DefcnDataset) crowd =
      open_good ("n.odgt", "\xef\xbb\xbf{\"ID\":\"a\",\"gtboxes\":[]}");
  g_assert_cmpuint (crowd->samples->len, ==, 1);
}

/* Names stay below the folder of images, in which a backslash may be a slash,
 * unless they may be absolute. */
static void
test_names (void)
{
  static const struct
  {
    const char *name, *path; /* path: below @folder; NULL: refused */
    gboolean absolute;
  } cases[] = {
    { "a.png", "pictures/a.png" },
    { "b\\\\a.png", "pictures/b/a.png" },
    { "..\\\\pictures\\\\a.png", "pictures/a.png" },
    { "../pictures/a.png", "pictures/a.png" },
    { "b/../a.png", "pictures/a.png" },
    { "../a.png", NULL },
    { "../pictures", NULL },
    { "../pictures2/a.png", NULL },
    { "b/../../a.png", NULL },
    { "..\\\\a.png", NULL },
    { "/a.png", NULL },
    { "\\\\a.png", NULL },
    { "C:\\\\a.png", NULL },
    { "c:/a.png", NULL },
    { "../a.png", "a.png", TRUE },
    { "a..png", "pictures/a..png" },
  };
  g_autofree char *images = folder_file (folder, "pictures");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const DefcnReadOptions options = { .absolute_names = cases[i].absolute };
    g_autofree char *text =
        g_strdup_printf ("{\"images\":[{\"id\":1,\"file_name\":\"%s\"}],"
                         "\"annotations\":[],\"categories\":[{\"id\":1,"
                         "\"name\":\"b\"}]}",
            cases[i].name);
    g_autofree char *json =
        folder_write (folder, "names.json", text, strlen (text));
    g_autoptr (GError) error = NULL;
    g_autoptr (DefcnDataset) dataset =
        defcn_annotations_open (json, images, &options, &error);

    if (!cases[i].path) {
      g_assert_null (dataset);
      g_assert_nonnull (strstr (error->message, "--absolute-names"));
      continue;
    }
    g_assert_no_error (error);
    g_autofree char *path = defcn_dataset_image_path (dataset, 0);
    g_autofree char *want = folder_file (folder, cases[i].path);
    g_assert_cmpstr (path, ==, want);
  }
}

/* Of the classes only those asked for; a root without annotations is none; sets
 * are matched by name, and what is left out is named. */
static void
test_classes (void)
{
  static const char text[] = "{\"images\":[" IMAGE (
      7) "],\"annotations\":["
         "{\"id\":1,\"image_id\":7,\"category_id\":2,\"bbox\":[1,2,3,4]},"
         "{\"id\":2,\"image_id\":7,\"category_id\":3,\"bbox\":[5,2,3,4]}],"
         "\"categories\":[{\"id\":0,\"name\":\"pets\",\"supercategory\":"
         "\"none\"},"
         "{\"id\":2,\"name\":\"dog\",\"supercategory\":\"pets\"},"
         "{\"id\":3,\"name\":\"cat\",\"supercategory\":\"pets\"}]}";
  static const char *const labels[] = { "owl", "cat", NULL };
  static const char *const none[] = { "owl", NULL };
  const DefcnReadOptions cat = { .classes = "cat" }, owl = { .classes = "owl" };
  g_autoptr (DefcnDataset) all = open_good ("classes.json", text);
  g_autoptr (DefcnDataset) some =
      open_text_with ("classes.json", text, strlen (text), &cat, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (all->labels->len, ==, 2);
  g_assert_cmpstr (all->labels->pdata[0], ==, "dog");
  g_assert_cmpint (object_at (all, 0, 0)->label, ==, 0);
  g_assert_cmpint (object_at (all, 0, 1)->label, ==, 1);
  g_assert_cmpint (g_array_index (all->category_ids, gint64, 1), ==, 3);
  g_autofree char *notes = defcn_dataset_notes (all);
  g_assert_nonnull (strstr (notes, "classes left out: pets\n"));

  g_assert_cmpuint (some->labels->len, ==, 1);
  g_assert_cmpuint (sample_at (some, 0)->n_objects, ==, 1);
  g_assert_cmpfloat (object_at (some, 0, 0)->x1, ==, 5);
  g_assert_null (
      open_text_with ("classes.json", text, strlen (text), &owl, &error));
  g_assert_nonnull (strstr (error->message, "no category \"owl\""));
  g_clear_error (&error);

  g_autoptr (DefcnDataset) matched = defcn_dataset_match (all, labels, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (sample_at (matched, 0)->n_objects, ==, 1);
  g_assert_cmpint (object_at (matched, 0, 0)->label, ==, 1);
  g_assert_true (
      g_array_index (matched->category_ids, gint64, 0) == DEFCN_NO_CATEGORY);
  g_assert_cmpint (g_array_index (matched->category_ids, gint64, 1), ==, 3);
  g_autofree char *left = defcn_dataset_notes (matched);
  g_assert_nonnull (strstr (left, "classes left out: dog\n"));
  g_assert_null (defcn_dataset_match (all, none, &error));
  g_assert_nonnull (strstr (error->message, "none of the classes owl"));
}

/* Categories of one name are one class, with what all of them have, though the
 * first be a root without any; a class behind moves up for what is left out. */
static void
test_same_name (void)
{
  g_autoptr (DefcnDataset) dataset = open_good ("same.json",
      "{\"images\":[" IMAGE (
          7) "],\"annotations\":["
             "{\"id\":1,\"image_id\":7,\"category_id\":4,\"bbox\":[1,2,3,4]},"
             "{\"id\":2,\"image_id\":7,\"category_id\":5,\"bbox\":[1,2,3,4]}],"
             "\"categories\":[{\"id\":1,\"name\":\"all\"},"
             "{\"id\":2,\"name\":\"cat\",\"supercategory\":\"all\"},"
             "{\"id\":4,\"name\":\"cat\",\"supercategory\":\"cat\"},"
             "{\"id\":5,\"name\":\"lion\",\"supercategory\":\"cat\"},"
             "{\"id\":6,\"name\":\"own\",\"supercategory\":\"own\"}]}");
  g_autofree char *notes = defcn_dataset_notes (dataset);

  g_assert_cmpuint (dataset->labels->len, ==, 3);
  g_assert_cmpstr (dataset->labels->pdata[0], ==, "cat");
  g_assert_cmpstr (dataset->labels->pdata[1], ==, "lion");
  g_assert_cmpstr (dataset->labels->pdata[2], ==, "own");
  g_assert_cmpint (g_array_index (dataset->category_ids, gint64, 1), ==, 5);
  g_assert_cmpint (object_at (dataset, 0, 0)->label, ==, 0);
  g_assert_cmpint (object_at (dataset, 0, 1)->label, ==, 1);
  g_assert_nonnull (strstr (notes, "categories 2 and 4 are one class, cat\n"));
  g_assert_nonnull (strstr (notes, "classes left out: all\n"));
}

/* Seconds to read 8192 string ids, which share their djb2 hash or do not. */
static double
time_ids (gboolean alike)
{
  g_autoptr (GString) text = g_string_new ("{\"images\":[");

  for (guint i = 0; i < 8192; i++) {
    g_string_append (text, i ? ",{\"id\":\"" : "{\"id\":\"");
    for (guint bit = 0; bit < 13; bit++)
      g_string_append (text, i >> bit & 1 ? "az" : alike ? "bY" : "by");
    g_string_append (text, "\",\"file_name\":\"a\"}");
  }
  g_string_append (text, "],\"annotations\":[" TAIL);
  const gint64 begin = clock ();
  g_autoptr (DefcnDataset) dataset = open_good ("hash.json", text->str);
  g_assert_cmpuint (dataset->samples->len, ==, 8192);
  return (double) (clock () - begin) / CLOCKS_PER_SEC;
}

/* A file whose ids were chosen for their hash takes no longer than others. */
static void
test_hash (void)
{
  const double usual = time_ids (FALSE);

  g_assert_cmpfloat (time_ids (TRUE), <, 4 * usual + 0.1);
}

/* The checksum is the same for a file read again and another wherever the
 * labels, an image or an object are. */
static void
test_checksum (void)
{
  static const char object[] = "{\"id\":1," BOX "}";
  static const char text[] = WITH ("{\"id\":1," BOX "}");
  static const struct
  {
    const char *from, *to;
  } changes[] = { { "[1,2,3,4]", "[1,2,3,5]" }, { "\"a\"", "\"b\"" },
    { "7.jpg", "8.jpg" }, { "\"width\":20", "\"width\":21" }, { object, "" } };
  g_autoptr (DefcnDataset) dataset = open_good ("sum.json", text);
  g_autofree char *sum = defcn_dataset_checksum (dataset);

  for (gsize i = 0; i <= G_N_ELEMENTS (changes); i++) {
    g_autoptr (GString) other = g_string_new (text);

    if (i > 0)
      g_assert_cmpuint (g_string_replace (other, changes[i - 1].from,
                            changes[i - 1].to, 0),
          ==, 1);
    g_autoptr (DefcnDataset) read = open_good ("sum.json", other->str);
    g_autofree char *again = defcn_dataset_checksum (read);
    g_assert_true (g_str_equal (sum, again) == (i == 0));
  }
}

/* Every image is one to train on where background is. */
static void
test_background (void)
{
  g_autoptr (DefcnDataset) dataset = open_good ("bg.json",
      "{\"images\":[" IMAGE (7) "," IMAGE (
          8) "],\"annotations\":[],"
             "\"categories\":[{\"id\":1,\"name\":\"b\"}]}");
  g_autoptr (GArray) none = defcn_dataset_trainable (dataset, FALSE);
  g_autoptr (GArray) both = defcn_dataset_trainable (dataset, TRUE);

  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpuint (both->len, ==, 2);
}

static const struct
{
  const char *value;
  gboolean good;
} boxes[] = {
  { "[1,2,3,4]", TRUE },
  { "[-1,-2,3,4]", TRUE },
  { "[1,2,0,0]", TRUE },
  { "[1,2,5,0]", TRUE },
  { "[1,2,0,5]", TRUE },
  { "[1,2,-3,4]", FALSE },
  { "[1,2,3,-0.5]", FALSE },
  { "[1,2,3]", FALSE },
  { "[1,2,3,4,5]", FALSE },
  { "[1,2,3,\"4\"]", TRUE },
  { "[1,2,3,\"4 m\"]", FALSE },
  { "[1,2,3,\"\"]", FALSE },
  { "[1,2,3,true]", FALSE },
  { "[1,2,3,null]", FALSE },
  { "[1,2,1e999,4]", FALSE },
  { "[1,2e7,3,4]", FALSE },
  { "\"1,2,3,4\"", FALSE },
  { "null", FALSE },
};

/* A picture may be a million pixels wide and high. */
static void
test_largest (void)
{
  g_autoptr (DefcnDataset) dataset = open_good ("large.json",
      "{\"images\":[{\"id\":1,\"width\":1000000,\"height\":1000000,"
      "\"file_name\":\"a\"}],\"categories\":[{\"id\":1,\"name\":\"b\"}],"
      "\"annotations\":[]}");

  g_assert_cmpint (sample_at (dataset, 0)->width, ==, 1000000);
  g_assert_cmpint (sample_at (dataset, 0)->height, ==, 1000000);
}

/* Both readers take the same boxes: four numbers, no negative sizes, none
 * that is not finite; those of no area are counted. */
static void
test_boxes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (boxes); i++) {
    g_autofree char *json =
        g_strdup_printf (WITH ("{\"id\":5,\"image_id\":7,\"category_id\":1,"
                               "\"bbox\":%s}"),
            boxes[i].value);
    g_autofree char *odgt =
        g_strdup_printf ("{\"ID\":\"p\",\"gtboxes\":[{\"tag\":\"person\","
                         "\"fbox\":%s}]}\n",
            boxes[i].value);

    if (boxes[i].good) {
      const gboolean empty = strstr (boxes[i].value, ",0]") != NULL
          || strstr (boxes[i].value, "2,0,") != NULL;
      g_autoptr (DefcnDataset) a = open_good ("b.json", json);
      g_autoptr (DefcnDataset) b = open_good ("b.odgt", odgt);

      g_assert_cmpuint (a->n_empty, ==, empty);
      g_assert_cmpuint (b->n_empty, ==, empty);
      g_assert_cmpfloat (object_at (a, 0, 0)->x2, ==, object_at (b, 0, 0)->x2);
    } else {
      g_autoptr (DefcnDataset) a = open_good ("b.json", json);
      g_autoptr (DefcnDataset) b = open_good ("b.odgt", odgt);

      g_assert_cmpuint (sample_at (a, 0)->n_objects, ==, 0);
      g_assert_cmpuint (sample_at (b, 0)->n_objects, ==, 0);
      g_assert_nonnull (strstr (a->damage->pdata[0],
          "annotation 5: \"bbox\" is not four numbers"));
      g_assert_nonnull (strstr (b->damage->pdata[0],
          "line 1: gtboxes[0]: \"fbox\" is not four numbers"));
    }
  }
}

/* A COCO file cut off anywhere is refused, without reading past its end. */
static void
test_coco_truncated (void)
{
  static const char text[] =
      WITH ("{\"id\":5,\"segmentation\":[[1,2,3,4,5,6]]," BOX
            ",\"note\":\"\\\"\\\\\"}");

  for (gsize i = 0; i < sizeof text - 1; i++)
    assert_refused ("c.json", text, i, i == 0 ? "not a JSON object" : ":");
  g_autoptr (DefcnDataset) whole = open_good ("c.json", text);
  g_assert_cmpuint (whole->samples->len, ==, 1);
}

/* Lines become samples in their order: fbox, ignored is class -1; only persons
 * that are not ignored count. */
static void
test_crowdhuman (void)
{
  static const char text[] =
      "{\"ID\":\"284193,faa9000f2678b5e\",\"gtboxes\":["
      "{\"tag\":\"person\",\"hbox\":[1,1,1,1],\"fbox\":[-5,6.5,70,80],"
      "\"extra\":{\"box_id\":0,\"occ\":1}},"
      "{\"tag\":\"mask\",\"fbox\":[1,2,3,4],\"extra\":{\"ignore\":1}},"
      "{\"tag\":\"person\",\"fbox\":[1,2,3,4],\"extra\":{\"ignore\":1}},"
      "{\"tag\":\"person\",\"fbox\":[1,2,3,4],\"extra\":{\"ignore\":0}},"
      "{\"tag\":\"mask\",\"fbox\":[1,2,3,4]},"
      "{\"tag\":\"person\",\"fbox\":[1,2,3,4],\"extra\":{\"ignore\":2}}]}\r\n"
      "\n  \n"
      "{\"gtboxes\":[],\"ID\":\"none\"}\n"
      "{\"ID\":\"last\",\"gtboxes\":[{\"tag\":\"mask\",\"fbox\":[1,2,3,4],"
      "\"extra\":{\"ignore\":1}}]}";
  static const struct
  {
    int label;
    gboolean person;
  } want[] = { { 0, TRUE }, { -1, FALSE }, { -1, FALSE }, { 0, TRUE },
    { 0, FALSE }, { -1, FALSE } };
  g_autoptr (DefcnDataset) dataset = open_good ("a.odgt", text);
  g_autoptr (GArray) used = defcn_dataset_trainable (dataset, FALSE);

  g_assert_true (dataset->crowdhuman);
  g_assert_cmpuint (dataset->labels->len, ==, 1);
  g_assert_cmpstr (dataset->labels->pdata[0], ==, "person");
  g_assert_cmpuint (dataset->samples->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpint (sample_at (dataset, i)->id, ==, i);
    g_assert_cmpint (sample_at (dataset, i)->width, ==, 0);
  }
  g_assert_cmpstr (sample_at (dataset, 0)->name, ==, "284193,faa9000f2678b5e");
  for (guint k = 0; k < G_N_ELEMENTS (want); k++) {
    g_assert_cmpint (object_at (dataset, 0, k)->label, ==, want[k].label);
    g_assert_cmpint (object_at (dataset, 0, k)->person, ==, want[k].person);
  }
  g_assert_cmpfloat (object_at (dataset, 0, 0)->x1, ==, -5);
  g_assert_cmpfloat (object_at (dataset, 0, 0)->x2, ==, 65);
  g_assert_cmpfloat (object_at (dataset, 0, 0)->y2, ==, 86.5f);
  g_assert_cmpuint (used->len, ==, 2); /* any annotation will do */
  g_assert_cmpuint (g_array_index (used, guint, 1), ==, 2);
}

/* Every refusal of a CrowdHuman file says the line and what. */
static void
test_crowdhuman_refused (void)
{
#define FIRST "{\"ID\":\"a\",\"gtboxes\":[]}\n\n"
  static const struct
  {
    const char *text, *want;
  } cases[] = {
    { "", "no images" },
    { "\n \n", "no images" },
    { FIRST "{\"ID\":\"b\",\"gtboxes\":[]", "line 3: not a JSON object" },
    { FIRST "[]", "line 3: not a JSON object" },
    { FIRST "{\"ID\":\"b\",\"gtboxes\":[]} x\n" FIRST,
        "line 3: not a JSON object" },
    { "\n{\"gtboxes\":[]}",
        "no images but damaged ones: line 2: \"ID\" is not a picture's name" },
    { FIRST "{\"ID\":\"b\"}\n{\"ID\":\"c\"}",
        "2 of 3 images are damaged, more than the share of 0.1 allowed "
        "(max_damaged): line 3: \"gtboxes\" is not an array" },
    { FIRST "{\"ID\":\"b\",\"gtboxes\":[1,2]}",
        "damaged, more than the share of 0.1 allowed (max_damaged): line 3: "
        "gtboxes[0]: \"fbox\"" },
    { FIRST "{\"ID\":\"b\",\"gtboxes\":[{\"tag\":\"person\",\"fbox\":"
            "[1,2,3,4]},{\"fbox\":[1,2,3,4]},{\"fbox\":[1,2,3,4]}]}",
        "line 3: gtboxes[1] has no \"tag\"" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    assert_refused ("r.odgt", cases[i].text, strlen (cases[i].text),
        cases[i].want);
}

/* A line that names no picture or has no boxes is skipped and named. */
static void
test_crowdhuman_damaged (void)
{
  static const char *const lines[][2] = {
    { "{\"gtboxes\":[]}", "line 3: \"ID\" is not a picture's name" },
    { "{\"ID\":5,\"gtboxes\":[]}", "line 3: \"ID\" is not" },
    { "{\"ID\":\"\",\"gtboxes\":[]}", "line 3: \"ID\" is not" },
    { "{\"ID\":\"../a\",\"gtboxes\":[]}", "line 3: \"ID\" is not" },
    { "{\"ID\":\"b\"}", "line 3: \"gtboxes\" is not an array" },
    { "{\"ID\":\"b\",\"gtboxes\":{}}", "line 3: \"gtboxes\" is not" },
    { "{\"ID\":\"\\u0061\",\"gtboxes\":[]}", "line 3: image a is there twice" },
    { "{\"ID\":\"b\\u001b[2J\",\"gtboxes\":[]}",
        "line 3: \"ID\" has control characters" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_autofree char *text = g_strconcat (FIRST, lines[i][0],
        "\n{\"ID\":\"c\",\"gtboxes\":[]}\n", NULL);
    g_autoptr (DefcnDataset) dataset = open_good ("d.odgt", text);
    g_autofree char *notes = defcn_dataset_notes (dataset);

    g_assert_cmpuint (dataset->samples->len, ==, 2);
    g_assert_cmpuint (dataset->n_bad_images, ==, 1);
    g_assert_nonnull (strstr (notes, lines[i][1]));
  }
}

/* A file that is not there is named; freeing nothing is allowed. */
static void
test_missing (void)
{
  static const char *const names[] = { "none.json", "none.odgt" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = folder_file (folder, names[i]);
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_annotations_open (path, folder, NULL, &error));
    g_assert_nonnull (error);
    g_assert_nonnull (strstr (error->message, names[i]));
  }
  defcn_dataset_free (NULL);

  /* What has to be converted first. */
  static const char *const others[] = { ".", "data.yaml", "d.yml", "a.xml",
    "a.txt" };
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *path = folder_file (folder, others[i]);
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_annotations_open (path, folder, NULL, &error));
    g_assert_nonnull (strstr (error->message, "defcn convert"));
    g_assert_true (g_str_has_prefix (error->message, path));
  }
}

/* CrowdHuman's pictures are ID.jpg, else ID.png. */
static void
test_image_path (void)
{
  static const char text[] = "{\"ID\":\"p\",\"gtboxes\":[]}\n"
                             "{\"ID\":\"q\",\"gtboxes\":[]}\n"
                             "{\"ID\":\"r\",\"gtboxes\":[]}\n";
  static const char *const want[] = { "p.jpg", "q.png", "r.jpg" };
  g_autofree char *p = folder_write (folder, "p.jpg", "", 0);
  g_autofree char *p2 = folder_write (folder, "p.png", "", 0);
  g_autofree char *q = folder_write (folder, "q.png", "", 0);
  g_autofree char *path = folder_write (folder, "i.odgt", text, strlen (text));
  g_autoptr (DefcnDataset) dataset =
      defcn_annotations_open (path, folder, NULL, NULL);

  g_assert_nonnull (dataset);
  for (guint i = 0; i < 3; i++) {
    g_autofree char *found = defcn_dataset_image_path (dataset, i);
    g_autofree char *wanted = folder_file (folder, want[i]);

    g_assert_cmpstr (found, ==, wanted);
  }
}

/* The short way through an annotation and the long one, which any other member
 * leads to, give the same. */
static void
test_both_ways (void)
{
  static const char *const cases[] = {
    "\"area\":12.5,\"iscrowd\":0,\"bbox\":[1.25,2,3.5,4],"
    "\"segmentation\":[[1,2,3,4,5,6]]",
    "\"area\":702.1057499999998,\"iscrowd\":0,"
    "\"bbox\":[473.07,395.93,38.65,28.67],\"segmentation\":[[1,2,3,4]]",
    "\"area\":1e3,\"iscrowd\":1,\"bbox\":[-0.001,-2e-3,1e6,0],"
    "\"segmentation\":{\"counts\":[1,2],\"size\":[10,20]}",
    "\"area\":123456789012345678,\"iscrowd\":0,"
    "\"bbox\":[0.1234567890123456789,99999.994999999999,0.3,0.07],"
    "\"segmentation\":[]",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *shorter = g_strdup_printf (
        WITH ("{ \"id\" : 5, \"image_id\":7,\"category_id\":1,%s}"), cases[i]);
    g_autofree char *longer =
        g_strdup_printf (WITH ("{\"x\":0,\"id\":5,\"image_id\":7,\"category_"
                               "id\":1,%s}"),
            cases[i]);
    g_autoptr (DefcnDataset) a = open_good ("short.json", shorter);
    g_autoptr (DefcnDataset) b = open_good ("long.json", longer);
    const DefcnObject *p = object_at (a, 0, 0), *q = object_at (b, 0, 0);

    for (int k = 0; k < 4; k++)
      g_assert_true (p->bbox[k] == q->bbox[k]);
    g_assert_true (p->area == q->area);
    g_assert_cmpint (p->label, ==, q->label);
    g_assert_cmpint (p->crowd, ==, q->crowd);
    g_assert_cmpint (p->untrainable, ==, q->untrainable);
    g_assert_cmpuint (a->n_empty, ==, b->n_empty);
  }
}

/* Numbers are read as strtod() reads them, to the last bit; what is no number
 * of JSON's is none. */
static void
test_numbers (void)
{
  static const struct
  {
    const char *text;
    int len; /* of it that is a number, 0: none */
  } cases[] = { { "0", 1 }, { "-0", 2 }, { " 7", 2 }, { "12.5,", 4 },
    { "473.07", 6 }, { "702.1057499999998", 17 }, { "0.1", 3 },
    { "9007199254740993", 16 }, { "123456789012345678901234567890", 30 },
    { "0.00000000000000000000000123", 28 }, { "1e3", 3 }, { "-2.5E-3]", 7 },
    { "1e999", 5 }, { "0.30000000000000004", 19 }, { "", 0 }, { "-", 0 },
    { "01", 0 }, { ".5", 0 }, { "5.", 0 }, { "5.e1", 0 }, { "1e", 0 },
    { "1e+", 0 }, { "+1", 0 }, { "nan", 0 }, { "null", 0 } };
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  double value;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *text = cases[i].text;
    DefcnJsonScan scan = { text, text + strlen (text) };

    g_assert_cmpint (defcn_json_scan_number (&scan, &value), ==,
        cases[i].len > 0);
    if (cases[i].len > 0) {
      g_assert_cmpint (scan.at - text, ==, cases[i].len);
      g_assert_true (value == g_ascii_strtod (text, NULL));
    }
  }
  for (int i = 0; i < 20000; i++) {
    const double number = g_rand_double_range (rand, -1e6, 1e6);
    g_autofree char *text =
        g_strdup_printf ("%.*f", g_rand_int_range (rand, 0, 18), number);
    DefcnJsonScan scan = { text, text + strlen (text) };

    g_assert_true (defcn_json_scan_number (&scan, &value));
    g_assert_true (value == g_ascii_strtod (text, NULL));
  }
}

/* Objects come back as they were given, to the last bit, each to its sample and
 * in its order; a sample without any has none. */
static void
test_packing (void)
{
  static const double values[] = { 0, 0.01, 0.1, 1.0 / 3, 473.07, 999999.99,
    1000000, 1e6 + 0.001, 21474836.47, 21474837, 1e300, DBL_MIN };
  g_autoptr (DefcnDataset) dataset = g_new0 (DefcnDataset, 1);
  const guint n = G_N_ELEMENTS (values);

  dataset->samples = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < 3; i++)
    g_ptr_array_add (dataset->samples, defcn_sample_new (i, "name", 1, 2));
  for (guint i = 0; i < 2 * n; i++) {
    const double v = values[i / 2];
    const DefcnObject o = { .label = (int) i - 1,
      .crowd = i & 1,
      .untrainable = i >> 1 & 1,
      .person = i >> 2 & 1,
      .area = v / 3,
      .bbox = { -v, v, i, v / 7 } };

    g_assert_true (defcn_dataset_add (dataset, i % 2, &o));
  }
  for (guint i = 0; i < 2 * n; i++) {
    const DefcnObject *o = object_at (dataset, i % 2, i / 2);
    const double v = values[i / 2];
    const double bbox[] = { -v, v, i, v / 7 };

    for (int k = 0; k < 4; k++)
      g_assert_true (o->bbox[k] == bbox[k]);
    g_assert_true (o->x2 == (float) (bbox[0] + bbox[2]));
    g_assert_true (o->area == v / 3);
    g_assert_cmpint (o->label, ==, (int) i - 1);
    g_assert_cmpint (o->crowd, ==, i & 1);
    g_assert_cmpint (o->untrainable, ==, i >> 1 & 1);
    g_assert_cmpint (o->person, ==, i >> 2 & 1);
  }
  g_autoptr (GArray) none = defcn_dataset_objects (dataset, 2);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpstr (sample_at (dataset, 2)->name, ==, "name");
}

/* Of a thousand annotations in any order, the one id that is there twice is
 * found and said, wherever it lies, and all are taken. */
static void
test_ids (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (int turn = 0; turn < 20; turn++) {
    g_autoptr (GString) text = g_string_new (NULL);
    const int twice = turn == 0 ? -1 : g_rand_int_range (rand, 0, 999);
    gint64 ids[1000];

    for (int i = 0; i < 1000; i++)
      ids[i] = g_rand_int (rand) * G_GINT64_CONSTANT (1000) + i;
    if (twice >= 0)
      ids[999] = ids[twice];
    for (int i = 0; i < 1000; i++)
      g_string_append_printf (text,
          "%s{\"id\":%" G_GINT64_FORMAT ",\"image_id\":7,\"category_id\":1,"
          "\"bbox\":[1,2,3,4]}",
          i ? "," : "", ids[i]);

    g_autofree char *file = g_strdup_printf (WITH ("%s"), text->str);
    g_autoptr (DefcnDataset) dataset = open_good ("ids.json", file);
    g_autofree char *notes = defcn_dataset_notes (dataset);
    g_assert_cmpuint (sample_at (dataset, 0)->n_objects, ==, 1000);
    if (twice >= 0) {
      g_autofree char *want = g_strdup_printf ("annotation %" G_GINT64_FORMAT
                                               " is there twice; 1 annotations",
          ids[twice]);

      g_assert_nonnull (strstr (notes, want));
    } else {
      g_assert_cmpstr (notes, ==, "");
    }
  }
}

/* A file as COCO publishes them, with all that is not read: licences,
 * addresses, both kinds of segmentation; its parts in any order. */
static void
test_published (void)
{
  static const char text[] =
      "{\"info\":{\"description\":\"COCO 2017 \\\"Dataset\\\"\",\"url\":"
      "\"http://cocodataset.org\",\"version\":\"1.0\",\"year\":2017},\n"
      "\"licenses\":[{\"url\":\"http://creativecommons.org/\",\"id\":1,"
      "\"name\":\"By [nc]\"}],\n"
      "\"annotations\":[{\"segmentation\":[[239.97,260.24,222.04,270.49,199.84,"
      "253.41]],\"area\":2765.1486,\"iscrowd\":0,\"image_id\":558840,"
      "\"bbox\":[199.84,200.46,77.71,70.88],\"category_id\":58,\"id\":156},\n"
      "{\"segmentation\":{\"counts\":[272,2,4,4],\"size\":[240,320]},"
      "\"area\":18419,\"iscrowd\":1,\"image_id\":448263,"
      "\"bbox\":[1,0,276,122],\"category_id\":1,\"id\":900100448263},\n"
      "{\"segmentation\":[[1,2,3,4]],\"area\":7,\"iscrowd\":0,"
      "\"image_id\":448263,\"bbox\":[1.5,2.25,3.125,4],\"category_id\":1,"
      "\"id\":3}],\n"
      "\"categories\":[{\"supercategory\":\"food\",\"id\":58,"
      "\"name\":\"hot dog\"},{\"supercategory\":\"person\",\"id\":1,"
      "\"name\":\"person\"}],\n"
      "\"images\":[{\"license\":4,\"file_name\":\"000000558840.jpg\","
      "\"coco_url\":\"http://images.cocodataset.org/000000558840.jpg\","
      "\"height\":427,\"width\":640,\"date_captured\":\"2013-11-14\","
      "\"flickr_url\":\"http://farm7.staticflickr.com/x_z.jpg\",\"id\":558840},"
      "{\"license\":1,\"file_name\":\"000000448263.jpg\",\"height\":240,"
      "\"width\":320,\"id\":448263}]}\n";
  const DefcnReadOptions options = { .polygons = TRUE };
  g_autoptr (DefcnDataset) dataset =
      open_text_with ("published.json", text, strlen (text), &options, NULL);
  g_autoptr (GArray) used = defcn_dataset_trainable (dataset, FALSE);

  g_assert_cmpuint (dataset->samples->len, ==, 2);
  g_assert_cmpint (sample_at (dataset, 0)->id, ==, 448263);
  g_assert_cmpint (sample_at (dataset, 0)->width, ==, 320);
  g_assert_cmpint (sample_at (dataset, 1)->height, ==, 427);
  g_assert_cmpstr (dataset->labels->pdata[0], ==, "person");
  g_assert_cmpstr (dataset->labels->pdata[1], ==, "hot dog");
  g_assert_cmpuint (sample_at (dataset, 0)->n_objects, ==, 2);
  g_assert_true (object_at (dataset, 0, 0)->crowd);
  g_assert_false (object_at (dataset, 0, 0)->untrainable);
  g_assert_true (object_at (dataset, 0, 1)->untrainable);
  g_assert_cmpfloat (object_at (dataset, 0, 1)->bbox[2], ==, 3.125);
  g_assert_cmpint (object_at (dataset, 1, 0)->label, ==, 1);
  g_assert_cmpfloat (object_at (dataset, 1, 0)->area, ==, 2765.1486);
  g_assert_cmpfloat (object_at (dataset, 1, 0)->bbox[1], ==, 200.46);
  g_assert_cmpuint (used->len, ==, 1);
  g_assert_cmpuint (g_array_index (used, guint, 0), ==, 1);
}

/* Real files have the images and boxes that their README counts. */
static void
test_real (void)
{
  static const struct
  {
    const char *name;
    guint samples, objects, crowd;
  } cases[] = {
    { "person_train.json", 1939, 7916, 144 },
    { "person_val.json", 215, 817, 18 },
    { "crowd_train.odgt", 355, 4232, 0 },
    { "crowd_val.odgt", 37, 445, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *below =
        g_build_filename ("coco-person", cases[i].name, NULL);
    g_autofree char *path = testing_data (below);
    g_autoptr (GError) error = NULL;

    if (!path) {
      g_test_skip ("data/coco-person is not there");
      return;
    }
    g_autofree char *dir = g_path_get_dirname (path);
    g_autofree char *images = g_build_filename (dir, "images", NULL);
    g_autoptr (DefcnDataset) dataset =
        defcn_annotations_open (path, images, NULL, &error);
    guint objects = 0, crowd = 0;

    g_assert_no_error (error);
    g_assert_cmpuint (dataset->samples->len, ==, cases[i].samples);
    for (guint k = 0; k < dataset->samples->len; k++) {
      g_autofree char *picture = defcn_dataset_image_path (dataset, k);
      g_autoptr (GArray) list = defcn_dataset_objects (dataset, k);

      g_assert_true (g_file_test (picture, G_FILE_TEST_EXISTS));
      objects += list->len;
      for (guint o = 0; o < list->len; o++)
        crowd += g_array_index (list, DefcnObject, o).crowd;
    }
    g_assert_cmpuint (objects, ==, cases[i].objects);
    g_assert_cmpuint (crowd, ==, cases[i].crowd);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataset/coco", test_coco);
  g_test_add_func ("/dataset/quoted", test_quoted);
  g_test_add_func ("/dataset/no-ids", test_no_ids);
  g_test_add_func ("/dataset/odd-boxes", test_odd_boxes);
  g_test_add_func ("/dataset/other-formats", test_other_formats);
  g_test_add_func ("/dataset/encodings", test_encodings);
  g_test_add_func ("/dataset/segmentation", test_segmentation);
  g_test_add_func ("/dataset/trainable", test_trainable);
  g_test_add_func ("/dataset/coco-refused", test_coco_refused);
  g_test_add_func ("/dataset/damaged", test_damaged);
  g_test_add_func ("/dataset/damaged-image", test_damaged_image);
  g_test_add_func ("/dataset/odd-ids", test_odd_ids);
  g_test_add_func ("/dataset/no-size", test_no_size);
  g_test_add_func ("/dataset/names", test_names);
  g_test_add_func ("/dataset/classes", test_classes);
  g_test_add_func ("/dataset/same-name", test_same_name);
  g_test_add_func ("/dataset/hash", test_hash);
  g_test_add_func ("/dataset/checksum", test_checksum);
  g_test_add_func ("/dataset/background", test_background);
  g_test_add_func ("/dataset/boxes", test_boxes);
  g_test_add_func ("/dataset/largest", test_largest);
  g_test_add_func ("/dataset/coco-truncated", test_coco_truncated);
  g_test_add_func ("/dataset/crowdhuman", test_crowdhuman);
  g_test_add_func ("/dataset/crowdhuman-refused", test_crowdhuman_refused);
  g_test_add_func ("/dataset/crowdhuman-damaged", test_crowdhuman_damaged);
  g_test_add_func ("/dataset/missing", test_missing);
  g_test_add_func ("/dataset/image-path", test_image_path);
  g_test_add_func ("/dataset/both-ways", test_both_ways);
  g_test_add_func ("/dataset/numbers", test_numbers);
  g_test_add_func ("/dataset/packing", test_packing);
  g_test_add_func ("/dataset/ids", test_ids);
  g_test_add_func ("/dataset/published", test_published);
  g_test_add_func ("/dataset/real", test_real);
  folder = folder_new ();
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

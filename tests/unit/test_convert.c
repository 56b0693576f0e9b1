/* Annotations of one format in another and back: nothing changes but what a
 * format cannot say. */
#include "convert/notation.h"
#include "folder.h"

#include <math.h>
#include <string.h>

static char *folder, *images;

static const char coco[] =
    "{\"images\":[{\"id\":\"x\",\"file_name\":\"a.png\",\"width\":40,"
    "\"height\":30},{\"id\":9,\"file_name\":\"b.png\",\"width\":50,\"height\":"
    "20}"
    "],\"categories\":[{\"id\":3,\"name\":\"person\"},{\"id\":5,\"name\":"
    "\"a<b & c\"}],\"annotations\":["
    "{\"id\":1,\"image_id\":\"x\",\"category_id\":3,\"bbox\":[1.5,2.25,10,7],"
    "\"area\":70,\"iscrowd\":0},"
    "{\"id\":2,\"image_id\":\"x\",\"category_id\":5,\"bbox\":[3,0,37,30],"
    "\"area\":1110,\"iscrowd\":0},"
    "{\"id\":3,\"image_id\":\"x\",\"category_id\":3,\"bbox\":[0,0,5,5],"
    "\"area\":25,\"iscrowd\":1}]}";

static char *
path_of (DefcnNotation notation)
{
  static const char *const names[DEFCN_N_NOTATIONS] = { "n.json", "n.odgt",
    "yolo", "voc" };

  return folder_file (folder, names[notation]);
}

static DefcnDataset *
read_text (const char *name, const char *text)
{
  g_autofree char *path = folder_write (folder, name, text, strlen (text));
  g_autoptr (GError) error = NULL;
  DefcnNotation notation;

  g_assert_true (defcn_notation_guess (&notation, path, &error));
  DefcnDataset *dataset = defcn_notation_read (notation, path, images, NULL,
      NULL, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_remove (path);
  return dataset;
}

/* @dataset as it comes back from @notation. */
static DefcnDataset *
through (DefcnNotation notation, const DefcnDataset *dataset,
    DefcnConverted *done)
{
  g_autofree char *path = path_of (notation);
  g_autoptr (GError) error = NULL;
  DefcnNotation guessed;

  g_assert_true (defcn_notation_write (notation, path, dataset, done, &error));
  g_assert_no_error (error);
  g_assert_true (defcn_notation_guess (&guessed, path, &error));
  g_assert_cmpint (guessed, ==, notation);
  DefcnDataset *back = defcn_notation_read (notation, path, images, NULL, NULL,
      &defcn_read_defaults, &error);
  g_assert_no_error (error);
  folder_remove_all (path);
  return back;
}

/* The objects of an image as text; the crowd's ones in brackets. */
static char *
objects_text (const DefcnDataset *dataset, guint i)
{
  g_autoptr (GArray) objects = defcn_dataset_objects (dataset, i);
  GString *text = g_string_new (NULL);

  for (guint k = 0; k < objects->len; k++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, k);
    const gboolean ignored = o->crowd || o->label < 0;

    g_string_append_printf (text, "%s%s %g %g %g %g%s;", ignored ? "(" : "",
        (const char *) dataset->labels->pdata[MAX (o->label, 0)],
        round (o->bbox[0] * 1e6) / 1e6, round (o->bbox[1] * 1e6) / 1e6,
        round (o->bbox[2] * 1e6) / 1e6, round (o->bbox[3] * 1e6) / 1e6,
        ignored ? ")" : "");
  }
  return g_string_free (text, FALSE);
}

#define FIRST "person 1.5 2.25 10 7;"
#define SECOND "a<b & c 3 0 37 30;"
#define CROWD "(person 0 0 5 5);"

/* Names, sizes, boxes and classes are the same behind each format; YOLO leaves
 * a crowd out and says so; VOC's classes come in the order of the objects. */
static void
test_round (void)
{
  static const struct
  {
    DefcnNotation notation;
    const char *objects;
    guint left_out;
  } cases[] = { { DEFCN_NOTATION_COCO, FIRST SECOND CROWD, 0 },
    { DEFCN_NOTATION_YOLO, FIRST SECOND, 1 },
    { DEFCN_NOTATION_VOC, FIRST SECOND CROWD, 0 } };
  g_autoptr (DefcnDataset) dataset = read_text ("in.json", coco);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnConverted done;
    g_autoptr (DefcnDataset) back = through (cases[i].notation, dataset, &done);
    g_assert_cmpuint (done.n_images, ==, 2);
    g_assert_cmpuint (done.n_objects, ==, 3 - cases[i].left_out);
    g_assert_cmpuint (done.n_left_out, ==, cases[i].left_out);
    g_assert_cmpuint (back->samples->len, ==, 2);
    for (guint k = 0; k < 2; k++) {
      const DefcnSample *sample = back->samples->pdata[k];
      const gboolean a = g_str_equal (sample->name, "a.png");
      g_autofree char *text = objects_text (back, k);

      g_assert_cmpint (sample->width, ==, a ? 40 : 50);
      g_assert_cmpint (sample->height, ==, a ? 30 : 20);
      g_assert_cmpstr (text, ==, a ? cases[i].objects : "");
      if (cases[i].notation == DEFCN_NOTATION_COCO) {
        g_autofree char *id = defcn_dataset_id (back, sample->id);

        g_assert_cmpstr (id, ==, a ? "\"x\"" : "9");
      }
    }
  }
}

/* CrowdHuman has persons; what is a crowd is ignored, and the other way round;
 * sizes are the pictures'. */
static void
test_crowdhuman (void)
{
  static const char *const persons[] = { "person", NULL };
  g_autoptr (DefcnDataset) all = read_text ("in.json", coco);
  g_autoptr (DefcnDataset) dataset = defcn_dataset_match (all, persons, NULL);
  g_autofree char *path = path_of (DEFCN_NOTATION_CROWDHUMAN);
  g_autoptr (GError) error = NULL;
  DefcnConverted done;

  g_assert_false (defcn_notation_write (DEFCN_NOTATION_CROWDHUMAN, path, all,
      &done, &error));
  g_assert_nonnull (strstr (error->message, "one class, person"));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));

  g_autoptr (DefcnDataset) crowd =
      through (DEFCN_NOTATION_CROWDHUMAN, dataset, &done);
  const guint a =
      g_str_equal (((DefcnSample *) crowd->samples->pdata[0])->name, "a") ? 0
                                                                          : 1;
  g_autofree char *text = objects_text (crowd, a);
  g_assert_cmpstr (text, ==, FIRST CROWD);
  g_autoptr (DefcnDataset) back = through (DEFCN_NOTATION_COCO, crowd, &done);
  const DefcnSample *sample = back->samples->pdata[a];
  g_assert_cmpstr (sample->name, ==, "a.png");
  g_assert_cmpint (sample->width, ==, 40);
  g_autofree char *again = objects_text (back, a);
  g_assert_cmpstr (again, ==, FIRST CROWD);
}

/* Lines of YOLO: boxes, polygons, numbers for names; what is none is skipped
 * and named. */
static void
test_yolo (void)
{
  static const char good[] = "\xef\xbb\xbf"
                             "2 0.5 0.5 0.25 0.5\r\n\n"
                             "0 0.1 0.1 0.2 0.1 0.2 0.4\n";
  static const char *const bad[] = { "x 0.5 0.5 0.2 0.2", "1 0.5 0.5 0.2",
    "1.5 0.5 0.5 0.2 0.2", "-1 0.5 0.5 0.2 0.2", "1 0.5 0.5 -0.2 0.2",
    "1 0.1 0.2 0.3 0.4 1.5", "1 100 100 20 20", "1 nan 0 0 0" };
  static const struct
  {
    const char *line, *object;
    gboolean scored;
  } rows[] = {
    { "1 0.5 0.5 0.25 0.5 0.875", "1 15 7.5 10 15;", TRUE },
    { "1 0.5 0.5 0.25 0.5 1e-3", "1 15 7.5 10 15;", TRUE },
    { "1 0.1 0.1 0.2 0.1 0.2 0.4 0.9", "1 4 3 4 9;", TRUE },
    { "1 0.1 0.1 0.2 0.1 0.2 0.4 0.1 0.4", "1 4 3 4 9;" }, /* four corners */
    { "1 0.5 0.5 0.25 0.5 0.1 0.2 2 0.9 0.8 0 0.3 0.3 1", "1 15 7.5 10 15;" },
    { "1 0.5 0.5 0.25 0.5 0.1 0.2 2", "1 15 7.5 10 15;" },
  };
  g_autofree char *labels = folder_file (folder, "yolo");
  g_autofree char *file = folder_file (labels, "a.txt");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (labels, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, good, -1, NULL));
  g_autoptr (DefcnDataset) dataset = defcn_notation_read (DEFCN_NOTATION_YOLO,
      labels, images, NULL, NULL, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (dataset->labels->len, ==, 3);
  g_autofree char *text = objects_text (dataset, 0);
  g_assert_cmpstr (text, ==, "2 15 7.5 10 15;0 4 3 4 9;");

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *line = g_strdup_printf ("%s\n0 0.5 0.5 1 1\n", bad[i]);

    g_assert_true (g_file_set_contents (file, line, -1, NULL));
    g_autoptr (DefcnDataset) some = defcn_notation_read (DEFCN_NOTATION_YOLO,
        labels, images, NULL, NULL, &defcn_read_defaults, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (some->n_damaged, ==, 1);
    g_assert_nonnull (strstr (some->damage->pdata[0], "a.txt, line 1"));
    g_autofree char *rest = objects_text (some, 0);
    g_assert_cmpstr (rest, ==, "0 0 0 40 30;");
  }
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_assert_true (g_file_set_contents (file, rows[i].line, -1, NULL));
    g_autoptr (DefcnDataset) one = defcn_notation_read (DEFCN_NOTATION_YOLO,
        labels, images, NULL, NULL, &defcn_read_defaults, &error);
    g_assert_no_error (error);
    g_autofree char *object = objects_text (one, 0);
    g_autofree char *notes = defcn_dataset_notes (one);
    g_assert_cmpstr (object, ==, rows[i].object);
    g_assert_cmpint (rows[i].scored, ==,
        strstr (notes, "1 rows have a confidence") != NULL);
  }

  /* An empty file, as no file, is a picture without objects. */
  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_autoptr (DefcnDataset) empty = defcn_notation_read (DEFCN_NOTATION_YOLO,
      labels, images, NULL, NULL, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (empty->samples->len, ==, 2);
  g_assert_null (empty->packed);

  /* A picture that cannot be read is skipped and named. */
  g_autofree char *junk = folder_write (images, "c.png", "junk", 4);
  g_autoptr (DefcnDataset) rest = defcn_notation_read (DEFCN_NOTATION_YOLO,
      labels, images, NULL, NULL, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_remove (junk);
  g_assert_cmpuint (rest->samples->len, ==, 2);
  g_assert_cmpuint (rest->n_bad_images, ==, 1);
  g_assert_nonnull (strstr (rest->damage->pdata[0], "c.png"));

  /* A class that has no name is named by its number. */
  static const char *const names[] = { "owl", "eel", NULL };
  g_assert_true (
      g_file_set_contents (file, "1 .5 .5 1 1\n2 .5 .5 1 1\n", -1, NULL));
  g_autoptr (DefcnDataset) named = defcn_notation_read (DEFCN_NOTATION_YOLO,
      labels, images, names, NULL, &defcn_read_defaults, &error);
  g_assert_no_error (error);
  g_autofree char *known = objects_text (named, 0);
  g_assert_cmpstr (known, ==, "eel 0 0 40 30;");
  g_assert_nonnull (strstr (named->damage->pdata[0],
      "a.txt, line 2: class 2, and there are 2 names"));

  /* A name that would be two in a list of names, or reach a terminal. */
  static const char *const odd[] = { "owl", "a\nb", NULL };
  g_assert_null (defcn_notation_read (DEFCN_NOTATION_YOLO, labels, images, odd,
      NULL, &defcn_read_defaults, &error));
  g_assert_nonnull (strstr (error->message,
      "the name of class 1 is too long "
      "or has control characters"));
  g_clear_error (&error);
  folder_remove_all (labels);
}

#define OPEN8 "<a><a><a><a><a><a><a><a>"
#define CLOSE8 "</a></a></a></a></a></a></a></a>"
#define VOC_OBJECT(name)                                                       \
  "<object><name>" name "</name><bndbox><xmin>1</xmin><ymin>1</ymin>"          \
  "<xmax>2</xmax><ymax>2</ymax></bndbox></object>"

/* Files of VOC: parts of an object are not it, what has no corners is skipped,
 * what is no markup or leads elsewhere is refused by name. */
static void
test_voc (void)
{
  static const struct
  {
    const char *text, *objects, *words;
  } cases[] = {
    { "<annotation><filename> a.png </filename><size><width>40</width><height>"
      "30</height></size><object><name>owl</name><part><name>eye</name><bndbox>"
      "<xmin>9</xmin></bndbox></part><bndbox><ymax>4</ymax><xmin>1</xmin>"
      "<ymin>2</ymin><xmax>3.5</xmax></bndbox></object></annotation>",
        "owl 1 2 2.5 2;", NULL },
    { "<annotation><filename>a.png</filename><object><name>owl</name>"
      "<bndbox><xmin>1</xmin></bndbox></object></annotation>",
        "", "no box of four corners" },
    { "<annotation><filename>../a.png</filename></annotation>", NULL,
        "--absolute-names" },
    { "<annotation></annotation>", "", NULL }, /* of 1.png */
    { "<annotations><image/></annotations>", NULL, "CVAT's own format" },
    { "<x/>", NULL, "no <annotation> but <x>" },
    { "<annotation><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
      "<ymax>2</ymax></bndbox></object></annotation>",
        "", "has no name" },
    { "<annotation><object><name>owl</name><polygon/></object></annotation>",
        "", "no box of four corners" },
    { "<annotation><object><name>owl</name><bndbox><xmin>3</xmin><ymin>1</ymin>"
      "<xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>",
        "", "negative width" },
    { "<?xml version='1.0' encoding='ISO-8859-1'?><annotation><object><name>"
      "B\xe4r</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
      "<ymax>2</ymax></bndbox></object></annotation>",
        "B\303\244r 1 1 1 1;", NULL },
    { "<annotation>" OPEN8 OPEN8 OPEN8 CLOSE8 CLOSE8 CLOSE8 OPEN8 CLOSE8
            VOC_OBJECT ("owl") "</annotation>",
        "owl 1 1 1 1;", NULL },
    { "<annotation>" OPEN8 OPEN8 OPEN8 OPEN8 CLOSE8 CLOSE8 CLOSE8 CLOSE8
      "</annotation>",
        NULL, "1.xml: elements are nested deeper than 32" },
    { "<annotation>" VOC_OBJECT ("a&#10;b") "</annotation>", "",
        "control characters" },
    { "<annotation>" VOC_OBJECT ("\302\2331m") "</annotation>", "",
        "control characters" },
    { "<annotation>", NULL, "1.xml" },
    { "{}", NULL, "1.xml" },
  };
  g_autofree char *path = folder_file (folder, "voc");
  g_autofree char *file = folder_file (path, "1.xml");

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_true (g_file_set_contents (file, cases[i].text, -1, NULL));
    g_autoptr (DefcnDataset) dataset = defcn_notation_read (DEFCN_NOTATION_VOC,
        path, images, NULL, NULL, &defcn_read_defaults, &error);
    if (!cases[i].objects) {
      g_assert_null (dataset);
      g_assert_nonnull (strstr (error->message, cases[i].words));
      continue;
    }
    g_assert_no_error (error);
    g_autofree char *text = objects_text (dataset, 0);
    g_assert_cmpstr (text, ==, cases[i].objects);
    g_assert_cmpuint (dataset->n_damaged, ==, cases[i].words != NULL);
    if (cases[i].words)
      g_assert_nonnull (strstr (dataset->damage->pdata[0], cases[i].words));
  }
  folder_remove_all (path);
}

#define VOC(name) "<annotation><filename>" name "</filename></annotation>"

/* One damaged file among others is skipped and named, as is a picture that is
 * there twice; a copy that kept another's name is of its own picture. */
static void
test_voc_files (void)
{
  static const struct
  {
    const char *first, *second; /* 1.xml, b.xml */
    const char *names, *words;
  } cases[] = {
    { VOC ("a.png"), VOC ("b.png"), "a.png b.png", NULL },
    { VOC ("a.png"), "<annotation>", "a.png", "b.xml: " },
    { VOC ("a.png"), VOC ("a.png"), "a.png b.png", NULL },
    { VOC ("b.png"), VOC ("b.png"), "b.png", "b.png is there twice" },
    { VOC ("a&#10;a.png"), VOC ("b.png"), "b.png",
        "1.xml: the picture's name has control characters" },
    { VOC ("c.png"), VOC (""), "c.png b.png", NULL },
  };
  g_autofree char *path = folder_file (folder, "voc");
  g_autofree char *first = folder_file (path, "1.xml");
  g_autofree char *second = folder_file (path, "b.xml");

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) names = g_string_new (NULL);
    g_autoptr (GError) error = NULL;

    g_assert_true (g_file_set_contents (first, cases[i].first, -1, NULL));
    g_assert_true (g_file_set_contents (second, cases[i].second, -1, NULL));
    g_autoptr (DefcnDataset) dataset = defcn_notation_read (DEFCN_NOTATION_VOC,
        path, images, NULL, NULL, &defcn_read_defaults, &error);
    g_assert_no_error (error);
    for (guint k = 0; k < dataset->samples->len; k++) {
      const DefcnSample *sample = dataset->samples->pdata[k];

      g_string_append_printf (names, "%s%s", k ? " " : "", sample->name);
    }
    g_assert_cmpstr (names->str, ==, cases[i].names);
    g_autofree char *notes = defcn_dataset_notes (dataset);
    if (cases[i].words ? !strstr (notes, cases[i].words) : *notes != '\0')
      g_error ("%s", notes);
  }
  folder_remove_all (path);
}

/* What cannot be told apart, or has no size, is said. */
static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) lost =
      read_text ("l.odgt", "{\"ID\":\"lost\",\"gtboxes\":[]}\n");
  g_autofree char *path = path_of (DEFCN_NOTATION_COCO);
  DefcnNotation notation;
  DefcnConverted done;

  g_assert_false (defcn_notation_guess (&notation, images, &error));
  g_assert_nonnull (strstr (error->message, "say which"));
  g_clear_error (&error);
  g_assert_false (defcn_notation_parse (&notation, "xml", &error));
  g_assert_nonnull (strstr (error->message, "coco, crowdhuman, yolo, voc"));
  g_clear_error (&error);
  g_assert_false (
      defcn_notation_write (DEFCN_NOTATION_COCO, path, lost, &done, &error));
  g_assert_nonnull (strstr (error->message, "--images"));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_clear_error (&error);

  /* Two pictures that one file would be of. */
  static const DefcnNotation notations[] = { DEFCN_NOTATION_CROWDHUMAN,
    DEFCN_NOTATION_YOLO, DEFCN_NOTATION_VOC };
  g_autoptr (DefcnDataset) twins = read_text ("t.json",
      "{\"images\":[{\"id\":1,\"file_name\":\"a.jpg\",\"width\":9,\"height\":9}"
      ","
      "{\"id\":2,\"file_name\":\"a.png\",\"width\":9,\"height\":9}],"
      "\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"person\"}]}");
  for (gsize i = 0; i < G_N_ELEMENTS (notations); i++) {
    g_autofree char *place = path_of (notations[i]);

    g_assert_false (
        defcn_notation_write (notations[i], place, twins, &done, &error));
    g_assert_nonnull (
        strstr (error->message, "\"a.jpg\" and \"a.png\" would share"));
    g_assert_false (g_file_test (place, G_FILE_TEST_EXISTS));
    g_clear_error (&error);
  }

  /* One picture said in two ways; one that is called as a list of names. */
  static const struct
  {
    DefcnNotation notation;
    const char *name, *words;
  } odd[] = {
    { DEFCN_NOTATION_YOLO, "./b.jpg", "\"./b.jpg\" would share" },
    { DEFCN_NOTATION_VOC, "x\\\\..\\\\b.jpg", "b.jpg\" would share" },
    { DEFCN_NOTATION_YOLO, "classes.png", "\"classes.png\" would be one file" },
    { DEFCN_NOTATION_VOC, "classes.png", NULL },
    { DEFCN_NOTATION_YOLO, "x/classes.png", NULL },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (odd); i++) {
    g_autofree char *place = path_of (odd[i].notation);
    g_autofree char *of_two = g_strdup_printf (
        "{\"images\":[{\"id\":1,\"file_name\":\"b.png\",\"width\":9,\"height\":"
        "9},{\"id\":2,\"file_name\":\"%s\",\"width\":9,\"height\":9}],"
        "\"annotations\":[],\"categories\":[{\"id\":1,\"name\":\"person\"}]}",
        odd[i].name);
    g_autoptr (DefcnDataset) two = read_text ("t.json", of_two);

    g_assert_cmpint (defcn_notation_write (odd[i].notation, place, two, &done,
                         &error),
        ==, odd[i].words == NULL);
    if (odd[i].words)
      g_assert_nonnull (strstr (error->message, odd[i].words));
    g_clear_error (&error);
    folder_remove_all (place);
  }

  /* A name may come back into the folder of images, and not leave another. */
  g_autofree char *text =
      g_strdup_printf ("{\"images\":[{\"id\":1,\"file_name\":\"../%s/a.png\","
                       "\"width\":9,\"height\":9}],\"annotations\":[],"
                       "\"categories\":[{\"id\":1,\"name\":\"a\"}]}",
          strrchr (images, '/') + 1);
  g_autoptr (DefcnDataset) back = read_text ("b.json", text);
  g_assert_false (
      defcn_notation_write (DEFCN_NOTATION_VOC, folder, back, &done, &error));
  g_assert_nonnull (strstr (error->message, "not a name below"));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    int width, height;
  } pictures[] = { { "a.png", 40, 30 }, { "b.png", 50, 20 } };

  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  images = folder_new ();
  for (int i = 0; i < 2; i++) {
    g_autofree char *path = folder_file (images, pictures[i].name);
    g_autoptr (DefcnPicture) picture =
        defcn_picture_new (pictures[i].width, pictures[i].height);

    g_assert_true (defcn_picture_save (picture, path, NULL));
  }
  g_test_add_func ("/convert/round", test_round);
  g_test_add_func ("/convert/crowdhuman", test_crowdhuman);
  g_test_add_func ("/convert/yolo", test_yolo);
  g_test_add_func ("/convert/voc", test_voc);
  g_test_add_func ("/convert/voc-files", test_voc_files);
  g_test_add_func ("/convert/refused", test_refused);

  const int status = g_test_run ();
  folder_remove (folder);
  folder_remove (images);
  return status;
}

/* YOLO's data sets as tools lay them out: which pictures, label files and names
 * are found, and what is said where they are not. */
#include "convert/yolo_set.h"

#include "folder.h"
#include "convert/data_yaml.h"

#include <string.h>
#include <unistd.h>

static char *top;
static gboolean has_yaml; /* this build reads it */

static void
put (const char *name, const char *text)
{
  g_autofree char *path = folder_file (top, name);
  g_autofree char *below = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (below, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* Files, " " between their names; a text may follow ":", with "|" for the ends
 * of its lines and "~" for a space. */
static void
lay_out (const char *files)
{
  g_auto (GStrv) names = g_strsplit (files, " ", -1);

  top = folder_new ();
  for (guint i = 0; names[i]; i++) {
    char *text = strchr (names[i], ':');

    if (text)
      *text++ = '\0';
    put (names[i],
        text ? g_strdelimit (g_strdelimit (text, "|", '\n'), "~", ' ') : "");
  }
}

/* "name>label" of every picture, below @top; "!" where there is no such file;
 * then the names of the classes. */
static char *
set_text (const DefcnYoloSet *set)
{
  GString *text = g_string_new (NULL);
  g_autofree char *root = g_canonicalize_filename (set->root, NULL);

  g_string_append_printf (text, "%s:", root + strlen (top));
  for (guint i = 0; i < set->pictures->len; i++) {
    g_autofree char *label =
        g_canonicalize_filename (set->labels->pdata[i], NULL);

    g_assert_true (g_str_has_prefix (label, top));
    g_string_append_printf (text, " %s>%s%s",
        (const char *) set->pictures->pdata[i], label + strlen (top) + 1,
        g_file_test (label, G_FILE_TEST_EXISTS) ? "" : "!");
  }
  for (guint k = 0; set->names && set->names[k]; k++)
    g_string_append_printf (text, "%s%s", k ? "," : " = ", set->names[k]);
  return g_string_free (text, FALSE);
}

typedef struct
{
  const char *tool, *files, *path, *images, *split, *want;
  gboolean yaml; /* nothing of it is there without libyaml */
} Case;

/* Layouts of what writes YOLO's format.  A want that begins with "/" is a set,
 * another is in the message. */
static const Case cases[] = {
  { "labelImg", "a.jpg a.txt:0 b.PNG classes.txt:cat|dog|", ".", NULL, NULL,
      "/.: a.jpg>a.txt b.PNG>b.txt! = cat,dog" },
  { "Label Studio", "images/a.jpg labels/a.txt classes.txt:cat notes.json",
      "labels", NULL, NULL, "/images: a.jpg>labels/a.txt = cat" },
  { "Label Studio, told", "images/a.jpg labels/a.txt classes.txt:cat", "labels",
      "images", NULL, "/images: a.jpg>labels/a.txt = cat" },
  { "CVAT 1.1",
      "obj.names:cat|dog obj.data train.txt obj_train_data/a.jpg "
      "obj_train_data/a.txt",
      "obj_train_data", NULL, NULL,
      "/obj_train_data: a.jpg>obj_train_data/a.txt = cat,dog" },
  { "Roboflow, Darknet", "train/a.jpg train/a.txt train/_darknet.labels:cat",
      "train", NULL, NULL, "/train: a.jpg>train/a.txt = cat" },
  { "folders in folders",
      "images/train/a.jpg images/val/b.jpg labels/train/a.txt labels/val/b.txt",
      "labels", "images", NULL,
      "/images: train/a.jpg>labels/train/a.txt val/b.jpg>labels/val/b.txt" },
  { "Roboflow",
      "data.yaml:train:~../train/images|val:~../valid/images|nc:~2|"
      "names:~['cat',~'dog'] "
      "train/images/a.jpg train/labels/a.txt valid/images/b.jpg "
      "valid/labels/b.txt README.roboflow.txt README.dataset.txt",
      ".", NULL, NULL, "/train/images: a.jpg>train/labels/a.txt = cat,dog",
      TRUE },
  { "Roboflow, its validation",
      "data.yaml:train:~../train/images|val:~../valid/images|"
      "names:~['cat',~'dog'] "
      "train/images/a.jpg train/labels/a.txt valid/images/b.jpg "
      "valid/labels/b.txt",
      "data.yaml", NULL, "val",
      "/valid/images: b.jpg>valid/labels/b.txt = cat,dog", TRUE },
  { "Roboflow, its labels",
      "data.yaml:names:~[cat,~dog] train/images/a.jpg train/labels/a.txt",
      "train/labels", NULL, NULL,
      "/train/images: a.jpg>train/labels/a.txt = cat,dog", TRUE },
  { "ultralytics",
      "coco/coco.yaml:path:~../datasets/coco|train:~images/train|"
      "val:~images/val|names:|~~0:~cat|~~1:~\"a~'dog'\" "
      "datasets/coco/images/train/a.jpg datasets/coco/labels/train/a.txt "
      "datasets/coco/images/val/b.jpg datasets/coco/labels/val/b.txt",
      "coco/coco.yaml", NULL, "train,val",
      "/datasets/coco/images: train/a.jpg>datasets/coco/labels/train/a.txt "
      "val/b.jpg>datasets/coco/labels/val/b.txt = cat,a 'dog'",
      TRUE },
  { "ultralytics, path beside the file",
      "coco8.yaml:path:~/nowhere/coco8|train:~images|names:~{0:~a,~2:~c} "
      "coco8/images/a.jpg coco8/labels/a.txt",
      "coco8.yaml", NULL, NULL,
      "/coco8/images: a.jpg>coco8/labels/a.txt = a,1,c", TRUE },
  { "a folder twice, a list twice, pictures in both",
      "d.yaml:train:~[one,~./one,~l.txt,~l.txt]|names:~[a] "
      "l.txt:two/b.jpg|one/a.jpg|two/b.jpg|two/c.jpg "
      "one/a.jpg one/a.txt two/b.jpg two/b.txt two/c.jpg two/c.txt",
      "d.yaml", NULL, NULL,
      "/.: one/a.jpg>one/a.txt two/b.jpg>two/b.txt two/c.jpg>two/c.txt = a",
      TRUE },
  { "several folders",
      "d.yaml:train:|~~-~one/images|~~-~two/images|names:~[a] "
      "one/images/a.jpg one/labels/a.txt two/images/a.jpg two/labels/a.txt",
      "d.yaml", NULL, NULL,
      "/.: one/images/a.jpg>one/labels/a.txt "
      "two/images/a.jpg>two/labels/a.txt = a",
      TRUE },
  { "pictures beside their labels",
      "data.yml:train:~train|names:~[a] train/a.jpg train/a.txt", "data.yml",
      NULL, NULL, "/train: a.jpg>train/a.txt = a", TRUE },
  { "CVAT, lists",
      "data.yaml:path:~.|train:~train.txt|names:|~~0:~a "
      "train.txt:data/images/train/a.jpg|./images/train/b.jpg|x.jpg| "
      "images/train/a.jpg images/train/b.jpg labels/train/a.txt",
      "data.yaml", NULL, NULL,
      "/images/train: a.jpg>labels/train/a.txt b.jpg>labels/train/b.txt! = a",
      TRUE },
  { "a yaml of something else",
      "compose.yaml:services:~{} images/a.jpg labels/a.txt", "labels", NULL,
      NULL, "/images: a.jpg>labels/a.txt" },
  /* what is wrong */
  { "no pictures", "a.txt:0", ".", NULL, NULL, "no pictures" },
  { "other names", "labels/b.txt images/a.jpg", "labels", "images", NULL,
      "none of 1 pictures in" },
  { "no folder", "labels/b.txt", "labels", "images", NULL, "images" },
  { "no split", "data.yaml:train:~t|names:~[a] t/a.jpg t/a.txt", "data.yaml",
      NULL, "dev", "no split \"dev\"", TRUE },
  { "no such folder", "data.yaml:train:~gone|names:~[a]", "data.yaml", NULL,
      NULL, "no \"gone\" beside it", TRUE },
  { "nothing in it", "data.yaml:names:~[a]", "data.yaml", NULL, NULL,
      "no pictures where it says", TRUE },
  { "no YAML", "data.yaml:names:~[a", "data.yaml", NULL, NULL, "no YAML: line",
      TRUE },
  { "no mapping", "data.yaml:a", "data.yaml", NULL, NULL, "no mapping", TRUE },
  { "names of nothing", "data.yaml:names:~cat", "data.yaml", NULL, NULL,
      "neither a list", TRUE },
  { "a name that is a list", "data.yaml:names:~[[a]]", "data.yaml", NULL, NULL,
      "no list of up to", TRUE },
  { "a key that is no number", "data.yaml:names:~{cat:~0}", "data.yaml", NULL,
      NULL, "no class number", TRUE },
  { "a number too large", "data.yaml:names:~{10000:~a}", "data.yaml", NULL,
      NULL, "no class number", TRUE },
  { "a folder that is none", "data.yaml:train:~{a:~b}", "data.yaml", NULL, NULL,
      "no folder and no list", TRUE },
  { "both", "data.yaml:train:~t t/a.jpg t/a.txt", "data.yaml", "t", NULL,
      "says itself" },
};

static void
test_layouts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    g_autoptr (GError) error = NULL;

    if (c->yaml && !has_yaml)
      continue;
    lay_out (c->files);
    g_autofree char *path = g_build_filename (top, c->path, NULL);
    g_autofree char *images =
        c->images ? g_build_filename (top, c->images, NULL) : NULL;
    g_autoptr (DefcnYoloSet) set =
        defcn_yolo_set_open (path, images, c->split, &error);
    g_autofree char *text = set ? set_text (set) : NULL;
    const char *want =
        g_str_has_prefix (c->want, "/.:") ? c->want + 2 : c->want;
    if (*c->want == '/' ? g_strcmp0 (text, want) != 0
                        : !error || !strstr (error->message, c->want))
      g_error ("%s: %s%s", c->tool, text ? text : "",
          error ? error->message : "");
    folder_remove_all (top);
    g_clear_pointer (&top, g_free);
  }
}

/* Label files without a picture and pictures of a list that are not there are
 * counted, key points told. */
static void
test_counts (void)
{
  lay_out ("images/a.jpg labels/a.txt labels/b.txt labels/sub/c.txt "
           "labels/classes.txt:x");
  g_autofree char *labels = folder_file (top, "labels");
  g_autoptr (DefcnYoloSet) set = defcn_yolo_set_open (labels, NULL, NULL, NULL);
  g_assert_cmpuint (set->n_lonely, ==, 2);
  g_assert_true (g_str_has_suffix (set->lonely, "labels/b.txt"));
  folder_remove_all (top);
  g_clear_pointer (&top, g_free);
  if (!has_yaml)
    return;

  lay_out ("data.yaml:train:~l.txt|kpt_shape:~[17,~3] l.txt:a.jpg|b.jpg|c.jpg "
           "b.jpg b.txt");
  g_autofree char *yaml = folder_file (top, "data.yaml");
  g_autoptr (DefcnYoloSet) listed =
      defcn_yolo_set_open (yaml, NULL, NULL, NULL);
  g_assert_cmpuint (listed->n_missing, ==, 2);
  g_assert_cmpstr (listed->missing, ==, "a.jpg");
  g_assert_cmpuint (listed->n_keypoints, ==, 51);
  g_assert_null (listed->names);
  folder_remove_all (top);
  g_clear_pointer (&top, g_free);
}

/* Names of classes are lines of any text, or a data.yaml's. */
static void
test_names (void)
{
  static const struct
  {
    const char *file, *want; /* its names, or the error */
    gboolean yaml;
  } lists[] = { { "l.txt", "cat,a dog", FALSE }, { "l.names", "owl", FALSE },
    { "l.yaml", "cat,1,dog", TRUE }, { "none.yml", "no \"names\"", TRUE },
    { "lost", "/lost", FALSE } };

  lay_out ("l.txt:cat|a~dog|| l.names:owl l.yaml:names:~{0:~cat,~2:~dog} "
           "none.yml:path:~.");
  for (gsize i = 0; i < G_N_ELEMENTS (lists); i++) {
    g_autofree char *path = g_build_filename (top, lists[i].file, NULL);
    g_autoptr (GError) error = NULL;
    guint n_keypoints;

    if (lists[i].yaml && !has_yaml)
      continue;
    g_auto (GStrv) names =
        defcn_yolo_set_read_names (path, &n_keypoints, &error);
    g_autofree char *text = names ? g_strjoinv (",", names) : NULL;
    if (names)
      g_assert_cmpstr (text, ==, lists[i].want);
    else
      g_assert_nonnull (strstr (error->message, lists[i].want));
  }
  folder_remove_all (top);
  g_clear_pointer (&top, g_free);
}

/* A file that would take libyaml minutes is refused at once. */
static void
test_deep (void)
{
  static const char *const units[] = { "[", "{a: ", "- ", NULL };

  for (gsize i = 0; has_yaml && i < G_N_ELEMENTS (units); i++) {
    g_autoptr (GString) text = g_string_new ("a: 1\nnames: ");
    g_autoptr (GError) error = NULL;
    g_auto (DefcnDataYaml) yaml = { 0 };

    if (i >= 2)
      g_string_assign (text, "");
    for (int k = 0; k < 100000; k++) {
      if (!units[i])
        g_string_append_printf (text, "k%d: &k%d x\n", k, k);
      else
        g_string_append (text, units[i]);
      if (text->len > 900000)
        break;
    }
    lay_out ("data.yaml");
    g_autofree char *path = folder_file (top, "data.yaml");
    g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
    g_assert_false (defcn_data_yaml_read (&yaml, path, &error));
    g_assert_nonnull (strstr (error->message, "nested deeper than 32"));
    folder_remove_all (top);
    g_clear_pointer (&top, g_free);
  }
}

/* A folder that links to itself is not gone round in. */
static void
test_circle (void)
{
  g_autoptr (GError) error = NULL;

  lay_out ("images/a.jpg labels/a.txt");
  g_autofree char *images = folder_file (top, "images");
  g_autofree char *labels = folder_file (top, "labels");
  g_autofree char *link = g_build_filename (images, "again", NULL);
  g_assert_cmpint (symlink (".", link), ==, 0);
  g_autoptr (DefcnYoloSet) set =
      defcn_yolo_set_open (labels, images, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (set->pictures->len, ==, 1);
  folder_remove_all (top);
  g_clear_pointer (&top, g_free);
}

int
main (int argc, char **argv)
{
  g_auto (DefcnDataYaml) yaml = { 0 };
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  has_yaml = defcn_data_yaml_read (&yaml, "/nowhere.yaml", &error)
      || !strstr (error->message, "libyaml");
  g_test_add_func ("/yolo-set/layouts", test_layouts);
  g_test_add_func ("/yolo-set/counts", test_counts);
  g_test_add_func ("/yolo-set/names", test_names);
  g_test_add_func ("/yolo-set/circle", test_circle);
  g_test_add_func ("/yolo-set/deep", test_deep);
  return g_test_run ();
}

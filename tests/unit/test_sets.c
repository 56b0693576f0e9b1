/* Several sets as one: classes by name, every picture in its own folder, and
 * the part that is held out. */
#include "data/list.h"
#include "data/sets.h"

#include "error.h"
#include "folder.h"

#include <string.h>

static char *folder;

#define IMAGE(id)                                                              \
  "{\"id\":" #id ",\"file_name\":\"" #id ".jpg\",\"width\":20,\"height\":10}"
#define OBJECT(id, image, category)                                            \
  "{\"id\":" #id ",\"image_id\":" #image ",\"category_id\":" #category         \
  ",\"bbox\":[" #id ",2,3,4],\"area\":12,\"iscrowd\":0}"

/* Ids in no order; the category of object 8 has another number and another
 * place in the second file than in the first. */
static const char first[] = "{\"images\":[" IMAGE (5) "," IMAGE (1) "," IMAGE (
    3) "],"
       "\"categories\":[{\"id\":1,\"name\":\"cat\"},{\"id\":2,\"name\":\"dog\"}"
       "],"
       "\"annotations\":[" OBJECT (1, 1, 1) "," OBJECT (2, 1, 2) "," OBJECT (3,
           5, 2) ",{\"id\":4,\"image_id\":3,\"category_id\":1,"
                 "\"bbox\":[1,1,0,2],\"area\":0,\"iscrowd\":0}]}";
static const char second[] = "{\"images\":[" IMAGE (1) "," IMAGE (
    2) "],"
       "\"categories\":[{\"id\":7,\"name\":\"dog\"},{\"id\":9,\"name\":\"eel\"}"
       "],"
       "\"annotations\":[" OBJECT (8, 1, 7) "," OBJECT (9, 2, 9) "]}";
static const char third[] = "{\"ID\":\"a\",\"gtboxes\":[{\"tag\":\"person\","
                            "\"fbox\":[1,2,3,4],\"hbox\":[1,2,3,4],"
                            "\"vbox\":[1,2,3,4]}]}\n";

static DefcnDataset *
open_sets (DefcnDataset **held, const char *names, const char *images,
    guint every, GError **error)
{
  g_auto (GStrv) files = defcn_list_split (names);

  for (guint i = 0; files[i]; i++) {
    char *path = folder_file (folder, files[i]);

    g_free (files[i]);
    files[i] = path;
  }
  g_autofree char *joined = defcn_list_join ((const char *const *) files);
  return defcn_sets_open (held, joined, images, every, NULL, error);
}

/* One image: its path, and its objects as "class x" each. */
static void
assert_image (const DefcnDataset *set, guint i, const char *path,
    const char *objects)
{
  g_autofree char *found = defcn_dataset_image_path (set, i);
  g_autoptr (GArray) all = defcn_dataset_objects (set, i);
  g_autoptr (GString) text = g_string_new (NULL);

  g_assert_cmpstr (found, ==, path);
  for (guint k = 0; k < all->len; k++) {
    const DefcnObject *o = &g_array_index (all, DefcnObject, k);

    g_string_append_printf (text, "%s%s %g", k ? ", " : "",
        (const char *) set->labels->pdata[o->label], o->x1);
  }
  g_assert_cmpstr (text->str, ==, objects);
}

static void
test_one (void)
{
  DefcnDataset *held;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "first.json", "here", 0, &error);

  g_assert_no_error (error);
  g_assert_null (held);
  g_assert_cmpuint (set->samples->len, ==, 3);
  assert_image (set, 0, "here/1.jpg", "cat 1, dog 2");
  assert_image (set, 2, "here/5.jpg", "dog 3");
  g_assert_cmpuint (set->n_empty, ==, 1);
}

static void
test_two (void)
{
  DefcnDataset *held;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "first.json;second.json", "here;/there", 0, &error);

  g_assert_no_error (error);
  g_assert_null (held);
  g_assert_cmpuint (set->labels->len, ==, 3);
  g_assert_cmpuint (set->category_ids->len, ==, 3);
  g_assert_cmpuint (set->samples->len, ==, 5);
  assert_image (set, 0, "here/1.jpg", "cat 1, dog 2");
  assert_image (set, 1, "here/3.jpg", "cat 1");
  assert_image (set, 2, "here/5.jpg", "dog 3");
  assert_image (set, 3, "/there/1.jpg", "dog 8");
  assert_image (set, 4, "/there/2.jpg", "eel 9");
  g_assert_cmpuint (set->n_empty, ==, 1);

  const DefcnSample *last = set->samples->pdata[4];
  g_assert_cmpint (last->width, ==, 20);
  g_assert_cmpint (last->height, ==, 10);
  g_assert_cmpint (last->id, ==, 5); /* of its own, where files share them */
}

/* Every second of each file, by id: 3 of 1 3 5, 2 of 1 2. */
static void
test_held (void)
{
  g_autoptr (DefcnDataset) held = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "first.json;second.json", "here;/there", 2, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (set->samples->len, ==, 3);
  assert_image (set, 0, "here/1.jpg", "cat 1, dog 2");
  assert_image (set, 1, "here/5.jpg", "dog 3");
  assert_image (set, 2, "/there/1.jpg", "dog 8");
  g_assert_cmpuint (held->samples->len, ==, 2);
  assert_image (held, 0, "here/3.jpg", "cat 1");
  assert_image (held, 1, "/there/2.jpg", "eel 9");
  g_assert_cmpuint (held->labels->len, ==, 3);

  /* One file alone, and the two outlive each other. */
  DefcnDataset *part,
      *rest = open_sets (&part, "first.json", "here", 3, &error);
  g_assert_no_error (error);
  defcn_dataset_free (rest);
  g_assert_cmpuint (part->samples->len, ==, 1);
  assert_image (part, 0, "here/5.jpg", "dog 3");
  defcn_dataset_free (part);
}

/* The held out part knows all classes, in the order of the rest. */
static void
test_held_classes (void)
{
  g_autoptr (DefcnDataset) held = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "second.json;first.json", "a;b", 3, &error);
  static const char *const want[] = { "dog", "eel", "cat" };

  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpstr (set->labels->pdata[i], ==, want[i]);
    g_assert_cmpstr (held->labels->pdata[i], ==, want[i]);
  }
}

static void
test_refused (void)
{
  static const struct
  {
    const char *names, *images;
    guint every;
    const char *want;
  } cases[] = {
    { "first.json;second.json", "here", 0, "2 annotation files and 1 folders" },
    { "first.json", "here;there", 0, "1 annotation files and 2 folders" },
    { "first.json;third.odgt", "a;b", 0, "do not go together" },
    { "first.json;nowhere.json", "a;b", 0, "nowhere.json" },
    { "first.json;second.json", "a;b", 4, "no set has 4 images" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    DefcnDataset *held;
    g_autoptr (GError) error = NULL;

    g_assert_null (open_sets (&held, cases[i].names, cases[i].images,
        cases[i].every, &error));
    g_assert_null (held);
    g_assert_true (error && strstr (error->message, cases[i].want));
  }
}

/* CrowdHuman's go together; a picture is what has the suffix. */
static void
test_crowdhuman (void)
{
  DefcnDataset *held;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "third.odgt;third.odgt", "a;b", 0, &error);

  g_assert_no_error (error);
  g_assert_true (set->crowdhuman);
  g_assert_cmpuint (set->samples->len, ==, 2);
  assert_image (set, 0, "a/a.jpg", "person 1");
  assert_image (set, 1, "b/a.jpg", "person 1");
}

/* A folder of the name that Label Studio's addresses have is a folder. */
static void
test_upload (void)
{
  g_autoptr (DefcnDataset) held = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set = open_sets (&held, "first.json;second.json",
      "/data/upload/no;here", 2, &error);

  g_assert_no_error (error);
  assert_image (set, 0, "/data/upload/no/1.jpg", "cat 1, dog 2");
  assert_image (held, 0, "/data/upload/no/3.jpg", "cat 1");
}

/* Two files of many classes each are joined and matched in no time that would
 * grow with their square. */
static void
test_many_classes (void)
{
  g_autoptr (GString) text = g_string_new ("{\"images\":[" IMAGE (1) "," IMAGE (
      2) "],"
         "\"annotations\":[" OBJECT (1, 1, 99999) "],"
                                                  "\"categories\":[");
  g_autoptr (GError) error = NULL;
  DefcnDataset *held;

  for (int i = 0; i < 100000; i++)
    g_string_append_printf (text, "%s{\"id\":%d,\"name\":\"class %d\"}",
        i ? "," : "", i, i);
  g_string_append (text, "]}");
  g_free (folder_write (folder, "many.json", text->str, text->len));
  const gint64 begin = g_get_monotonic_time ();
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "many.json;many.json", "a;b", 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (set->labels->len, ==, 100000);
  g_ptr_array_add (set->labels, NULL);
  g_autoptr (DefcnDataset) one =
      defcn_sets_open (&held, set->path, "a;b", 0, NULL, &error);
  g_autoptr (DefcnDataset) matched = defcn_dataset_match (one,
      (const char *const *) set->labels->pdata, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (matched->left_out->len, ==, 0);
  assert_image (matched, 0, "a/1.jpg", "class 99999 1");
  g_ptr_array_set_size (set->labels, 100000);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 20 * G_USEC_PER_SEC);
}

/* Files and folders whose names have what separates them. */
static void
test_separators (void)
{
  DefcnDataset *held;
  g_autoptr (GError) error = NULL;
  g_autoptr (DefcnDataset) set =
      open_sets (&held, "first\\;x.json;second.json", "a\\;b;c", 0, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (set->samples->len, ==, 5);
  assert_image (set, 0, "a;b/1.jpg", "cat 1, dog 2");
  assert_image (set, 4, "c/2.jpg", "eel 9");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sets/one", test_one);
  g_test_add_func ("/sets/two", test_two);
  g_test_add_func ("/sets/held", test_held);
  g_test_add_func ("/sets/held-classes", test_held_classes);
  g_test_add_func ("/sets/refused", test_refused);
  g_test_add_func ("/sets/crowdhuman", test_crowdhuman);
  g_test_add_func ("/sets/separators", test_separators);
  g_test_add_func ("/sets/upload", test_upload);
  g_test_add_func ("/sets/many-classes", test_many_classes);
  folder = folder_new ();
  g_free (folder_write (folder, "first.json", first, strlen (first)));
  g_free (folder_write (folder, "second.json", second, strlen (second)));
  g_free (folder_write (folder, "third.odgt", third, strlen (third)));
  g_free (folder_write (folder, "first;x.json", first, strlen (first)));
  const int status = g_test_run ();
  folder_remove (folder);
  return status;
}

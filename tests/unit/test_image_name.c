/* Names of pictures as tools write them: which file each means, and that none
 * leads out of its folder. */
#include "data/image_name.h"

#include "folder.h"

#include <string.h>

static char *top, *photos;

static void
put (const char *name)
{
  g_autofree char *path = folder_file (top, name);
  g_autofree char *below = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (below, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
}

/* Each of what a name can be finds the file; the file of the very name comes
 * first; what is nowhere stays what it was. */
static void
test_found (void)
{
  static const struct
  {
    const char *name, *found;
  } cases[] = {
    { "a.jpg", "a.jpg" },
    { "sub/b c.jpg", "sub/b c.jpg" },
    { "sub\\b c.jpg", "sub/b c.jpg" },
    { "sub/b%20c.jpg", "sub/b c.jpg" },
    { "sub%2Fb%20c.jpg", "sub/b c.jpg" },
    { "sub%5Cb%20c.jpg", NULL },
    { "100%.jpg", "100%.jpg" },
    { "real%20name.jpg", "real%20name.jpg" },
    { "photos/a.jpg", "a.jpg" },
    { "photos\\a.jpg", "a.jpg" },
    { "set/photos/a.jpg", "a.jpg" },
    { "photos/a%2ejpg", "a.jpg" },
    { "other/a.jpg", NULL },
    { "hotos/a.jpg", NULL },
    { "/data/upload/3/a.jpg", "a.jpg" },
    { "/data/upload/a.jpg", "a.jpg" },
    { "/data/upload/3/12ab34cd-a.jpg", "a.jpg" },
    { "/data/upload/3/12ab34cd-kept.jpg", "12ab34cd-kept.jpg" },
    { "photos/12ab34cd-a.jpg", "a.jpg" },
    { "12ab34cx-a.jpg", NULL },
    { "112ab34cd-a.jpg", NULL },
    { "http://localhost:8080/data/upload/3/12ab34cd-a.jpg", "a.jpg" },
    { "/data/local-files/?d=sub/b%20c.jpg", "sub/b c.jpg" },
    { "/data/local-files/?d=set/photos/sub/b c.jpg", "sub/b c.jpg" },
    { "http://h/data/local-files/?d=a.jpg", "a.jpg" },
    { "https://images.example/train/a.jpg?size=large", "a.jpg" },
    { "s3://bucket/any/a.jpg", "a.jpg" },
    { "a", "a.jpg" },
    { "sub/d", "sub/d.png" },
    { "no.ending", NULL },
    { "nowhere.jpg", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *name = cases[i].name;
    g_autofree char *path = defcn_image_name_path (photos, name, FALSE);
    g_autofree char *slashes = g_strdelimit (g_strdup (name), "\\", '/');
    g_autofree char *want = g_build_filename (photos,
        cases[i].found ? cases[i].found : slashes, NULL);

    g_assert_null (defcn_image_name_problem (photos, name));
    g_assert_cmpstr (path, ==, want);
  }
}

/* Whatever form it has, a name that leaves the folder is refused where that is
 * told beforehand, and finds nothing outside in any case. */
static void
test_outside (void)
{
  static const struct
  {
    const char *name, *problem;
  } cases[] = {
    { "../secret.jpg", "not below" },
    { "..\\secret.jpg", "not below" },
    { "/etc/passwd", "absolute" },
    { "\\secret.jpg", "absolute" },
    { "C:\\secret.jpg", "absolute" },
    { "/data/local-files/?d=../secret.jpg", "not below" },
    { "/data/local-files/?d=%2e%2e/secret.jpg", "not below" },
    { "/data/local-files/?d=/etc/passwd", "absolute" },
    { "/data/local-files/?d=%2fetc/passwd", "absolute" },
    { "/data/upload/1/../../secret.jpg", "not below" },
    { "http://h/data/upload/1/..%2fsecret.jpg", "not below" },
    { "%2e%2e/secret.jpg", NULL },
    { "sub/%2e%2e/..%2f../set/secret.jpg", NULL },
    { "..%2fsecret.jpg", NULL },
    { "..%5csecret.jpg", NULL },
    { "%2fetc/passwd", NULL },
    { "photos/..%2fsecret.jpg", NULL },
    { "photos/../../secret.jpg", "not below" },
    { "photos//etc/passwd", NULL },
    { "http://h/..", "not below" },
  };
  g_autofree char *prefix = g_strconcat (photos, "/", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *problem = defcn_image_name_problem (photos, cases[i].name);

    if (!cases[i].problem) {
      g_autofree char *path =
          defcn_image_name_path (photos, cases[i].name, FALSE);

      g_assert_null (problem);
      g_assert_true (g_str_has_prefix (path, prefix));
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    } else if (!problem || !strstr (problem, cases[i].problem)) {
      g_error ("%s: %s", cases[i].name, problem);
    }
  }
}

/* By option a name is what it says, and else what it may mean. */
static void
test_absolute (void)
{
  static const struct
  {
    const char *name, *found;
  } cases[] = { { "../secret.jpg", "../secret.jpg" },
    { "/data/upload/3/a.jpg", "a.jpg" }, { "a.jpg", "a.jpg" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = defcn_image_name_path (photos, cases[i].name, TRUE);
    g_autofree char *want = g_canonicalize_filename (cases[i].found, photos);

    g_assert_cmpstr (path, ==, want);
  }
  g_autofree char *secret = g_build_filename (top, "set", "secret.jpg", NULL);
  g_autofree char *path = defcn_image_name_path (photos, secret, TRUE);
  g_assert_cmpstr (path, ==, secret);
}

int
main (int argc, char **argv)
{
  static const char *const files[] = { "a.jpg", "sub/b c.jpg", "sub/d.png",
    "100%.jpg", "real%20name.jpg", "real name.jpg", "12ab34cd-kept.jpg",
    "kept.jpg", "../secret.jpg" };

  g_test_init (&argc, &argv, NULL);
  top = folder_new ();
  photos = g_build_filename (top, "set", "photos", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *name = g_build_filename ("set/photos", files[i], NULL);

    put (name);
  }
  g_test_add_func ("/image-name/found", test_found);
  g_test_add_func ("/image-name/outside", test_outside);
  g_test_add_func ("/image-name/absolute", test_absolute);

  const int status = g_test_run ();
  folder_remove_all (top);
  return status;
}

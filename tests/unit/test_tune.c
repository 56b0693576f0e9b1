/* Measured choices: which candidate is taken, what is kept, and what becomes of
 * a file that is damaged, foreign or cannot be written. */
#include "folder.h"
#include "heap.h"
#include "tune.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static char *folder, *cache;

/* A timer that is told what to say. */
typedef struct
{
  const double *us;
  double drift; /* added at each call, as where a device warms up */
  int calls[8];
  int n_calls;
} Fake;

static double
fake_time (gpointer data, guint i)
{
  Fake *fake = data;

  fake->calls[i]++;
  return fake->us[i] < 0 ? -1 : fake->us[i] + fake->drift * fake->n_calls++;
}

static const char *const names[] = { "eng1", "eng2_k2=1", "eng2_k2=3", "eng7" };

static int
measure (DefcnTune *tune, const char *device, const char *step,
    const double *us, guint n)
{
  Fake fake = { .us = us };

  return defcn_tune_measure (tune, device, step, names, n, fake_time, &fake);
}

/* The fastest is taken, the library's favourite where others are hardly faster,
 * and none that does not run. */
static void
test_choice (void)
{
  static const struct
  {
    double us[4];
    guint n;
    int want;
  } cases[] = {
    { { 10, 9, 8, 7 }, 4, 3 },
    { { 7, 8, 9, 10 }, 4, 0 },
    { { 10, 5, 8, 7 }, 4, 1 },
    { { 10, 9.9, 9.85, 9.81 }, 4, 0 },
    { { 10, 9.79, 9.7, 9.6 }, 4, 1 },
    { { 10, 10, 10, 10 }, 4, 0 },
    { { -1, 10, 5, -1 }, 4, 2 },
    { { -1, -1, -1, 1 }, 4, 3 },
    { { -1, -1, -1, -1 }, 4, -1 },
    { { 10, -1, -1, -1 }, 4, 0 },
    { { 3, 2 }, 1, 0 },
    { { 0 }, 0, -1 },
  };
  g_autofree char *model = folder_file (folder, "choice");

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autoptr (DefcnTune) tune = defcn_tune_open (model);
    const int found = measure (tune, "d", "s", cases[c].us, cases[c].n);

    g_assert_cmpint (found, ==, cases[c].want);
    g_assert_cmpstr (defcn_tune_lookup (tune, "d", "s"), ==,
        found < 0 ? NULL : names[found]);
  }
}

/* Rounds go through all candidates in turn, so that a device that slows down
 * favours nobody; one that has failed is not asked again, one alone never. */
static void
test_rounds (void)
{
  static const double us[] = { 100, 90, -1, 95 };
  Fake fake = { .us = us, .drift = 2 };
  g_autofree char *model = folder_file (folder, "rounds");
  g_autoptr (DefcnTune) tune = defcn_tune_open (model);

  g_assert_cmpint (defcn_tune_measure (tune, "d", "s", names, 4, fake_time,
                       &fake),
      ==, 1);
  g_assert_cmpint (fake.calls[0], >, 2);
  g_assert_cmpint (fake.calls[1], ==, fake.calls[0]);
  g_assert_cmpint (fake.calls[3], ==, fake.calls[0]);
  g_assert_cmpint (fake.calls[2], ==, 1);

  fake = (Fake){ .us = us };
  g_assert_cmpint (defcn_tune_measure (tune, "d", "t", names, 1, fake_time,
                       &fake),
      ==, 0);
  g_assert_cmpint (fake.calls[0], ==, 0);
}

static const double rising[] = { 1, 2, 3, 4 };
static const double falling[] = { 4, 3, 2, 1 };

/* What was saved is read back, by device and by step, beside the model; what
 * another process has written in the meantime stays; nothing new, no file. */
static void
test_round (void)
{
  g_autofree char *model = folder_file (folder, "m.safetensors");
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);
  g_autofree char *text = NULL, *again = NULL;

  g_autoptr (DefcnTune) idle = defcn_tune_open (model);
  g_assert_true (defcn_tune_save (idle));
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));

  g_autoptr (DefcnTune) a = defcn_tune_open (model);
  g_autoptr (DefcnTune) b = defcn_tune_open (model);
  measure (a, "GPU, cuDNN 9", "forward 1x2", rising, 4);
  measure (a, "GPU, cuDNN 9", "forward \"2\"", falling, 4);
  measure (b, "GPU, cuDNN 8", "forward 1x2", falling, 4);
  g_assert_true (defcn_tune_save (a));
  g_assert_true (defcn_tune_save (b));

  g_autoptr (DefcnTune) c = defcn_tune_open (model);
  g_assert_null (defcn_tune_problem (c));
  g_assert_cmpstr (defcn_tune_lookup (c, "GPU, cuDNN 9", "forward 1x2"), ==,
      "eng1");
  g_assert_cmpstr (defcn_tune_lookup (c, "GPU, cuDNN 9", "forward \"2\""), ==,
      "eng7");
  g_assert_cmpstr (defcn_tune_lookup (c, "GPU, cuDNN 8", "forward 1x2"), ==,
      "eng7");
  g_assert_null (defcn_tune_lookup (c, "GPU, cuDNN 8", "forward \"2\""));
  g_assert_null (defcn_tune_lookup (c, "GPU", "forward 1x2"));

  /* a new measurement replaces the old, in a file of the same bytes else */
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  measure (c, "GPU, cuDNN 8", "forward 1x2", falling, 4);
  g_assert_true (defcn_tune_save (c));
  g_assert_true (g_file_get_contents (path, &again, NULL, NULL));
  g_assert_cmpstr (text, ==, again);
  measure (c, "GPU, cuDNN 8", "forward 1x2", rising, 4);
  g_assert_true (defcn_tune_save (c));
  g_autoptr (DefcnTune) d = defcn_tune_open (model);
  g_assert_cmpstr (defcn_tune_lookup (d, "GPU, cuDNN 8", "forward 1x2"), ==,
      "eng1");
}

/* Where @word stands in @text, which has it. */
static gsize
position (const char *text, const char *word)
{
  const char *at = strstr (text, word);

  if (!at)
    g_error ("there is no %s in %s", word, text);
  return at - text;
}

/* A file has the time of what was chosen, and its names in order. */
static void
test_text (void)
{
  static const double us[] = { 2.5, 1.25 };
  g_autofree char *model = folder_file (folder, "text");
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);
  g_autofree char *text = NULL;
  g_autoptr (DefcnTune) tune = defcn_tune_open (model);

  measure (tune, "device b", "step y", us, 1); /* not timed */
  measure (tune, "device a", "step y", us, 2);
  measure (tune, "device c", "step z", us, 2);
  measure (tune, "device a", "step x", us, 2);
  g_assert_true (defcn_tune_save (tune));
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_null (strstr (text, "2.5"));
  g_assert_cmpuint (position (text, "device a"), <,
      position (text, "device b"));
  g_assert_cmpuint (position (text, "device b"), <,
      position (text, "device c"));
  g_assert_cmpuint (position (text, "step x"), <, position (text, "step y"));
  g_assert_cmpuint (position (text, "step x"), <, position (text, "1.25"));
}

/* The least of several rounds counts, so that one that was disturbed does not
 * decide. */
static double
disturbed_time (gpointer data, guint i)
{
  int *calls = data;

  calls[i]++;
  return i == 0 ? 10 : calls[i] == 3 ? 5 : 50;
}

static void
test_least (void)
{
  int calls[2] = { 0 };
  g_autofree char *model = folder_file (folder, "least");
  g_autoptr (DefcnTune) tune = defcn_tune_open (model);

  g_assert_cmpint (defcn_tune_measure (tune, "d", "s", names, 2, disturbed_time,
                       calls),
      ==, 1);
}

/* What stands beside the model is newer than what the cache has, which still
 * counts for the rest; of two problems the first is told. */
static void
test_both (void)
{
  g_autofree char *inner = folder_file (folder, "inner");
  g_autofree char *model = folder_file (folder, "inner/m");
  g_autofree char *detour = folder_file (folder, "./inner/../inner/m");
  g_autofree char *beside = folder_file (folder, "inner/m.tune.json");
  g_autofree char *kept = folder_file (cache, "defcn");
  GStatBuf status;

  g_autoptr (DefcnTune) first = defcn_tune_open (model);
  measure (first, "d", "s", rising, 4);
  measure (first, "d", "t", rising, 4);
  g_assert_true (defcn_tune_save (first));
  g_assert_cmpint (g_stat (kept, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0700);
  g_autoptr (DefcnTune) same = defcn_tune_open (detour);
  g_assert_cmpstr (defcn_tune_lookup (same, "d", "s"), ==, "eng1");

  g_assert_cmpint (g_mkdir (inner, 0755), ==, 0);
  g_assert_true (g_file_set_contents (beside,
      "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"eng7\", "
      "\"us\": 1}}}",
      -1, NULL));
  g_autoptr (DefcnTune) both = defcn_tune_open (model);
  g_assert_cmpstr (defcn_tune_lookup (both, "d", "s"), ==, "eng7");
  g_assert_cmpstr (defcn_tune_lookup (both, "d", "t"), ==, "eng1");

  g_assert_true (g_file_set_contents (beside, "x", -1, NULL));
  g_autoptr (GDir) dir = g_dir_open (kept, 0, NULL);
  g_autofree char *cached = folder_file (kept, g_dir_read_name (dir));
  g_assert_true (g_file_set_contents (cached, "x", -1, NULL));
  g_autoptr (DefcnTune) damaged = defcn_tune_open (model);
  g_assert_true (g_str_has_prefix (defcn_tune_problem (damaged), beside));
  g_remove (beside);
  g_remove (inner);
  folder_remove (g_strdup (kept));
}

/* What is no file, is too large for one, or has a name too long for one is not
 * taken; the largest that is allowed is read. */
static void
test_limits (void)
{
  g_autofree char *model = folder_file (folder, "limits");
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);

  g_assert_cmpint (g_mkdir (path, 0755), ==, 0);
  g_autoptr (DefcnTune) directory = defcn_tune_open (model);
  g_assert_true (
      g_str_has_suffix (defcn_tune_problem (directory), "not a tuning file"));
  g_remove (path);

  for (int extra = 0; extra < 2; extra++) {
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
    g_assert_cmpint (truncate (path, (16 << 20) + extra), ==, 0);
    g_autoptr (DefcnTune) large = defcn_tune_open (model);
    g_assert_true (g_str_has_suffix (defcn_tune_problem (large),
        extra ? "not a tuning file" : "of this version"));
  }
  for (int extra = 0; extra < 2; extra++) {
    g_autofree char *name = g_strnfill (1024 + extra, 'x');
    g_autofree char *text = g_strdup_printf ("{\"defcn.tune\": 1, \"d\": "
                                             "{\"s\": {\"choice\": \"%s\", "
                                             "\"us\": 0}}}",
        name);

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    g_autoptr (DefcnTune) tune = defcn_tune_open (model);
    g_assert_true (!defcn_tune_problem (tune) == !extra);
    g_assert_cmpstr (defcn_tune_lookup (tune, "d", "s"), ==,
        extra ? NULL : name);
  }
}

static void
tune_and_save (gpointer model)
{
  g_autoptr (DefcnTune) tune = defcn_tune_open (model);

  for (int i = 0; i < 2; i++)
    measure (tune, "d", "s", rising, 4);
  g_assert_true (defcn_tune_save (tune));
}

/* Nothing is left of what was read, measured and written. */
static void
test_leaks (void)
{
  g_autofree char *model = folder_file (folder, "leaks");

  heap_assert_kept (tune_and_save, model);
}

#define GOOD                                                                   \
  "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"eng7\", \"us\": 1.5}}}"

/* Damage of every kind is named, gives nothing, and is replaced by what is
 * measured anew. */
static void
test_damage (void)
{
  static const char *const texts[] = { "", "x", "[]", "{}", "null",
    "{\"defcn.tune\": 2}", "{\"defcn.tune\": \"1\"}", "{\"d\": {}}",
    "{\"defcn.tune\": 1, \"d\": 5}", "{\"defcn.tune\": 1, \"d\": []}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": 5}}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"a\"}}}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": 5, \"us\": 1}}}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"\", \"us\": 1}}}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"a\", \"us\": -1}}}",
    "{\"defcn.tune\": 1, \"d\": {\"s\": {\"choice\": \"eng7\", \"us\": 1.5}}" };
  g_autofree char *model = folder_file (folder, "damage");
  g_autofree char *path = g_strconcat (model, ".tune.json", NULL);

  g_assert_true (g_file_set_contents (path, GOOD, -1, NULL));
  g_autoptr (DefcnTune) good = defcn_tune_open (model);
  g_assert_cmpstr (defcn_tune_lookup (good, "d", "s"), ==, "eng7");
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_assert_true (g_file_set_contents (path, texts[i], -1, NULL));
    g_autoptr (DefcnTune) tune = defcn_tune_open (model);

    g_assert_nonnull (defcn_tune_problem (tune));
    g_assert_nonnull (strstr (defcn_tune_problem (tune), path));
    g_assert_null (defcn_tune_lookup (tune, "d", "s"));
    measure (tune, "d", "s", falling, 3);
    g_assert_true (defcn_tune_save (tune));
    g_autoptr (DefcnTune) next = defcn_tune_open (model);
    g_assert_null (defcn_tune_problem (next));
    g_assert_cmpstr (defcn_tune_lookup (next, "d", "s"), ==, "eng2_k2=3");
  }
}

/* A good file cut short anywhere, or with a byte of another, is refused or
 * read, and never the end of the process. */
static void
test_mutations (void)
{
  g_autofree char *model = folder_file (folder, "mutations");
  static const char bytes[] = { 0, '"', '{', '}', ',', '[', '9', -1 };

  for (gsize at = 0; at < strlen (GOOD); at++) {
    for (gsize k = 0; k <= G_N_ELEMENTS (bytes); k++) {
      g_autofree char *text = g_strdup (GOOD);
      const gsize len = k < G_N_ELEMENTS (bytes) ? strlen (GOOD) : at;

      if (k < G_N_ELEMENTS (bytes))
        text[at] = bytes[k];
      g_free (folder_write (folder, "mutations.tune.json", text, len));
      g_autoptr (DefcnTune) tune = defcn_tune_open (model);
      const char *name = defcn_tune_lookup (tune, "d", "s");
      g_assert_true (!name || *name);
    }
  }
}

/* Where the model's folder cannot be written the user's cache is, and it is
 * read again; each model has its own there. */
static void
test_cache (void)
{
  g_autofree char *model = folder_file (folder, "absent/m.safetensors");
  g_autofree char *other = folder_file (folder, "absent/n.safetensors");

  g_autoptr (DefcnTune) tune = defcn_tune_open (model);
  measure (tune, "d", "s", falling, 4);
  g_assert_true (defcn_tune_save (tune));
  g_assert_null (defcn_tune_problem (tune));
  g_autoptr (DefcnTune) next = defcn_tune_open (model);
  g_assert_cmpstr (defcn_tune_lookup (next, "d", "s"), ==, "eng7");
  g_autoptr (DefcnTune) foreign = defcn_tune_open (other);
  g_assert_null (defcn_tune_lookup (foreign, "d", "s"));
  folder_remove (folder_file (cache, "defcn"));
}

/* Where nothing can be written, that is told, the choice holds for the process,
 * and it is not tried again before there is something new. */
static void
test_nowhere (void)
{
  g_autofree char *model = folder_file (folder, "absent/o.safetensors");
  g_autofree char *blocked = folder_write (cache, "defcn", "", 0);

  g_autoptr (DefcnTune) tune = defcn_tune_open (model);
  measure (tune, "d", "s", falling, 4);
  g_assert_false (defcn_tune_save (tune));
  g_assert_nonnull (strstr (defcn_tune_problem (tune), "can be written"));
  g_assert_cmpstr (defcn_tune_lookup (tune, "d", "s"), ==, "eng7");
  g_assert_true (defcn_tune_save (tune));
  g_remove (blocked);
}

int
main (int argc, char **argv)
{
  heap_init (argv);
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  cache = folder_new ();
  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  g_test_add_func ("/tune/choice", test_choice);
  g_test_add_func ("/tune/rounds", test_rounds);
  g_test_add_func ("/tune/round", test_round);
  g_test_add_func ("/tune/text", test_text);
  g_test_add_func ("/tune/least", test_least);
  g_test_add_func ("/tune/both", test_both);
  g_test_add_func ("/tune/limits", test_limits);
  g_test_add_func ("/tune/leaks", test_leaks);
  g_test_add_func ("/tune/damage", test_damage);
  g_test_add_func ("/tune/mutations", test_mutations);
  g_test_add_func ("/tune/cache", test_cache);
  g_test_add_func ("/tune/nowhere", test_nowhere);
  const int status = g_test_run ();
  folder_remove (folder);
  folder_remove (cache);
  return status;
}

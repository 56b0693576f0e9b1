/* What a run's folder tells, whatever state it is in. */
#include "report/history.h"

#include "folder.h"

#include <math.h>
#include <string.h>

static char *folder;

static DefcnHistory *
read_text (const char *text, gsize len)
{
  g_autofree char *run = folder_file (folder, "bare");
  g_autoptr (GError) error = NULL;

  g_mkdir (run, 0700);
  g_autofree char *recipe =
      folder_write (run, "recipe.ini", "[recipe]\nlr=1\n", 14);
  g_autofree char *metrics = folder_file (run, "metrics.jsonl");
  g_remove (metrics);
  DefcnHistory *h = defcn_history_open (run, NULL, &error);
  g_assert_no_error (error);
  defcn_history_read (h, text, len);
  return h;
}

static const DefcnUpdates *
updates_at (const DefcnHistory *h, guint i)
{
  return &g_array_index (h->updates, DefcnUpdates, i);
}

/* Notes that have @text. */
static int
count_notes (const DefcnHistory *h, const char *text)
{
  int n = 0;

  for (guint i = 0; i < h->notes->len; i++)
    n += strstr (h->notes->pdata[i], text) != NULL;
  return n;
}

#define U(i, loss) "{\"iteration\":" #i ",\"loss\":" #loss ",\"lr\":0.1}\n"
#define E(i, ap) "{\"iteration\":" #i ",\"ap\":" #ap ",\"ap50\":0.5}\n"

/* How many lines of each kind are left, and the loss and AP of the last. */
static void
test_lines (void)
{
  static const struct
  {
    const char *text;
    guint updates, evaluations;
    double loss, ap;
    const char *note; /* NULL: none but that there is no file and no model */
  } rows[] = {
    { "", 0, 0, NAN, NAN, NULL },
    { "\n\n", 0, 0, NAN, NAN, NULL },
    { U (10, 2) U (20, 1), 2, 0, 1, NAN, NULL },
    { U (10, 2) "\r\n" U (20, 1), 2, 0, 1, NAN, "1 line of metrics.jsonl" },
    { U (10, 2) E (10, 0.3) U (20, 1), 2, 1, 1, 0.3, NULL },
    /* A resumed run goes over what was there. */
    { U (10, 3) U (20, 2) U (10, 1), 1, 0, 1, NAN, "2 lines" },
    { U (10, 3) U (20, 2) E (20, 0.1) U (20, 1), 2, 0, 1, NAN, "1 line " },
    { E (10, 0.1) E (10, 0.2), 0, 1, NAN, 0.2, "1 line " },
    { U (10, 3) E (10, 0.1) U (20, 2) U (20, 1), 2, 1, 1, 0.1, "repeat" },
    /* Torn, damaged, foreign. */
    { U (10, 2) "{\"iteration\":20,\"lo", 1, 0, 2, NAN, "is line 2" },
    { U (10, 2) "{\"iteration\":20,\"lo" U (30, 1), 1, 0, 2, NAN, "line 2" },
    { "[1]\n7\nnull\n\"x\"\n" U (10, 2), 1, 0, 2, NAN, "4 lines" },
    { "{\"iteration\":-1,\"loss\":1}\n", 0, 0, NAN, NAN, "1 line " },
    { "{\"iteration\":\"a\",\"loss\":1}\n", 0, 0, NAN, NAN, "1 line " },
    { "{\"iteration\":1e999,\"loss\":1}\n", 0, 0, NAN, NAN, "1 line " },
    { "{\"iteration\":1e300,\"loss\":1}\n", 0, 0, NAN, NAN, "1 line " },
    { "{\"iteration\":5,\"other\":1}\n", 0, 0, NAN, NAN, NULL },
    /* What a diverged run writes. */
    { U (10, 2) U (20, null), 2, 0, NAN, NAN, "not finite in 1 of 2" },
    { U (10, 1e999), 1, 0, NAN, NAN, "not finite in 1 of 1" },
    { U (10, "x"), 1, 0, NAN, NAN, "not finite" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (DefcnHistory) h =
        read_text (rows[i].text, strlen (rows[i].text));
    const cJSON *last = defcn_history_last (h);

    g_assert_cmpuint (h->updates->len, ==, rows[i].updates);
    g_assert_cmpuint (h->evaluations->len, ==, rows[i].evaluations);
    const double loss = h->updates->len
        ? updates_at (h, h->updates->len - 1)->values[DEFCN_HISTORY_LOSS]
        : NAN;
    g_assert_true (isnan (rows[i].loss) ? isnan (loss) : loss == rows[i].loss);
    const double ap = defcn_history_number (last, "ap");
    g_assert_true (isnan (rows[i].ap) ? isnan (ap) : ap == rows[i].ap);
    if (rows[i].note && count_notes (h, rows[i].note) != 1)
      g_error ("row %zu has no note \"%s\"", i, rows[i].note);
    g_assert_cmpuint (h->notes->len, ==, 2 + (rows[i].note != NULL));
    for (guint k = 1; k < h->updates->len; k++)
      g_assert_cmpint (updates_at (h, k)->iteration, >,
          updates_at (h, k - 1)->iteration);
  }
}

/* Zeros in a file, as a crash leaves them, hide no line behind them. */
static void
test_zeros (void)
{
  static const char text[] = U (10, 2) "\0\0\0\n" U (20, 1);
  g_autoptr (DefcnHistory) h = read_text (text, sizeof text - 1);

  g_assert_cmpuint (h->updates->len, ==, 2);
  g_assert_cmpint (count_notes (h, "is line 2"), ==, 1);
}

/* Where a run was trained, from which iteration on. */
static void
test_machines (void)
{
  static const char text[] =
      "{\"iteration\":0,\"machine\":{\"cpu\":\"a\"}}\n" U (10,
          2) "{\"iteration\":10,\"machine\":{\"cpu\":\"b\"}}\n" U (20, 1);
  g_autoptr (DefcnHistory) h = read_text (text, sizeof text - 1);

  g_assert_cmpuint (h->updates->len, ==, 2);
  g_assert_cmpuint (h->machines->len, ==, 2);
  g_assert_cmpfloat (defcn_history_number (h->machines->pdata[1], "iteration"),
      ==, 10);
}

/* A folder with something of a run is one, and what is missing is told. */
static void
test_folders (void)
{
  static const struct
  {
    const char *metrics, *recipe, *model;
    const char *notes[4];
  } rows[] = {
    { "", NULL, NULL,
        { "no line of updates yet", "has no evaluation", "No model yet",
            "recipe is not known" } },
    { NULL, "[recipe]\nlr=0.1\n", NULL, { "No curves: ", "No model yet" } },
    { U (10, 2), "no key file", NULL,
        { "recipe.ini has no readable", "recipe is not known",
            "has no evaluation", "No model yet" } },
    { U (10, 2), "[other]\na=1\n", "not a model",
        { "The model cannot be read", "has no evaluation",
            "recipe.ini has no readable" } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *name = g_strdup_printf ("run-%zu", i);
    g_autofree char *run = folder_file (folder, name);
    g_autoptr (GError) error = NULL;

    g_mkdir (run, 0700);
    if (rows[i].metrics)
      g_free (folder_write (run, "metrics.jsonl", rows[i].metrics,
          strlen (rows[i].metrics)));
    if (rows[i].recipe)
      g_free (folder_write (run, "recipe.ini", rows[i].recipe,
          strlen (rows[i].recipe)));
    if (rows[i].model)
      g_free (folder_write (run, "model.safetensors", rows[i].model,
          strlen (rows[i].model)));
    g_autoptr (DefcnHistory) h = defcn_history_open (run, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (h->name, ==, name);
    g_assert_null (h->model);
    for (gsize k = 0; k < G_N_ELEMENTS (rows[i].notes); k++)
      if (rows[i].notes[k] && count_notes (h, rows[i].notes[k]) != 1)
        g_error ("row %zu has no note \"%s\"", i, rows[i].notes[k]);
  }
  g_autofree char *run = folder_file (folder, "run-1");
  g_autoptr (DefcnHistory) h = defcn_history_open (run, "mine", NULL);
  g_assert_cmpstr (h->name, ==, "mine");
  g_assert_cmpstr (defcn_history_recipe (h, "lr"), ==, "0.1");
  g_assert_null (defcn_history_recipe (h, "batch"));
}

/* What is no run is refused by its path. */
static void
test_none (void)
{
  g_autofree char *empty = folder_file (folder, "empty");
  g_autofree char *nowhere = folder_file (folder, "nowhere");
  g_autofree char *file = folder_write (folder, "a.txt", "x", 1);
  const char *const paths[] = { empty, nowhere, file };

  g_mkdir (empty, 0700);
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (defcn_history_open (paths[i], NULL, &error));
    g_assert_nonnull (strstr (error->message, paths[i]));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  folder = folder_new ();
  g_test_add_func ("/history/lines", test_lines);
  g_test_add_func ("/history/zeros", test_zeros);
  g_test_add_func ("/history/machines", test_machines);
  g_test_add_func ("/history/folders", test_folders);
  g_test_add_func ("/history/none", test_none);
  const int status = g_test_run ();
  folder_remove_all (folder);
  g_free (folder);
  return status;
}

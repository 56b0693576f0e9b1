/* What is right and wrong about boxes: cases drawn by hand. */
#include "report/verdict.h"

#include <string.h>

/* "label x y w h score" of boxes, "label x y w h crowd" of objects. */
typedef struct
{
  int label;
  float x, y, w, h, score;
} Row;

#define MOST 4

typedef struct
{
  const char *what;
  Row boxes[MOST], objects[MOST];
  int n_boxes, n_objects;
  const char *kinds; /* a letter for each verdict, in their order */
} Case;

static const char letters[DEFCN_N_VERDICTS] = { 'r', 't', 'o', 'n', 'i', 'm',
  'c' };

static const Case cases[] = {
  { "nothing", { { 0 } }, { { 0 } }, 0, 0, "" },
  { "a box on its object", { { 0, 0, 0, 10, 10, 0.9f } },
      { { 0, 0, 0, 10, 10 } }, 1, 1, "r" },
  { "half of it is enough", { { 0, 0, 0, 10, 10, 0.9f } },
      { { 0, 0, 0, 10, 20 } }, 1, 1, "r" },
  { "less is not", { { 0, 0, 0, 10, 10, 0.9f } }, { { 0, 0, 0, 10, 21 } }, 1, 1,
      "nm" },
  { "nothing is there", { { 0, 0, 0, 10, 10, 0.9f } }, { { 0 } }, 1, 0, "n" },
  { "nothing is found", { { 0 } }, { { 1, 0, 0, 10, 10 } }, 0, 1, "m" },
  { "the better one is right",
      { { 0, 0, 0, 10, 9, 0.9f }, { 0, 0, 0, 10, 10, 0.8f } },
      { { 0, 0, 0, 10, 10 } }, 2, 1, "rt" },
  { "each takes its own",
      { { 0, 0, 0, 10, 10, 0.9f }, { 0, 2, 0, 10, 10, 0.8f } },
      { { 0, 2, 0, 10, 10 }, { 0, 0, 0, 10, 10 } }, 2, 2, "rr" },
  { "another class", { { 1, 0, 0, 10, 10, 0.9f } }, { { 0, 0, 0, 10, 10 } }, 1,
      1, "o" },
  { "its own class comes first",
      { { 1, 0, 0, 10, 10, 0.9f }, { 0, 0, 0, 10, 10, 0.8f } },
      { { 0, 0, 0, 10, 10 } }, 2, 1, "nr" },
  { "on a crowd", { { 0, 0, 0, 10, 10, 0.9f } }, { { 0, 0, 0, 99, 99, 1 } }, 1,
      1, "ic" },
  { "on another's crowd", { { 1, 0, 0, 10, 10, 0.9f } },
      { { 0, 0, 0, 99, 99, 1 } }, 1, 1, "nc" },
  { "on a region of no class", { { 1, 0, 0, 10, 10, 0.9f } },
      { { -1, 0, 0, 99, 99 } }, 1, 1, "ic" },
  { "an object on a crowd",
      { { 0, 0, 0, 10, 10, 0.9f }, { 0, 0, 0, 10, 10, 0.8f } },
      { { 0, 0, 0, 99, 99, 1 }, { 0, 0, 0, 10, 10 } }, 2, 2, "ric" },
};

static GArray *
find (const Case *c)
{
  g_autoptr (GArray) boxes = g_array_new (FALSE, FALSE, sizeof (DefcnBox));
  g_autoptr (GArray) objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));

  for (int i = 0; i < c->n_boxes; i++) {
    const Row *r = &c->boxes[i];
    const DefcnBox b = { r->x, r->y, r->x + r->w, r->y + r->h, r->score,
      r->label };

    g_array_append_val (boxes, b);
  }
  for (int i = 0; i < c->n_objects; i++) {
    const Row *r = &c->objects[i];
    const DefcnObject o = { .label = r->label,
      .crowd = r->score > 0,
      .bbox = { r->x, r->y, r->w, r->h } };

    g_array_append_val (objects, o);
  }
  return defcn_verdict_find (boxes, objects);
}

/* Every case has the verdicts that it should have, and as many errors. */
static void
test_cases (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) verdicts = find (&cases[i]);
    g_autoptr (GString) kinds = g_string_new (NULL);
    guint errors = 0;

    for (guint k = 0; k < verdicts->len; k++) {
      const char letter =
          letters[g_array_index (verdicts, DefcnVerdict, k).kind];

      g_string_append_c (kinds, letter);
      errors += strchr ("tonm", letter) != NULL;
    }
    if (!g_str_equal (kinds->str, cases[i].kinds))
      g_error ("%s: \"%s\", not \"%s\"", cases[i].what, kinds->str,
          cases[i].kinds);
    g_assert_cmpuint (defcn_verdict_errors (verdicts), ==, errors);
  }
}

/* Where each verdict is counted, of three classes. */
static void
test_counts (void)
{
  static const struct
  {
    const char *what;
    int truth, found; /* 3: nothing; -1: nowhere */
  } rows[] = {
    { "a box on its object", 0, 0 },
    { "nothing is there", 3, 0 },
    { "nothing is found", 1, 3 },
    { "another class", 0, 1 },
    { "on a crowd", -1, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint counts[16] = { 0 }, sum = 0;

    for (gsize k = 0; k < G_N_ELEMENTS (cases); k++) {
      if (!g_str_equal (cases[k].what, rows[i].what))
        continue;
      g_autoptr (GArray) verdicts = find (&cases[k]);
      defcn_verdict_count (counts, 3, verdicts);
    }
    for (int k = 0; k < 16; k++)
      sum += counts[k];
    g_assert_cmpuint (sum, ==, rows[i].truth >= 0);
    if (sum)
      g_assert_cmpuint (counts[rows[i].truth * 4 + rows[i].found], ==, 1);
  }
}

/* A twin is a box where nothing else is to be found. */
static void
test_twin (void)
{
  guint counts[4] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    if (g_str_equal (cases[i].what, "the better one is right")) {
      g_autoptr (GArray) verdicts = find (&cases[i]);

      defcn_verdict_count (counts, 1, verdicts);
    }
  g_assert_cmpuint (counts[0], ==, 1); /* is and was found */
  g_assert_cmpuint (counts[1], ==, 0);
  g_assert_cmpuint (counts[2], ==, 1); /* found where nothing is */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/verdict/cases", test_cases);
  g_test_add_func ("/verdict/counts", test_counts);
  g_test_add_func ("/verdict/twin", test_twin);
  return g_test_run ();
}

/* Lists in one string: what separates items, and what is part of one. */
#include "data/list.h"

#include <string.h>

/* The items, and the string that is made of them again, which is the same but
 * for needless backslashes. */
static void
test_both_ways (void)
{
  static const struct
  {
    const char *text, *items[4], *again;
  } cases[] = {
    { "", { "" } },
    { "a", { "a" } },
    { "a;b", { "a", "b" } },
    { ";", { "", "" } },
    { "a;;b", { "a", "", "b" } },
    { "a\\;b;c", { "a;b", "c" } },
    { "a\\\\;b", { "a\\", "b" } },
    { "a\\\\\\;b", { "a\\;b" } },
    { "a\\b\\", { "a\\b\\" }, "a\\b\\\\" },
    { "a\\\\\\\\b", { "a\\\\b" }, "a\\\\\\b" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) items = defcn_list_split (cases[i].text);
    g_autofree char *again = defcn_list_join ((const char *const *) items);
    g_auto (GStrv) twice = defcn_list_split (again);

    g_assert_true (g_strv_equal ((const char *const *) items,
        (const char *const *) cases[i].items));
    g_assert_cmpstr (again, ==,
        cases[i].again ? cases[i].again : cases[i].text);
    g_assert_true (g_strv_equal ((const char *const *) items,
        (const char *const *) twice));
  }
}

/* A comma separates on a command line, a semicolon does not. */
static void
test_commas (void)
{
  static const char *const cases[][2] = { { "a,b", "a;b" },
    { "a\\,b,c", "a,b;c" }, { "a;b,c", "a\\;b;c" }, { "", "" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *list = defcn_list_from_commas (cases[i][0]);

    g_assert_cmpstr (list, ==, cases[i][1]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/list/both-ways", test_both_ways);
  g_test_add_func ("/list/commas", test_commas);
  return g_test_run ();
}

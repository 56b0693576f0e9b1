/* Linear sum assignment: optimal, complete, and ties as scipy breaks them. */
#include "hungarian.h"

#include <math.h>
#include <string.h>

#define MAX_SIDE 7

/* Best total over all ways to give the rows from @row on distinct columns, by
 * trying them all; @spare rows may still be left out. */
static double
best_total (const double *cost, int rows, int cols, int row, guint used,
    int spare, double sign)
{
  double best = INFINITY;

  if (row == rows)
    return 0;
  if (spare > 0)
    best = best_total (cost, rows, cols, row + 1, used, spare - 1, sign);
  for (int j = 0; j < cols; j++) {
    if (used & (1u << j))
      continue;
    best = MIN (best,
        sign * cost[row * cols + j]
            + best_total (cost, rows, cols, row + 1, used | 1u << j, spare,
                sign));
  }
  return best;
}

/* Total of a solution; checks that it is one. */
static double
checked_total (const int *col_of_row, const double *cost, int rows, int cols)
{
  gboolean used[64] = { FALSE };
  double total = 0;
  int matched = 0;

  for (int i = 0; i < rows; i++) {
    const int j = col_of_row[i];

    g_assert_cmpint (j, >=, -1);
    g_assert_cmpint (j, <, cols);
    if (j < 0)
      continue;
    g_assert_false (used[j]);
    used[j] = TRUE;
    total += cost[i * cols + j];
    matched++;
  }
  g_assert_cmpint (matched, ==, MIN (rows, cols));
  return total;
}

/* Every shape up to 6 x 7, real and tie-rich costs, both senses: the total is
 * the best of all assignments. */
static void
test_optimal (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (int rows = 1; rows <= 6; rows++) {
    for (int cols = 1; cols <= MAX_SIDE; cols++) {
      for (int kind = 0; kind < 4; kind++) {
        const gboolean maximize = kind & 1, ties = kind & 2;
        double cost[6 * MAX_SIDE];
        int col_of_row[6];

        for (int k = 0; k < rows * cols; k++)
          cost[k] = ties ? g_rand_int_range (rand, -2, 3)
                         : g_rand_double_range (rand, -1, 1);
        g_assert_true (
            defcn_hungarian_solve (col_of_row, cost, rows, cols, maximize));
        const double sign = maximize ? -1 : 1;
        const double total = checked_total (col_of_row, cost, rows, cols);
        const double want = sign
            * best_total (cost, rows, cols, 0, 0, MAX (rows - cols, 0), sign);
        g_assert_cmpfloat_with_epsilon (total, want, 1e-9);
      }
    }
  }
}

/* Ties go as scipy's linear_sum_assignment breaks them (its answers). */
static void
test_ties (void)
{
  static const struct
  {
    int rows, cols;
    gboolean maximize;
    double cost[20];
    int want[5];
  } cases[] = {
    /* an object without a candidate takes the lowest free location */
    { 3, 5, TRUE,
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { 0, 1, 2 } },
    { 2, 4, TRUE, { .5, .5, .5, .5, .5, .5, .5, .5 }, { 0, 1 } },
    { 2, 4, FALSE, { 0, 0, 0, 0, 0, 0, 0, 0 }, { 0, 1 } },
    { 2, 4, TRUE, { .9, -1, -1, -1, -1, -1, -1, -1 }, { 0, 1 } },
    { 2, 4, TRUE, { -1, -1, -1, -1, .9, -1, -1, -1 }, { 1, 0 } },
    /* transposed: the columns are the ones that choose */
    { 4, 2, TRUE, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 0, 1, -1, -1 } },
    { 1, 1, TRUE, { -1 }, { 0 } },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++) {
    int col_of_row[5];

    g_assert_true (defcn_hungarian_solve (col_of_row, cases[c].cost,
        cases[c].rows, cases[c].cols, cases[c].maximize));
    for (int i = 0; i < cases[c].rows; i++)
      g_assert_cmpint (col_of_row[i], ==, cases[c].want[i]);
  }
}

/* No rows, no columns: nothing, or every row alone. */
static void
test_empty (void)
{
  int col_of_row[3] = { 7, 7, 7 };
  const double none = 0;

  g_assert_true (defcn_hungarian_solve (col_of_row, &none, 0, 5, TRUE));
  g_assert_cmpint (col_of_row[0], ==, 7);
  g_assert_true (defcn_hungarian_solve (col_of_row, &none, 3, 0, TRUE));
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (col_of_row[i], ==, -1);
}

/* A cost that is not finite is refused wherever it stands, and nothing is
 * written. */
static void
test_not_finite (void)
{
  static const double bad[] = { NAN, INFINITY, -INFINITY };

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++) {
    for (int k = 0; k < 6; k++) {
      double cost[6] = { 0, 1, 2, 3, 4, 5 };
      int col_of_row[3] = { 7, 7, 7 };

      cost[k] = bad[b];
      g_assert_false (defcn_hungarian_solve (col_of_row, cost, 2, 3, TRUE));
      g_assert_false (defcn_hungarian_solve (col_of_row, cost, 3, 2, FALSE));
      g_assert_cmpint (col_of_row[0], ==, 7);
    }
  }
}

/* A permutation hidden in a large matrix comes out whole. */
static void
test_hidden (void)
{
  enum
  {
    ROWS = 60,
    COLS = 3000
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autofree double *cost = g_new (double, ROWS *COLS);
  int col_of_row[ROWS];

  for (int k = 0; k < ROWS * COLS; k++)
    cost[k] = g_rand_double_range (rand, -1, 0.4);
  for (int i = 0; i < ROWS; i++)
    cost[i * COLS + (i * 37 + 11) % COLS] = g_rand_double_range (rand, 0.5, 1);
  g_assert_true (defcn_hungarian_solve (col_of_row, cost, ROWS, COLS, TRUE));
  for (int i = 0; i < ROWS; i++)
    g_assert_cmpint (col_of_row[i], ==, (i * 37 + 11) % COLS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hungarian/optimal", test_optimal);
  g_test_add_func ("/hungarian/ties", test_ties);
  g_test_add_func ("/hungarian/empty", test_empty);
  g_test_add_func ("/hungarian/not-finite", test_not_finite);
  g_test_add_func ("/hungarian/hidden", test_hidden);
  return g_test_run ();
}

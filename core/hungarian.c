/* Linear sum assignment by shortest augmenting paths. */
#include "hungarian.h"

#include <math.h>

/* The state of one problem with rows <= cols; what is minimised is sign *
 * cost.  Column lists and scan order decide ties. */
typedef struct
{
  const double *cost; /* (rows, cols) */
  double sign;
  int rows, cols;
  double *u, *v;    /* duals of rows and columns */
  double *distance; /* of a column from the current row */
  int *path;        /* row before a column on its shortest path */
  int *col_of_row;  /* -1: free */
  int *row_of_col;  /* -1: free */
  int *remaining;   /* columns that the search has not taken, n_remaining */
  int n_remaining;
  int *taken, n_taken; /* columns in the order the search took them */
} Problem;

/* Shortest path from row @start to a free column, which is returned; its
 * length is *@length. */
static int
search (Problem *p, int start, double *length)
{
  double reached = 0;
  int i = start;

  p->n_remaining = p->cols;
  p->n_taken = 0;
  for (int k = 0; k < p->cols; k++) {
    p->remaining[k] = p->cols - 1 - k;
    p->distance[k] = INFINITY;
  }

  while (TRUE) {
    const double *row = p->cost + (gsize) i * p->cols;
    double lowest = INFINITY;
    int best = 0;

    for (int k = 0; k < p->n_remaining; k++) {
      const int j = p->remaining[k];
      const double r = reached + p->sign * row[j] - p->u[i] - p->v[j];

      if (r < p->distance[j]) {
        p->path[j] = i;
        p->distance[j] = r;
      }
      if (p->distance[j] < lowest
          || (p->distance[j] == lowest && p->row_of_col[j] < 0)) {
        lowest = p->distance[j];
        best = k;
      }
    }

    const int j = p->remaining[best];
    reached = lowest;
    p->remaining[best] = p->remaining[--p->n_remaining];
    p->taken[p->n_taken++] = j;
    if (p->row_of_col[j] < 0) {
      *length = reached;
      return j;
    }
    i = p->row_of_col[j];
  }
}

/* All that the search took but the last, the sink, leads on to a row. */
static void
update_duals (Problem *p, int start, double length)
{
  p->u[start] += length;
  for (int k = 0; k < p->n_taken; k++) {
    const int j = p->taken[k];
    const double slack = length - p->distance[j];

    if (p->row_of_col[j] >= 0)
      p->u[p->row_of_col[j]] += slack;
    p->v[j] -= slack;
  }
}

static void
augment (Problem *p, int start, int sink)
{
  int i, j = sink;

  do {
    const int row = p->path[j], next = p->col_of_row[row];

    p->row_of_col[j] = row;
    p->col_of_row[row] = j;
    i = row;
    j = next;
  } while (i != start);
}

/* @col_of_row, @row_of_col: results. */
static void
solve (int *col_of_row, int *row_of_col, const double *cost, int rows, int cols,
    double sign)
{
  g_autofree double *reals = g_new0 (double, rows + 2 * (gsize) cols);
  g_autofree int *ints = g_new (int, 3 * (gsize) cols);
  Problem p = { .cost = cost,
    .sign = sign,
    .rows = rows,
    .cols = cols,
    .u = reals,
    .v = reals + rows,
    .distance = reals + rows + cols,
    .path = ints,
    .col_of_row = col_of_row,
    .row_of_col = row_of_col,
    .remaining = ints + cols,
    .taken = ints + 2 * (gsize) cols };

  for (int i = 0; i < rows; i++)
    col_of_row[i] = -1;
  for (int j = 0; j < cols; j++)
    row_of_col[j] = -1;
  for (int i = 0; i < rows; i++) {
    double length;
    const int sink = search (&p, i, &length);

    update_duals (&p, i, length);
    augment (&p, i, sink);
  }
}

static double *
transposed (const double *cost, int rows, int cols)
{
  double *out = g_new (double, (gsize) rows *cols);

  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++)
      out[(gsize) j * rows + i] = cost[(gsize) i * cols + j];
  return out;
}

gboolean
defcn_hungarian_solve (int *col_of_row, const double *cost, int rows, int cols,
    gboolean maximize)
{
  const gsize len = (gsize) rows * cols;
  const double sign = maximize ? -1 : 1;

  for (gsize i = 0; i < len; i++)
    if (!isfinite (cost[i]))
      return FALSE;

  if (rows <= cols) {
    g_autofree int *row_of_col = g_new (int, cols);

    solve (col_of_row, row_of_col, cost, rows, cols, sign);
  } else {
    g_autofree double *swapped = transposed (cost, rows, cols);
    g_autofree int *row_of_col = g_new (int, cols);

    solve (row_of_col, col_of_row, swapped, cols, rows, sign);
  }
  return TRUE;
}

/* The best of a level, and mean plus deviation. */
#include "candidates.h"

#include <math.h>

int
defcn_candidates_best (int *best, int k, const float *value, int first, int end)
{
  int n = 0;

  for (int j = first; j < end; j++) {
    int place = n;

    if (n == k && (n == 0 || value[j] <= value[best[k - 1]]))
      continue;
    while (place > 0 && value[j] > value[best[place - 1]])
      place--;
    n = MIN (n + 1, k);
    for (int m = n - 1; m > place; m--)
      best[m] = best[m - 1];
    best[place] = j;
  }
  return n;
}

void
defcn_candidates_claim (int *winners, float *won, int j, int i, float value)
{
  if (winners[j] >= 0 && value <= won[j])
    return;
  winners[j] = i;
  won[j] = value;
}

double
defcn_candidates_threshold (const float *value, int n)
{
  double sum = 0, squares = 0;

  for (int k = 0; k < n; k++)
    sum += value[k];
  const double mean = n ? sum / n : 0;
  for (int k = 0; k < n; k++) {
    const double d = value[k] - mean;

    squares += d * d;
  }
  return mean + (n > 1 ? sqrt (squares / (n - 1)) : 0);
}

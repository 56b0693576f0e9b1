/* The axis of a chart. */
#include "scale.h"

#include <math.h>

#define LARGEST 1e300 /* what a difference of does not overflow */
#define RELATIVE 1e-9 /* values that differ by less of them are one */

/* The smallest of 1, 2, 5 times a power of ten that is not below @wanted. */
static double
round_step (double wanted)
{
  static const double steps[] = { 1, 2, 5, 10 };
  const double power = pow (10, floor (log10 (wanted)));

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    if (wanted <= steps[i] * power * (1 + RELATIVE))
      return steps[i] * power;
  return 10 * power;
}

DefcnScale
defcn_scale_fit (double low, double high, int most)
{
  DefcnScale scale;

  if (!(isfinite (low) && isfinite (high)) || low > high) {
    low = 0;
    high = 1;
  }
  low = CLAMP (low, -LARGEST, LARGEST);
  high = CLAMP (high, -LARGEST, LARGEST);
  const double largest = MAX (fabs (low), fabs (high));
  if (largest < 1 / LARGEST) {
    low = 0;
    high = 1;
  } else if (high - low < largest * RELATIVE) {
    low -= largest / 2;
    high += largest / 2;
  }
  /* The ends are rounded outwards, by less than a step each. */
  for (int n = MAX (most, 2); n > 0; n--) {
    scale.step = round_step ((high - low) / n);
    scale.low = floor (low / scale.step + RELATIVE) * scale.step;
    scale.high = ceil (high / scale.step - RELATIVE) * scale.step;
    scale.n = (int) round ((scale.high - scale.low) / scale.step) + 1;
    if (scale.n <= MAX (most, 2) + 1)
      break;
  }
  return scale;
}

double
defcn_scale_tick (const DefcnScale *scale, int i)
{
  const double first = round (scale->low / scale->step);

  return (first + i) * scale->step;
}

double
defcn_scale_part (const DefcnScale *scale, double value)
{
  return (value - scale->low) / (scale->high - scale->low);
}

char *
defcn_scale_label (const DefcnScale *scale, int i)
{
  const double value = defcn_scale_tick (scale, i);
  const double largest = MAX (fabs (scale->low), fabs (scale->high));
  const int decimals = (int) ceil (-log10 (scale->step) - RELATIVE);

  if (largest >= 1e7 || decimals > 4)
    return g_strdup_printf ("%.*g",
        (int) CLAMP (ceil (log10 (largest / scale->step)) + 1, 1, 15), value);
  return g_strdup_printf ("%.*f", MAX (decimals, 0), value);
}

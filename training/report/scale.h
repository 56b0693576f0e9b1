/* The axis of a chart: from where to where, and the round numbers on it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  double low, high, step; /* both ends are multiples of the step */
  int n;                  /* ticks, the ends too; at least 2 */
} DefcnScale;

/* The axis for values of @low .. @high with @most steps at most (at least 2),
 * each 1, 2 or 5 times a power of ten.  Of one value: an axis around it; where
 * one is not finite, or @low over @high: 0 .. 1. */
DefcnScale defcn_scale_fit (double low, double high, int most);

/* Tick @i, 0 .. n - 1; exactly 0 where that is one. */
double defcn_scale_tick (const DefcnScale *scale, int i);
/* Where @value lies: 0 at low, 1 at high; not clipped. */
double defcn_scale_part (const DefcnScale *scale, double value);
/* Tick @i as text, with as many digits as tell it from its neighbours;
 * (transfer full). */
char *defcn_scale_label (const DefcnScale *scale, int i);

G_END_DECLS
